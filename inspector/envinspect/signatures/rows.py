"""Reads every signature table as rows of one form: what is looked for, what it speaks for, and who says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from envinspect import signatures
from envinspect.model import Record, Strength
from envinspect.signatures import Entry

BY_PROBE = "by_probe.signs"
"""The table of what a probe looks for on its own: its rows name their source."""


class SignatureRow(Record):
    """One row of a signature table in a form that all tables share. `pattern` is what is looked for, in words.

    `strength` is "" where the probe decides it. `when` holds a row's conditions where it has any: (field, how, text).
    `source` is the file that the row itself names, for rows that a probe reads on its own.
    """

    table: str
    id: str
    pattern: str
    strength: str
    reference: str
    when: tuple[tuple[str, str, str], ...] = ()
    source: str = ""

    @property
    def shown(self) -> str:
        """What is looked for, and where the row says so."""
        return f"{self.source}: {self.pattern}" if self.source else self.pattern


@cache
def signature_rows() -> tuple[SignatureRow, ...]:
    """Return the rows of every table in `envinspect.signatures`; a table is a tuple or dict of rows that name an id."""
    return tuple(_signature_rows())


def in_order() -> list[SignatureRow]:
    """Return the rows sorted by table, then by what they say."""
    return sorted(
        signature_rows(), key=lambda row: (row.table, row.id, row.shown, row.strength, row.reference, row.when)
    )


def _signature_rows() -> Iterator[SignatureRow]:
    seen: set[int] = set()
    for module in iter_modules(signatures.__path__):
        found = import_module(f"envinspect.signatures.{module.name}")
        for name, table in vars(found).items():
            if name.isupper() and not name.startswith("_") and isinstance(table, (tuple, dict)):
                rows: Iterable[tuple[Any, Any]] = (
                    table.items() if isinstance(table, dict) else (("", row) for row in table)
                )
                for key, row in rows:
                    # A table may be put together from others of its module: the first one names the row.
                    if _is_signature(row) and id(row) not in seen:
                        seen.add(id(row))
                        yield _row(f"{module.name}.{name.lower()}", key, row)


def _is_signature(row: object) -> bool:
    """Say whether a table's row is a signature: it names an id and a reference, and is no row of the catalogue."""
    return not isinstance(row, Entry) and hasattr(row, "id") and hasattr(row, "reference")


def _row(table: str, key: str, row: Any) -> SignatureRow:
    when: tuple[tuple[str, str, str], ...] = tuple(getattr(row, "when", ()))
    if when:
        pattern = " and ".join(f"{field} {how} {text!r}" for field, how, text in when)
    else:
        pattern = _WORDS.get(table, _key)(key, row)
    strength = getattr(row, "strength", "")
    return SignatureRow(
        table,
        row.id,
        pattern,
        strength.name.lower() if isinstance(strength, Strength) else "",
        row.reference,
        when,
        getattr(row, "source", "") if table == BY_PROBE else "",
    )


def _key(key: str, _row: Any) -> str:
    return repr(key.rstrip("\0"))


def _name(needs_id: bool) -> str:
    return "<id>" if needs_id else "…"


def _filesystem(row: Any) -> str:
    words = " ".join(word for word in (row.fstype, row.source) if word)
    return f"{words} on {' or '.join(target if target == '/' else f'{target}…' for target in row.targets)}"


_WORDS: dict[str, Callable[[str, Any], str]] = {
    "containers.scopes": lambda _, row: row.prefix + _name(row.needs_id),
    "containers.folders": lambda _, row: f"{row.name}/{_name(row.needs_id)}",
    "containers.storage": lambda _, row: "/".join(("…", *row.parts)),
    "containers.filesystems": lambda _, row: _filesystem(row),
    "orchestrators.variables": lambda _, row: " and ".join(row.names) + (f"={row.value}…" if row.value else ""),
    "orchestrators.engine_mounts": lambda _, row: row.fstype or row.source or row.folder,
    "pci.devices": lambda key, row: f"{key[:4]}:{key[4:]} ({row.name})",
    "cpuinfo.rows": lambda _, row: f"{row.field}: {row.start}…",
    BY_PROBE: lambda _, row: row.sign,
}
"""How the rows of a table say what is looked for; of tables that are not named here the keys themselves are."""


def tables_by_id() -> dict[str, set[str]]:
    """Return the tables in which signatures for an id stand; an id without one is decided by a probe alone."""
    tables: dict[str, set[str]] = {}
    for row in signature_rows():
        tables.setdefault(row.id, set()).add(row.table)
    return tables
