"""Reads what firmware's tables say: the names in an ACPI table's header, one bit of SMBIOS, EC2's mark in its UUID."""

from __future__ import annotations

_VM_BIT_OFFSET = 0x13
_VM_BIT = 1 << 4


def oem_ids(table: bytes) -> tuple[str, str]:
    """Return OEM id and OEM table id (ACPI 6.5, table 5.4), trimmed and in upper case.

    Both are "" where the table is too short to hold them.
    """
    if len(table) < 24:
        return "", ""
    oem, table_id = table[10:16], table[16:24]
    return tuple(name.upper().decode("latin-1").strip(" \0") for name in (oem, table_id))  # type: ignore[return-value]  # two in, two out


def vm_bit(type_0: bytes) -> bool | None:
    """Return what the BIOS structure says of running in a virtual machine.

    None where it is too short to say (SMBIOS 3.7, 7.1.2.2).
    """
    length = type_0[1] if len(type_0) > 1 else 0
    if type_0[:1] != b"\0" or length <= _VM_BIT_OFFSET or len(type_0) <= _VM_BIT_OFFSET:
        return None
    return bool(type_0[_VM_BIT_OFFSET] & _VM_BIT)


def is_ec2_uuid(uuid: str) -> bool:
    """Say whether a UUID begins `ec2`, in the order of the text or, as some firmware has it.

    With its first field byte-swapped.
    """
    first = uuid.lower().partition("-")[0]
    return first.startswith("ec2") or (len(first) == 8 and first.endswith("ec") and first[4] == "2")
