"""Xen: its own sysfs folder and procfs file, which say guest or control domain, and how the guest is run."""

from __future__ import annotations

from envinspect.model import Denied, Evidence, Found, Kind, Strength, Unknown
from envinspect.model.facts import Facts
from envinspect.probes.namespaces import namespaces
from envinspect.signatures.cpuid import SIGNATURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TYPE = "/sys/hypervisor/type"
UUID = "/sys/hypervisor/uuid"
GUEST_TYPE = "/sys/hypervisor/guest_type"
FEATURES = "/sys/hypervisor/properties/features"
MELTDOWN = "/sys/devices/system/cpu/vulnerabilities/meltdown"
MELTDOWN_REFERENCE = "https://github.com/torvalds/linux/blob/master/arch/x86/kernel/cpu/bugs.c"
CAPABILITIES = "/proc/xen/capabilities"
SYSFS_REFERENCE = "https://www.kernel.org/doc/Documentation/ABI/stable/sysfs-hypervisor-xen"
FEATURES_REFERENCE = "https://xenbits.xen.org/docs/unstable/hypercall/x86_64/include,public,features.h.html"
BUS = "/sys/bus/xen/devices"
XENBUS_REFERENCE = "https://wiki.xenproject.org/wiki/XenBus"
DOM0_FEATURE = 1 << 11
_FOLDER = "/proc/xen"
_TOLD = "whether this is a guest of Xen's or its control domain"
_XEN_SIGNATURE = "XenVMMXenVMM"
_CPUID_BASE = 0x4000_0000


def probe_xen(facts: Facts) -> Iterator[Evidence | Unknown]:
    """Yield the control domain as a role, any other domain as a layer; which of the two may not be told."""
    error = _hides_control(facts)
    for piece in _domain(facts):
        hidden = error and piece.kind is Kind.VM and piece.source in {TYPE, UUID, _FOLDER}
        yield piece.replace(strength=Strength.HINT) if hidden else piece
        if hidden:
            yield Unknown(CAPABILITIES, error, _TOLD, names=(Kind.ROLE,), ids=("xen-dom0",), shows=(Kind.VM,))


def _hides_control(facts: Facts) -> str:
    """Return why it cannot be told whether this is the control domain, "" where it can.

    What tells it was refused; or a container has a /proc of its own, where Xen's folder is empty on either.
    """
    readings = [facts.text(path) for path in (FEATURES, CAPABILITIES)]
    if any(isinstance(reading, Found) for reading in readings):
        return ""
    refused = next((each.error for each in readings if isinstance(each, Denied) and each.refused), "")
    apart = "pid" in facts.derived(namespaces).others and not isinstance(facts.text(TYPE), Found)
    return refused or ("absent" if apart else "")


def _domain(facts: Facts) -> Iterator[Evidence]:
    kind_of_hypervisor = facts.text(TYPE)
    features = _number(facts.str_or(FEATURES))
    capabilities = facts.str_or(CAPABILITIES)
    if features & DOM0_FEATURE:
        yield Evidence(Kind.ROLE, "xen-dom0", Strength.PROOF, FEATURES, f"{features:08x}", FEATURES_REFERENCE)
    if "control_d" in capabilities:
        reference = "https://wiki.xenproject.org/wiki/Dom0"
        yield Evidence(Kind.ROLE, "xen-dom0", Strength.PROOF, CAPABILITIES, "control_d", reference)
    uuid = facts.str_or(UUID)
    if (isinstance(kind_of_hypervisor, Found) and kind_of_hypervisor.value == "xen") or uuid:
        mode = facts.str_or(GUEST_TYPE).lower()
        details = (("mode", mode),) if mode in {"pv", "pvh", "hvm"} else ()
        source, observed = (TYPE, "xen") if isinstance(kind_of_hypervisor, Found) else (UUID, uuid[:8] + "…")
        # Kernels before 4.13 do not tell the mode (linux: Documentation/ABI/testing/sysfs-hypervisor-xen).
        depth = 1 if mode in {"pv", ""} and another_owns_cpuid(facts) else 0
        yield Evidence(Kind.VM, "xen", Strength.PROOF, source, observed, SYSFS_REFERENCE, depth, details)
    elif isinstance(kind_of_hypervisor, Found) and kind_of_hypervisor.value:
        named = kind_of_hypervisor.value[:80]
        yield Evidence(Kind.VM, "vm", Strength.STRONG, TYPE, named, SYSFS_REFERENCE)
    elif facts.exists(_FOLDER):
        # A guest with hardware's help sees Xen's own CPUID: where another's is there, this is a PV guest inside it.
        depth = 1 if another_owns_cpuid(facts) else 0
        yield Evidence(Kind.VM, "xen", Strength.STRONG, _FOLDER, "present", SYSFS_REFERENCE, depth)
    if "XEN PV" in facts.str_or(MELTDOWN):
        depth, details = (1 if another_owns_cpuid(facts) else 0), (("mode", "pv"),)
        observed = "XEN PV detected"
        yield Evidence(Kind.VM, "xen", Strength.STRONG, MELTDOWN, observed, MELTDOWN_REFERENCE, depth, details)
    bus = facts.listing(BUS)
    if isinstance(bus, Found) and bus.value:
        # The bus itself is there wherever the kernel was built with Xen's drivers; its devices are not.
        yield Evidence(Kind.VM, "xen", Strength.STRONG, BUS, bus.value[0], XENBUS_REFERENCE)
    if uuid.lower().startswith("ec2"):
        reference = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html"
        yield Evidence(Kind.CLOUD, "aws", Strength.STRONG, UUID, uuid[:8] + "…", reference)


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


def another_owns_cpuid(facts: Facts) -> bool:
    """Say whether CPUID describes the machine around: a PV guest does not own it."""
    features = facts.cpuid(1)
    if not isinstance(features, Found) or not features.value.ecx >> 31 & 1:
        return False
    leaves = range(_CPUID_BASE, _CPUID_BASE + 0x300, 0x100)
    seen = [reading.value.ascii() for leaf in leaves if isinstance(reading := facts.cpuid(leaf), Found)]
    return any(signature in SIGNATURES for signature in seen) and _XEN_SIGNATURE not in seen
