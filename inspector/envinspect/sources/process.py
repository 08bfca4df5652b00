"""Reads what /proc/PID says of a process: its status, environ and ns (man 5 proc, man 7 namespaces)."""

from __future__ import annotations

from envinspect.model.facts import Facts

INITIAL: dict[str, frozenset[int]] = {
    "ipc": frozenset({0xEFFFFFFF}),
    "uts": frozenset({0xEFFFFFFE}),
    "user": frozenset({0xEFFFFFFD}),
    "pid": frozenset({0xEFFFFFFC}),
    "cgroup": frozenset({0xEFFFFFFB}),
    "time": frozenset({0xEFFFFFFA}),
    "net": frozenset({0xEFFFFFF9, 0xF0000000}),
    # Before they were fixed, the initial mount namespace got the first or second number that was given out.
    "mnt": frozenset({0xEFFFFFF8, 0xF0000000, 0xF0000001}),
}
"""The inode numbers of the initial namespaces, fixed since Linux 3.8, for mnt and net since 6.18.

Reference: include/uapi/linux/nsfs.h, enum init_ns_ino.
"""

NUMBERED = frozenset({"ipc", "uts", "user", "pid", "cgroup", "time", "mnt"})
"""Whose initial number is known for every kernel since 3.8: any other number is a namespace of its own."""


def own_status(facts: Facts) -> dict[str, str]:
    """Return what /proc/self/status says, {} where it cannot be read; ask it through `facts.derived`."""
    return parse_status(facts.str_or("/proc/self/status"))


def parse_status(text: str) -> dict[str, str]:
    """Return the values by key, both trimmed; the first of a repeated key counts."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, found, value = line.partition(":")
        if found:
            values.setdefault(key.strip(), value.strip())
    return values


def parse_environ(text: str) -> dict[str, str]:
    """Return the variables that are set, by name; of one that stands twice the first. Empty is not set."""
    values: dict[str, str] = {}
    for entry in text.split("\0" if "\0" in text else "\n"):
        name, found, value = entry.partition("=")
        if found:
            values.setdefault(name, value.strip())
    return {name: value for name, value in values.items() if value}


def variable(text: str, name: str) -> str | None:
    """Return the value of a variable, None where it is not set."""
    return parse_environ(text).get(name)


def parse_assignments(text: str) -> dict[str, str]:
    """Return `name="value"` lines, as /run/.containerenv and os-release hold them, without the quotes."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, found, value = line.partition("=")
        if found and name and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("\"'")
    return values


def namespace_number(link: str) -> int | None:
    """Return 4026531836 of `pid:[4026531836]`, None for anything else."""
    digits = link.partition(":[")[2].removesuffix("]")
    return int(digits) if digits.isdecimal() and len(digits) < 20 else None


def numbers_all(release: str) -> bool:
    """Say whether the kernel of that release (6.18 and later) gives the initial network namespace a fixed number."""
    major, _, rest = release.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return major.isdecimal() and minor.isdecimal() and (int(major), int(minor)) >= (6, 18)
