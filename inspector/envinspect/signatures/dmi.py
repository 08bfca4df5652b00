"""SMBIOS strings: which combination of fields speaks for which hypervisor, platform or cloud.

A maker's name alone never makes a machine virtual: Microsoft, Oracle, Google, Apple, Red Hat and Amazon all build real
ones. Every row of these
makers asks for a product as well. Any VMM can be told to show any string, so no row is a proof.
Field names are those of /sys/class/dmi/id (Linux, drivers/firmware/dmi-id.c); the comparison ignores case.
"""

from __future__ import annotations

from envinspect.model import Kind, Record, Strength

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VM, CLOUD = Kind.VM, Kind.CLOUD
HINT, STRONG = Strength.HINT, Strength.STRONG

IS, IS_NOT, STARTS, HAS, HAS_NOT, ENDS = "is", "is-not", "starts", "has", "has-not", "ends"


class DmiRow(Record):
    """All conditions, each (field, how, text), must hold."""

    kind: Kind
    id: str
    when: tuple[tuple[str, str, str], ...]
    reference: str
    strength: Strength = STRONG
    details: tuple[tuple[str, str], ...] = ()

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Say whether every condition holds.

        `fields` are stripped and case-folded; a field that was not read is missing.
        """
        return all(field in fields and _holds(fields[field], how, text.casefold()) for field, how, text in self.when)


def _holds(value: str, how: str, text: str) -> bool:
    if how == IS:
        return value == text
    if how == IS_NOT:
        return value != text
    if how == STARTS:
        return value.startswith(text)
    if how == ENDS:
        return value.endswith(text)
    if how == HAS_NOT:
        return text not in value
    return how == HAS and text in value


SYSTEMD = "https://github.com/systemd/systemd/blob/main/src/basic/virt.c"
DS_IDENTIFY = "https://github.com/canonical/cloud-init/blob/main/tools/ds-identify"
VIRT_WHAT = "https://people.redhat.com/~rjones/virt-what/"
ANSIBLE = "https://github.com/ansible/ansible/blob/devel/lib/ansible/module_utils/facts/virtual/linux.py"
QEMU_SMBIOS = "https://github.com/qemu/qemu/blob/master/hw/smbios/smbios.c"
FACTER = "https://github.com/puppetlabs/facter/blob/main/lib/facter/facts/linux/virtual.rb"
XEN_HVMLOADER = "https://github.com/xen-project/xen/blob/master/tools/firmware/hvmloader/smbios.c"
CLOUD_HYPERVISOR = "https://github.com/cloud-hypervisor/cloud-hypervisor/blob/main/arch/src/x86_64/smbios.rs"
CROSVM = "https://chromium.googlesource.com/crosvm/crosvm/+/refs/heads/main/x86_64/src/smbios.rs"
EC2 = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html"
HYPER_V = "https://learn.microsoft.com/en-us/windows-server/virtualization/hyper-v/plan/should-i-create-a-generation-1-or-2-virtual-machine-in-hyper-v"
VMWARE = "https://knowledge.broadcom.com/external/article/340368"
SEABIOS = "https://github.com/coreboot/seabios/blob/master/src/fw/smbios.c"
VBOX = "https://www.virtualbox.org/manual/topics/AdvancedTopics.html"


def _platform(name: str) -> tuple[tuple[str, str], ...]:
    return (("platform", name),)


def _on_kvm(name: str) -> tuple[tuple[str, str], ...]:
    """Return the details of a platform that runs its machines by KVM alone."""
    return (("accelerator", "kvm"), *_platform(name))


AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"
"""The chassis' asset tag of Azure's virtual machines: MSFT AZURE VM, in the numbers of ASCII."""

PLACEHOLDERS = (
    "to be filled",
    "system manufacturer",
    "default string",
    "o.e.m",
    "oem",
    "not specified",
    "unknown",
    "n/a",
)
"""What stands in place of a maker whom nobody filled in."""

HYPERVISOR_ROWS: tuple[DmiRow, ...] = (
    # Some write their name short (systemd's table has VMW, which begins VMware as well).
    DmiRow(VM, "vmware", (("sys_vendor", STARTS, "VMW"),), SYSTEMD),
    DmiRow(VM, "vmware", (("product_name", STARTS, "VMW"),), SYSTEMD),
    DmiRow(VM, "vmware", (("bios_vendor", STARTS, "VMW"),), SYSTEMD),
    # vCenter's instances begin 42, those made by a single host or a desktop product 56 4d (the letters VM).
    DmiRow(VM, "vmware", (("product_serial", STARTS, "VMware-42 "),), VMWARE, details=(("product", "esxi"),)),
    DmiRow(VM, "virtualbox", (("product_name", IS, "VirtualBox"),), VBOX),
    DmiRow(VM, "virtualbox", (("sys_vendor", IS, "innotek GmbH"),), VBOX),
    DmiRow(VM, "virtualbox", (("bios_vendor", IS, "innotek GmbH"),), VBOX),
    DmiRow(VM, "virtualbox", (("board_name", IS, "VirtualBox"),), VBOX),
    # VirtualBox can be told to show the host's strings, and its own board stays beneath them; Oracle's own machines are
    # Oracle's all through.
    DmiRow(
        VM,
        "virtualbox",
        (
            ("board_vendor", IS, "Oracle Corporation"),
            ("sys_vendor", HAS_NOT, "oracle"),
            ("sys_vendor", HAS_NOT, "sun microsystems"),
            *(("sys_vendor", HAS_NOT, blank) for blank in PLACEHOLDERS),
            ("sys_vendor", HAS_NOT, "innotek"),
            ("sys_vendor", IS_NOT, ""),
        ),
        "https://github.com/systemd/systemd/issues/13429",
    ),
    DmiRow(VM, "parallels", (("sys_vendor", STARTS, "Parallels"),), SYSTEMD),
    DmiRow(VM, "parallels", (("product_name", STARTS, "Parallels"),), SYSTEMD),
    DmiRow(VM, "parallels", (("bios_vendor", STARTS, "Parallels"),), SYSTEMD),
    DmiRow(VM, "hyper-v", (("sys_vendor", STARTS, "Microsoft"), ("product_name", IS, "Virtual Machine")), HYPER_V),
    # Some of Azure's machines name the BIOS's maker as their own.
    DmiRow(
        VM,
        "hyper-v",
        (("chassis_asset_tag", IS, AZURE_TAG), ("sys_vendor", HAS_NOT, "microsoft")),
        "https://github.com/ClusterLabs/crmsh/issues/865",
    ),
    DmiRow(VM, "hyper-v", (("product_version", STARTS, "Hyper-V"),), SYSTEMD),
    DmiRow(VM, "hyper-v", (("bios_version", STARTS, "Hyper-V"),), SYSTEMD),
    DmiRow(VM, "xen", (("sys_vendor", IS, "Xen"),), XEN_HVMLOADER),
    DmiRow(VM, "xen", (("bios_vendor", IS, "Xen"),), XEN_HVMLOADER),
    DmiRow(VM, "xen", (("product_name", IS, "HVM domU"),), XEN_HVMLOADER, details=(("mode", "hvm"),)),
    DmiRow(VM, "bhyve", (("product_name", IS, "BHYVE"),), SYSTEMD),
    DmiRow(VM, "bhyve", (("sys_vendor", IS, "BHYVE"),), SYSTEMD),
    DmiRow(VM, "bhyve", (("bios_vendor", IS, "BHYVE"),), SYSTEMD),
    # SeaBIOS wrote its ancestor's name into the tables of QEMU's machines.
    DmiRow(VM, "qemu", (("bios_vendor", IS, "SeaBIOS"), ("sys_vendor", IS, "Bochs")), SEABIOS),
    DmiRow(VM, "bochs", (("sys_vendor", IS, "Bochs"),), SYSTEMD),
    DmiRow(VM, "bochs", (("product_name", IS, "Bochs"),), SYSTEMD),
    # QEMU up to 1.6 and libvirt on it showed Bochs' BIOS as well.
    DmiRow(VM, "bochs", (("bios_vendor", IS, "Bochs"),), SYSTEMD, HINT),
    DmiRow(
        VM, "openbsd-vmm", (("sys_vendor", IS, "OpenBSD"), ("product_name", IS, "VMM")), "https://man.openbsd.org/vmm.4"
    ),
    DmiRow(
        VM,
        "apple-vz",
        (("product_name", STARTS, "Apple Virtualization"),),
        "https://github.com/systemd/systemd/issues/24419",
    ),
    DmiRow(VM, "cloud-hypervisor", (("sys_vendor", IS, "Cloud Hypervisor"),), CLOUD_HYPERVISOR),
    DmiRow(VM, "cloud-hypervisor", (("product_name", IS, "cloud-hypervisor"),), CLOUD_HYPERVISOR),
    DmiRow(VM, "cloud-hypervisor", (("bios_vendor", IS, "cloud-hypervisor"),), CLOUD_HYPERVISOR),
    DmiRow(VM, "crosvm", (("product_name", IS, "crosvm"),), CROSVM),
    DmiRow(VM, "acrn", (("sys_vendor", IS, "ACRN"),), "https://github.com/projectacrn/acrn-hypervisor"),
    DmiRow(
        VM,
        "vm",
        (("sys_vendor", IS, "HITACHI"), ("product_name", HAS, " LPAR")),
        VIRT_WHAT,
        details=(("product", "virtage"),),
    ),
    DmiRow(
        VM, "vm", (("sys_vendor", STARTS, "Veertu"),), "https://github.com/chef/ohai", details=(("product", "anka"),)
    ),
    DmiRow(VM, "vm", (("product_name", IS, "SmartDC HVM"),), DS_IDENTIFY),
)

QEMU_ROWS: tuple[DmiRow, ...] = (
    DmiRow(VM, "qemu", (("sys_vendor", IS, "QEMU"),), QEMU_SMBIOS),
    DmiRow(VM, "qemu", (("chassis_vendor", IS, "QEMU"),), QEMU_SMBIOS),
    DmiRow(VM, "qemu", (("bios_vendor", IS, "QEMU"),), QEMU_SMBIOS),
    DmiRow(VM, "qemu", (("product_name", STARTS, "QEMU"),), QEMU_SMBIOS),
    # The machine type stands in the version: pc-i440fx-7.0, pc-q35-2.11, virt-4.2, RHEL 7.0.0 PC (i440FX + PIIX, 1996).
    DmiRow(VM, "qemu", (("product_version", STARTS, "pc-i440fx-"),), QEMU_SMBIOS),
    DmiRow(VM, "qemu", (("product_version", STARTS, "pc-q35-"),), QEMU_SMBIOS),
    DmiRow(VM, "qemu", (("product_version", STARTS, "virt-"),), QEMU_SMBIOS),
    DmiRow(VM, "qemu", (("product_version", STARTS, "RHEL "), ("product_version", HAS, " PC")), QEMU_SMBIOS),
    DmiRow(VM, "qemu", (("product_version", STARTS, "RHEL-"), ("product_version", HAS, " PC")), QEMU_SMBIOS),
    DmiRow(VM, "qemu", (("product_name", STARTS, "Standard PC ("),), QEMU_SMBIOS),
    # Distributions give the same machines names of their own: Ubuntu 18.04 PC (i440FX + PIIX, 1996).
    *(
        DmiRow(
            VM,
            "qemu",
            (("product_name", HAS, f" {machine}"), ("product_name", HAS_NOT, "Standard PC (")),
            "https://github.com/OpenVoxProject/openfact/issues/61",
        )
        for machine in ("PC (i440FX + PIIX, 1996)", "PC (Q35 + ICH9, 2009)")
    ),
    DmiRow(VM, "kvm", (("sys_vendor", IS, "KVM"),), VIRT_WHAT),
    DmiRow(VM, "kvm", (("product_name", IS, "KVM"),), SYSTEMD),
    DmiRow(VM, "kvm", (("product_name", IS, "KVM Server"),), ANSIBLE),
    DmiRow(VM, "kvm", (("product_name", STARTS, "KVM Virtual Machine"),), "https://libvirt.org/drvqemu.html"),
    DmiRow(VM, "vm", (("bios_vendor", IS, "SeaBIOS"),), "https://www.seabios.org/SeaBIOS", HINT),
    DmiRow(
        VM,
        "vm",
        (("bios_vendor", STARTS, "EFI Development Kit II"),),
        "https://github.com/tianocore/tianocore.github.io/wiki/OVMF",
        HINT,
    ),
)

PLATFORM_ROWS: tuple[DmiRow, ...] = (
    DmiRow(VM, "kvm", (("product_name", STARTS, "OpenStack"),), SYSTEMD, details=_platform("openstack")),
    DmiRow(VM, "kvm", (("sys_vendor", STARTS, "OpenStack"),), SYSTEMD, details=_platform("openstack")),
    DmiRow(VM, "kvm", (("product_name", STARTS, "RHEV Hypervisor"),), SYSTEMD, details=_on_kvm("rhv")),
    DmiRow(VM, "kvm", (("sys_vendor", IS, "Red Hat"), ("product_family", IS, "RHV")), ANSIBLE, details=_on_kvm("rhv")),
    DmiRow(
        VM,
        "kvm",
        (("sys_vendor", IS, "oVirt"), ("product_name", STARTS, "oVirt")),
        VIRT_WHAT,
        details=_on_kvm("ovirt"),
    ),
    DmiRow(
        VM,
        "kvm",
        (("sys_vendor", IS, "oVirt"), ("product_name", STARTS, "RHEL")),
        VIRT_WHAT,
        details=_on_kvm("ovirt"),
    ),
    DmiRow(VM, "kvm", (("sys_vendor", IS, "oVirt"), ("product_name", IS, "")), VIRT_WHAT, details=_on_kvm("ovirt")),
    DmiRow(
        VM,
        "kvm",
        (("sys_vendor", STARTS, "Nutanix"), ("product_name", IS, "AHV")),
        VIRT_WHAT,
        details=_on_kvm("nutanix-ahv"),
    ),
    DmiRow(VM, "kvm", (("product_name", IS, "Nutanix AHV"),), VIRT_WHAT, details=_on_kvm("nutanix-ahv")),
    DmiRow(VM, "kvm", (("product_name", IS, "oVirt Node"),), FACTER, details=_on_kvm("ovirt")),
    DmiRow(VM, "kvm", (("sys_vendor", IS, "KubeVirt"),), SYSTEMD, details=_platform("kubevirt")),
    DmiRow(VM, "kvm", (("product_name", IS, "KubeVirt"),), SYSTEMD, details=_platform("kubevirt")),
    DmiRow(
        VM,
        "kvm",
        (("product_family", IS, "KubeVirt"),),
        "https://kubevirt.io/user-guide/",
        details=_platform("kubevirt"),
    ),
    DmiRow(
        VM,
        "kvm",
        (("product_name", IS, "Container-native virtualization"),),
        "https://github.com/kubevirt/hyperconverged-cluster-operator",
        details=_platform("kubevirt"),
    ),
    DmiRow(
        VM,
        "kvm",
        (("product_name", STARTS, "OpenShift Virtualization"),),
        "https://github.com/mondoohq/cnquery",
        details=_platform("kubevirt"),
    ),
    DmiRow(
        VM,
        "qemu",
        (("bios_vendor", STARTS, "Proxmox"),),
        "https://pve.proxmox.com/wiki/OVMF/UEFI_Boot_Entries",
        details=_platform("proxmox"),
    ),
    DmiRow(VM, "qemu", (("board_name", IS, "LXD"),), DS_IDENTIFY, details=_platform("lxd-vm")),
    DmiRow(
        VM,
        "qemu",
        (("board_name", IS, "Incus"),),
        "https://linuxcontainers.org/incus/docs/main/",
        details=_platform("lxd-vm"),
    ),
)

CLOUD_VM_ROWS: tuple[DmiRow, ...] = (
    # Product names with ".metal" (c5.metal, m7i.metal-24xl) are whole machines.
    DmiRow(VM, "kvm", (("sys_vendor", IS, "Amazon EC2"), ("product_name", HAS_NOT, ".metal")), EC2),
    DmiRow(VM, "kvm", (("product_name", IS, "Google Compute Engine"),), SYSTEMD),
    DmiRow(VM, "kvm", (("product_name", IS, "Alibaba Cloud ECS"),), SYSTEMD),
    DmiRow(VM, "kvm", (("sys_vendor", STARTS, "Tencent"), ("product_name", IS, "CVM")), SYSTEMD),
    DmiRow(VM, "kvm", (("sys_vendor", IS, "DigitalOcean"), ("product_name", IS, "Droplet")), DS_IDENTIFY),
    DmiRow(VM, "kvm", (("sys_vendor", IS, "Hetzner"), ("product_name", IS, "vServer")), DS_IDENTIFY),
    DmiRow(VM, "kvm", (("product_name", STARTS, "CloudStack KVM"),), DS_IDENTIFY),
    # Its instances are called by their offer (SCW-DEV1-S); its whole machines show their maker.
    DmiRow(VM, "kvm", (("sys_vendor", IS, "Scaleway"), ("product_name", STARTS, "SCW-")), DS_IDENTIFY),
    DmiRow(VM, "kvm", (("sys_vendor", IS, "Exoscale"),), DS_IDENTIFY),
    DmiRow(VM, "kvm", (("sys_vendor", IS, "Linode"), ("product_name", HAS, "Compute Instance")), DS_IDENTIFY),
    DmiRow(VM, "kvm", (("sys_vendor", IS, "Akamai"), ("product_name", HAS, "Compute Instance")), DS_IDENTIFY),
    DmiRow(VM, "kvm", (("product_name", IS, "3DS Outscale VM"),), DS_IDENTIFY),
)

MAYBE_WHOLE_ROWS = frozenset(CLOUD_VM_ROWS)
"""Clouds that show the same names on whole machines: where the CPU denies a hypervisor, no row speaks for one."""

ROWS: tuple[DmiRow, ...] = (*HYPERVISOR_ROWS, *QEMU_ROWS, *PLATFORM_ROWS, *CLOUD_VM_ROWS)
