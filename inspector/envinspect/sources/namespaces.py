"""Reads the links of /proc/PID/ns (man 7 namespaces)."""

from __future__ import annotations

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


def namespace_number(link: str) -> int | None:
    """Return 4026531836 of `pid:[4026531836]`, None for anything else."""
    digits = link.partition(":[")[2].removesuffix("]")
    return int(digits) if digits.isdecimal() and len(digits) < 20 else None


def numbers_all(release: str) -> bool:
    """Say whether the kernel of that release (6.18 and later) gives the initial network namespace a fixed number."""
    major, _, rest = release.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return major.isdecimal() and minor.isdecimal() and (int(major), int(minor)) >= (6, 18)
