"""What is sent to a shell: the collector itself, then the questions of each round.

A path is data to the shell: it stands between single quotes, and one that could end them (a quote) or the line (a
control character) is not asked at all. Variables' names are checked to be names.
"""

import pkgutil
import re
import secrets
from collections.abc import Iterable
from typing import NamedTuple

KINDS = ("R", "L", "D", "S")
"""Read a file, a link, a folder's names, an identity: as `Facts.bytes`, `link`, `listing` and `stat`."""
ANCESTORS = "~"
"""As a part of a path: stands for every control group from the process's own up to the root."""
USER = "~u"
"""As a part of a path: stands for the effective user's number."""
DAEMON = "~d"
"""As a part of a path: stands for the process that Docker's PID file names."""
_MARK_TEMPLATE = "/./."
_MARK_STEPS = 24
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Question(NamedTuple):
    """One question: what is asked (a letter of KINDS) of which path; with `*` or `/~` in it, of all that fit."""

    kind: str
    path: str

    @property
    def is_pattern(self) -> bool:
        """Say whether the shell is to find the paths that are meant."""
        return "*" in self.path or f"/{ANCESTORS}" in self.path


def new_mark() -> str:
    """Return an unforeseeable way to spell `/`: what stands in a file cannot pass for what a tool says about it."""
    return "/." + "".join(secrets.choice(("/", "/.")) for _ in range(_MARK_STEPS))


def collector(mark: str) -> str:
    """Return the shell program, to be followed by `ask` lines."""
    text = pkgutil.get_data("envinspect.systems.collector", "collect.sh")
    if text is None:
        raise FileNotFoundError("envinspect/collector/collect.sh")
    return text.decode("ascii").replace(f"mark={_MARK_TEMPLATE}\n", f"mark={mark}\n")


def askable(path: str) -> bool:
    """Say whether a path can be asked for: absolute, printable, UTF-8, and without a single quote."""
    return path.startswith("/") and path.isprintable() and "'" not in path and not _has_surrogates(path)


def ask(
    number: int, questions: Iterable[Question], *, variables: Iterable[str] = (), leaves: Iterable[tuple[int, int]] = ()
) -> str:
    """Return the shell command that asks one round; round 1 asks for system and user as well.

    `leaves` are (leaf, sub-leaf) of CPUID; only sub-leaf 0 can be asked for. Paths that are not `askable` are left out.
    Patterns are the caller's own: a path that came from the target is asked as it is, whatever stands in it.
    """
    lines = ["H"] if number == 1 else []
    lines += [f"V {name}" for name in sorted(set(variables)) if _NAME.fullmatch(name)]
    lines += [f"C {leaf} {count}" for leaf, count in _blocks(leaves)]
    for question in sorted(set(questions)):
        if askable(question.path):
            kind = question.kind.lower() if number == 1 and question.is_pattern else question.kind
            lines.append(f"{kind} {question.path}")
    text = "\n".join(lines)
    return f"ask {number} '{text}'\n"


def _blocks(leaves: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return (first leaf, count); the kernel's cpuid device is read in blocks of 16 leaves, as dd skips whole ones."""
    counts: dict[int, int] = {}
    for leaf, subleaf in leaves:
        if subleaf == 0:
            block, rest = divmod(leaf, 16)
            counts[block] = max(counts.get(block, 0), rest + 1)
    return sorted((block * 16, count) for block, count in counts.items())


def _has_surrogates(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
