"""/proc/cpuinfo: the kernel's view of the CPU, readable by anyone and in every container."""

from __future__ import annotations

from envinspect.model import Evidence, Kind, Origin, Strength
from envinspect.model.facts import Facts
from envinspect.signatures.cpuid import HYPERVISOR_BIT_REFERENCE
from envinspect.signatures.cpuinfo import ROWS
from envinspect.sources.cpuinfo import CPUINFO, cpuinfo, flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


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
