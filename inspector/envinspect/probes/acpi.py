"""ACPI: who wrote the tables (root may read them), and the device ids (anyone may, in containers too)."""

from __future__ import annotations

from envinspect.model import NOT_RECORDED, Absent, Evidence, Found, Kind, Strength
from envinspect.model.facts import Facts
from envinspect.probes.dmi import FOLDERS
from envinspect.signatures.acpi import DEVICE_IDS, FIRECRACKER_REFERENCE, OEM_IDS, OEM_TABLE_IDS, VMCLOCK_DEVICE
from envinspect.sources.firmware import oem_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("/sys/firmware/acpi/tables/FACP", "/sys/firmware/acpi/tables/APIC")
DEVICES = "/sys/bus/acpi/devices"
FW_CFG = "/sys/firmware/qemu_fw_cfg/rev"
FW_CFG_REFERENCE = "https://www.qemu.org/docs/master/specs/fw_cfg.html"


def probe_acpi(facts: Facts) -> Iterator[Evidence]:
    """Yield what the tables' OEM ids and the devices' ids speak for."""
    for path in TABLES:
        reading = facts.bytes(path)
        if isinstance(reading, Found):
            oem, table_id = oem_ids(reading.value)
            # The table id is the more precise of the two: Apple signs real and virtual machines' tables.
            row = OEM_TABLE_IDS.get(table_id) or OEM_IDS.get(oem)
            if row:
                yield Evidence(Kind.VM, row.id, row.strength, path, f"{oem} {table_id}".strip(), row.reference)
    if facts.exists(FW_CFG):
        yield Evidence(Kind.VM, "qemu", Strength.STRONG, FW_CFG, "present", FW_CFG_REFERENCE)
    yield from _devices(facts)


def _no_smbios(facts: Facts) -> bool:
    """Say whether the machine has no SMBIOS tables: where they cannot be looked for, it may have some."""
    readings = [facts.listing(folder) for folder in FOLDERS]
    return all(isinstance(reading, Absent) or reading == NOT_RECORDED for reading in readings)


def _devices(facts: Facts) -> Iterator[Evidence]:
    reading = facts.listing(DEVICES)
    if not isinstance(reading, Found):
        return
    hardware_ids = dict.fromkeys(name.partition(":")[0].upper() for name in reading.value)
    for hardware_id in hardware_ids:
        row = DEVICE_IDS.get(hardware_id)
        if row:
            yield Evidence(Kind.VM, row.id, row.strength, DEVICES, hardware_id, row.reference)
    if VMCLOCK_DEVICE in hardware_ids and "VMGENCTR" in hardware_ids and _no_smbios(facts):
        # Nitro and QEMU have the device as well, but both write SMBIOS tables; Firecracker writes none.
        yield Evidence(
            Kind.VM,
            "firecracker",
            Strength.STRONG,
            DEVICES,
            f"{VMCLOCK_DEVICE}, VMGENCTR, no SMBIOS",
            FIRECRACKER_REFERENCE,
        )
