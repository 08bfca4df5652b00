"""What this machine hosts: the Hyper-V root partition, and KVM with guests running.

A loaded module or a device node is no host.
"""

from __future__ import annotations

from envinspect.facts import Facts
from envinspect.model import Evidence, Found, Kind, Origin, Strength

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HYPERV_BASE = 0x4000_0000
HYPERV_FEATURES = 0x4000_0003
CREATE_PARTITIONS = 1
ISOLATION = 1 << 22
HYPERV_REFERENCE = "https://learn.microsoft.com/en-us/virtualization/hyper-v-on-windows/tlfs/feature-discovery"
MODULES = "/proc/modules"
KVM_MODULES = ("kvm_intel", "kvm_amd", "kvm_hv")


def probe_roles(facts: Facts) -> Iterator[Evidence]:
    """Yield the roles that the machine's own interfaces prove."""
    base = facts.cpuid(HYPERV_BASE)
    if isinstance(base, Found) and base.value.ascii() == "Microsoft Hv":
        features = facts.cpuid(HYPERV_FEATURES)
        if (
            isinstance(features, Found)
            and features.value.ebx & CREATE_PARTITIONS
            and not features.value.ebx & ISOLATION
        ):
            source = f"CPUID 0x{HYPERV_FEATURES:08X}"
            yield Evidence(
                Kind.ROLE,
                "hyper-v-root",
                Strength.PROOF,
                source,
                f"EBX {features.value.ebx:#x}: CreatePartitions",
                HYPERV_REFERENCE,
                origin=Origin.CPUID,
            )
    for line in facts.str_or(MODULES).splitlines():
        # Name, size, use count: each running guest holds the module once (linux: virt/kvm/kvm_main.c, fops.owner).
        name, _, rest = line.partition(" ")
        if name in KVM_MODULES:
            count = rest.split()[1:2]
            if count and count[0].isdigit() and int(count[0]) > 0:
                reference = "https://man7.org/linux/man-pages/man5/proc_modules.5.html"
                yield Evidence(Kind.ROLE, "kvm-host", Strength.STRONG, MODULES, f"{name} used by {count[0]}", reference)
