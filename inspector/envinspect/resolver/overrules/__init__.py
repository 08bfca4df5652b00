"""Where evidence clashes: a table of named rules, each saying which evidence loses, why, and where that is documented.

Add one, to `inner` or to `machines`, where two known things clash and one of them is known to be wrong. A rule
sees all evidence that no earlier rule has overruled and names the losers; it never adds anything. The order of the
table matters, the order of the evidence does not.
"""

from __future__ import annotations

from envinspect.model import Evidence, Kind, Origin, Record, Strength

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Losers = Iterable[Evidence]


class Rule(Record):
    """One reason not to believe evidence."""

    name: str
    losers: Callable[[View], Losers]
    because: str
    reference: str


class View:
    """All evidence still believed, with the questions that rules ask."""

    def __init__(self, evidence: tuple[Evidence, ...]) -> None:
        self.evidence = evidence

    def of(self, kind: Kind, *ids: str) -> tuple[Evidence, ...]:
        """Return the evidence of a kind, for the given ids (all where none is given)."""
        return tuple(piece for piece in self.evidence if piece.kind is kind and (not ids or piece.id in ids))

    def holds(self, kind: Kind, *ids: str, least: Strength = Strength.STRONG) -> bool:
        """Say whether there is evidence of at least a strength for one of the ids."""
        return any(piece.strength >= least for piece in self.of(kind, *ids))


def from_cpuid(piece: Evidence) -> bool:
    """Say whether the CPU itself was asked."""
    return piece.origin is Origin.CPUID


def from_interface(piece: Evidence) -> bool:
    """Say whether the hypervisor's interface was asked: by CPUID, or by the clock that the kernel made of it."""
    return piece.origin in {Origin.CPUID, Origin.CLOCK}


def from_firmware_strings(piece: Evidence) -> bool:
    """Say whether it is an SMBIOS string, which any VMM can be told to set at will."""
    return piece.origin is Origin.SMBIOS
