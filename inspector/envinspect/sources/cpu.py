"""Reads what a CPU is called and can do: /proc/cpuinfo, whatever the architecture, and CPUID's own name for it."""

from __future__ import annotations

from envinspect.model.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

CPUINFO = "/proc/cpuinfo"
LINE_LIMIT = 400
BRAND_LEAVES = (0x8000_0002, 0x8000_0003, 0x8000_0004)
"""Of CPUID: the CPU's name (Intel SDM vol. 2A, CPUID)."""


def cpuinfo(facts: Facts) -> dict[str, str]:
    """Return the fields of /proc/cpuinfo, {} where it cannot be read; ask it through `facts.derived`."""
    return fields(facts.str_or(CPUINFO))


def fields(text: str) -> dict[str, str]:
    """Return key and value of each line, keys in lower case; of a key that is repeated the first is kept."""
    found: dict[str, str] = {}
    head, _, _ = text.partition("\n\nprocessor")
    for line in head.splitlines()[:LINE_LIMIT]:
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip().lower(), value.strip())
    # PowerPC, arm and others name the machine once, after the last processor.
    for line in text[-2000:].splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip().lower(), value.strip())
    return found


def flags(found: dict[str, str]) -> frozenset[str]:
    """Return the x86 feature flags, empty where there are none."""
    return frozenset(found.get("flags", "").split())


def brand(words: Iterable[int]) -> str:
    """Return the text in the twelve registers of these leaves, up to its NUL, without the blanks that pad it."""
    text = b"".join(word.to_bytes(4, "little") for word in words).decode("latin-1")
    return " ".join(text.partition("\0")[0].split())
