"""Reads /proc/PID/environ: NUL-separated, and newline-separated as reports print it."""

from __future__ import annotations


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
