"""Reads `Key: value` files: /proc/PID/status, /proc/cpuinfo's first processor (man 5 proc)."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=16)
def parse_status(text: str) -> dict[str, str]:
    """Return the values by key, both trimmed; the first of a repeated key counts.

    Several probes ask the same text; what is returned is shared and only to be read.
    """
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, found, value = line.partition(":")
        if found:
            values.setdefault(key.strip(), value.strip())
    return values
