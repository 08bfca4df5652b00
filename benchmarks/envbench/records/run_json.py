"""run.json as one frozen record: the run writes it, the reports read it, and its JSON Schema is made from it.

Contract 3 of the design. Every key but `schema` may be missing in a file: what was not recorded is None or empty.
The order of the fields is the order of the keys; a field that is UNSET is not written.
"""

import json
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, ValidationError, convert, field, to_builtins

from envbench.records.phases import BackendKind, Experiment, ImageUse

SCHEMA = "envbench-run/1"
RUN_FILE = "run.json"
"""Its name in a results folder."""

Moment = Annotated[str, Meta(description="RFC 3339, UTC")]
RUNNING = "running"
"""The outcome of a run that is under way, or was killed."""
Outcome = Annotated[
    str, Meta(description="done, interrupted, failed; running while it is under way or if it was killed")
]


class RunJsonError(ValueError):
    """A run.json that is not what its schema says: one line with what is wrong and where."""


class Used(Struct, frozen=True, kw_only=True):
    """A backend that took part, with all that a report has to know of it.

    Old runs have no `title`, `kind` and `images`. `facts` are what its check found: versions, endpoint, paths.
    """

    name: str
    title: str = ""
    kind: BackendKind | None = None
    images: ImageUse | None = None
    is_vm: bool = False
    variants: tuple[dict[str, str], ...] = ()
    facts: dict[str, str] = {}


class Skipped(Struct, frozen=True, kw_only=True):
    """A backend, or the one variant of it that is named, that did not take part: why, and what to try."""

    name: str
    reason: str
    remedy: str = ""
    variant: dict[str, str] | UnsetType = UNSET


class Backends(Struct, frozen=True):
    """The backends that were asked for."""

    used: tuple[Used, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class Kvm(Struct, frozen=True):
    """What was found out about KVM; `canary_s` is None where no canary guest got ready."""

    usable: bool | None = None
    reason: str = ""
    canary_s: float | None = None


class Accelerator(Struct, frozen=True, omit_defaults=True):
    """Nothing where no machine took part; `used` are the accelerators that were timed."""

    kvm: Kvm | None = None
    used: tuple[str, ...] = ()


class Kernel(Struct, frozen=True):
    """What guests boot."""

    release: str
    sha256: str
    source: str


class Payload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every backend runs; nothing where it could not be made. `kernel` is None where there was none for guests."""

    profile: str = ""
    digest: str | None = None
    tree_bytes: int | None = None
    busybox: str = ""
    kernel: Kernel | UnsetType | None = UNSET
    also: tuple[str, ...] = ()
    """Profiles of the whole systems beside it."""


class Caution(Struct, frozen=True):
    """Something that makes figures less sure: a stable code, what was seen, and what to do about it."""

    code: str
    message: str
    advice: str | None = None


class Unfinished(Struct, frozen=True, kw_only=True):
    """A configuration that did not get what was planned; `needed` more starts would do, as far as can be told."""

    backend: str
    variant: str = ""
    profile: str = ""
    runs: int
    needed: int
    reason: str = ""
    remedy: str = ""


class Skip(Struct, frozen=True):
    """What was not measured: why, in one line, and what a person can do about it."""

    experiment: Experiment
    what: str
    reason: str
    remedy: str


class Part(Struct, frozen=True, kw_only=True):
    """A part of the run, an experiment as a rule, and how long it took."""

    name: str
    took_s: float


class Cleanup(Struct, frozen=True):
    """How much was looked at when the run was over, and what of it is left, one line each."""

    checked: dict[str, int] | UnsetType = UNSET
    leaked: tuple[str, ...] = ()


class Layer(Struct, frozen=True, kw_only=True):
    """A layer around the machine; `evidence` are positions in the answer's own list."""

    kind: str = ""
    id: str = ""
    name: str = ""
    hypervisor_type: int | None = None
    confidence: str = "not told"
    details: dict[str, Any] = {}
    evidence: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.id or "unnamed"


class Evidence(Struct, frozen=True, kw_only=True):
    """What was seen where."""

    strength: str = "evidence"
    source: str = "?"
    observed: str = ""


class HostAnswer(Struct, frozen=True, kw_only=True):
    """What reports go by in the answer of `envinspect --json` (schema envinspect/1), which run.json holds whole.

    What reports show as it is stays a dictionary: a newer answer may say more of the machine.
    """

    summary: str | None = None
    bare_metal: bool | None = None
    layers: tuple[Layer, ...] = ()
    """Outermost first; () on bare metal and where it is not known."""
    cloud: dict[str, Any] | None = None
    evidence: tuple[Evidence, ...] = ()
    overruled: tuple[dict[str, Any], ...] = ()
    unknown: tuple[dict[str, Any], ...] = ()
    machine: dict[str, Any] = field(name="host", default_factory=dict)
    resources: dict[str, Any] = {}

    @property
    def cpu(self) -> str | None:
        """The processor's name."""
        return self.machine.get("cpu_brand") or self.machine.get("cpu")


class Answer(StrEnum):
    """What came of a look at the machine. What was denied is never taken for absent."""

    FOUND = "found"
    ABSENT = "absent"
    DENIED = "denied"


Value = TypeVar("Value")


class Seen(Struct, Generic[Value], frozen=True, omit_defaults=True):
    """One look at the machine. `value` is None unless it was found; `because` says why, or what of it was denied."""

    answer: Answer
    value: Value | None = None
    because: str = ""


class ClockRate(Struct, frozen=True):
    """Hertz, the mean of all CPUs: at that moment, and the highest that is allowed (None where that is not told)."""

    mean_hz: float
    highest_hz: float | None = None


class Disk(Struct, frozen=True, kw_only=True):
    """A disk as the kernel describes it; None is what it does not tell, as many virtual disks have no model."""

    name: str
    size_bytes: int | None = None
    rotational: bool | None = None
    model: str | None = None


class Machine(Struct, frozen=True, kw_only=True):
    """What figures depend on beside envinspect's answer, as it was when the run began; UNSET was never looked for."""

    clock_rate: Seen[ClockRate] | UnsetType = UNSET
    governor: Seen[str] | UnsetType = UNSET
    """All governors in use, joined by ", "."""
    filesystem: Seen[str] | UnsetType = UNSET
    """Type of the file system that the run's folder for temporary files lies on."""
    disk: Seen[Disk] | UnsetType = UNSET
    """The block device below it."""
    cgroup_version: Seen[str] | UnsetType = UNSET
    """1, 2, or "1 and 2" where both are mounted."""
    mitigations: Seen[dict[str, str]] | UnsetType = UNSET
    """Name of each weakness of CPUs that the kernel knows → what it says of this machine, in its own words."""

    def value(self, name: str) -> Any:
        """Return what was found of this field; None where it was absent, denied or never looked for."""
        seen: Seen[Any] | UnsetType = getattr(self, name)
        return None if isinstance(seen, UnsetType) else seen.value


Host = TypeVar("Host")


class Run(Struct, Generic[Host], frozen=True, kw_only=True):
    """What was asked, on which machine, with which engines and payload, and how the run ended.

    `host` is envinspect's whole answer where it is written, a `HostAnswer` where it is read.
    """

    schema: str = SCHEMA
    tool_version: str | None = None
    run_id: str | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    command: tuple[str, ...] = ()
    options_file: str | None = None
    """Where further options came from; None where all stand in `command`."""
    file_options: tuple[str, ...] = ()
    """Those options, as words of a command line."""
    seed: int | None = None
    plan: dict[str, Any] = {}
    host: Host
    machine: Machine = Machine()
    """Runs of older versions say nothing of it."""
    engines: dict[str, dict[str, str]] = {}
    libraries: dict[str, str] = {}
    payload: Payload = Payload()
    backends: Backends = Backends()
    accelerator: Accelerator = Accelerator()
    noise: dict[str, Any] = {}
    outcome: Outcome | None = None
    exit_code: int | None = None
    warnings: tuple[Caution, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    skips: tuple[Skip, ...] = ()
    parts: tuple[Part, ...] = ()
    """In the order in which they ended; empty in runs of older versions, and while a run is under way."""
    cleanup: Cleanup = Cleanup()


def record_of(content: Any) -> Run[HostAnswer]:
    """Return what a run.json says. Raises RunJsonError where it is no object or one of its keys does not fit."""
    try:
        return convert({"host": {}, **content} if isinstance(content, dict) else content, Run[HostAnswer])
    except ValidationError as error:
        raise RunJsonError(str(error)) from error


def text_of(run: Run[Any]) -> str:
    """Return the content of a run.json."""
    return json.dumps(to_builtins(run, enc_hook=str), indent=1) + "\n"
