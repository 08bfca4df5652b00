"""The CPU: asked itself (x86), as the kernel shows it in /proc/cpuinfo, and by the clocks that a guest's kernel has."""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Origin, Strength, Trait
from envinspect.model.facts import Facts
from envinspect.probes.xen import another_owns_cpuid
from envinspect.signatures.clocksource import CLOCKS
from envinspect.signatures.cpuid import EMULATED_CPUS, EMULATED_CPUS_REFERENCE, HYPERVISOR_BIT_REFERENCE, SIGNATURES
from envinspect.signatures.cpuinfo import ROWS
from envinspect.sources.cpu import BRAND_LEAVES, CPUINFO, brand, cpuinfo, flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

AVAILABLE = "/sys/devices/system/clocksource/clocksource0/available_clocksource"
FIRST_LEAF = 0x4000_0000
LAST_LEAF = 0x4000_FF00
STEP = 0x100
MICROSOFT = "Microsoft Hv"
HYPER_V_INTERFACE = int.from_bytes(b"Hv#1", "little")
"""How evidence says that a name other than Microsoft's stands before Hyper-V's interface: QEMU lets users choose it."""


def probe_cpuid(facts: Facts) -> Iterator[Evidence]:
    """Yield one piece of evidence per hypervisor signature."""
    features = facts.cpuid(1)
    yield from _brand(facts)
    yield from _vendor(facts)
    if not isinstance(features, Found) or not features.value.ecx >> 31 & 1:
        return
    # VIA's Samuel sets the bit by accident.
    vendor = facts.cpuid(0)
    by_accident = isinstance(vendor, Found) and vendor.value.vendor() == "CentaurHauls"
    strength = Strength.HINT if by_accident else Strength.STRONG
    yield Evidence(
        Kind.VM, "vm", strength, "CPUID 0x00000001", "ECX bit 31 set", HYPERVISOR_BIT_REFERENCE, origin=Origin.CPUID
    )
    for leaf in range(FIRST_LEAF, LAST_LEAF + 1, STEP):
        reading = facts.cpuid(leaf)
        if not isinstance(reading, Found):
            continue
        text = reading.value.ascii()
        row = SIGNATURES.get(text)
        if row is not None:
            borrowed = text != MICROSOFT and _speaks_hyper_v(facts, leaf)
            observed = text.rstrip("\0") + (", interface Hv#1" if borrowed else "")
            traits = ((Trait.FIRST_LEAF,) if leaf == FIRST_LEAF else ()) + (
                (Trait.HYPER_V_INTERFACE,) if borrowed else ()
            )
            source = f"CPUID 0x{leaf:08X}"
            yield Evidence(
                Kind.VM, row.id, row.strength, source, observed, row.reference, 0, row.details, Origin.CPUID, traits
            )
        elif leaf > FIRST_LEAF:
            break


def cpu_brand(facts: Facts) -> str:
    """Return the CPU's name from leaves 0x80000002 to 4 (Intel SDM vol. 2A, CPUID), "" where it has none."""
    highest = facts.cpuid(BRAND_LEAVES[0] & 0x8000_0000)
    if not isinstance(highest, Found) or highest.value.eax < BRAND_LEAVES[-1] or highest.value.eax > 0x8000_FFFF:
        return ""
    readings = [facts.cpuid(leaf) for leaf in BRAND_LEAVES]
    words = [word for reading in readings if isinstance(reading, Found) for word in reading.value.words]
    return brand(words)


def _brand(facts: Facts) -> Iterator[Evidence]:
    """Yield what the CPU's own name speaks for, where the kernel's text is not there or another's."""
    name = cpu_brand(facts)
    for row in ROWS:
        if row.field == "model name" and name.startswith(row.start):
            source = f"CPUID 0x{BRAND_LEAVES[0]:08X}"
            yield Evidence(
                Kind.VM, row.id, row.strength, source, name[:80], row.reference, row.depth, row.details, Origin.CPUID
            )


def _vendor(facts: Facts) -> Iterator[Evidence]:
    """Yield a maker that no real CPU has: an emulator's."""
    reading = facts.cpuid(0)
    vendor = reading.value.vendor() if isinstance(reading, Found) else ""
    if vendor in EMULATED_CPUS:
        yield Evidence(
            Kind.VM,
            "vm",
            Strength.HINT,
            "CPUID 0x00000000",
            vendor.strip(),
            EMULATED_CPUS_REFERENCE,
            origin=Origin.CPUID,
        )


def _speaks_hyper_v(facts: Facts, leaf: int) -> bool:
    """Say whether the interface behind a signature is Hyper-V's, whatever name stands before it (TLFS, 2.4.2)."""
    interface = facts.cpuid(leaf + 1) if leaf == FIRST_LEAF else None
    return isinstance(interface, Found) and interface.value.eax == HYPER_V_INTERFACE


def probe_cpuinfo(facts: Facts) -> Iterator[Evidence]:
    """Yield what the CPU's names and flags speak for."""
    found = facts.derived(cpuinfo)
    if "hypervisor" in flags(found):
        # VIA's Samuel sets the bit by accident (linux: arch/x86/kernel/cpu/centaur.c leaves it be).
        strength = Strength.HINT if found.get("vendor_id") == "CentaurHauls" else Strength.STRONG
        yield Evidence(
            Kind.VM, "vm", strength, CPUINFO, "flag hypervisor", HYPERVISOR_BIT_REFERENCE, origin=Origin.CPUINFO
        )
    for row in ROWS:
        value = found.get(row.field, "")
        if value.startswith(row.start) and not (row.id == "powervm" and "emulated by qemu" in value):
            yield Evidence(
                Kind.VM,
                row.id,
                row.strength,
                CPUINFO,
                value[:80],
                row.reference,
                row.depth,
                row.details,
                Origin.CPUINFO,
            )


def probe_clocksource(facts: Facts) -> Iterator[Evidence]:
    """Yield one piece of evidence for each clock source that only guests have."""
    seen: set[str] = set()
    for name in facts.str_or(AVAILABLE).split()[:32]:
        for start, row in CLOCKS.items():
            if name.startswith(start) and start not in seen:
                seen.add(start)
                # A PV guest's clock is Xen's, the machine around it may be another's.
                depth = 1 if row.id == "xen" and another_owns_cpuid(facts) else 0
                yield Evidence(
                    Kind.VM, row.id, row.strength, AVAILABLE, name[:40], row.reference, depth, row.details, Origin.CLOCK
                )
