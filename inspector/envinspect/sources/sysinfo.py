"""Reads s390's /proc/sysinfo: the machine, its partition, and each guest level above it (linux.

Arch/s390/kernel/sysinfo.c).
"""

from envinspect.light_typing import NamedTuple

LINES_LIMIT = 2000


class Level(NamedTuple):
    """One level of virtualisation: which hypervisor ("lpar", "zvm", "kvm", "vm") and the words it was read from."""

    id: str
    observed: str


def levels(text: str) -> tuple[Level, ...]:
    """Return the levels, outermost first. VM00 is the innermost guest, VM01 the one around it, and so on."""
    partition = ""
    programs: dict[int, str] = {}
    for line in text.splitlines()[:LINES_LIMIT]:
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon:
            continue
        if key == "LPAR Name" or (key == "LPAR Number" and not partition):
            partition = f"{key}: {value}"
        if key.startswith("VM") and key.endswith("Control Program") and key[2:4].isdigit():
            programs[int(key[2:4])] = value
    found = [Level("lpar", partition)] if partition else []
    found.extend(
        Level(_control_program(program), f"VM{number:02d} Control Program: {program}")
        for number, program in sorted(programs.items(), reverse=True)
    )
    return tuple(found)


def _control_program(value: str) -> str:
    if value.startswith("KVM"):
        return "kvm"
    return "zvm" if value.startswith("z/VM") else "vm"
