"""Virtual machines: QEMU's machine types and firmware, emulated, other makers' SMBIOS strings, and what runs inside."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from environments import nested
from environments.case import CannotStartError, Environment
from environments.lab import Lab
from environments.machines import ARM64, S390X, Machine, boot, foreign_machine, transcripts

Start = Callable[[Lab], str]

QEMU = "qemu-system-x86_64"
BRANDS = frozenset({"vmware", "virtualbox", "hyper-v", "parallels", "xen", "virtualpc", "bhyve", "kvm", "bochs"})
# Under emulation the CPU says so; the accelerator is a detail of the layer.
TCG = {"qemu": {"accelerator": "tcg"}}

GUEST = functools.partial(
    Environment, needs=(QEMU,), layers=("qemu",), own_kernel=True, details=TCG, never=BRANDS, slow=True, deadline_s=420
)


def _boots(machine: Machine) -> Start:
    return lambda lab: boot(lab, machine, timeout_s=300)


def _ovmf(lab: Lab) -> str:
    for name in ("OVMF_CODE.fd", "OVMF_CODE_4M.fd"):
        firmware = Path("/usr/share/OVMF") / name
        if firmware.exists():
            return boot(lab, Machine(machine="q35", firmware=firmware, memory_mib=1024), timeout_s=300)
    raise CannotStartError("no OVMF firmware; try: apt-get install ovmf")


def _smbios(*values: str) -> Start:
    return _boots(Machine(smbios=values, append="ask.plain"))


def _one_of(task: str, name: str) -> Start:
    """One of the transcripts of a guest that is asked in several environments."""
    return lambda lab: transcripts(lab, task)[name]


def system(manufacturer: str, product: str, version: str = "", **more: str) -> str:
    """Return the value of `-smbios` for the system's table (type 1)."""
    words = {"manufacturer": manufacturer, "product": product, "version": version, **more}
    return "type=1," + ",".join(f"{key}={value}" for key, value in words.items() if value)


def bios(vendor: str, version: str = "") -> str:
    return f"type=0,vendor={vendor}" + (f",version={version}" if version else "")


def board(manufacturer: str, product: str = "") -> str:
    return f"type=2,manufacturer={manufacturer}" + (f",product={product}" if product else "")


def chassis(manufacturer: str, asset: str = "") -> str:
    return f"type=3,manufacturer={manufacturer}" + (f",asset={asset}" if asset else "")


DELL = (
    bios("Dell Inc.", "2.4.3"),
    system("Dell Inc.", "PowerEdge R720"),
    board("Dell Inc.", "0X3D66"),
    chassis("Dell Inc."),
)

# What other makers' machines say in SMBIOS, as published dumps have it.
# The CPU says TCG all the same: the hypervisor is QEMU. Each: name, -smbios values, details of the layer that the
# strings rightly add, the cloud that they rightly name (None: not asserted).
SMBIOS: tuple[tuple[str, tuple[str, ...], dict[str, str], str | None], ...] = (
    (
        "vmware",
        (bios("Phoenix Technologies LTD", "6.00"), system("VMware,, Inc.", "VMware Virtual Platform", "None")),
        {},
        None,
    ),
    (
        "virtualbox",
        (
            bios("innotek GmbH", "VirtualBox"),
            system("innotek GmbH", "VirtualBox", "1.2"),
            board("Oracle Corporation", "VirtualBox"),
        ),
        {},
        None,
    ),
    (
        "hyper-v",
        (
            bios("American Megatrends Inc.", "090008"),
            system("Microsoft Corporation", "Virtual Machine", "7.0"),
            board("Microsoft Corporation", "Virtual Machine"),
        ),
        {},
        None,
    ),
    (
        "parallels",
        (
            bios("Parallels International GmbH."),
            system("Parallels International GmbH.", "Parallels Virtual Platform", "None"),
        ),
        {},
        None,
    ),
    ("xen-hvm", (bios("Xen", "4.11.amazon"), system("Xen", "HVM domU", "4.11.amazon")), {}, None),
    ("bhyve", (bios("BHYVE", "14.0"), system("FreeBSD", "BHYVE", "1.0")), {}, None),
    (
        "ec2",
        (bios("Amazon EC2", "1.0"), system("Amazon EC2", "m5.large"), chassis("Amazon EC2", "Amazon EC2")),
        {},
        None,
    ),
    (
        "ec2-xen",
        (
            bios("Xen", "4.11.amazon"),
            system("Xen", "HVM domU", "4.11.amazon", uuid="ec2f4c2e-1a2b-4c3d-8e9f-0a1b2c3d4e5f"),
        ),
        {},
        None,
    ),
    (
        "gce",
        (bios("Google", "Google"), system("Google", "Google Compute Engine"), board("Google", "Google Compute Engine")),
        {},
        None,
    ),
    (
        "azure",
        (
            bios("American Megatrends Inc.", "090008"),
            system("Microsoft Corporation", "Virtual Machine", "7.0"),
            chassis("Microsoft Corporation", "7783-7084-3265-9085-8269-3286-77"),
        ),
        {},
        None,
    ),
    (
        "openstack",
        (system("OpenStack Foundation", "OpenStack Nova", "25.1.1"),),
        {"platform": "openstack"},
        "openstack",
    ),
    ("kubevirt", (system("KubeVirt", "None", family="KubeVirt"),), {"platform": "kubevirt"}, None),
    ("nutanix", (system("Nutanix", "AHV"),), {"platform": "nutanix-ahv"}, None),
    ("ovirt", (system("oVirt", "oVirt Node", "4.5"),), {"platform": "ovirt"}, None),
    ("rhev", (system("Red Hat", "RHEV Hypervisor", "6.5"),), {"platform": "rhv"}, None),
    ("alibaba", (system("Alibaba Cloud", "Alibaba Cloud ECS", "pc-i440fx-2.1"),), {}, "alibaba"),
    (
        "digitalocean",
        (bios("DigitalOcean", "20171212"), system("DigitalOcean", "Droplet", "20171212")),
        {},
        "digitalocean",
    ),
    ("hetzner", (bios("Hetzner", "20171111"), system("Hetzner", "vServer", "20171111")), {}, "hetzner"),
    ("vultr", (system("Vultr", "VC2"),), {}, "vultr"),
    ("scaleway", (system("Scaleway", "SCW-DEV1-S"),), {}, "scaleway"),
    ("upcloud", (bios("UpCloud"), system("UpCloud", "UpCloud Server")), {}, "upcloud"),
    ("exoscale", (system("Exoscale", "Exoscale Compute Platform"),), {}, "exoscale"),
    ("cloudstack", (system("Apache Software Foundation", "CloudStack KVM Hypervisor", "2.0"),), {}, "cloudstack"),
    ("oracle", (chassis("QEMU", "OracleCloud.com"),), {}, "oracle"),
    (
        "huawei",
        (system("OpenStack Foundation", "OpenStack Nova", "13.2.1"), chassis("Huawei Inc.", "HUAWEICLOUD")),
        {},
        None,
    ),
    ("tencent", (system("Tencent Cloud", "CVM", "3.0"),), {}, "tencent"),
    ("akamai", (system("Akamai", "Compute Instance"),), {}, "akamai"),
    ("proxmox-like", (bios("SeaBIOS", "rel-1.16.2-0-gea1b7a073390-prebuilt.qemu.org"),), {}, None),
    ("dell-server", DELL, {}, None),
    (
        "microsoft-surface",
        (bios("Microsoft Corporation", "108.2706.768"), system("Microsoft Corporation", "Surface Pro 3", "1")),
        {},
        None,
    ),
)

# Without the timers that it lacks, the kernel cannot measure the processor's clock on a busy host, and waits for ever.
MICROVM = Machine(machine="microvm", append="tsc_early_khz=2450000 no_timer_check")
BITS_OFF = "max,-hypervisor"

_PLAIN = (
    GUEST(name="qemu-pc", start=_boots(Machine()), how="QEMU under TCG, machine pc"),
    GUEST(name="qemu-q35", start=_boots(Machine(machine="q35")), how="QEMU under TCG, machine q35"),
    GUEST(name="qemu-microvm", start=_boots(MICROVM), how="QEMU under TCG, machine microvm"),
    GUEST(
        name="qemu-isapc",
        start=_boots(Machine(machine="pc,acpi=off,usb=off")),
        how="QEMU under TCG, machine pc without ACPI",
    ),
    GUEST(name="qemu-ovmf", start=_ovmf, how="QEMU under TCG, machine q35 with UEFI firmware"),
    GUEST(
        name="qemu-hypervisor-bit-off",
        start=_boots(Machine(cpu=BITS_OFF)),
        how="QEMU under TCG, -cpu max,-hypervisor",
        details={},
    ),
    GUEST(
        name="qemu-hypervisor-bit-off-dell",
        start=_boots(Machine(cpu=BITS_OFF, smbios=DELL)),
        how="QEMU under TCG, -cpu max,-hypervisor, with a bare-metal server's SMBIOS strings",
        details={},
    ),
    GUEST(
        name="qemu-in-guest-chroot",
        start=_one_of("guest-many", "chroot"),
        shared_boot="guest-many",
        layers=("qemu", "chroot"),
        how="chroot inside a QEMU guest",
    ),
    GUEST(
        name="qemu-in-guest-unshare-pid",
        start=_one_of("guest-many", "unshare-pid"),
        shared_boot="guest-many",
        how="unshare --pid inside a QEMU guest",
        never=BRANDS | {"container", "docker"},
    ),
    GUEST(
        name="qemu-in-guest-runc",
        start=_one_of("guest-many", "runc"),
        shared_boot="guest-many",
        layers=("qemu", "container"),
        how="runc inside a QEMU guest",
    ),
)

_OF_OTHER_ARCHITECTURES = (
    GUEST(
        name="qemu-arm64-virt",
        needs=("qemu-system-aarch64", "tree:arm64"),
        start=lambda lab: foreign_machine(lab, "arm64", replace(ARM64, machine="virt")),
        how="QEMU under TCG, an arm64 guest, machine virt",
        details={},
        deadline_s=420,
    ),
    GUEST(
        name="qemu-arm64-virt-without-acpi",
        needs=("qemu-system-aarch64", "tree:arm64"),
        start=lambda lab: foreign_machine(lab, "arm64", replace(ARM64, machine="virt,acpi=off")),
        how="QEMU under TCG, an arm64 guest, machine virt without ACPI",
        details={},
        deadline_s=420,
    ),
    GUEST(
        name="qemu-s390x",
        needs=("qemu-system-s390x", "tree:s390x"),
        start=lambda lab: foreign_machine(lab, "s390x", S390X),
        how="QEMU under TCG, an s390x guest",
        deadline_s=420,
    ),
)

_SMBIOS = tuple(
    GUEST(
        name=f"qemu-smbios-{name}",
        start=_smbios(*values),
        how=f"QEMU under TCG with the SMBIOS strings of {name}",
        details={"qemu": {"accelerator": "tcg", **details}},
        cloud=cloud,
    )
    for name, values, details, cloud in SMBIOS
)

GUESTS = (*_PLAIN, *_SMBIOS, *_OF_OTHER_ARCHITECTURES, *nested.ENVIRONMENTS)
