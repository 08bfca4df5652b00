"""Says whether enough of a machine could be read to call it bare metal when nothing speaks for a virtual one.

One source is enough if it would have named a hypervisor: the CPU's own bit or its flags, firmware that names the
maker, a board's name.
"""

from envinspect.facts import Facts
from envinspect.model import Found
from envinspect.parse.cpuinfo import fields
from envinspect.probes.acpi import TABLES
from envinspect.probes.cpuinfo import CPUINFO
from envinspect.probes.dmi import strings
from envinspect.probes.firmware import SYSINFO, TREE
from envinspect.signatures.cpuinfo import GENERIC_BOARDS, PHYSICAL_LINES

X86 = ("x86_64", "amd64", "i386", "i486", "i586", "i686")


def machine_looked_at(facts: Facts) -> bool:
    """Return True where at least one source that tells could be read."""
    return (
        isinstance(facts.cpuid(1), Found)
        or _cpuinfo_tells(fields(facts.str_or(CPUINFO)))
        or _firmware_names_a_maker(facts)
        or bool(facts.str_or(f"{TREE}/compatible"))
        or bool(facts.str_or(SYSINFO))
        or isinstance(facts.bytes(TABLES[0]), Found)
    )


def _cpuinfo_tells(found: dict[str, str]) -> bool:
    if "flags" in found:
        return True
    boards = (found.get(line, "").lower() for line in PHYSICAL_LINES)
    return any(board and not board.startswith(GENERIC_BOARDS) for board in boards)


def _firmware_names_a_maker(facts: Facts) -> bool:
    texts = strings(facts)
    return any(
        texts.get(field) for field in ("sys_vendor", "product_name", "board_vendor", "board_name", "bios_vendor")
    )
