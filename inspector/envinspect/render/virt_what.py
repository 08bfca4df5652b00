"""What `virt-what` would print, had it judged right: one fact a line, in the order of its man page's families."""

from __future__ import annotations

from envinspect.inspection import Inspection
from envinspect.model import Kind, Layer, Stack
from envinspect.render import Rendered
from envinspect.render.terminal import Palette
from envinspect.signatures.catalogue import entry_of

_CLOUDS = {"aws": "aws", "gcp": "google_cloud", "alibaba": "alibaba_cloud"}
_PLATFORMS = {"nutanix-ahv": "nutanix_ahv", "ovirt": "ovirt", "rhv": "rhev"}
_XEN_MODES = {"hvm": "xen-hvm", "pv": "xen-domU", "pvh": "xen-domU"}
_ROLES = {"xen-dom0": ("xen", "xen-dom0"), "openvz-host": ()}


def render(answer: Inspection, palette: Palette) -> Rendered:  # noqa: ARG001 - this output is for scripts
    """Return the facts; nothing on bare metal. It exits with 0 either way."""
    return Rendered("".join(f"{fact}\n" for fact in facts_of(answer.stack)), 0)


def facts_of(stack: Stack) -> tuple[str, ...]:
    """Return virt-what's facts for a stack, each once."""
    facts: list[str] = []
    if stack.cloud is not None and stack.cloud.id in _CLOUDS:
        # Whole machines of Alibaba's cloud have a fact of their own.
        whole = stack.cloud.id == "alibaba" and stack.bare_metal
        facts.append(_CLOUDS[stack.cloud.id] + ("-ebm" if whole else ""))
    for role in stack.roles:
        facts += _ROLES.get(role.id, ())
    for layer in stack.layers:
        facts += _of_layer(layer)
    return tuple(dict.fromkeys(facts))


def _of_layer(layer: Layer) -> list[str]:
    platform = _PLATFORMS.get(layer.detail("platform"))
    entry = entry_of(layer.kind, layer.id)
    word = entry.virt_what if entry is not None else ""
    if layer.kind is Kind.VM and layer.id == "qemu" and layer.detail("accelerator") == "kvm":
        word = "kvm"
    facts = [platform] if platform else []
    facts += word.split()
    if layer.id == "xen":
        mode = _XEN_MODES.get(layer.detail("mode"))
        facts += [mode] if mode else []
    return facts
