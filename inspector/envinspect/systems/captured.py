"""Reads a captured system (contract 1) back as Facts: the answers of that machine, never of this one.

What the capture's writer never asked is "not-recorded"; what it asked and did not find is absent. A capture without a
list of what was asked (`asked`) is taken to have asked for every path.
"""

from __future__ import annotations

import json
import os
from typing import TypeVar

from envinspect.model import ABSENT, NOT_RECORDED, Denied, Found, Reading, Refusal
from envinspect.model.errors import CaptureError
from envinspect.model.errors import printable as shown
from envinspect.model.facts import CPUID_FROM, HOW, NATIVE, Facts, Observer, Registers, Stat, Uname
from envinspect.systems.archive import ROOT, Entry, Tree, read_tree
from envinspect.systems.cpuid import RecordedCpuid

SCHEMA = "envinspect-capture/1"
WIRE_LIMIT_BYTES = 96 << 20
_WORD = 1 << 32
T = TypeVar("T")


class CapturedRoot:
    """The files of a capture. A path that only its file tree knows has dev and inode 0: identity unknown."""

    def __init__(
        self,
        tree: Tree,
        *,
        links: dict[str, str] | None,
        listings: dict[str, tuple[str, ...]] | None,
        stats: dict[str, Stat] | None,
        denied: dict[str, str],
        asked: frozenset[str] | None = None,
    ) -> None:
        self._tree = tree
        self._links = links
        self._listings = listings
        self._stats = stats
        self._denied = denied
        self._asked = asked

    def read(self, path: str) -> Reading[bytes]:
        """Return a recorded file's bytes."""
        entry = self._entry(path)
        if entry is not None and entry.data is not None:
            return Found(entry.data)
        return self._refusal(path)

    def link(self, path: str) -> Reading[str]:
        """Return a recorded link's text."""
        if self._links is not None and path in self._links:
            return Found(self._links[path])
        place = self._tree.locate(path, follow_last=False)
        target = self._tree.entries[place].target if place is not None else None
        if target is not None:
            return Found(target)
        return self._refusal(path, recorded=self._links is not None)

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        """Return a recorded listing; without one, what the capture's own folder holds, which may be less."""
        if self._listings is not None and path in self._listings:
            return Found(self._listings[path])
        place = self._tree.locate(path)
        if place is not None and place in self._tree.children:
            return Found(tuple(sorted(self._tree.children[place])))
        return self._refusal(path, recorded=self._listings is not None)

    def stat(self, path: str) -> Reading[Stat]:
        """Return a recorded identity, or that of a file in the capture."""
        if self._stats is not None and path in self._stats:
            return Found(self._stats[path])
        entry = self._entry(path)
        if entry is not None:
            mode = 0o040755 if entry.data is None else 0o100644
            return Found(Stat(0, 0, mode, len(entry.data or b"")))
        return self._refusal(path)

    def _entry(self, path: str) -> Entry | None:
        place = self._tree.locate(path)
        return None if place is None else self._tree.entries[place]

    def _refusal(self, path: str, *, recorded: bool = True) -> Refusal:
        """Return what a path is that nothing was recorded of: denied, never asked for, or absent."""
        error = self._denied.get(path)
        if error is not None:
            return Denied(error)
        return ABSENT if recorded and (self._asked is None or path in self._asked) else NOT_RECORDED


CAPTURE_AGAIN = "`envinspect capture NAME.tar.gz` on that machine, and the file that it writes"
COLLECT_AGAIN = "`sh collect.sh >FILE` once more (`envinspect collector >collect.sh`), and the whole FILE"


def read_capture(path: str) -> Facts:
    """Return the facts of the capture at `path`, a folder or a .tar.gz, or of a recorded wire (`envinspect collector`).

    Raises UsageError where nothing is there, CaptureError where it is no whole and harmless capture.
    """
    again = COLLECT_AGAIN
    try:
        recorded = _wire(path)
        if recorded is not None:
            return recorded
        again = CAPTURE_AGAIN
        return _capture(path)
    except CaptureError as error:
        error.remedy = error.remedy or again
        raise


def _capture(path: str) -> Facts:
    tree = read_tree(path)
    document = _Document(_parse(tree, path), f"{shown(path)}: facts.json")
    document.check_schema()
    environ = document.strings("environ")

    def variable(name: str) -> Reading[str]:
        if environ is None:
            return NOT_RECORDED
        return Found(environ[name]) if name in environ else ABSENT

    root = CapturedRoot(
        tree,
        links=document.strings("links"),
        listings=document.listings(),
        stats=document.stats(),
        denied=document.strings("denied") or {},
        asked=document.asked(),
    )
    uname = document.strings("uname") or {}
    facts = Facts(
        root,
        RecordedCpuid(document.leaves()),
        uname=Uname(*(uname.get(field, "") for field in Uname._fields)),
        euid=document.euid(),
        environ=variable,
    )
    facts.observer = document.observer()
    return facts


def _wire(path: str) -> Facts | None:
    """Return the facts of a file that holds a collector's answers, None for any other."""
    if not os.path.isfile(path):  # noqa: PTH113 - paths are strings; a FIFO would wait for a writer
        return None
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - paths are strings throughout
            if b"envinspect-wire/" not in file.read(1 << 20):
                return None
            file.seek(0)
            data = file.read(WIRE_LIMIT_BYTES + 1)
    except (OSError, ValueError):
        return None  # whoever reads it as a capture says what is wrong
    from envinspect.systems.answered import recorded_answers  # noqa: PLC0415 - only wires pay for it

    return recorded_answers(data, shown(path))


def _parse(tree: Tree, path: str) -> object:
    """Return the JSON of facts.json, whatever it is."""
    entry = tree.entries.get("facts.json")
    if entry is None or entry.data is None:
        hint = f"; there is no {ROOT}/ either: not a capture" if ROOT not in tree.entries else ""
        raise CaptureError(f"{shown(path)}: no facts.json in it{hint}", remedy="--root for a plain root filesystem")
    try:
        parsed: object = json.loads(entry.data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CaptureError(f"{shown(path)}: facts.json is not JSON: {shown(str(error), 80)}") from error
    return parsed


class _Document:
    """facts.json with every key checked when it is asked for; each complaint is one line that names the key."""

    def __init__(self, parsed: object, where: str) -> None:
        if not isinstance(parsed, dict):
            raise CaptureError(f"{where}: a JSON object was expected")
        self._parsed: dict[str, object] = parsed
        self._where = where

    def check_schema(self) -> None:
        """Refuse what another version, or another tool, wrote."""
        schema = self._parsed.get("schema")
        if schema != SCHEMA:
            raise CaptureError(
                f"{self._where}: schema is {shown(repr(schema), 60)}, this version reads {SCHEMA!r}",
                remedy="the envinspect that wrote it (`tool` in facts.json says which), or a capture of this version",
            )

    def strings(self, key: str) -> dict[str, str] | None:
        """Return a table of strings; None where the key is absent, which is: not recorded."""
        table = self._table(key)
        if table is None:
            return None
        return {name: self._typed(value, str, f"{key}.{name}") for name, value in table.items()}

    def listings(self) -> dict[str, tuple[str, ...]] | None:
        """Return the recorded listings."""
        table = self._table("listings")
        if table is None:
            return None
        return {
            path: tuple(
                self._typed(name, str, f"listings.{path}") for name in self._typed(names, list, f"listings.{path}")
            )
            for path, names in table.items()
        }

    def stats(self) -> dict[str, Stat] | None:
        """Return the recorded identities."""
        table = self._table("stat")
        if table is None:
            return None
        found: dict[str, Stat] = {}
        for path, value in table.items():
            numbers = self._typed(value, dict, f"stat.{path}")
            dev, ino, mode, size = (
                self._number(numbers.get(key, 0), 1 << 64, f"stat.{path}.{key}")
                for key in ("dev", "ino", "mode", "size")
            )
            found[path] = Stat(dev, ino, mode, size)
        return found

    def leaves(self) -> dict[tuple[int, int], Registers]:
        """Return the recorded CPUID leaves; a key is `0xLEAF` or, with a sub-leaf that is not 0, `0xLEAF/SUBLEAF`."""
        found: dict[tuple[int, int], Registers] = {}
        for key, value in (self._table("cpuid") or {}).items():
            leaf, _, subleaf = key.partition("/")
            try:
                place = (int(leaf, 16), int(subleaf or "0", 16))
            except ValueError as error:
                raise CaptureError(f"{self._where}: cpuid.{shown(key, 40)}: not a leaf such as 0x00000001") from error
            words = self._typed(value, list, f"cpuid.{key}")
            if len(words) != len(Registers._fields):
                raise CaptureError(f"{self._where}: cpuid.{shown(key, 40)}: eax, ebx, ecx, edx were expected")
            found[place] = Registers(*(self._number(word, _WORD, f"cpuid.{key}") for word in words))
        return found

    def euid(self) -> int | None:
        """Return the recorded effective user id."""
        value = self._parsed.get("euid")
        return None if value is None else self._number(value, _WORD, "euid")

    def asked(self) -> frozenset[str] | None:
        """Return the paths that the system was asked about; None where the capture does not say."""
        value = self._parsed.get("asked")
        return (
            None
            if value is None
            else frozenset(self._typed(path, str, "asked") for path in self._typed(value, list, "asked"))
        )

    def observer(self) -> Observer | None:
        """Return how the system was looked at; None natively, and where the capture does not say."""
        table = self._table("observer")
        if table is None:
            return None
        how, cpuid = (self._typed(table.get(key, ""), str, f"observer.{key}") for key in ("how", "cpuid"))
        if how not in HOW or cpuid not in CPUID_FROM:
            raise CaptureError(f"{self._where}: observer: {shown(how, 30)!r} and {shown(cpuid, 30)!r} are not known")
        return None if how == NATIVE else Observer(how, cpuid)

    def _table(self, key: str) -> dict[str, object] | None:
        value = self._parsed.get(key)
        return None if value is None else self._typed(value, dict, key)

    def _typed(self, value: object, kind: type[T], key: str) -> T:
        if not isinstance(value, kind):
            raise CaptureError(f"{self._where}: {shown(key, 60)}: {_NAMES[kind]} was expected")
        return value

    def _number(self, value: object, limit: int, key: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < limit:
            raise CaptureError(f"{self._where}: {shown(key, 60)}: a whole number from 0 to {limit - 1} was expected")
        return value


_NAMES: dict[type, str] = {str: "a string", list: "a list", dict: "an object"}
