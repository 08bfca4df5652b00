"""Says whether enough of a machine could be read to call it bare metal when nothing speaks for a virtual one.

One source is enough if it would have named a hypervisor: the CPU's own bit or its flags, firmware that names the
maker, a board's name.
"""

from envinspect.facts import Facts
from envinspect.model import Found
from envinspect.probes.acpi import TABLES
from envinspect.probes.cpuinfo import CPUINFO
from envinspect.probes.devices import pci_ids
from envinspect.probes.dmi import strings
from envinspect.probes.emulation import probe_emulation
from envinspect.probes.firmware import SYSINFO, TREE
from envinspect.signatures.cpuinfo import GENERIC_BOARDS, PHYSICAL_LINES
from envinspect.signatures.pci import VIRTIO_VENDOR
from envinspect.sources.cpuinfo import fields

MANY_DEVICES = 6
IMITATED_CHIPSETS = frozenset({"80861237", "808629c0", "80867190", "80867192", "80860d57"})
"""Intel 440FX and Q35 (QEMU, Xen, VirtualBox), 440BX (VMware, Hyper-V), and the bridge of Firecracker and its kin."""


def machine_looked_at(facts: Facts) -> bool:
    """Return True where at least one source that tells could be read.

    What CPUID answers to a translated program comes from the translator: it says nothing of the machine.
    """
    return (
        (isinstance(facts.cpuid(1), Found) and not any(probe_emulation(facts)))
        or _cpuinfo_tells(fields(facts.str_or(CPUINFO)))
        or _firmware_names_a_maker(facts)
        or bool(facts.str_or(f"{TREE}/compatible"))
        or bool(facts.str_or(SYSINFO))
        or isinstance(facts.bytes(TABLES[0]), Found)
        or _bus_of_a_real_machine(pci_ids(facts))
    )


def _bus_of_a_real_machine(ids: tuple[str, ...]) -> bool:
    """Say whether a PCI bus is rich enough, and without the chipsets that VMMs imitate, to be a real machine's."""
    virtio = any(number.startswith(VIRTIO_VENDOR) for number in ids)
    return len(ids) >= MANY_DEVICES and not virtio and not IMITATED_CHIPSETS.intersection(ids)


def _cpuinfo_tells(found: dict[str, str]) -> bool:
    if "flags" in found or found.get("type") == "sun4u":
        return True
    boards = [found.get(line, "").lower() for line in PHYSICAL_LINES]
    if "cpu implementer" in found:
        boards.append(found.get("model", "").lower())  # arm: the device tree's model; elsewhere the CPU's number
    return any(board and not board.startswith(GENERIC_BOARDS) for board in boards)


def _firmware_names_a_maker(facts: Facts) -> bool:
    texts = strings(facts)
    return any(
        texts.get(field) for field in ("sys_vendor", "product_name", "board_vendor", "board_name", "bios_vendor")
    )
