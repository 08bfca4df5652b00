"""What `systemd-detect-virt` would print, had it judged right: the innermost technology it has a name for."""

from __future__ import annotations

from envinspect.inspection import Inspection
from envinspect.model import Kind, Layer, Stack
from envinspect.render import Rendered
from envinspect.render.terminal import Palette
from envinspect.signatures.catalogue import entry_of, lineage

NONE = "none"
NOTHING_FOUND = 1
"""Its exit code where it detects nothing."""

_OF_CLOUD = {"aws": "amazon", "gcp": "google"}
"""KVM guests of these clouds have names of their own."""


def render(answer: Inspection, palette: Palette) -> Rendered:  # noqa: ARG001 - this output is for scripts
    """Return the one word; exit code 1 with `none`."""
    word = word_of(answer.stack)
    return Rendered(f"{word}\n", 0 if word != NONE else NOTHING_FOUND)


def word_of(stack: Stack) -> str:
    """Return systemd's word for a stack."""
    for layer in reversed(stack.layers):
        word = _word(layer, stack)
        if word:
            return word
    return NONE


def _word(layer: Layer, stack: Stack) -> str:
    if layer.kind is Kind.VM and stack.cloud is not None and "kvm" in lineage(layer.kind, layer.id):
        cloud = _OF_CLOUD.get(stack.cloud.id)
        if cloud is not None:
            return cloud
    if layer.id == "qemu" and layer.detail("accelerator") == "kvm":
        return "kvm"
    entry = entry_of(layer.kind, layer.id)
    return entry.systemd if entry is not None else ""
