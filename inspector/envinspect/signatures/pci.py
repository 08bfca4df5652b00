"""PCI devices that only a VMM builds, by vendor and device id. Names: https://pci-ids.ucw.cz/ and each VMM's source.

Left out on purpose: VMware's SVGA and VMXNET3, which QEMU and VirtualBox emulate; virtio (1af4), which some network
cards of real machines speak.
"""

from __future__ import annotations

from envinspect.model import Kind, Record, Strength

VM, CLOUD = Kind.VM, Kind.CLOUD
HINT, STRONG = Strength.HINT, Strength.STRONG
PCI_IDS = "https://pci-ids.ucw.cz/read/PC/"
QEMU_PCI = "https://www.qemu.org/docs/master/specs/pci-ids.html"


class PciRow(Record):
    """What one vendor:device speaks for."""

    kind: Kind
    id: str
    strength: Strength
    name: str
    reference: str


class GuestFilesystem(Record):
    """Whose guests mount a file system."""

    id: str
    reference: str


def _qemu(name: str) -> PciRow:
    return PciRow(VM, "qemu", STRONG, name, QEMU_PCI)


def _row(vm_id: str, name: str, number: str) -> PciRow:
    return PciRow(VM, vm_id, STRONG, name, PCI_IDS + number)


DEVICES: dict[str, PciRow] = {
    "12341111": _qemu("QEMU standard VGA"),
    "1b360001": _qemu("QEMU PCI-PCI bridge"),
    "1b360002": _qemu("QEMU PCI 16550A"),
    "1b360003": _qemu("QEMU PCI dual-port 16550A"),
    "1b360008": _qemu("QEMU PCIe host bridge"),
    "1b360009": _qemu("QEMU PCI expander bridge"),
    "1b36000b": _qemu("QEMU PCIe expander bridge"),
    "1b36000c": _qemu("QEMU PCIe root port"),
    "1b36000d": _qemu("QEMU XHCI host controller"),
    "1b36000e": _qemu("QEMU PCIe-to-PCI bridge"),
    "1b360010": _qemu("QEMU NVMe"),
    "1b360100": _qemu("QXL"),
    "15ad0740": _row("vmware", "VMware VMCI", "15ad"),
    "15ad0790": _row("vmware", "VMware PCI bridge", "15ad"),
    "15ad07a0": _row("vmware", "VMware PCIe root port", "15ad"),
    "15ad0710": _row("vmware", "VMware SVGA", "15ad"),
    "80eebeef": _row("virtualbox", "VirtualBox graphics adapter", "80ee"),
    "80eecafe": _row("virtualbox", "VirtualBox guest service", "80ee"),
    "58530001": _row("xen", "Xen platform device", "5853"),
    "1ab84000": _row("parallels", "Parallels virtual machine communication interface", "1ab8"),
    "1ab84005": _row("parallels", "Parallels accelerated video", "1ab8"),
    "14145353": _row("hyper-v", "Hyper-V virtual VGA", "1414"),
    "106b1a05": _row("apple-vz", "Apple Virtualization host bridge", "106b"),
    "12751275": _row("bhyve", "bhyve host bridge", "1275"),
    "fb5d40fb": _row("bhyve", "bhyve framebuffer", "fb5d"),
    "0b5d0666": _row("openbsd-vmm", "OpenBSD VMM host bridge", "0b5d"),
    "1d0fec20": PciRow(CLOUD, "aws", STRONG, "Amazon ENA", PCI_IDS + "1d0f"),
    "1d0f8061": PciRow(CLOUD, "aws", STRONG, "Amazon NVMe EBS controller", PCI_IDS + "1d0f"),
    "1d0fcd01": PciRow(CLOUD, "aws", STRONG, "Amazon NVMe SSD controller", PCI_IDS + "1d0f"),
    "1ae00042": PciRow(CLOUD, "gcp", STRONG, "Google gVNIC", PCI_IDS + "1ae0"),
    "1ae0001f": PciRow(CLOUD, "gcp", STRONG, "Google Compute Engine NVMe", PCI_IDS + "1ae0"),
}

GUEST_FILESYSTEMS: dict[str, GuestFilesystem] = {
    "vboxsf": GuestFilesystem("virtualbox", "https://docs.kernel.org/filesystems/vboxsf.html"),
    "vmhgfs": GuestFilesystem(
        "vmware", "https://github.com/vmware/open-vm-tools/tree/master/open-vm-tools/vmhgfs-fuse"
    ),
    "fuse.vmhgfs-fuse": GuestFilesystem(
        "vmware", "https://github.com/vmware/open-vm-tools/tree/master/open-vm-tools/vmhgfs-fuse"
    ),
    "prl_fs": GuestFilesystem("parallels", "https://docs.parallels.com/"),
    "fuse.prl_fsd": GuestFilesystem("parallels", "https://docs.parallels.com/"),
}
"""File systems by which a VMM shows its guests folders of the host."""

VIRTIO_VENDOR = "1af4"
VIRTIO_REFERENCE = "https://docs.oasis-open.org/virtio/virtio/v1.2/virtio-v1.2.html"
LXD = "https://documentation.ubuntu.com/lxd/latest/explanation/instances/"


class PortRow(Record):
    """What the name of a virtio serial port speaks for."""

    id: str
    strength: Strength
    reference: str
    details: tuple[tuple[str, str], ...] = ()


VIRTIO_PORTS: dict[str, PortRow] = {
    "com.canonical.lxd": PortRow("qemu", STRONG, LXD, (("platform", "lxd-vm"),)),
    "org.linuxcontainers.lxd": PortRow("qemu", STRONG, LXD, (("platform", "lxd-vm"),)),
    "org.linuxcontainers.incus": PortRow(
        "qemu", STRONG, "https://linuxcontainers.org/incus/docs/main/", (("platform", "lxd-vm"),)
    ),
    "com.redhat.rhevm.vdsm": PortRow(
        "qemu", STRONG, "https://www.ovirt.org/develop/developer-guide/vdsm/", (("platform", "ovirt"),)
    ),
    # Other VMMs offer the guest agent's port too.
    "org.qemu.guest_agent.0": PortRow("qemu", HINT, "https://www.qemu.org/docs/master/interop/qemu-ga.html"),
}
