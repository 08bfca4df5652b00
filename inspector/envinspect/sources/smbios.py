"""Reads the one bit of the raw SMBIOS tables that speaks of virtual machines, and EC2's mark in the machine's UUID."""

from __future__ import annotations

_VM_BIT_OFFSET = 0x13
_VM_BIT = 1 << 4


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
