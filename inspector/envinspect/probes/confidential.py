"""Confidential guests: memory encrypted against the hypervisor.

Details of the VM's layer, never a layer of their own.
"""

from __future__ import annotations

from envinspect.model import ABSENT, Evidence, Found, Kind, Origin, Strength
from envinspect.model.facts import Facts
from envinspect.probes.firmware import SYSINFO
from envinspect.sources.cpu import CPUINFO, cpuinfo, flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

AMD_ENCRYPTION = 0x8000_001F
INTEL_TDX = 0x21
INTEL = ("GenuineIntel",)
AMD = ("AuthenticAMD", "HygonGenuine")
HYPERV_BASE = 0x4000_0000
HYPERV_FEATURES = 0x4000_0003
HYPERV_ISOLATION = 0x4000_000C
HYPERV_ISOLATED = 1 << 22
"""Partition privilege "isolation" (linux: include/hyperv/hvgdk_mini.h, HV_ISOLATION)."""
SEV_REFERENCE = "https://docs.kernel.org/arch/x86/amd-memory-encryption.html"
TDX_REFERENCE = "https://docs.kernel.org/arch/x86/tdx.html"
HYPERV_REFERENCE = "https://docs.kernel.org/virt/hyperv/coco.html"

_FILES = (
    ("/sys/firmware/uv/prot_virt_guest", "1", "protvirt", "https://docs.kernel.org/virt/kvm/s390/s390-pv.html"),
    ("/dev/tdx_guest", "", "tdx", TDX_REFERENCE),
    ("/dev/sev-guest", "", "sev-snp", "https://docs.kernel.org/virt/coco/sev-guest.html"),
    ("/sys/bus/platform/devices/arm-cca-dev", "", "cca", "https://docs.kernel.org/arch/arm64/arm-cca.html"),
)


def probe_confidential(facts: Facts) -> Iterator[Evidence]:
    """Yield the technology as a detail of whichever machine the other probes find."""
    for path, wanted, technology, reference in _FILES:
        if facts.str_or(path) == wanted if wanted else facts.exists(path):
            depth = _innermost(facts) if technology == "protvirt" else 0
            yield _evidence(technology, path, wanted or "present", reference).replace(depth=depth)
    if "tdx_guest" in flags(facts.derived(cpuinfo)):
        yield _evidence("tdx", CPUINFO, "flag tdx_guest", TDX_REFERENCE).replace(origin=Origin.CPUINFO)
    features = facts.cpuid(1)
    if isinstance(features, Found) and features.value.ecx >> 31 & 1:
        for piece in _cpuid(facts):
            yield piece.replace(origin=Origin.CPUID)


def _innermost(facts: Facts) -> int:
    """Return the depth of what is protected: IBM Z names every level, and it is the innermost."""
    from envinspect.sources.sysinfo import levels

    return max(0, len(levels(facts.str_or(SYSINFO))) - 1)


def _cpuid(facts: Facts) -> Iterator[Evidence]:
    """Ask the leaves, which mean the guest's own state only under a hypervisor (on the bare CPU: what it supports)."""
    maker = facts.cpuid(0)
    vendor = maker.value.vendor() if isinstance(maker, Found) else ""
    encryption = facts.cpuid(AMD_ENCRYPTION) if vendor not in INTEL and _has_leaf(facts, AMD_ENCRYPTION) else ABSENT
    if isinstance(encryption, Found) and encryption.value.eax & 2:
        eax = encryption.value.eax
        technology = "sev-snp" if eax & 16 else "sev-es" if eax & 8 else "sev"
        yield _evidence(technology, f"CPUID 0x{AMD_ENCRYPTION:08X}", f"EAX {eax:#x}", SEV_REFERENCE)
    tdx = facts.cpuid(INTEL_TDX) if vendor not in AMD and _has_leaf(facts, INTEL_TDX) else ABSENT
    if isinstance(tdx, Found) and tdx.value.vendor() == "IntelTDX    ":
        yield _evidence("tdx", f"CPUID 0x{INTEL_TDX:08X}", "IntelTDX", TDX_REFERENCE)
    base = facts.cpuid(HYPERV_BASE)
    if isinstance(base, Found) and base.value.ascii() != "Microsoft Hv":
        return
    privileges = facts.cpuid(HYPERV_FEATURES)
    if not isinstance(privileges, Found) or not privileges.value.ebx & HYPERV_ISOLATED:
        return
    isolation = facts.cpuid(HYPERV_ISOLATION)
    if isinstance(isolation, Found):
        isolated_by = {1: "azure-hcl", 2: "sev-snp", 3: "tdx"}.get(isolation.value.ebx & 0xF)
        paravisor = (("paravisor", "azure-hcl"),) if isolation.value.eax & 1 else ()
        if isolated_by:
            observed = f"EAX {isolation.value.eax:#x} EBX {isolation.value.ebx:#x}"
            yield _evidence(isolated_by, f"CPUID 0x{HYPERV_ISOLATION:08X}", observed, HYPERV_REFERENCE, paravisor)


def _has_leaf(facts: Facts, leaf: int) -> bool:
    """Say whether the CPU has a leaf: past its highest one, QEMU and Intel's CPUs repeat the highest basic leaf."""
    highest = facts.cpuid(leaf & 0x8000_0000)
    return not isinstance(highest, Found) or highest.value.eax >= leaf


def _evidence(
    technology: str, source: str, observed: str, reference: str, more: tuple[tuple[str, str], ...] = ()
) -> Evidence:
    return Evidence(
        Kind.VM, "vm", Strength.STRONG, source, observed, reference, details=(("confidential", technology), *more)
    )
