"""Says whether enough of a machine could be read to call it bare metal when nothing speaks for a virtual one.

One source is enough if it would have named a hypervisor: the CPU's own bit or its flags, firmware that names the
maker, a board's name.
"""

from __future__ import annotations

from envinspect.model import Found
from envinspect.model.facts import Facts
from envinspect.probes.acpi import TABLES
from envinspect.probes.devices import pci_ids
from envinspect.probes.dmi import strings
from envinspect.probes.emulation import probe_emulation
from envinspect.probes.firmware import SYSINFO, TREE
from envinspect.signatures.cpuid import REAL_CPU_NAMES, REAL_CPUS
from envinspect.signatures.cpuinfo import GENERIC_BOARDS, PHYSICAL_LINES
from envinspect.signatures.pci import VIRTIO_VENDOR
from envinspect.sources.cpu import cpuinfo
from envinspect.sources.firmware import oem_ids

MANY_DEVICES = 6
IMITATED_CHIPSETS = frozenset({"80861237", "808629c0", "80867190", "80867192", "80860d57"})
"""Intel 440FX and Q35 (QEMU, Xen, VirtualBox), 440BX (VMware, Hyper-V), and the bridge of Firecracker and its kin."""


def enough_was_read(facts: Facts) -> bool:
    """Return True where at least one source that tells could be read.

    What CPUID answers to a translated program comes from the translator: it says nothing of the machine.
    """
    return (
        (_cpu_tells(facts) and not any(probe_emulation(facts)))
        or _cpuinfo_tells(facts.derived(cpuinfo))
        or _firmware_names_a_maker(facts)
        or bool(facts.str_or(f"{TREE}/compatible"))
        or bool(facts.str_or(SYSINFO))
        or any(_is_real_maker(maker, "") for maker in _makers_of_tables(facts))
        or _bus_of_a_real_machine(pci_ids(facts))
    )


def _cpu_tells(facts: Facts) -> bool:
    """Say whether an x86 CPU of a real maker could be asked; an emulator's own CPU shows what it likes."""
    maker = facts.cpuid(0)
    return isinstance(facts.cpuid(1), Found) and (not isinstance(maker, Found) or maker.value.vendor() in REAL_CPUS)


def _makers_of_tables(facts: Facts) -> tuple[str, ...]:
    """Return who wrote the first ACPI table, in words; an OEM that nobody knows may be a VMM's."""
    table = facts.bytes(TABLES[0])
    return oem_ids(table.value) if isinstance(table, Found) else ()


def _is_real_maker(maker: str, product: str) -> bool:
    from envinspect.signatures.makers import MIXED_MAKERS, REAL_MAKERS

    maker, product = maker.casefold(), product.casefold()
    for start, products in MIXED_MAKERS.items():
        if maker.startswith(start):
            return bool(product) and any(word in product for word in products)
    return maker.startswith(REAL_MAKERS)


def _bus_of_a_real_machine(ids: tuple[str, ...]) -> bool:
    """Say whether a PCI bus is rich enough, and without the chipsets that VMMs imitate, to be a real machine's."""
    virtio = any(number.startswith(VIRTIO_VENDOR) for number in ids)
    return len(ids) >= MANY_DEVICES and not virtio and not IMITATED_CHIPSETS.intersection(ids)


def _cpuinfo_tells(found: dict[str, str]) -> bool:
    if ("flags" in found and found.get("vendor_id", "GenuineIntel") in REAL_CPU_NAMES) or found.get("type") == "sun4u":
        return True
    boards = [found.get(line, "").lower() for line in PHYSICAL_LINES]
    if "cpu implementer" in found:
        boards.append(found.get("model", "").lower())  # arm: the device tree's model; elsewhere the CPU's number
    return any(board and not board.startswith(GENERIC_BOARDS) for board in boards)


def _firmware_names_a_maker(facts: Facts) -> bool:
    """Say whether SMBIOS names somebody who makes real machines, of the machine or of its board.

    A BIOS's maker writes it for VMMs as well, but these put their own name before the machine: it counts where the
    machine's maker left that blank.
    """
    texts = strings(facts)
    if not texts:
        return False
    from envinspect.signatures.dmi import PLACEHOLDERS
    from envinspect.signatures.makers import BIOS_MAKERS

    product = texts.get("product_name", "")
    if any(_is_real_maker(texts.get(field, ""), product) for field in ("sys_vendor", "board_vendor")):
        return True
    if texts.get("board_name") and not any(texts.get(field) for field in ("sys_vendor", "board_vendor", "bios_vendor")):
        return True  # a board whose maker left all but its own name blank
    unnamed = texts.get("sys_vendor", "").casefold().startswith(PLACEHOLDERS) or not texts.get("sys_vendor")
    return unnamed and texts.get("bios_vendor", "").casefold().startswith(BIOS_MAKERS)
