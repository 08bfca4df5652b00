"""What an answer holds: the payload of a round, read here and written by `payload` (and by collect.sh).

A payload is parts, each begun by a line `MARK NAME`, where MARK is the way in which the collector spells `/` in this
session (`script.new_mark`); paths in a part begin with it too. Bytes between two such lines belong to the first.

    system version user     what `uname -srm`, `uname -v` and `id -u` print
    set NAME=VALUE          a variable; `unset NAME` where there is none
    cpuid LEAF COUNT        16 bytes for each leaf (eax, ebx, ecx, edx), from LEAF on
    asked                   a line for each question: letter and path
    files                   as `head` shows several files: `==> PATH <==`, then the bytes
    folders                 as `ls -1A` shows several folders: `PATH:`, then the names
    links                   as `ls -ld` shows them: `… PATH -> TEXT`
    identities              device, inode, mode (hexadecimal), size, path; or as `ls -Lldin` shows them, without device
    words                   what the tool of the part before said on its standard error
    end                     the answer is whole

Sources of the forms: POSIX.1-2024 head, ls, uname, id; coreutils, busybox and toybox stat.
"""

from __future__ import annotations

import re
import stat as stat_bits
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from envinspect.model import ABSENT, Denied, Found, Reading
from envinspect.model.errors import CaptureError
from envinspect.model.facts import Registers, Stat, Uname
from envinspect.systems.collector.errno_words import ERRNO_OF_WORDS
from envinspect.systems.collector.script import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

V = TypeVar("V")
ABSENT_ERRORS = frozenset({"ENOENT", "ENOTDIR", "ESRCH", "ENAMETOOLONG"})
QUESTIONS_LIMIT = 50_000
_FIRST_MARK = re.compile(rb"\n(/[/.]{2,200}) [a-z]")
_LONG_LINE = re.compile(r"\s*(\d+)\s+([-bcdlps][-rwxsStT]{9})\S*\s+\d+\s+\d+\s+\d+\s+(\d+)?.*?\s(/.*)", re.DOTALL)
_WORDS_AT_END = re.compile(r"'?(?: for reading)?: ([A-Z][^:]*)$")
_TYPE_BITS = {"-": 0o100000, "d": 0o040000, "l": 0o120000, "c": 0o020000, "b": 0o060000, "p": 0o010000, "s": 0o140000}


class Part(NamedTuple):
    """One part of a payload: its name, the rest of the name's line, and the bytes after it."""

    name: str
    argument: str
    content: bytes


class Answers:
    """All that a place has answered so far, question by question; empty at first.

    `uname` has "" and `euid` None for what is not known. A variable that is known to be unset is ABSENT. What was asked
    and not answered in a way that can be read is in no table: it is not recorded.
    """

    def __init__(self) -> None:
        self.uname = Uname()
        self.euid: int | None = None
        self.variables: dict[str, Reading[str]] = {}
        self.leaves: dict[tuple[int, int], Registers] = {}
        self.files: dict[str, Reading[bytes]] = {}
        self.links: dict[str, Reading[str]] = {}
        self.listings: dict[str, Reading[tuple[str, ...]]] = {}
        self.stats: dict[str, Reading[Stat]] = {}

    def add(self, payload: bytes, where: str) -> None:
        """Take one round's payload. Raises CaptureError where it is none, or not whole."""
        mark, parts = _parts(payload, where)
        asked: list[tuple[str, str]] = []
        shown = _Shown(mark)
        tool = ""
        for part in parts:
            if part.name == "asked":
                asked = list(_questions(part.content, where))
            elif part.name == "words":
                shown.complain(tool, part.content)
            elif part.name in {"set", "unset"}:
                self._variable(part)
            elif part.name == "cpuid":
                self._leaves(part)
            else:
                tool = part.name
                self._system(part)
                shown.take(part)
        if tool != "end":
            raise CaptureError(f"{where}: the answer has no end: cut short")
        for kind, path in asked:
            self._settle(kind.upper(), path, shown)

    def _system(self, part: Part) -> None:
        text = part.content.decode("utf-8", "replace").strip()
        if part.name == "system":
            names = text.split()
            if len(names) == 3:
                self.uname = self.uname.replace(sysname=names[0], release=names[1], machine=names[2])
        elif part.name == "version":
            self.uname = self.uname.replace(version=text)
        elif part.name == "user" and text.isdecimal() and len(text) < 11:
            self.euid = int(text)

    def _variable(self, part: Part) -> None:
        name, equals, first = part.argument.partition("=")
        if part.name == "unset":
            self.variables[name] = ABSENT
        elif equals:
            value = first + "\n" + part.content.decode("utf-8", "surrogateescape")
            self.variables[name] = Found(value.removesuffix("\n"))

    def _leaves(self, part: Part) -> None:
        first = part.argument.partition(" ")[0]
        data = part.content
        if not first.isdecimal() or len(first) > 10:
            return
        for number in range(len(data) // 16):
            words = (int.from_bytes(data[at : at + 4], "little") for at in range(number * 16, number * 16 + 16, 4))
            self.leaves[int(first) + number, 0] = Registers(*words)

    def _settle(self, kind: str, path: str, shown: _Shown) -> None:
        """Enter the answer to one question in its table, by what was shown of the path and what was said of it."""
        if kind == "R":
            _enter(self.files, path, shown.file(path), shown.error(path, "files", "identities"))
        elif kind == "L":
            _enter(self.links, path, shown.links.get(path), shown.error(path, "links"))
        elif kind == "D":
            _enter(self.listings, path, shown.listing(path), shown.error(path, "folders", "identities"))
        else:
            identity = shown.stats.get(path)
            reading = None if identity is None else Found(identity)
            _enter(self.stats, path, reading, shown.error(path, "identities"))


def _enter(table: dict[str, Reading[V]], path: str, shown: Reading[V] | None, error: str | None) -> None:
    """Enter an answer; what was said of a path counts before what was shown: a file may open and then not be read."""
    if error is not None:
        table[path] = ABSENT if error in ABSENT_ERRORS else Denied(error)
    elif shown is not None:
        table[path] = shown


class _Shown:
    """What the tools of one round showed, by path as it was asked."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self.contents: dict[str, bytes] = {}
        self.links: dict[str, Reading[str]] = {}
        self.listings: dict[str, tuple[str, ...]] = {}
        self.stats: dict[str, Stat] = {}
        self._errors: dict[tuple[str, str], str] = {}

    def file(self, path: str) -> Reading[bytes] | None:
        """Return a regular file's bytes; what is no regular file is not read."""
        if path in self.contents:
            return Found(self.contents[path])
        found = self.stats.get(path)
        return None if found is None or stat_bits.S_ISREG(found.mode) else Denied("ENOTSUP")

    def listing(self, path: str) -> Reading[tuple[str, ...]] | None:
        """Return a folder's names; absent where something else is there."""
        if path in self.listings:
            return Found(self.listings[path])
        return ABSENT if path in self.stats else None

    def error(self, path: str, *tools: str) -> str | None:
        """Return the errno that the first of some tools named for a path."""
        return next((self._errors[tool, path] for tool in tools if (tool, path) in self._errors), None)

    def take(self, part: Part) -> None:
        """Read one part by its name; other parts hold no paths."""
        if part.name == "files":
            self._files(part.content)
            return
        lines = part.content.decode("utf-8", "surrogateescape").split("\n")
        if part.name == "folders":
            self._folders(lines)
        elif part.name == "links":
            for line in lines:
                self._link(line)
        elif part.name == "identities":
            for line in lines:
                self._identity(line)

    def _files(self, content: bytes) -> None:
        mark = re.escape(self._mark.encode("ascii"))
        header = re.compile(rb"(?:\A|\n)\n?==> " + mark + rb"(/[^\n]*) <==\n")
        pieces = header.split(b"\n" + content)
        for path, data in zip(pieces[1::2], pieces[2::2]):
            self.contents[path.decode("utf-8", "surrogateescape")] = data

    def _folders(self, lines: list[str]) -> None:
        """Read `ls` of several folders: no name holds a slash, so a line that begins with one begins a folder."""
        path, names = "", list[str]()
        for line in lines:
            if line.startswith(f"{self._mark}/") and line.endswith(":"):
                names = []
                path = line[len(self._mark) : -1]
                self.listings[path] = ()
            elif line and "/" not in line and self.listings:
                names.append(line)
                self.listings[path] = tuple(sorted(names))

    def _link(self, line: str) -> None:
        before, found, rest = line.partition(f" {self._mark}/")
        if not found:
            return
        path, arrow, target = f"/{rest}".partition(" -> ")
        if arrow:
            self.links[path] = Found(target)
        elif not before.lstrip().startswith("l"):
            self.links[path] = ABSENT  # there, but no link

    def _identity(self, line: str) -> None:
        before, found, rest = line.partition(f"{self._mark}/")
        if not found:
            return
        path, numbers = f"/{rest}", before.split()
        try:
            if len(numbers) == 4:
                self.stats[path] = Stat(int(numbers[0]), int(numbers[1]), int(numbers[2], 16), int(numbers[3]))
                return
        except ValueError:
            pass
        long = _LONG_LINE.fullmatch(line)
        if long is not None:
            self.stats[path] = Stat(0, int(long[1]), _mode(long[2]), int(long[3] or "0"))

    def complain(self, tool: str, content: bytes) -> None:
        """Read what a tool said on standard error: `ls: cannot open '/x': Permission denied` and the like."""
        for line in content.decode("utf-8", "surrogateescape").splitlines():
            words = _WORDS_AT_END.search(line)
            _, found, rest = line.partition(f"{self._mark}/")
            if words is None or not found:
                continue
            error = ERRNO_OF_WORDS.get(words[1].strip())
            if error is not None:
                path = f"/{rest[: len(rest) - len(words[0])]}"
                self._errors.setdefault((tool, path), error)


def _mode(letters: str) -> int:
    """Return the mode bits that `ls -l` spells; set-id and sticky bits are left out."""
    bits = _TYPE_BITS[letters[0]]
    for place, letter in enumerate(letters[1:]):
        if letter in "rwxst":
            bits |= 1 << (8 - place)
    return bits


def _parts(payload: bytes, where: str) -> tuple[str, Iterator[Part]]:
    """Return the session's mark and the parts in their order."""
    first = _FIRST_MARK.match(payload)
    if first is None:
        raise CaptureError(f"{where}: what came is no answer of the collector")
    mark = first[1]

    def parts() -> Iterator[Part]:
        for piece in payload.split(b"\n" + mark + b" ")[1:]:
            line, _, content = piece.partition(b"\n")
            name, _, argument = line.decode("utf-8", "surrogateescape").partition(" ")
            yield Part(name, argument, content)

    return mark.decode("ascii"), parts()


def _questions(content: bytes, where: str) -> Iterator[tuple[str, str]]:
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > QUESTIONS_LIMIT:
        raise CaptureError(f"{where}: more than {QUESTIONS_LIMIT} questions: not an answer of the collector")
    for line in lines:
        kind, _, path = line.partition(" ")
        if kind.upper() in KINDS and path.startswith("/"):
            yield kind, path
