"""Writes what a place would answer whose facts are known already: the opposite of `answers.Answers` and `wire.Reader`.

With it a captured system is sent over the wire like a place with a shell: so the wire is tested with systems that no
test can start.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, TypeVar

from envinspect.model import NOT_RECORDED, Absent, Denied, Found, Reading
from envinspect.systems.collector.errno_words import ERRNO_OF_WORDS
from envinspect.systems.collector.script import askable
from envinspect.systems.collector.wire import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envinspect.model.facts import Facts

V = TypeVar("V")
_WORDS_OF_ERRNO = {errno: words for words, errno in reversed(tuple(ERRNO_OF_WORDS.items()))}


def write_round(number: int, payload: bytes) -> str:
    """Return one answer as text, in the form that `wire.Reader` reads."""
    encoded = binascii.b2a_base64(payload, newline=False).decode("ascii")
    body = "\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76))
    return f"\n{SCHEMA} begin {number} base64\n{body}\n{SCHEMA} end {number} {len(body)}\n"


def payload_of(facts: Facts, mark: str = "/./.") -> bytes:
    """Return the payload that answers every question `facts` was asked; what was not recorded is left out.

    CPUID sub-leaves cannot be told by a shell and are left out too.
    """
    parts: list[bytes] = []

    def part(name: str, content: str | bytes = "") -> None:
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        parts.append(f"\n{mark} {name}\n".encode("utf-8", "surrogateescape") + data)

    uname = facts.uname
    part("system", f"{uname.sysname} {uname.release} {uname.machine}\n")
    part("version", f"{uname.version}\n")
    part("user", "" if facts.euid is None else f"{facts.euid}\n")
    for name, value in facts.variables.items():
        if value != NOT_RECORDED:
            part(f"set {name}={value.value}" if isinstance(value, Found) else f"unset {name}")
    for (leaf, subleaf), registers in facts.leaves.items():
        if isinstance(registers, Found) and subleaf == 0:
            part(
                f"cpuid {leaf} 1",
                b"".join(
                    word.to_bytes(4, "little")
                    for word in (registers.value.eax, registers.value.ebx, registers.value.ecx, registers.value.edx)
                ),
            )
    part("asked", "".join(f"{kind} {path}\n" for kind, path in _asked(facts)))
    part("files", b"".join(f"\n==> {mark}{path} <==\n".encode() + data for path, data in _found(facts.files)))
    part("words", _complaints(mark, facts.files))
    folders = (f"{mark}{path}:\n" + "".join(f"{name}\n" for name in names) for path, names in _found(facts.listings))
    part("folders", "\n".join(folders))
    part("words", _complaints(mark, facts.listings))
    part("links", "".join(f"l {mark}{path} -> {text}\n" for path, text in _found(facts.links)))
    part("words", _complaints(mark, facts.links))
    part("identities", "".join(_identities(mark, facts)))
    part("words", _complaints(mark, facts.stats))
    part("end")
    return b"".join(parts)


def _found(table: Mapping[str, Reading[V]]) -> Iterator[tuple[str, V]]:
    return ((path, answer.value) for path, answer in table.items() if isinstance(answer, Found))


def _asked(facts: Facts) -> Iterator[tuple[str, str]]:
    tables: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("R", facts.files), ("L", facts.links), ("D", facts.listings), ("S", facts.stats)
    )  # fmt: skip
    for kind, table in tables:
        for path, answer in table.items():
            if answer != NOT_RECORDED and askable(path):
                yield kind, path


def _complaints(mark: str, table: Mapping[str, object]) -> str:
    """Return what a tool would say of the paths that are absent or denied."""
    words = (
        (path, "ENOENT" if isinstance(answer, Absent) else answer.error)
        for path, answer in table.items()
        if isinstance(answer, (Absent, Denied))
    )
    return "".join(
        f"tool: {mark}{path}: {_WORDS_OF_ERRNO[errno]}\n" for path, errno in words if errno in _WORDS_OF_ERRNO
    )


def _identities(mark: str, facts: Facts) -> Iterator[str]:
    """Return what `stat` shows: the identities that were asked for, and what is no regular file but was to be read."""
    for path, stat in _found(facts.stats):
        yield f"{stat.dev} {stat.ino} {stat.mode:x} {stat.size_bytes} {mark}{path}\n"
    for path, answer in facts.files.items():
        if answer == Denied("ENOTSUP") and path not in facts.stats:
            yield f"0 0 2180 0 {mark}{path}\n"
