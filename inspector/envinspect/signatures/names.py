"""The names that --is and --why-not take: kinds, ids of the catalogue, and what a layer's details say."""

from __future__ import annotations

from envinspect.model import Kind, Mark, Stack
from envinspect.model.errors import UsageError
from envinspect.signatures.catalogue import ENTRIES, GENERIC_IDS, lineage

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
    if holds(stack, name):
        return False
    kinds = {entry.kind for entry in ENTRIES if entry.id == name}
    kinds |= {table[name] for table in (_LAYERS, _MARKS) if name in table}
    if name in PLATFORMS:
        kinds.add(Kind.VM)
    return bool(kinds & set(stack.undecided)) or any(_would_name(stack, kind, name) for kind in kinds)


def _would_name(stack: Stack, kind: Kind, name: str) -> bool:
    """Say whether something that could not be read might have told this very name.

    Of a layer that was found it could tell a name that makes the known one more precise (firecracker for kvm) or what
    its details say; of clouds and the like there is room for one more.
    """
    if kind in {Kind.CLOUD, Kind.ENGINE} and any(mark and mark.kind is kind for mark in (stack.cloud, stack.engine)):
        return False
    if kind in _LAYERS.values() and name not in PLATFORMS:
        general = GENERIC_IDS.union(lineage(kind, name)[1:])
        if not any(layer.kind is kind and layer.id in general for layer in stack.layers):
            return False
    return any(
        kind in item.names and (not item.ids or any(name in (*lineage(kind, told), kind.word) for told in item.ids))
        for item in stack.unknown
    )


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
