"""Facter's `virtual`, `is_virtual`, `hypervisors` and `cloud` facts as JSON: usable as an external fact."""

from __future__ import annotations

import json
from typing import Any

from envinspect.inspection import Inspection
from envinspect.model import Kind, Layer, Stack
from envinspect.render import Rendered, answered
from envinspect.render.terminal import Palette
from envinspect.signatures.catalogue import lineage

# The words of lib/facter/facts/linux/virtual.rb and its resolvers.
_WORDS = {
    "docker": "docker", "podman": "podman", "cri-o": "crio", "lxc": "lxc", "systemd-nspawn": "systemd_nspawn",
    "illumos-lx": "illumos-lx", "openvz": "openvzve", "linux-vserver": "vserver", "container": "container_other",
    "kvm": "kvm", "vmware": "vmware", "virtualbox": "virtualbox", "parallels": "parallels", "hyper-v": "hyperv",
    "bochs": "bochs", "bhyve": "bhyve", "openbsd-vmm": "vmm", "zvm": "zlinux", "lpar": "zlinux",
}  # fmt: skip
_XEN_MODES = {"hvm": "xenhvm", "pv": "xenu", "pvh": "xenu"}
_PLATFORMS = {"ovirt": "ovirt", "rhv": "rhev"}
_HOSTS = {"xen-dom0": "xen0", "openvz-host": "openvzhn"}
_CLOUDS = {"aws": "aws", "azure": "azure", "gcp": "gce"}


def render(answer: Inspection, palette: Palette) -> Rendered:  # noqa: ARG001 - JSON has no colours
    """Return one JSON object; `cloud` is left out outside the three clouds that Facter knows."""
    return Rendered(json.dumps(facts_of(answer.stack), indent=1) + "\n", answered(answer))


def facts_of(stack: Stack) -> dict[str, Any]:
    """Return the facts; the innermost layer names `virtual`, as Facter looks for containers first."""
    words = [
        _word(layer, stack) for layer in reversed(stack.layers) if layer.kind in {Kind.VM, Kind.WSL, Kind.CONTAINER}
    ]
    hosts = [_HOSTS[role.id] for role in stack.roles if role.id in _HOSTS]
    facts: dict[str, Any] = {
        "virtual": words[0] if words else next(iter(hosts), "physical"),
        "is_virtual": bool(words),
        "hypervisors": {word: {} for word in (*words, *hosts)},
    }
    if stack.cloud is not None and stack.cloud.id in _CLOUDS:
        facts["cloud"] = {"provider": _CLOUDS[stack.cloud.id]}
    return facts


def _word(layer: Layer, stack: Stack) -> str:
    if layer.id == "xen":
        return _XEN_MODES.get(layer.detail("mode"), "xenu")
    if layer.kind is Kind.VM and stack.cloud is not None and stack.cloud.id == "gcp":
        return "gce"
    platform = _PLATFORMS.get(layer.detail("platform"))
    if platform is not None:
        return platform
    return next((_WORDS[name] for name in lineage(layer.kind, layer.id) if name in _WORDS), layer.id)
