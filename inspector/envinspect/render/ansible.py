"""Ansible's `virtualization_*` facts as JSON: usable as a local fact (an executable in /etc/ansible/facts.d)."""

from __future__ import annotations

import json

from envinspect.inspection import Inspection
from envinspect.model import Kind, Layer, Stack
from envinspect.render import Rendered, answered
from envinspect.render.terminal import Palette
from envinspect.signatures.catalogue import lineage

# The words of lib/ansible/module_utils/facts/virtual/linux.py; "VirtualPC" is its word for Hyper-V too.
_GUESTS = {
    "docker": "docker", "podman": "podman", "containerd": "containerd", "lxc": "lxc",
    "systemd-nspawn": "systemd-nspawn", "openvz": "openvz",
    "linux-vserver": "linux_vserver", "container": "container", "kvm": "kvm", "xen": "xen",
    "hyper-v": "VirtualPC", "virtualpc": "VirtualPC", "vmware": "VMware", "virtualbox": "virtualbox",
    "parallels": "parallels", "uml": "uml", "zvm": "ibm_systemz", "lpar": "PR/SM", "lx86": "powervm_lx86",
    "bhyve": "bhyve", "wsl1": "wsl", "wsl2": "wsl",
}  # fmt: skip
_PLATFORMS = {"openstack": "openstack", "kubevirt": "KubeVirt", "ovirt": "oVirt", "rhv": "RHV"}
_HOSTS = {"kvm-host": "kvm", "xen-dom0": "xen", "openvz-host": "openvz", "hyper-v-root": "VirtualPC", "lxd-host": "lxc"}
NOT_AVAILABLE = "NA"


def render(answer: Inspection, palette: Palette) -> Rendered:  # noqa: ARG001 - JSON has no colours
    """Return one JSON object."""
    return Rendered(json.dumps(facts_of(answer.stack), indent=1) + "\n", answered(answer))


def facts_of(stack: Stack) -> dict[str, str | list[str]]:
    """Return the four facts; the innermost guest technology names the type, as Ansible's first match does."""
    guests = [word for layer in reversed(stack.layers) for word in _words(layer)]
    hosts = [_HOSTS[role.id] for role in stack.roles if role.id in _HOSTS]
    kind, role = NOT_AVAILABLE, NOT_AVAILABLE
    if guests:
        kind, role = guests[0], "guest"
    elif hosts:
        kind, role = hosts[0], "host"
    return {
        "virtualization_type": kind,
        "virtualization_role": role,
        "virtualization_tech_guest": sorted(set(guests)),
        "virtualization_tech_host": sorted(set(hosts)),
    }


def _words(layer: Layer) -> list[str]:
    words = [_PLATFORMS[layer.detail("platform")]] if layer.detail("platform") in _PLATFORMS else []
    known = next((_GUESTS[name] for name in lineage(layer.kind, layer.id) if name in _GUESTS), None)
    if known is None and layer.kind in {Kind.VM, Kind.CONTAINER}:
        known = layer.id
    return words + ([known] if known is not None else [])
