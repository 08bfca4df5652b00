"""Reads s390's /proc/sysinfo: the machine, its partition, and each guest level above it (linux.

Arch/s390/kernel/sysinfo.c).
"""

from __future__ import annotations

from envinspect.model import Record

LINES_LIMIT = 2000
EMULATED_MAKER = "QEMU"
EMULATED_GUEST = "TCGguest"
"""What QEMU writes where it emulates the machine (target/s390x/tcg/misc_helper.c): KVM shows the real maker."""


class Level(Record):
    """One level of virtualisation: which hypervisor ("lpar", "zvm", "kvm", "qemu", "vm"), the words it was read from.

    `emulated` is QEMU without KVM.
    """

    id: str
    observed: str
    emulated: bool = False


def levels(text: str) -> tuple[Level, ...]:
    """Return the levels, outermost first. VM00 is the innermost guest, VM01 the one around it, and so on."""
    partition, maker = "", ""
    programs: dict[int, str] = {}
    names: dict[int, str] = {}
    for line in text.splitlines()[:LINES_LIMIT]:
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon:
            continue
        if key == "LPAR Name" or (key == "LPAR Number" and not partition):
            partition = f"{key}: {value}"
        if key == "Manufacturer":
            maker = value
        if key.startswith("VM") and key.endswith(" Name") and not key.endswith("Extended Name") and key[2:4].isdigit():
            names[int(key[2:4])] = value
        if key.startswith("VM") and key.endswith("Control Program") and key[2:4].isdigit():
            programs[int(key[2:4])] = value
    if maker == EMULATED_MAKER:
        partition = ""  # the emulator's invention
    found = [Level("lpar", partition)] if partition else []
    for number, program in sorted(programs.items(), reverse=True):
        emulated = maker == EMULATED_MAKER and (not found or names.get(number) == EMULATED_GUEST)
        level_id = "qemu" if emulated else _control_program(program)
        found.append(Level(level_id, f"VM{number:02d} Control Program: {program}", emulated=emulated))
    if maker == EMULATED_MAKER and not found:
        found.append(Level("qemu", f"Manufacturer: {maker}", emulated=True))
    return tuple(found)


def _control_program(value: str) -> str:
    if value.startswith("KVM"):
        return "kvm"
    return "zvm" if value.startswith("z/VM") else "vm"
