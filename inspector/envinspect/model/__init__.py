"""The types of the answer: what was read, what it is evidence for, and the stack of layers it adds up to.

All are records: frozen, hashable, equal only to their own kind, and no tuples. `dataclasses`, `typing.NamedTuple` and
`enum` would do as well, but every call would pay for them: on Python 3.11 `import dataclasses` takes 17 ms, `import
typing` 6 ms, `import enum` 4 ms, of a call that takes 30 ms. Type checkers take records for dataclasses.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, which type checkers take for true
if TYPE_CHECKING:
    from enum import IntEnum as IntEnum
    from typing import Any, ClassVar, Generic, TypeVar, Union

    from typing_extensions import Self, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_):  # noqa: ANN003, ANN201
        """Tell type checkers only: the standard library has it from Python 3.11 on."""
        return lambda cls: cls

    class _Members(type):
        """The class of a class whose numbers are its members: it can be iterated over and asked for one by name."""

        def __init__(cls, name, bases, body) -> None:  # noqa: ANN001
            super().__init__(name, bases, body)
            numbers = {key: number for key, number in body.items() if type(number) is int and key[0] != "_"}
            cls.__members__ = {key: int.__new__(cls, number) for key, number in numbers.items()}
            for key, member in cls.__members__.items():
                setattr(cls, key, member)

        def __iter__(cls):  # noqa: ANN204
            return iter(cls.__members__.values())

        def __len__(cls) -> int:
            return len(cls.__members__)

        def __getitem__(cls, name):  # noqa: ANN001, ANN204
            return cls.__members__[name]

    class IntEnum(int, metaclass=_Members):
        """As far as it is used here what enum.IntEnum is: each number in the class body becomes its one member."""

        __slots__ = ()

        def __new__(cls, number):  # noqa: ANN001, ANN204
            """Return the member of that number; ValueError where there is none."""
            for member in cls:
                if member == number:
                    return member
            raise ValueError(f"{number!r} is not a valid {cls.__name__}")

        @property
        def name(self) -> str:
            """The name that the class body gives the number."""
            return next(name for name, member in type(self).__members__.items() if member is self)

        @property
        def value(self) -> int:
            """The number itself."""
            return int(self)

        def __repr__(self) -> str:
            return f"<{type(self).__name__}.{self.name}: {self.value}>"

        __str__ = int.__repr__


@dataclass_transform(frozen_default=True)
class Record:
    """A value made of named fields: annotate them in the class body, give those with a default last.

    Raises TypeError for missing or unknown fields, AttributeError where one is set later.
    """

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        annotated = vars(cls).get("__annotations__") or getattr(cls, "__annotations__", {})
        cls._fields += tuple(name for name in annotated if name[0] != "_" and name not in cls._fields)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields, state = self._fields, self.__dict__
        state.update(zip(fields, values))
        if named or len(values) != len(fields):
            for field in fields[len(values) :]:
                if field in named:
                    state[field] = named.pop(field)
                elif hasattr(type(self), field):
                    state[field] = getattr(type(self), field)
                else:
                    raise TypeError(f"{type(self).__name__}: {field} is missing")
            if named or len(values) > len(fields):
                raise TypeError(f"{type(self).__name__}: {', '.join(named) or 'a value'} is too much")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return type(self)(**{**self.__dict__, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, for JSON: records inside become dicts, tuples lists."""
        return {name: _plain(value) for name, value in self.__dict__.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


if TYPE_CHECKING:

    class Found(Record, Generic[T]):
        """It was there and could be read."""

        value: T
else:

    class Found(Record):
        """It was there and could be read."""

        value: object


class Absent(Record):
    """It is not there: it was asked for, and there is nothing."""


class Denied(Record):
    """It may be there but could not be read.

    `error` is the errno's name ("EACCES"), or "not-recorded" for a capture without it.
    """

    error: str

    @property
    def refused(self) -> bool:
        """True where the system itself refused; False where a capture does not have it."""
        return self.error != "not-recorded"


if TYPE_CHECKING:
    Refusal = Union[Absent, Denied]
    Reading = Union[Found[T], Absent, Denied]
else:
    Refusal = (Absent, Denied)
    Reading = (Found, Absent, Denied)
"""The three answers: missing is never empty, denied is never missing. A refusal is what is not Found."""

ABSENT = Absent()
NOT_RECORDED = Denied("not-recorded")


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


class Origin(IntEnum):
    """Where evidence comes from, as far as a rule asks: what one origin says another may know better."""

    OTHER = 0
    CPUID = 1
    """The CPU itself was asked: a hypervisor's interface, or a translator's answer."""
    CLOCK = 2
    """A clock that the kernel made of a hypervisor's interface."""
    SMBIOS = 3
    """Firmware's strings and structures, which any VMM can be told to set at will."""
    CPUINFO = 4
    """The kernel's word for what the CPU says."""
    PCI = 5
    """Devices on the machine's bus."""
    MOUNT = 6
    """A mount of this process."""


class Trait(IntEnum):
    """What else a rule asks of evidence."""

    FIRST_LEAF = 1
    """It stands in the first leaf of the hypervisors' range."""
    HYPER_V_INTERFACE = 2
    """Behind another maker's name Hyper-V's interface answers."""
    MADE_HERE = 3
    """It was made in this very place, and not handed in from outside."""


class Evidence(Record):
    """One thing that was observed, and what it speaks for.

    `depth` orders layers of one kind, outermost 0 (a container in a container). `details` go into the layer's details,
    as (key, value) pairs, e.g. ("accelerator", "kvm"). `observed` is verbatim, shortened where long. Rules decide by
    `origin` and `traits`, never by how `source` and `observed` are worded.
    """

    kind: Kind
    id: str
    strength: Strength
    source: str
    observed: str
    reference: str
    depth: int = 0
    details: tuple[tuple[str, str], ...] = ()
    origin: Origin = Origin.OTHER
    traits: tuple[Trait, ...] = ()


class Overruled(Record):
    """Evidence that was seen and not believed: which rule overruled it, and why, in a sentence."""

    evidence: Evidence
    rule: str
    because: str


class Unknown(Record):
    """Something that could not be read, and what it would have told.

    `shows` are the kinds of which it alone would have shown whether there is such a layer at all, `names` those that
    it would have put a name to: one of `ids`, or any where that is ().
    """

    source: str
    error: str
    would_tell: str
    shows: tuple[Kind, ...] = ()
    names: tuple[Kind, ...] = ()
    ids: tuple[str, ...] = ()


class Layer(Record):
    """One layer of the stack. `hypervisor_type` is 1 (bare metal), 2 (hosted) or None; `evidence` is never empty.

    `details` are pairs of key and value, sorted, such as ("accelerator", "kvm").
    """

    kind: Kind
    id: str
    name: str
    hypervisor_type: int | None
    confidence: Strength
    details: tuple[tuple[str, str], ...]
    evidence: tuple[Evidence, ...]

    def detail(self, key: str) -> str:
        """Return what a detail says, "" where there is none of that name."""
        return dict(self.details).get(key, "")


class Mark(Record):
    """Something true of the machine that is no layer of it: a role, the cloud, the orchestrator, the engine's VM."""

    kind: Kind
    id: str
    name: str
    evidence: tuple[Evidence, ...]


class Stack(Record):
    """What the evidence adds up to. `layers` is outermost first and empty on bare metal.

    `determined` is False where too much could not be read to call an empty stack bare metal, or to say that this is no
    container. `orchestrators` are innermost first. `undecided` are the kinds of which "no" cannot be said: of these no
    layer was found, or one without a name, and what would have told could not be read. `outer` says why a container
    around the outermost one that was found could not be seen, "" where none can be there. `at_rest`: these are files of
    a system that does not run, so nothing tells what it runs in.
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
    at_rest: bool = False

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
