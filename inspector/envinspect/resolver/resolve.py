"""Turns evidence into the stack: pure, and blind to the order in which the evidence came.

Nothing disappears: each piece ends up supporting a layer or mark, or is listed as overruled with the rule that
overruled it.
Hints alone decide nothing; a general id (`kvm`) is absorbed by the one that refines it (`firecracker`).
"""

from __future__ import annotations

from envinspect.model import Evidence, Kind, Layer, Mark, Overruled, Stack, Strength, Unknown
from envinspect.resolver.overrules import Rule, View
from envinspect.resolver.overrules.inner import INNER_RULES
from envinspect.resolver.overrules.machines import MACHINE_RULES
from envinspect.signatures.catalogue import ENTRIES, GENERIC_IDS, entry_of, lineage, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OVERRULES: tuple[Rule, ...] = (*INNER_RULES, *MACHINE_RULES)
"""In the order in which they are applied."""

_LAYER_KINDS = (Kind.VM, Kind.WSL, Kind.CONTAINER, Kind.SANDBOX, Kind.EMULATION, Kind.CHROOT)

HINTS_ALONE = "hints-alone"
HINTS_BECAUSE = "Only a hint: other systems show the same, and nothing stronger speaks for it."
STRONGER = "stronger-evidence"


def resolve(evidence: Iterable[Evidence], unknown: Iterable[Unknown], *, enough_was_read: bool) -> Stack:
    """Return the stack.

    `enough_was_read` says whether enough was read to call a machine without any VM evidence bare metal.
    """
    pieces = tuple(sorted(set(evidence), key=_order))
    overruled: list[Overruled] = []
    believed = _overrule(pieces, overruled)
    layers: list[Layer] = []
    for kind in _LAYER_KINDS:
        layers.extend(_layers(kind, [piece for piece in believed if piece.kind is kind], overruled))
    layers = _with_implied(layers)
    roles = _roles([piece for piece in believed if piece.kind is Kind.ROLE], overruled)
    orchestrators = _orchestrators([piece for piece in believed if piece.kind is Kind.ORCHESTRATOR], overruled)
    cloud, engine = (
        _one_mark(kind, [piece for piece in believed if piece.kind is kind], overruled)
        for kind in (Kind.CLOUD, Kind.ENGINE)
    )
    unknown = tuple(sorted(set(unknown), key=lambda item: tuple(item.to_dict().values())))
    undecided = _undecided(layers, unknown)
    machine_found = any(layer.kind in {Kind.VM, Kind.WSL} for layer in layers)
    stack = Stack(
        layers=tuple(layers),
        roles=roles,
        cloud=cloud,
        orchestrators=orchestrators,
        engine=engine,
        evidence=pieces,
        overruled=tuple(sorted(overruled, key=lambda item: _order(item.evidence))),
        unknown=unknown,
        determined=(enough_was_read and Kind.VM not in undecided) or machine_found,
        undecided=undecided,
    )
    return stack.replace(determined=False) if stack.container_open else stack


def _undecided(layers: Iterable[Layer], unknown: tuple[Unknown, ...]) -> tuple[Kind, ...]:
    """Return the kinds of which nothing was found, or no name, because what would have told could not be read."""
    found = {kind: [layer.id for layer in layers if layer.kind is kind] for kind in _LAYER_KINDS}
    shown = {kind for item in unknown for kind in item.shows if not found[kind]}
    named = {kind for item in unknown for kind in item.names if set(found.get(kind, ())) & GENERIC_IDS}
    return tuple(sorted(shown | named))


def _order(piece: Evidence) -> tuple[object, ...]:
    """Strongest first within kind and depth; the rest only makes the order total."""
    return (
        piece.kind,
        piece.depth,
        -piece.strength,
        piece.id,
        piece.source,
        piece.observed,
        piece.reference,
        piece.details,
    )


def _overrule(pieces: tuple[Evidence, ...], overruled: list[Overruled]) -> tuple[Evidence, ...]:
    for rule in OVERRULES:
        losers = set(rule.losers(View(pieces)))
        if losers:
            overruled.extend(Overruled(piece, rule.name, rule.because) for piece in pieces if piece in losers)
            pieces = tuple(piece for piece in pieces if piece not in losers)
    return pieces


def _layers(kind: Kind, pieces: list[Evidence], overruled: list[Overruled]) -> list[Layer]:
    """Return the layers of one kind, one per depth, outermost first."""
    layers: list[Layer] = []
    leftover: list[Evidence] = []
    for depth in sorted({piece.depth for piece in pieces}):
        here = [piece for piece in pieces if piece.depth == depth]
        winner = _winner(kind, here)
        if winner is None:
            leftover.extend(here)
            continue
        mine, others = _split(kind, winner, here)
        leftover.extend(others)
        layers.append(_layer(kind, winner, mine))
    for piece in leftover:
        _lay_aside(piece, layers, overruled)
    return layers


def _winner(kind: Kind, pieces: list[Evidence]) -> str | None:
    """Return the id that the evidence speaks for.

    Of those that no other refines, the strongest, then the most often seen.
    """
    candidates = {piece.id for piece in pieces if piece.strength > Strength.HINT}
    refined = {general for layer_id in candidates for general in lineage(kind, layer_id)[1:]}

    def weight(layer_id: str) -> tuple[int, int, int, str]:
        line = lineage(kind, layer_id)
        own = [piece.strength for piece in pieces if piece.id == layer_id]
        return (max(piece.strength for piece in pieces if piece.id in line), max(own), len(own), layer_id)

    return max(candidates - refined, key=weight, default=None)


def _split(kind: Kind, winner: str, pieces: list[Evidence]) -> tuple[list[Evidence], list[Evidence]]:
    line = lineage(kind, winner)
    return [piece for piece in pieces if piece.id in line], [piece for piece in pieces if piece.id not in line]


def _layer(kind: Kind, layer_id: str, pieces: list[Evidence]) -> Layer:
    entry = entry_of(kind, layer_id)
    details: dict[str, str] = {}
    for piece in sorted(pieces, key=lambda piece: -piece.strength):
        for key, value in piece.details:
            if key == "doubt":
                continue  # for the rules
            details.setdefault(key, value)
    if details.get("accelerator") == layer_id:
        del details["accelerator"]
    return Layer(
        kind=kind,
        id=layer_id,
        name=entry.name if entry else layer_id,
        hypervisor_type=_hypervisor_type(layer_id, details, entry.hypervisor_type if entry else None),
        confidence=max(piece.strength for piece in pieces),
        details=tuple(sorted(details.items())),
        evidence=tuple(pieces),
    )


def _hypervisor_type(layer_id: str, details: dict[str, str], usual: int | None) -> int | None:
    """VMware is the one maker of both types: the product decides."""
    if layer_id == "vmware":
        return {"esxi": 1, "workstation": 2, "fusion": 2}.get(details.get("product", ""))
    return usual


def _lay_aside(piece: Evidence, layers: list[Layer] | list[Mark], overruled: list[Overruled]) -> None:
    if piece.strength is Strength.HINT:
        overruled.append(Overruled(piece, HINTS_ALONE, HINTS_BECAUSE))
        return
    names = " and ".join(layer.name for layer in layers)
    overruled.append(Overruled(piece, STRONGER, f"More or stronger evidence speaks for {names}."))


def _with_implied(layers: list[Layer]) -> list[Layer]:
    """Add Hyper-V below WSL2, which always runs in its utility VM (https://learn.microsoft.com/windows/wsl/about)."""
    if any(layer.kind is Kind.VM for layer in layers):
        return layers
    for layer in layers:
        if layer.kind is Kind.WSL and layer.id == "wsl2":
            name = name_of(Kind.VM, "hyper-v")
            implied = Layer(Kind.VM, "hyper-v", name, 1, layer.confidence, (("implied_by", "wsl2"),), layer.evidence)
            return [implied, *layers]
    return layers


def _roles(pieces: list[Evidence], overruled: list[Overruled]) -> tuple[Mark, ...]:
    roles: list[Mark] = []
    for role_id in sorted({piece.id for piece in pieces}):
        mine = tuple(piece for piece in pieces if piece.id == role_id)
        if max(piece.strength for piece in mine) is Strength.HINT:
            overruled.extend(Overruled(piece, HINTS_ALONE, HINTS_BECAUSE) for piece in mine)
        else:
            roles.append(Mark(Kind.ROLE, role_id, name_of(Kind.ROLE, role_id), mine))
    return tuple(roles)


def _orchestrators(pieces: list[Evidence], overruled: list[Overruled]) -> tuple[Mark, ...]:
    """Return every orchestrator that something stronger than a hint speaks for, in the catalogue's order.

    A general one (ECS) is no mark of its own beside one that refines it (Fargate).
    """
    kind = Kind.ORCHESTRATOR
    sure = {piece.id for piece in pieces if piece.strength > Strength.HINT}
    refined = {general for mark_id in sure for general in lineage(kind, mark_id)[1:]}
    marks: list[Mark] = []
    for entry in ENTRIES:
        if entry.kind is kind and entry.id in sure - refined:
            mine, pieces = _split(kind, entry.id, pieces)
            marks.append(Mark(kind, entry.id, entry.name, tuple(mine)))
    for piece in pieces:
        _lay_aside(piece, marks, overruled)
    return tuple(marks)


def _one_mark(kind: Kind, pieces: list[Evidence], overruled: list[Overruled]) -> Mark | None:
    winner = _winner(kind, pieces)
    mine, others = _split(kind, winner, pieces) if winner else ([], pieces)
    mark = Mark(kind, winner, name_of(kind, winner), tuple(mine)) if winner else None
    for piece in others:
        _lay_aside(piece, [mark] if mark else [], overruled)
    return mark
