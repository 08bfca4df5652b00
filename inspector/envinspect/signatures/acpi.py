"""Who wrote the ACPI tables (OEM id, six bytes of each table's header) and which device ids only a VMM has.

ACPI specification 6.5, table 5.4 (header). The strings are set in each VMM's source, which the reference names.
"""

from __future__ import annotations

from envinspect.model import Record, Strength

STRONG, PROOF = Strength.STRONG, Strength.PROOF


class AcpiRow(Record):
    """What an OEM id or a device id speaks for."""

    id: str
    strength: Strength
    reference: str


QEMU = "https://github.com/qemu/qemu/blob/master/include/hw/acpi/aml-build.h"
MICROSOFT = "https://github.com/openSUSE/hwinfo"

OEM_IDS: dict[str, AcpiRow] = {
    "FIRECK": AcpiRow(
        "firecracker", PROOF, "https://github.com/firecracker-microvm/firecracker/blob/main/src/vmm/src/acpi/mod.rs"
    ),
    "BOCHS": AcpiRow("qemu", STRONG, QEMU),
    "BXPC": AcpiRow("qemu", STRONG, QEMU),
    "CLOUDH": AcpiRow(
        "cloud-hypervisor", PROOF, "https://github.com/cloud-hypervisor/cloud-hypervisor/blob/main/vmm/src/acpi.rs"
    ),
    "CROSVM": AcpiRow(
        "crosvm", PROOF, "https://chromium.googlesource.com/crosvm/crosvm/+/refs/heads/main/x86_64/src/acpi.rs"
    ),
    "VBOX": AcpiRow(
        "virtualbox", PROOF, "https://www.virtualbox.org/browser/vbox/trunk/src/VBox/Devices/PC/DevACPI.cpp"
    ),
    # VirtualBox on arm64 has another one than on x86: VBoxManage's default in the same file.
    "ORCLVB": AcpiRow(
        "virtualbox", PROOF, "https://github.com/VirtualBox/virtualbox/blob/main/src/VBox/Devices/EFI/DevEFI-armv8.cpp"
    ),
    "VMWARE": AcpiRow("vmware", PROOF, "https://knowledge.broadcom.com/external/article/340368"),
    "PTLTD": AcpiRow("vm", Strength.HINT, "https://knowledge.broadcom.com/external/article/340368"),
    "XEN": AcpiRow("xen", PROOF, "https://github.com/xen-project/xen/blob/master/tools/libacpi/acpi2_0.h"),
    "BHYVE": AcpiRow("bhyve", PROOF, "https://github.com/freebsd/freebsd-src/blob/main/usr.sbin/bhyve/acpi.c"),
    "PRLS": AcpiRow("parallels", PROOF, "https://www.parallels.com/products/desktop/"),
    "APPLE": AcpiRow("vm", Strength.HINT, "https://developer.apple.com/documentation/virtualization"),
    "MSFTVM": AcpiRow("hyper-v", PROOF, "https://github.com/microsoft/openvmm/blob/main/vm/acpi/src/builder.rs"),
    "VRTUAL": AcpiRow("hyper-v", STRONG, "https://learn.microsoft.com/en-us/windows-server/virtualization/hyper-v/"),
    "ACRN": AcpiRow(
        "acrn", PROOF, "https://github.com/projectacrn/acrn-hypervisor/blob/master/devicemodel/hw/platform/acpi/acpi.c"
    ),
    "GOOGLE": AcpiRow("vm", Strength.HINT, "https://cloud.google.com/compute/docs/instances/detect-compute-engine"),
    "AMAZON": AcpiRow(
        "vm", Strength.HINT, "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html"
    ),
}

OEM_TABLE_IDS: dict[str, AcpiRow] = {
    "APPLE VZ": AcpiRow("apple-vz", PROOF, "https://developer.apple.com/documentation/virtualization"),
    "BXPCFACP": AcpiRow("qemu", STRONG, QEMU),
    "BXPC": AcpiRow("qemu", STRONG, QEMU),
    "PRLS_OEM": AcpiRow("parallels", PROOF, "https://www.parallels.com/products/desktop/"),
    "440BX": AcpiRow("vm", Strength.HINT, "https://knowledge.broadcom.com/external/article/340368"),
}

DEVICE_IDS: dict[str, AcpiRow] = {
    "QEMU0001": AcpiRow("qemu", STRONG, "https://www.qemu.org/docs/master/specs/pvpanic.html"),
    "QEMU0002": AcpiRow("qemu", STRONG, "https://www.qemu.org/docs/master/specs/fw_cfg.html"),
    "QEMUVGID": AcpiRow("qemu", STRONG, "https://www.qemu.org/docs/master/specs/vmgenid.html"),
    "VMBUS": AcpiRow("hyper-v", STRONG, "https://docs.kernel.org/virt/hyperv/vmbus.html"),
    "MSFT1000": AcpiRow("hyper-v", STRONG, "https://docs.kernel.org/virt/hyperv/vmbus.html"),
    "XEN0000": AcpiRow("xen", STRONG, "https://github.com/xen-project/xen/blob/master/tools/libacpi/dsdt.asl"),
    "PRL4005": AcpiRow("parallels", STRONG, "https://www.parallels.com/products/desktop/"),
    "PRL4000": AcpiRow("parallels", STRONG, "https://www.parallels.com/products/desktop/"),
    # The generation id and virtio-mmio devices are any VMM's.
    "VMGENCTR": AcpiRow(
        "vm", STRONG, "https://learn.microsoft.com/en-us/windows/win32/hyperv_v2/virtual-machine-generation-identifier"
    ),
    "LNRO0005": AcpiRow("vm", STRONG, "https://docs.oasis-open.org/virtio/virtio/v1.2/virtio-v1.2.html"),
}

VMCLOCK_DEVICE = "AMZNC10C"
"""The vmclock device: Firecracker, Nitro and QEMU have it (https://uapi-group.org/specifications/specs/vmclock/)."""
FIRECRACKER_REFERENCE = (
    "https://github.com/firecracker-microvm/firecracker/blob/main/src/vmm/src/devices/acpi/vmclock.rs"
)
