"""Reads `Key: value` files: /proc/PID/status, /proc/cpuinfo's first processor (man 5 proc)."""

from __future__ import annotations

from envinspect.model.facts import Facts


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
