"""What a backend must be able to do: say whether it can run here, prepare, start an instance, and remove it wholly.

A backend says nothing about time: it calls `mark` and the sampler stamps. All that takes engine time before the
measured start (importing an image, building an initramfs, defining a bundle) happens in `prepare` and is never timed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from envbench.errors import BackendError
from envbench.errors.causes import Cause, remedy_for_lack
from envbench.records.phases import BackendKind, ImageUse
from envbench.surroundings.programs import require_program

if TYPE_CHECKING:
    from envbench.settings import Settings
    from envbench.traces.journal import Entry, Journal


class Mark(StrEnum):
    """Moments that a backend (or the readiness reader) reports; the sampler stamps each as it arrives."""

    REQUESTED = "requested"
    CREATED = "created"
    ATTACHED = "attached"
    STARTED = "started"
    VMM_UP = "vmm_up"
    KERNEL_UP = "kernel_up"
    USERSPACE_UP = "userspace_up"
    READY = "ready"
    STOP_REQUESTED = "stop_requested"
    STOPPED = "stopped"
    GONE = "gone"


MarkCallback = Callable[[Mark], None]

CPU_PERIOD_US = 100_000
"""The period that a limit of CPU time is counted in (cgroups: cpu.cfs_period_us, cpu.max), the kernel's default."""


@dataclass(frozen=True, slots=True)
class Usable:
    """The backend can run here. `facts` go into run.json: versions, endpoint, paths.

    `aside` is what it does not follow of the user's surroundings, in one line, "" as a rule; `remedy` what to try then.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    aside: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """The backend cannot run here: why, in one line, and what a person can do about it."""

    reason: str
    remedy: str
    cause: Cause | None = None
    """None where it is none of those in the table."""


def unusable(error: Exception, otherwise: str, cause: Cause | None = None) -> Unusable:
    """Return the answer that this error gives to `check`, with its own remedy and cause.

    Where it has no remedy, `otherwise` is what helps and `cause` why, None: as the error says. Whatever was asked for,
    where this machine has run out of something it is that which has to be mended.
    """
    what = " ".join((str(error) or type(error).__name__).split())
    remedy = remedy_for_lack(error) or getattr(error, "remedy", "")
    own_cause = getattr(error, "cause", None)
    return Unusable(what, remedy or otherwise, own_cause if remedy else cause or own_cause)


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing to run inside an instance.

    `argv` is run inside the payload tree; `nonce` stands in the ready line that it prints. None means the backend's
    default.
    """

    nonce: str
    argv: tuple[str, ...] = ("/envbench/ready",)
    memory_bytes: int | None = None
    cpus: float | None = None
    network: str = "none"
    read_only: bool = False
    init: bool = False
    keep_running: bool = False
    """False: the payload ends by itself after its ready line has been acknowledged or stop is asked; True: it idles
    until stopped."""
    deadline_s: float | None = None
    """Longest that the engine's part of the start may take; None: as long as the run's settings say."""
    ports: tuple[tuple[int, int], ...] = ()
    """Ports of the host's loopback that lead inside: (port on the host, port inside)."""
    monitored: bool = False
    """Whether a machine opens QEMU's monitor, to be asked for its parts; a timed start does not: it would wait."""

    @property
    def cpu_quota_us(self) -> int | None:
        """CPU time that all its processes together may take in each CPU_PERIOD_US, None without a limit."""
        return None if self.cpus is None else int(self.cpus * CPU_PERIOD_US)


class Instance(Protocol):
    """One started container, process or machine."""

    @property
    def name(self) -> str:
        """The engine's name or id of this instance; the run's id is always in it."""
        ...

    def output_fileno(self) -> int:
        """Return the descriptor on which the payload's output arrives; readable, non-blocking, raw bytes."""
        ...

    def decode(self, chunk: bytes) -> bytes:
        """Return the payload's bytes in a chunk that was read from `output_fileno` (engines frame their streams)."""
        ...

    def processes(self) -> tuple[int, ...]:
        """Return host process ids that exist only for this instance: payload, shim, VMM, helpers."""
        ...

    def cgroup(self) -> Path | None:
        """Return the instance's own cgroup directory on the host (memory controller on v1), None where it has none."""
        ...

    def console_tail(self) -> str:
        """Return the last lines the instance said, for an error message; "" where nothing is known."""
        ...

    def stop(self, deadline_ns: int) -> None:
        """Ask it to end and wait until the payload has ended. Raises BackendError after the deadline."""
        ...

    def remove(self, deadline_ns: int) -> None:
        """Remove every trace of it from the engine and the host. Raises BackendError after the deadline."""
        ...

    def destroy(self) -> None:
        """End and remove it by force. Safe to call twice, at any moment, after any failure; raises nothing expected."""
        ...


class UsersImage(Protocol):
    """An image in a registry of the user's that an engine does not have: fetched, started and removed, any times."""

    def awaited(self) -> AbstractContextManager[None]:
        """See, on entry, that the engine has no image of this name; at the end none is left that was fetched.

        Raises BackendError where there is one: it would not be fetched, and is the user's.
        """
        ...

    def fetch(self) -> int | None:
        """Fetch it; return the bytes of layers that came, by the engine's own count, None where it does not tell.

        Raises BackendError.
        """
        ...

    def take_over(self) -> None:
        """Give what was fetched the run's id and have starts made of it. Raises BackendError."""
        ...

    def layers(self) -> frozenset[str]:
        """Return the layers of what was fetched, by the digests of their archives (OCI, diff_ids)."""
        ...

    def layers_there(self) -> frozenset[str]:
        """Return the layers of all images that the engine has. Raises BackendError."""
        ...


@dataclass(frozen=True, slots=True)
class EngineProgram:
    """An engine's own program, which takes Docker's words: run, save, stats, update, image, info."""

    argv: tuple[str, ...]
    """The program and the options that lead it to the backend's own engine."""
    run: tuple[str, ...] = ("run",)
    """The words that run a container the way the backend does."""
    kernel_and_system: str = ""
    """The `--format` of `info` that prints the engine's kernel release, "|", and the name of its operating system."""
    cluster: str = ""
    """What the engine's own cluster mode is called, "" where it has none."""
    cluster_state: str = ""
    """The `--format` of `info` that prints the state of the cluster mode."""


class Backend(ABC):
    """One backend. Made once a run with the run's settings; `close` ends what it holds open.

    What stands here as a class variable is all that the rest of the program knows of a backend.
    """

    name: ClassVar[str]
    """Its word in options, rows and files."""
    title: ClassVar[str]
    """Its name for people."""
    kind: ClassVar[BackendKind]
    images: ClassVar[ImageUse] = ImageUse.NONE
    writes_own_walls: ClassVar[bool] = False
    """Whether envbench itself says what an instance has and may do (namespaces, cgroup, capabilities, seccomp, masked
    paths, host name): then none of that is a default of the runtime, and no statement about it."""
    publishes_ports: ClassVar[bool] = False
    """Whether a port of an instance can be reached on the host; whole systems are measured on those that can."""
    pulls_images: ClassVar[bool] = False
    """Whether its engine fetches images from registries, by `pulled` and `users_image`."""
    program: ClassVar[str] = ""
    """The program that it needs on the PATH, "" where it needs none (or, as QEMU's, one that differs by machine)."""
    install: ClassVar[str] = ""
    """What to try where `program` is missing."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions (as pip knows them) that it works with; run.json names their versions."""
    variant_keys: ClassVar[frozenset[str]] = frozenset()
    """Every key that `variants` may write; a gate on another one is refused before anything is measured."""
    leftover_commands: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Commands that print names, one a line, by what they name: how to find what a killed run left in the engine."""
    leftover_folders: ClassVar[tuple[Path, ...]] = ()
    """Folders in which the engine keeps files of what it runs, with the run's id in their names."""

    @classmethod
    def leftover_processes(cls, run_id: str) -> tuple[int, ...]:  # noqa: ARG003 -- for those that have some
        """Return the engine's own processes for what a run made; the run's id is not in their environment."""
        return ()

    @cached_property
    def program_path(self) -> Path:
        """Where `program` is on the user's PATH, looked up once. Raises BackendError where it is not there."""
        return require_program(self.program, self.install)

    @abstractmethod
    def __init__(self, settings: "Settings", journal: "Journal") -> None: ...

    @abstractmethod
    def check(self) -> Usable | Unusable:
        """Find out whether this backend can run here, without leaving anything behind."""

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return the variants this run asks of it, as keys of `variant_text`; ({},) where there is just one way."""
        return ({},)

    @abstractmethod
    def prepare(self, variant: Mapping[str, str]) -> None:
        """Make the artefacts this variant starts from (image, bundle, initramfs). Never timed. Raises BackendError."""

    @abstractmethod
    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> Instance:
        """Create and start one instance, calling `mark` at REQUESTED first and at each later moment it passes.

        On any failure it removes what it made before it raises BackendError.
        """

    @abstractmethod
    def close(self) -> None:
        """Remove the artefacts that `prepare` made and close connections. Safe to call twice."""

    def engine_processes(self) -> tuple[int, ...] | None:
        """Return host process ids of the daemons behind this backend (dockerd, containerd); () where there is none.

        None where there are some that are not processes of this host, or cannot be told from others.

        They outlive the instances; the sampler charges a start with the CPU time they spend meanwhile.
        """
        return ()

    def engine_program(self, variant: Mapping[str, str]) -> EngineProgram | None:  # noqa: ARG002 -- for overrides
        """Return the engine's own program for this variant, None where there is none or it is not installed."""
        return None

    def facts_of(self, variant: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG002 -- for overrides
        """Return what run.json says of the user's own thing that a prepared variant starts: its digest, its path."""
        return {}

    def image(self, variant: Mapping[str, str]) -> str:  # noqa: ARG002 -- for overrides
        """Return the image that this variant starts. Raises BackendError where there is none."""
        raise BackendError(f"{self.name} starts from no image")

    def pulled(self, image: str, variant: Mapping[str, str]) -> AbstractContextManager[None]:  # noqa: ARG002 -- for overrides
        """Fetch an image from a registry without TLS, on entry; starts in the block use it, and its end removes it.

        The name of the image carries the run's id. Raises BackendError where it cannot be had or removed.
        """
        raise BackendError(f"{self.name} fetches no images")

    def users_image(self, image: str, variant: Mapping[str, str]) -> "UsersImage":  # noqa: ARG002 -- for overrides
        """Return what fetches an image from a registry of the user's, with the engine's own login and settings.

        The backend was made for settings that name the image. Raises BackendError.
        """
        raise BackendError(f"{self.name} fetches no images")

    def stored_bytes(self, variant: Mapping[str, str]) -> int:  # noqa: ARG002 -- for overrides
        """Return what that image takes on the engine's disk. Raises BackendError where that cannot be seen."""
        raise BackendError(f"{self.name} starts from no image")

    def warnings(self) -> tuple[str, ...]:
        """Return the engine's warnings when it made instances, in its own words, each once; () without any."""
        return ()

    def differences(self, asked: Workload, variant: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002 -- for overrides
        """Start one instance and return what it got that was not asked for, a phrase each; nothing of it is left.

        () where all is as asked, or where its kind is looked at from outside (`envbench.run.got`). Raises BackendError
        where it does not start or cannot be looked at.
        """
        return ()

    def remaining(self) -> tuple[str, ...]:
        """Return the names of what its engine still has that carries the run's id. Raises EnvbenchError."""
        return ()

    def journal_facts(self) -> dict[str, str]:
        """Return what `reap` needs to find again what an experiment makes in this engine (its address)."""
        return {}

    @classmethod
    def reap(cls, entry: "Entry", run_id: str) -> bool:
        """Remove a thing that this backend journalled, if it is there; return whether it was.

        The name of the thing carries the run's id. Raises EnvbenchError where it cannot be looked at or removed (the
        engine is down): the journal then keeps it.
        """
        raise BackendError(f"{entry.kind} {entry.name} of run {run_id}: {cls.name} does not say how to remove it")
