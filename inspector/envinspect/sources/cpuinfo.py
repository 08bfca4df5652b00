"""Reads the first processor's block, and the machine's own lines, of /proc/cpuinfo: `key .

Value`, whatever the architecture.
"""

from __future__ import annotations

from envinspect.model.facts import Facts

CPUINFO = "/proc/cpuinfo"
LINE_LIMIT = 400


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
