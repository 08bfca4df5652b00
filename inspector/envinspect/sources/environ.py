"""Reads /proc/PID/environ: NUL-separated, and newline-separated as reports print it."""

from __future__ import annotations


def variable(text: str, name: str) -> str | None:
    """Return the value of a variable, None where it is not set; an empty value counts as not set."""
    separator = "\0" if "\0" in text else "\n"
    for entry in text.split(separator):
        key, found, value = entry.partition("=")
        if found and key == name:
            return value.strip() or None
    return None


def parse_assignments(text: str) -> dict[str, str]:
    """Return `name="value"` lines, as /run/.containerenv and os-release hold them, without the quotes."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, found, value = line.partition("=")
        if found and name and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("\"'")
    return values
