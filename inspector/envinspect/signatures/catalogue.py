"""All ids that an answer may name, by id: the machines' rows and the inner layers' rows together."""

from __future__ import annotations

from envinspect.model import Kind
from envinspect.signatures import Entry
from envinspect.signatures.inner_catalogue import INNER
from envinspect.signatures.machines import MACHINES

ENTRIES: tuple[Entry, ...] = (*MACHINES, *INNER)

GENERIC_IDS = frozenset({"vm", "container"})
"""What a layer without a name is called."""

BY_KIND_AND_ID: dict[tuple[Kind, str], Entry] = {(entry.kind, entry.id): entry for entry in ENTRIES}


def entry_of(kind: Kind, layer_id: str) -> Entry | None:
    """Return the row of an id, None where the catalogue has none."""
    return BY_KIND_AND_ID.get((kind, layer_id))


def name_of(kind: Kind, layer_id: str) -> str:
    """Return the product's own name, the id itself where the catalogue has none."""
    entry = BY_KIND_AND_ID.get((kind, layer_id))
    return entry.name if entry else layer_id


def lineage(kind: Kind, layer_id: str) -> tuple[str, ...]:
    """Return the id and every more general id that it refines, most specific first."""
    found: list[str] = []
    while layer_id and layer_id not in found:
        found.append(layer_id)
        entry = BY_KIND_AND_ID.get((kind, layer_id))
        layer_id = entry.refines if entry else ""
    return tuple(found)
