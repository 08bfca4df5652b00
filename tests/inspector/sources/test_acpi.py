"""ACPI tables' makers."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from envinspect.sources.acpi import oem_ids
from envinspect.sources.smbios import vm_bit


def test_oem_ids_are_read_from_their_places() -> None:
    table = b"FACP" + bytes(6) + b"BOCHS BXPC    " + bytes(12)
    assert oem_ids(table) == ("BOCHS", "BXPC")
    assert oem_ids(table[:23]) == ("", "")


@example(b"\0" * 10 + b"A\0\0\0\0\xdf" + b"\0" * 8)  # a sharp s becomes two letters in upper case
@given(st.binary(max_size=80))
def test_any_bytes_are_a_table_of_somebody_or_nobody(data: bytes) -> None:
    oem, table_id = oem_ids(data)
    assert len(oem) <= 6
    assert len(table_id) <= 8
    assert vm_bit(data) in {True, False, None}
