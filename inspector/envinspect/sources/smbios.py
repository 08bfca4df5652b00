"""Matches SMBIOS strings against rows; reads the one bit of the raw tables that speaks of virtual machines."""

from __future__ import annotations

from envinspect.signatures.dmi import ENDS, HAS, HAS_NOT, IS, IS_NOT, STARTS, DmiRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_VM_BIT_OFFSET = 0x13
_VM_BIT = 1 << 4


def matches(row: DmiRow, fields: Mapping[str, str]) -> bool:
    """Say whether every condition of a row holds.

    `fields` are stripped and case-folded; a field that was not read is missing.
    """
    return all(field in fields and _holds(fields[field], how, text.casefold()) for field, how, text in row.when)


def _holds(value: str, how: str, text: str) -> bool:
    if how == IS:
        return value == text
    if how == IS_NOT:
        return value != text
    if how == STARTS:
        return value.startswith(text)
    if how == ENDS:
        return value.endswith(text)
    if how == HAS_NOT:
        return text not in value
    return how == HAS and text in value


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
