"""The types of the answer: what was read, what it is evidence for, and the stack of layers it adds up to.

This module is loaded by every call, so it imports next to nothing: `dataclasses` alone would double the start-up time.
"""

from enum import IntEnum

from envinspect.light_typing import TYPE_CHECKING, Generic, NamedTuple, Subscripted, TypeVar

T = TypeVar("T")


class Found(NamedTuple, Generic[T]):
    """It was there and could be read."""

    value: T


class Absent(NamedTuple):
    """It is not there: looked, and found nothing."""


class Denied(NamedTuple):
    """It may be there but could not be read.

    `error` is the errno's name ("EACCES"), or "not-recorded" for a capture without it.
    """

    error: str


ABSENT = Absent()
NOT_RECORDED = Denied("not-recorded")

if TYPE_CHECKING:
    Reading = Found[T] | Absent | Denied
else:
    Reading = Subscripted
"""The three answers: missing is never empty, denied is never missing."""


class Strength(IntEnum):
    """How far one piece of evidence carries. There are no sums: ten hints are still hints."""

    HINT = 1
    """Common but fakeable, or shared with other systems. Hints alone decide nothing."""
    STRONG = 2
    """Set by the layer's own vendor and seldom seen elsewhere."""
    PROOF = 3
    """An interface that the layer (or the kernel) defines for being recognised by."""


class Kind(IntEnum):
    """Where something sits, outermost first: the order is the order of the stack. From ROLE on it is no layer."""

    VM = 1
    WSL = 2
    CONTAINER = 3
    SANDBOX = 4
    EMULATION = 5
    CHROOT = 6
    ROLE = 7
    CLOUD = 8
    ORCHESTRATOR = 9
    ENGINE = 10

    @property
    def word(self) -> str:
        """The kind as the JSON answer spells it."""
        return self.name.lower()


class Evidence(NamedTuple):
    """One thing that was observed, and what it speaks for.

    `depth` orders layers of one kind, outermost 0 (a container in a container). `details` go into the layer's details,
    as (key, value) pairs, e.g. ("accelerator", "kvm"). `observed` is verbatim, shortened where long.
    """

    kind: Kind
    id: str
    strength: Strength
    source: str
    observed: str
    reference: str
    depth: int = 0
    details: tuple[tuple[str, str], ...] = ()


class Overruled(NamedTuple):
    """Evidence that was seen and not believed: which rule overruled it, and why, in a sentence."""

    evidence: Evidence
    rule: str
    because: str


class Unknown(NamedTuple):
    """Something that could not be read, and what it would have told.

    `shows` are the kinds of which it alone would have shown whether there is such a layer at all, `names` those that
    it would have put a name to.
    """

    source: str
    error: str
    would_tell: str
    shows: tuple[Kind, ...] = ()
    names: tuple[Kind, ...] = ()


class Layer(NamedTuple):
    """One layer of the stack. `hypervisor_type` is 1 (bare metal), 2 (hosted) or None; `evidence` is never empty."""

    kind: Kind
    id: str
    name: str
    hypervisor_type: int | None
    confidence: Strength
    details: dict[str, str]
    evidence: tuple[Evidence, ...]


class Mark(NamedTuple):
    """Something true of the machine that is no layer of it: a role, the cloud, the orchestrator, the engine's VM."""

    kind: Kind
    id: str
    name: str
    evidence: tuple[Evidence, ...]


class Stack(NamedTuple):
    """What the evidence adds up to. `layers` is outermost first and empty on bare metal.

    `determined` is False where too much could not be read to call an empty stack bare metal, or to say that this is no
    container. `orchestrators` are innermost first. `undecided` are the kinds of which "no" cannot be said: of these no
    layer was found, or one without a name, and what would have told could not be read. `outer` says why a container
    around the outermost one that was found could not be seen, "" where none can be there.
    """

    layers: tuple[Layer, ...]
    roles: tuple[Mark, ...]
    cloud: Mark | None
    orchestrators: tuple[Mark, ...]
    engine: Mark | None
    evidence: tuple[Evidence, ...]
    overruled: tuple[Overruled, ...]
    unknown: tuple[Unknown, ...]
    determined: bool
    undecided: tuple[Kind, ...] = ()
    outer: str = ""

    @property
    def container_open(self) -> bool:
        """True where no container was found and none could be ruled out."""
        return Kind.CONTAINER in self.undecided and not any(layer.kind is Kind.CONTAINER for layer in self.layers)

    @property
    def orchestrator(self) -> Mark | None:
        """The innermost orchestrator, None without one."""
        return self.orchestrators[0] if self.orchestrators else None

    @property
    def bare_metal(self) -> bool:
        """True where no VM or WSL layer was found and enough was looked at to say so."""
        return self.determined and not any(layer.kind in {Kind.VM, Kind.WSL} for layer in self.layers)
