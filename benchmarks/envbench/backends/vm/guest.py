"""A guest as data, and the QEMU command line that is made of it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from envbench.backends.vm.emulator import Emulator, Firmware
from envbench.errors import BackendError
from envbench.settings import WHOLE_SYSTEMS

MIB = 1 << 20
DEFAULT_MEMORY_BYTES = 256 * MIB
WHOLE_SYSTEM_MEMORY_BYTES = 512 * MIB


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of a guest. `scratch` throws away what the guest writes, so that each start begins with the same bytes."""

    path: Path
    format: str = "raw"
    scratch: bool = True
    direct: bool = False
    """Whether it is read and written past the host's page cache (O_DIRECT), as a container's direct I/O is."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One machine to start. Without a kernel its firmware boots the first disk."""

    name: str
    machine: str
    accelerator: str
    serial: Path
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    cpus: int = 1
    kernel: Path | None = None
    initrd: Path | None = None
    append: str = ""
    disks: tuple[Disk, ...] = ()
    speaks_first: bool = False
    """Whether the serial line's first byte is the guest's: the firmware writes nothing, the kernel is told to."""
    cpu: str = ""
    """QEMU's CPU model; "" is what `cpu_model` says."""
    uefi: Firmware | None = None
    """UEFI in place of the machine type's own firmware; its variable store is this guest's own copy."""
    ports: tuple[tuple[int, int], ...] = ()
    """Ports of the host's loopback that lead into the guest: (port on the host, port in the guest). With one it has a
    network card; it reaches nothing outside."""
    monitor: Path | None = None
    """Where QEMU's monitor listens; a timed guest has none."""
    more: tuple[str, ...] = ()
    """Further words of the command line: devices and monitors that only an experiment needs."""


def default_memory_bytes(profile: str) -> int:
    """Return the memory of a guest whose size nobody asked for."""
    return WHOLE_SYSTEM_MEMORY_BYTES if profile in WHOLE_SYSTEMS else DEFAULT_MEMORY_BYTES


QCOW2 = b"QFI\xfb"
"""How a disk of this format begins (QEMU, docs/interop/qcow2.txt)."""
OTHER_DISKS: Mapping[bytes, str] = {
    b"KDMV": "VMDK",
    b"# Disk DescriptorFile": "VMDK",
    b"<<< ": "VDI",
    b"vhdxfile": "VHDX",
    b"conectix": "VHD",
}
"""How disks of other machines begin (QEMU, block/vmdk.c, vdi.c, vhdx.c, vpc.c): as raw ones they boot nothing."""
PACKED: Mapping[bytes, str] = {
    b"\x1f\x8b": "gunzip --keep",
    b"\xfd7zXZ\0": "unxz --keep",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"BZh": "bunzip2 --keep",
    b"PK\3\4": "unzip",
}
"""How packed files begin, as disks are often published (file(1), magic), and what unpacks them."""


def disk_format(path: Path) -> str:
    """Return "qcow2" where the file begins like one, else "raw".

    Raises OSError, and BackendError where it is plain that it is neither, which no guest would ever say.
    """
    with path.open("rb") as file:
        begin = file.read(32)
    if begin.startswith(QCOW2):
        return "qcow2"
    name = shlex.quote(str(path))
    if not begin:
        raise BackendError(f"disk {path} is empty", remedy="a disk with a system on it")
    for words, kind in OTHER_DISKS.items():
        if begin.startswith(words):
            remedy = f"qemu-img convert -O qcow2 {name} {shlex.quote(path.stem)}.qcow2, and that as --disk"
            raise BackendError(f"disk {path} is of the format {kind}; qcow2 and raw are booted", remedy=remedy)
    for words, unpack in PACKED.items():
        if begin.startswith(words):
            raise BackendError(f"disk {path} is packed", remedy=f"{unpack} {name}, and what it holds as --disk")
    return "raw"


def qemu_argv(guest: Guest, emulator: Emulator) -> list[str]:
    """Return the command line that starts this guest: nothing but what it needs, its serial line on a unix socket."""
    argv = [
        str(emulator.path),
        *("-name", f"guest={_escape(guest.name)}"),
        *("-machine", f"{guest.machine},accel={guest.accelerator}"),
        *("-m", f"{guest.memory_bytes // 1024}k"),
        *("-smp", str(guest.cpus)),
        *("-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none"),
        # Before the serial line, so that the monitor listens already when the serial line is seen to be open.
        *(monitor_words(guest.monitor) if guest.monitor else ()),
        *("-chardev", f"socket,id=serial0,path={_escape(guest.serial)}"),
        *("-serial", "chardev:serial0"),
    ]
    if cpu := guest.cpu or cpu_model(guest.machine, guest.accelerator):
        argv += ["-cpu", cpu]
    if guest.uefi:
        argv += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_escape(guest.uefi.code)}"]
        argv += ["-drive", f"if=pflash,unit=1,format=raw,file={_escape(guest.uefi.variables)}"]
    if guest.kernel:
        argv += ["-kernel", str(guest.kernel), "-append", guest.append]
        argv += ["-initrd", str(guest.initrd)] if guest.initrd else []
    bus = "device" if guest.machine.startswith("microvm") else "pci"
    for number, disk in enumerate(guest.disks):
        snapshot = "on" if disk.scratch else "off"
        drive = f"if=none,id=disk{number},format={disk.format},snapshot={snapshot},file={_escape(disk.path)}"
        drive += ",cache=none" if disk.direct else ""
        argv += ["-drive", drive, "-device", f"virtio-blk-{bus},drive=disk{number}"]
    return [*argv, *network_words(guest), *guest.more]


def monitor_words(path: Path) -> tuple[str, ...]:
    """Return QEMU's words for a monitor that listens at `path` (QEMU, docs/interop/qmp-spec)."""
    return (
        *("-chardev", f"socket,id=monitor0,path={_escape(path)},server=on,wait=off"),
        *("-mon", "chardev=monitor0,mode=control"),
    )


def network_words(guest: Guest) -> list[str]:
    """Return QEMU's words for the network card behind the guest's forwarded ports; [] for a guest without.

    User networking (QEMU, docs/system/devices/net.rst): no root, no bridge. The card brings no boot ROM, which the
    firmware would run first, and a slot that libvirt gives to nothing else.
    """
    if not guest.ports:
        return []
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{inside}" for host, inside in guest.ports)
    bus = "device" if guest.machine.startswith("microvm") else "pci"
    place = "" if bus == "device" else ",romfile=,addr=0x10"
    card = f"virtio-net-{bus},netdev=net0{place}"
    return ["-netdev", f"user,id=net0,restrict=on{forwards}", "-device", card]


def cpu_model(machine: str, accelerator: str) -> str:
    """Return the -cpu word: the host's own under KVM; "" where QEMU's default will do (Arm's is a 32-bit one)."""
    if accelerator == "kvm":
        return "host"
    return "max" if machine.startswith("virt") else ""


def _escape(value: object) -> str:
    """Return a value as QEMU's option lists want it: a comma doubled (qemu(1))."""
    return str(value).replace(",", ",,")
