"""The rules for machines: control domains and root partitions, borrowed names and signatures, shared devices."""

from __future__ import annotations

from envinspect.model import Kind, Origin, Strength, Trait
from envinspect.resolver.overrules import Rule, View, from_firmware_strings, from_interface

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envinspect.resolver.overrules import Losers

_PARAVIRTUAL_KVM = ("virtualbox", "parallels")
"""VMMs that offer guests KVM's CPUID interface though they are not KVM."""
_SMBIOS_BRANDS = (
    "vmware",
    "virtualbox",
    "parallels",
    "hyper-v",
    "virtualpc",
    "xen",
    "bhyve",
    "apple-vz",
    "openbsd-vmm",
    "acrn",
)


def _vm_losers_in_root_partition(view: View) -> Losers:
    if not view.holds(Kind.ROLE, "hyper-v-root"):
        return ()
    return [
        piece for piece in view.of(Kind.VM, "hyper-v", "vm") if from_interface(piece) or piece.origin is Origin.CPUINFO
    ]


def _vm_losers_in_dom0(view: View) -> Losers:
    if not view.holds(Kind.ROLE, "xen-dom0"):
        return ()
    xen = view.of(Kind.VM, "xen")
    cpu = [piece for piece in view.of(Kind.VM, "vm") if from_interface(piece) or piece.origin is Origin.CPUINFO]
    # In a control domain that itself runs in another VMM the CPU's bit is that VMM's, and stays.
    others = any(piece.id not in {"xen", "vm"} and piece.strength > Strength.HINT for piece in view.of(Kind.VM))
    return xen if others else (*xen, *cpu)


def _viridian(view: View) -> Losers:
    """Hyper-V's signature, where another hypervisor is known and nothing that only Hyper-V has is there."""
    cloaks = [piece for piece in view.of(Kind.VM, "hyper-v") if from_interface(piece)]
    own = any(not from_interface(piece) for piece in view.of(Kind.VM, "hyper-v", "virtualpc"))
    known = [
        piece
        for piece in view.of(Kind.VM)
        if piece.id not in {"hyper-v", "virtualpc", "vm"} and piece.strength > Strength.HINT and piece.depth == 0
    ]
    if own and not any(from_interface(piece) for piece in known):
        return ()
    return cloaks if known else ()


def _chosen_vendor(view: View) -> Losers:
    """Another maker's name before Hyper-V's interface, where KVM follows or the machine is QEMU's: a user chose it."""
    followed = any(from_interface(piece) and Trait.FIRST_LEAF not in piece.traits for piece in view.of(Kind.VM, "kvm"))
    if not followed and not _machine_is_qemu(view):
        return ()
    return [piece for piece in view.of(Kind.VM) if Trait.HYPER_V_INTERFACE in piece.traits]


def _kvm_interface(view: View) -> Losers:
    """KVM's signature, where a VMM that imitates it is known, and nothing of the machine itself is QEMU's.

    Both imitators build PCI devices of their own: where only SMBIOS names one, on a bus with a VMM's devices but none
    of its own, the strings are borrowed.
    """
    imitators = [piece for piece in view.of(Kind.VM, *_PARAVIRTUAL_KVM) if piece.strength > Strength.HINT]
    if not imitators or _machine_is_qemu(view):
        return ()
    by_strings_alone = all(from_firmware_strings(piece) for piece in imitators)
    if by_strings_alone and any(piece.origin is Origin.PCI for piece in view.of(Kind.VM)):
        return ()
    return [piece for piece in view.of(Kind.VM, "kvm") if from_interface(piece)]


def _machine_is_qemu(view: View) -> bool:
    """Say whether the machine itself, not its strings, is QEMU's: CPU, tables, devices."""
    return any(
        not from_firmware_strings(piece) and piece.strength > Strength.HINT and piece.depth == 0
        for piece in view.of(Kind.VM, "qemu")
    )


def _borrowed_brand(view: View) -> Losers:
    """SMBIOS strings of another maker, where CPU, tables or devices say whose machine it is."""
    real = {
        piece.id
        for piece in view.of(Kind.VM)
        if not from_firmware_strings(piece) and piece.strength > Strength.HINT and piece.depth == 0 and piece.id != "vm"
    }
    if not real:
        return ()
    return [
        piece
        for piece in view.of(Kind.VM, *_SMBIOS_BRANDS)
        if from_firmware_strings(piece)
        and piece.id not in real
        and not (real == {"hyper-v"} and piece.id == "virtualpc")
    ]


def _xen_device_model(view: View) -> Losers:
    if not any(
        not from_firmware_strings(piece) and piece.strength > Strength.HINT for piece in view.of(Kind.VM, "xen")
    ):
        return ()
    return [piece for piece in view.of(Kind.VM, "qemu", "kvm") if not from_interface(piece)]


def _bochs_strings(view: View) -> Losers:
    return view.of(Kind.VM, "bochs") if view.holds(Kind.VM, "kvm", "qemu", "xen") else ()


MACHINE_RULES: tuple[Rule, ...] = (
    Rule(
        "hyper-v-root",
        _vm_losers_in_root_partition,
        "This is the root partition, which owns the machine and hosts Hyper-V's guests; it is none of them.",
        "https://learn.microsoft.com/en-us/virtualization/hyper-v-on-windows/tlfs/feature-discovery",
    ),
    Rule(
        "xen-dom0",
        _vm_losers_in_dom0,
        "This is the control domain, which drives the machine's own hardware.",
        "https://wiki.xenproject.org/wiki/Dom0",
    ),
    Rule(
        "viridian-cloak",
        _viridian,
        "Xen, KVM and QEMU can show Hyper-V's signature to speed Windows guests up; their own evidence is here.",
        "https://www.qemu.org/docs/master/system/i386/hyperv.html",
    ),
    Rule(
        "chosen-vendor",
        _chosen_vendor,
        "QEMU's hv-vendor-id puts any name before Hyper-V's interface; KVM's own leaf or QEMU's devices are here too.",
        "https://www.qemu.org/docs/master/system/i386/hyperv.html",
    ),
    Rule(
        "xen-device-model",
        _xen_device_model,
        "Xen uses QEMU to emulate a guest's devices; the hypervisor is Xen.",
        "https://wiki.xenproject.org/wiki/QEMU_Upstream",
    ),
    Rule(
        "kvm-interface",
        _kvm_interface,
        "This VMM offers KVM's paravirtual interface to Linux guests; it is not KVM.",
        "https://www.virtualbox.org/manual/topics/AdvancedTopics.html",
    ),
    Rule(
        "borrowed-brand",
        _borrowed_brand,
        "SMBIOS strings can be set at will; the CPU, the firmware's tables or the devices say whose machine this is.",
        "https://www.qemu.org/docs/master/system/invocation.html",
    ),
    Rule(
        "bochs-strings",
        _bochs_strings,
        "QEMU, KVM and Xen shipped Bochs' firmware with its strings.",
        "https://github.com/systemd/systemd/blob/main/src/basic/virt.c",
    ),
)
