"""The names that --is and --why-not take: kinds, ids of the catalogue, and what a layer's details say."""

from __future__ import annotations

from envinspect.errors import UsageError
from envinspect.model import Kind, Mark, Stack
from envinspect.signatures.catalogue import ENTRIES, lineage

_LAYERS = {kind.word: kind for kind in (Kind.VM, Kind.WSL, Kind.CONTAINER, Kind.SANDBOX, Kind.EMULATION, Kind.CHROOT)}
_MARKS = {"role": Kind.ROLE, "cloud": Kind.CLOUD, "orchestrator": Kind.ORCHESTRATOR, "engine": Kind.ENGINE}
BARE_METAL = "bare-metal"
PLATFORMS = (
    "openstack", "kubevirt", "ovirt", "rhv", "nutanix-ahv", "proxmox", "lxd-vm", "vagrant",
    "sev", "sev-es", "sev-snp", "tdx", "protvirt", "cca", "azure-hcl",
)  # fmt: skip
"""Values of `details.platform` and `details.confidential`."""


def known(name: str) -> str:
    """Return a name as it was given. Raises UsageError with the nearest names where none is called so."""
    names = {BARE_METAL, *_LAYERS, *_MARKS, *PLATFORMS, *(entry.id for entry in ENTRIES)}
    if name in names:
        return name
    from difflib import get_close_matches  # noqa: PLC0415 - only a typing mistake pays for it

    near = get_close_matches(name.lower(), sorted(names), n=3, cutoff=0.5)
    remedy = " or ".join(near) if near else "`envinspect list`, which prints all names"
    raise UsageError(f"{name!r} is no name of an environment", remedy=remedy)


def open_question(stack: Stack, name: str) -> bool:
    """Say whether a name does not hold, but too little could be read to say no."""
    if not stack.determined:
        return True
    kinds = {entry.kind for entry in ENTRIES if entry.id == name} | {_LAYERS[name] for _ in (name,) if name in _LAYERS}
    return bool(kinds & set(stack.undecided)) and not holds(stack, name)


def holds(stack: Stack, name: str) -> bool:
    """Say whether the stack is, or has, what a known name means; a general one (kvm) holds for all that refine it."""
    if name == BARE_METAL:
        return stack.bare_metal
    marks = [mark for mark in (*stack.roles, stack.cloud, *stack.orchestrators, stack.engine) if mark is not None]
    return (
        any(layer.kind is _LAYERS.get(name) or name in lineage(layer.kind, layer.id) for layer in stack.layers)
        or any(name in dict(layer.details).values() for layer in stack.layers)
        or any(_is_mark(mark, name) for mark in marks)
    )


def _is_mark(mark: Mark, name: str) -> bool:
    return mark.kind is _MARKS.get(name) or name in lineage(mark.kind, mark.id)
