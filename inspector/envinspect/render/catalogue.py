"""Prints what envinspect knows: every name an answer may hold (`list`), every signature behind them (`signatures`)."""

from __future__ import annotations

import json

from envinspect.signatures.catalogue import ENTRIES
from envinspect.signatures.rows import SignatureRow, in_order, tables_by_id


def catalogue_text() -> str:
    """Return one line for each id: kind, hypervisor type, what the peers call it, and where its signals stand."""
    signals = tables_by_id()
    lines = [f"{'id':<20} {'kind':<13} type  {'systemd':<18} {'virt-what':<22} {'name':<32} signals"]
    for entry in ENTRIES:
        kind, level = entry.kind.word, str(entry.hypervisor_type or "-")
        peers = f"{entry.systemd or '-':<18} {entry.virt_what or '-':<22}"
        found = " ".join(sorted({table.partition(".")[0] for table in signals.get(entry.id, ())})) or "-"
        lines.append(f"{entry.id:<20} {kind:<13} {level:<5} {peers} {entry.name:<32} {found}")
    return "\n".join(lines) + "\n"


def catalogue_json() -> str:
    """Return every row of the catalogue, with the tables in which signatures for it stand."""
    signals = tables_by_id()
    listed = [
        entry.to_dict() | {"kind": entry.kind.word, "signals": sorted(signals.get(entry.id, ()))} for entry in ENTRIES
    ]
    return json.dumps(listed, indent=1) + "\n"


def signatures_text() -> str:
    """Return one line for each signature."""
    return "".join(f"{row.id:<20} {row.strength or '-':<6} {row.table:<24} {row.shown}\n" for row in in_order())


def signatures_json() -> str:
    """Return every signature row."""
    return json.dumps([_row(row) for row in in_order()], indent=1) + "\n"


def _row(row: SignatureRow) -> dict[str, object]:
    shown = row.replace(pattern=row.shown).to_dict()
    del shown["source"]  # it stands in the pattern
    return shown
