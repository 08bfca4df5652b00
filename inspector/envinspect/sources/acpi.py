"""Reads the two names in an ACPI table's header (ACPI 6.5, table 5.4)."""

from __future__ import annotations


def oem_ids(table: bytes) -> tuple[str, str]:
    """Return OEM id and OEM table id, trimmed and in upper case; both "" where the table is too short to hold them."""
    if len(table) < 24:
        return "", ""
    oem, table_id = table[10:16], table[16:24]
    return tuple(name.upper().decode("latin-1").strip(" \0") for name in (oem, table_id))  # type: ignore[return-value]  # two in, two out
