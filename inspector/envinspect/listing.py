"""Prints what envinspect knows: every name an answer may hold (`list`), every signature behind them (`signatures`)."""

import json
from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

from envinspect import signatures
from envinspect.model import Strength
from envinspect.signatures.catalogue import ENTRIES
from envinspect.signatures.entry import Entry

_NOT_PATTERN = frozenset({"id", "kind", "strength", "reference", "details", "when"})


class SignatureRow(NamedTuple):
    """One row of a signature table in a form that all tables share. `pattern` is what is looked for, in words.

    `strength` is "" where the probe decides it. `when` holds a row's conditions where it has any: (field, how, text).
    """

    table: str
    id: str
    pattern: str
    strength: str
    reference: str
    when: tuple[tuple[str, str, str], ...] = ()


def signature_rows() -> Iterator[SignatureRow]:
    """Yield the rows of every table in `envinspect.signatures`; a table is a tuple or dict of rows that name an id."""
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


def _row(table: str, key: object, row: Any) -> SignatureRow:
    when: tuple[tuple[str, str, str], ...] = tuple(getattr(row, "when", ()))
    if when:
        pattern = " and ".join(f"{field} {how} {text!r}" for field, how, text in when)
    else:
        fields = {
            field: value
            for field, value in row._asdict().items()
            if field not in _NOT_PATTERN and value not in {"", ()}
        }
        words = [_words(key)] if key not in {"", None} else []
        pattern = ", ".join([*words, *(f"{field} {_words(value)}" for field, value in fields.items())])
    strength = getattr(row, "strength", "")
    return SignatureRow(
        table, row.id, pattern, strength.name.lower() if isinstance(strength, Strength) else "", row.reference, when
    )


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(_words(part) for part in value)
    return repr(value) if isinstance(value, (str, bytes)) else str(value).lower()


def _signals() -> dict[str, set[str]]:
    """Return the tables in which signatures for an id stand; an id without one is decided by a probe alone."""
    tables: dict[str, set[str]] = {}
    for row in signature_rows():
        tables.setdefault(row.id, set()).add(row.table)
    return tables


def catalogue_text() -> str:
    """Return one line for each id: kind, hypervisor type, what the peers call it, and where its signals stand."""
    signals = _signals()
    lines = [f"{'id':<20} {'kind':<13} type  {'systemd':<18} {'virt-what':<22} {'name':<32} signals"]
    for entry in ENTRIES:
        kind, level = entry.kind.word, str(entry.hypervisor_type or "-")
        peers = f"{entry.systemd or '-':<18} {entry.virt_what or '-':<22}"
        found = " ".join(sorted({table.partition(".")[0] for table in signals.get(entry.id, ())})) or "-"
        lines.append(f"{entry.id:<20} {kind:<13} {level:<5} {peers} {entry.name:<32} {found}")
    return "\n".join(lines) + "\n"


def catalogue_json() -> str:
    """Return every row of the catalogue, with the tables in which signatures for it stand."""
    signals = _signals()
    listed = [
        entry._asdict() | {"kind": entry.kind.word, "signals": sorted(signals.get(entry.id, ()))} for entry in ENTRIES
    ]
    return json.dumps(listed, indent=1) + "\n"


def signatures_text() -> str:
    """Return one line for each signature."""
    return "".join(
        f"{row.id:<20} {row.strength or '-':<6} {row.table:<24} {row.pattern}\n" for row in sorted(signature_rows())
    )


def signatures_json() -> str:
    """Return every signature row."""
    return json.dumps([row._asdict() for row in sorted(signature_rows())], indent=1) + "\n"
