"""Clock sources: a guest's kernel has its hypervisor's own, whoever asks, and where CPUID cannot be asked too."""

from __future__ import annotations

from envinspect.model import Evidence, Kind, Origin
from envinspect.model.facts import Facts
from envinspect.probes.xen import another_owns_cpuid
from envinspect.signatures.clocksource import CLOCKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

AVAILABLE = "/sys/devices/system/clocksource/clocksource0/available_clocksource"


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
