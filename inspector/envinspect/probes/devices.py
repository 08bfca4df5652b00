"""Devices: PCI ids, virtio serial port names and Hyper-V's bus; readable by anyone and not hidden in containers."""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Origin, Strength
from envinspect.model.errors import counted
from envinspect.model.facts import Facts
from envinspect.probes.orchestrators import CROS_MILESTONE, CROS_REFERENCE, VMINITD, VMINITD_REFERENCE
from envinspect.signatures.pci import DEVICES, GUEST_FILESYSTEMS, VIRTIO_PORTS, VIRTIO_REFERENCE, VIRTIO_VENDOR
from envinspect.sources.mounts import mount_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PCI = "/proc/bus/pci/devices"
PCI_LINES_LIMIT = 4096
PCI_SYSFS = "/sys/bus/pci/devices"
PCI_SLOTS_LIMIT = 64
PORTS = "/sys/class/virtio-ports"
VIRTIO_BUS = "/sys/bus/virtio/devices"
VMBUS = "/sys/bus/vmbus/devices"
VMBUS_REFERENCE = "https://docs.kernel.org/virt/hyperv/vmbus.html"


def pci_ids(facts: Facts) -> tuple[str, ...]:
    """Return vendor and device of each PCI device as eight hexadecimal digits, each once; empty where there is no PCI.

    From procfs's one file; where the kernel was built without it, from sysfs's two files per device.
    """
    reading = facts.text(PCI)
    if not isinstance(reading, Found):
        return _pci_ids_of_sysfs(facts)
    words = (line.split(None, 2) for line in reading.value.splitlines()[:PCI_LINES_LIMIT])
    return tuple(dict.fromkeys(fields[1].lower() for fields in words if len(fields) > 1 and len(fields[1]) == 8))


def _pci_ids_of_sysfs(facts: Facts) -> tuple[str, ...]:
    ids = []
    for slot in _names(facts, PCI_SYSFS)[:PCI_SLOTS_LIMIT]:
        vendor, device = (facts.str_or(f"{PCI_SYSFS}/{slot}/{name}") for name in ("vendor", "device"))
        if len(vendor) == len(device) == 6:
            ids.append((vendor[2:] + device[2:]).lower())
    return tuple(dict.fromkeys(ids))


def probe_devices(facts: Facts) -> Iterator[Evidence]:
    """Yield what devices that only VMMs build speak for."""
    ids = pci_ids(facts)
    for number in ids:
        row = DEVICES.get(number)
        if row:
            yield Evidence(
                row.kind,
                row.id,
                row.strength,
                PCI,
                f"{number[:4]}:{number[4:]} {row.name}",
                row.reference,
                origin=Origin.PCI,
            )
    virtio = [number for number in ids if number.startswith(VIRTIO_VENDOR)]
    if virtio:
        yield Evidence(
            Kind.VM,
            "vm",
            Strength.HINT,
            PCI,
            f"{counted(len(virtio), 'kind')} of virtio devices",
            VIRTIO_REFERENCE,
            origin=Origin.PCI,
        )
    elif _names(facts, VIRTIO_BUS):
        yield Evidence(Kind.VM, "vm", Strength.HINT, VIRTIO_BUS, "virtio devices", VIRTIO_REFERENCE)
    if _names(facts, VMBUS):
        yield Evidence(Kind.VM, "hyper-v", Strength.STRONG, VMBUS, "VMBus devices", VMBUS_REFERENCE)
    yield from _ports(facts)
    yield from _shared_folders(facts)


def _shared_folders(facts: Facts) -> Iterator[Evidence]:
    table = facts.derived(mount_table)
    for fstype in dict.fromkeys(mount.fstype for mount in table.mounts):
        row = GUEST_FILESYSTEMS.get(fstype)
        if row:
            yield Evidence(Kind.VM, row.id, Strength.STRONG, table.source, f"a mount of type {fstype}", row.reference)
    if VMINITD in facts.str_or("/proc/cmdline").split():
        yield Evidence(Kind.VM, "apple-vz", Strength.STRONG, "/proc/cmdline", VMINITD, VMINITD_REFERENCE)
    if facts.exists(CROS_MILESTONE):
        yield Evidence(Kind.VM, "crosvm", Strength.STRONG, CROS_MILESTONE, "present", CROS_REFERENCE)


def _names(facts: Facts, folder: str) -> tuple[str, ...]:
    reading = facts.listing(folder)
    return reading.value if isinstance(reading, Found) else ()


def _ports(facts: Facts) -> Iterator[Evidence]:
    for port in _names(facts, PORTS)[:64]:
        path = f"{PORTS}/{port}/name"
        name = facts.str_or(path)
        row = VIRTIO_PORTS.get(name)
        if row:
            yield Evidence(Kind.VM, row.id, row.strength, path, name, row.reference, details=row.details)
