"""What firmware's tables say: ACPI, SMBIOS."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envinspect.signatures.cloud import CLOUD_ROWS
from envinspect.signatures.dmi import ROWS
from envinspect.sources.firmware import is_ec2_uuid, oem_ids, vm_bit


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


@pytest.mark.parametrize(
    ("uuid", "is_ec2"),
    [
        ("ec2e1916-9099-7caf-fd21-012345abcdef", True),
        ("EC2E1916-9099-7CAF-FD21-012345ABCDEF", True),
        ("45e12aec-dcd1-b213-94ed-012345abcdef", True),
        ("45e13aec-dcd1-b213-94ed-012345abcdef", False),
        ("11111111-ec22-3333-4444-555555555555", False),
        ("", False),
    ],
)
def test_ec2_uuid(uuid: str, is_ec2: bool) -> None:
    assert is_ec2_uuid(uuid) is is_ec2


@pytest.mark.parametrize(
    ("structure", "bit"),
    [
        (b"\0\x18\0\0" + bytes(15) + b"\x10" + bytes(4), True),
        (b"\0\x18\0\0" + bytes(15) + b"\x0f" + bytes(4), False),
        (b"\0\x13\0\0" + bytes(20), None),
        (b"\0\x18\0\0", None),
        (b"\1\x18\0\0" + bytes(20), None),
        (b"", None),
    ],
)
def test_vm_bit_is_told_apart_from_a_structure_too_short_to_hold_it(structure: bytes, bit: bool | None) -> None:
    assert vm_bit(structure) is bit


@given(st.dictionaries(st.sampled_from(["sys_vendor", "product_name", "bios_vendor"]), st.text(max_size=20)))
def test_any_strings_can_be_matched(found: dict[str, str]) -> None:
    for row in (*ROWS, *CLOUD_ROWS):
        assert row.holds(found) in {True, False}


@given(st.sampled_from(["Microsoft Corporation", "Oracle Corporation", "Google", "Apple Inc.", "Red Hat", "Nutanix"]))
def test_a_maker_s_name_alone_is_no_virtual_machine(maker: str) -> None:
    found = dict.fromkeys(("sys_vendor", "board_vendor", "chassis_vendor"), maker.casefold()) | {"product_name": "x"}
    assert not [row for row in ROWS if row.holds(found)]
