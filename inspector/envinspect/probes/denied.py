"""What could not be read, and which names it would have told: a question that was denied is never a plain no.

One row for each place that some probe asks. A row without kinds tells strengths or details only: no name hangs on it.
"""

from __future__ import annotations

from envinspect.model import Denied, Kind, Record, Unknown
from envinspect.model.facts import Facts
from envinspect.probes.dmi import FOLDERS, ROOT_ONLY_FIELDS, names_behind
from envinspect.probes.namespaces import namespaces
from envinspect.signatures.acpi import OEM_IDS, OEM_TABLE_IDS
from envinspect.signatures.containers import MANAGERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_VM = (Kind.VM,)
_PLACES = (Kind.WSL, Kind.CONTAINER, Kind.SANDBOX, Kind.ROLE, Kind.ORCHESTRATOR, Kind.ENGINE)
_ACPI_IDS = tuple(sorted({row.id for table in (OEM_IDS, OEM_TABLE_IDS) for row in table.values()}))
_MANAGER_IDS = tuple(sorted(set(MANAGERS.values())))


_X86 = ("", "x86_64", "amd64", "i386", "i486", "i586", "i686")
"""uname's words for machines that have CPUID; "" where the word is not known."""


class Gap(Record):
    """What the answer of a file, a folder or all below it ("/" at the end) would have told.

    `names` are the kinds of names that it tells, `ids` the only ones of these (() for any), `shows` the kinds that are
    told by it alone.
    """

    path: str
    would_tell: str
    names: tuple[Kind, ...] = ()
    ids: tuple[str, ...] = ()
    shows: tuple[Kind, ...] = ()


_ACPI = "which VMM wrote the ACPI tables"
_SMBIOS = "the hypervisor's or the maker's name in the firmware's tables"
_XEN = "whether this is a Xen domain, and which"
_TREE = "the machine's and the hypervisor's names in the device tree"
_MOUNTS = "what is mounted here, and from whose container storage"
_BUS = "devices that only virtual machines have"

GAPS: tuple[Gap, ...] = (
    Gap("/sys/firmware/acpi/tables/FACP", _ACPI, _VM, _ACPI_IDS),
    Gap("/sys/firmware/acpi/tables/APIC", _ACPI, _VM, _ACPI_IDS),
    Gap("/sys/bus/acpi/devices", "ACPI devices that only virtual machines have", _VM),
    Gap("/sys/firmware/qemu_fw_cfg/rev", "whether QEMU configures the firmware", _VM, ("qemu",)),
    *(Gap(folder, _SMBIOS, (Kind.VM, Kind.CLOUD), shows=_VM) for folder in FOLDERS),
    Gap("/sys/firmware/dmi/entries/0-0/raw", "the BIOS's virtual-machine bit, a hint only"),
    Gap("/proc/cpuinfo", "whether the kernel saw a hypervisor's CPU", (Kind.VM, Kind.EMULATION), shows=_VM),
    Gap("/sys/devices/system/clocksource/", "the clocks that only guests have", _VM),
    Gap("/proc/bus/pci/devices", "PCI devices that only virtual machines have", _VM),
    Gap("/sys/bus/pci/devices", "PCI devices that only virtual machines have", _VM),
    Gap("/sys/bus/pci/devices/", "PCI devices that only virtual machines have", _VM),
    Gap("/sys/bus/virtio/devices", _BUS),
    Gap("/sys/bus/vmbus/devices", _BUS, _VM, ("hyper-v",)),
    Gap("/sys/bus/xen/devices", _BUS, _VM, ("xen",)),
    Gap("/sys/class/virtio-ports", _BUS, _VM),
    Gap("/sys/class/virtio-ports/", _BUS, _VM),
    Gap("/dev/.cros_milestone", "whether this is ChromeOS's Linux machine", (Kind.VM, Kind.ENGINE)),
    Gap("/sys/hypervisor/", _XEN, (Kind.VM, Kind.ROLE), shows=_VM),
    Gap("/sys/hypervisor/uuid", _XEN, (Kind.CLOUD,), ("aws",)),
    Gap("/sys/hypervisor/properties/features", "whether this is Xen's control domain", (Kind.ROLE,), ("xen-dom0",)),
    Gap("/proc/xen", _XEN, (Kind.VM, Kind.ROLE), shows=_VM),
    Gap("/proc/xen/", _XEN, (Kind.VM, Kind.ROLE), shows=_VM),
    Gap("/sys/devices/system/cpu/vulnerabilities/meltdown", _XEN, _VM, ("xen",), shows=_VM),
    Gap("/proc/device-tree", _TREE, _VM),
    Gap("/proc/device-tree/", _TREE, _VM, shows=_VM),
    Gap("/proc/sysinfo", "partition, z/VM and KVM levels of an IBM Z machine", _VM),
    Gap("/proc/ppc64/lparcfg", "the partition of a POWER machine", _VM),
    Gap("/dev/mdesc", "the hypervisor of a SPARC machine", _VM, ("ldoms",)),
    Gap("/sys/firmware/uv/prot_virt_guest", "whether the guest's memory is protected", _VM, ("protvirt",)),
    Gap("/sys/bus/platform/devices/arm-cca-dev", "whether the guest's memory is protected", _VM, ("cca",)),
    Gap("/etc/vagrant_box_build_time", "whether Vagrant made the machine", _VM, ("vagrant",)),
    Gap("/proc/modules", "whether KVM's guests run here", (Kind.ROLE,), ("kvm-host",)),
    Gap("/run/docker", "whether Docker runs here", (Kind.ROLE,), ("docker-host",)),
    Gap("/run/docker.sock", "whether Docker runs here", (Kind.ROLE,), ("docker-host",)),
    Gap("/run/docker.pid", "whether Docker runs here", (Kind.ROLE,), ("docker-host",)),
    Gap("/run/cloud-init/cloud-id", "the cloud that cloud-init found at boot", (Kind.VM, Kind.CLOUD)),
    Gap("/proc/1/environ", "whether a container manager announced itself to PID 1", (Kind.CONTAINER,), _MANAGER_IDS),
    Gap(
        "/proc/bc", "whether this is OpenVZ's host or a guest", (Kind.CONTAINER,), ("openvz",), shows=(Kind.CONTAINER,)
    ),
    Gap("/run/host/container-manager", "which manager made the container", (Kind.CONTAINER, Kind.SANDBOX)),
    Gap("/run/systemd/container", "which manager made the container", (Kind.WSL, Kind.CONTAINER)),
    Gap("/.flatpak-info", "whether Flatpak made the sandbox", (Kind.SANDBOX,), ("flatpak",)),
    Gap("/run/.containerenv", "whether Podman made the container", (Kind.CONTAINER,)),
    Gap("/.dockerenv", "whether Docker made the container", (Kind.CONTAINER,), ("docker",)),
    Gap("/proc/self/cgroup", "which container's cgroup this process is in", (Kind.CONTAINER, Kind.ORCHESTRATOR)),
    Gap("/proc/self/mountinfo", _MOUNTS, _PLACES, shows=(Kind.WSL, Kind.CONTAINER, Kind.SANDBOX)),
    Gap("/proc/mounts", _MOUNTS, _PLACES),
    Gap("/proc/self/status", "the processes above this one, a sandbox among them", _PLACES, shows=(Kind.SANDBOX,)),
    Gap("/proc/1/comm", "whether a sandbox is the first process", (Kind.SANDBOX,), shows=(Kind.SANDBOX,)),
    Gap("/proc/<pid>/", "the processes above this one, and daemons", (Kind.ROLE,), shows=(Kind.SANDBOX,)),
    Gap("/proc/version", "whose kernel this is", (Kind.VM, Kind.WSL, Kind.CONTAINER, Kind.EMULATION)),
    Gap("/proc/cmdline", "how the machine was booted", (Kind.WSL, Kind.ENGINE)),
    Gap("/proc/thread-self/exe", "whether an emulator runs this program", (Kind.EMULATION,), shows=(Kind.EMULATION,)),
)
"""By path. Of CPUID and the environment all is denied or nothing: see `probe_denied`."""

_BY_PATH = {gap.path: gap for gap in GAPS}
_CPUID = Gap(
    "CPUID 0x00000001", "whether the CPU says that it runs under a hypervisor, and which", (Kind.VM, Kind.ROLE)
)
_ENVIRONMENT = Gap(
    "environ",
    "the variables by which platforms, sandboxes and some container runtimes name themselves",
    _PLACES,
    shows=(Kind.CONTAINER, Kind.SANDBOX),
)


def probe_denied(facts: Facts) -> Iterator[Unknown]:
    """Say what the other probes asked and could not read; it comes after them."""
    if isinstance(facts.leaves.get((1, 0)), Denied) and facts.uname.machine in _X86:
        yield _unknown(facts, _CPUID, _CPUID.path, facts.leaves[1, 0])
    denied = next((reading for reading in facts.variables.values() if isinstance(reading, Denied)), None)
    if denied is not None:
        yield _unknown(facts, _ENVIRONMENT, _ENVIRONMENT.path, denied)
    seen: set[Gap] = set()
    for answers in (facts.files, facts.listings, facts.links, facts.stats):
        for path, reading in answers.items():
            gap = _gap(path) if isinstance(reading, Denied) else None
            if gap is not None and (gap not in seen or path.startswith(FOLDERS)):
                seen.add(gap)
                yield _unknown(facts, gap, path, reading)
    yield from _namespaces(facts)


def _gap(path: str) -> Gap | None:
    """Return the row of a path: its own, or that of the folder around it."""
    parts = path.split("/")
    if len(parts) == 4 and parts[1] == "proc" and parts[2].isdecimal() and parts[3] in {"stat", "comm", "mountinfo"}:
        return _BY_PATH.get(path) or (_BY_PATH["/proc/<pid>/"] if parts[2] != "1" else None)
    while path:
        gap = _BY_PATH.get(path)
        if gap is not None:
            return gap
        path = path.rstrip("/").rpartition("/")[0]
        path += "/" if f"{path}/" in _BY_PATH else ""
    return None


def _unknown(facts: Facts, gap: Gap, path: str, reading: object) -> Unknown:
    error = reading.error if isinstance(reading, Denied) else ""
    names, ids, shows = gap.names, gap.ids, gap.shows
    if path.startswith(FOLDERS) and path not in FOLDERS:
        ids = facts.derived(names_behind)
        names = names if ids else ()
        shows = () if path.endswith(ROOT_ONLY_FIELDS) else shows
    if path == "/proc/1/comm" and "pid" in facts.derived(namespaces).initial:
        shows = ()  # the host's first process
    if path == "/proc/self/cgroup" and "mnt" in facts.derived(namespaces).others:
        shows = (Kind.CONTAINER,)  # a container's process in the host's root (`chroot /host`) has nothing else
    if error == "not-recorded":
        shows = ()  # a partial capture is no refusal
    return Unknown(path, error, gap.would_tell, shows=shows, names=names, ids=ids)


def _namespaces(facts: Facts) -> Iterator[Unknown]:
    """Say where it is not known whether this process has namespaces of its own."""
    for kind in ("pid", "uts", "ipc", "net", "cgroup", "user"):
        path = f"/proc/self/ns/{kind}"
        found = facts.link(path)
        if isinstance(found, Denied):
            told = "whether this process shares the host's namespaces"
            open_ = found.refused and "pid" not in facts.derived(namespaces).initial
            yield Unknown(path, found.error, told, (Kind.CONTAINER,) if open_ else (), (Kind.CONTAINER,))
            return
