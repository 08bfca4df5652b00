"""What a backend must be able to do: say if it can run here, prepare, start an instance, end it without trace.

A backend says nothing about time: it calls `mark` and the sampler stamps. All that takes engine time before the
measured start (importing an image, building an initramfs, defining a bundle) happens in `prepare` and is never timed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from envbench.settings import Settings
    from envbench.traces.journal import Journal


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
    """The backend can run here. `facts` go into run.json: versions, endpoint, paths."""

    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unusable:
    """The backend cannot run here: why, in one line, and what a person can do about it."""

    reason: str
    remedy: str


def unusable(error: Exception, otherwise: str) -> Unusable:
    """Return the answer that this error gives to `check`, with its own remedy, or `otherwise` where it has none."""
    what = " ".join((str(error) or type(error).__name__).split())
    return Unusable(what, getattr(error, "remedy", "") or otherwise)


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing to run inside an instance.

    `argv` is run inside the payload tree; its ready line carries `nonce`. None means the backend's default.
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

    @property
    def cpu_quota_us(self) -> int | None:
        """CPU time that all its processes together may take in each CPU_PERIOD_US, None without a limit."""
        return None if self.cpus is None else int(self.cpus * CPU_PERIOD_US)


class Instance(Protocol):
    """One started container, process or machine."""

    @property
    def name(self) -> str:
        """The engine's name or id of this instance; always carries the run's id."""
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


class Backend(Protocol):
    """One backend. Made once a run with the run's settings; `close` ends what it holds open."""

    name: ClassVar[str]
    is_vm: ClassVar[bool]

    def __init__(self, settings: "Settings", journal: "Journal") -> None: ...

    def check(self) -> Usable | Unusable:
        """Find out whether this backend can run here, without leaving anything behind."""
        ...

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return the variants this run asks of it, as keys of `variant_text`; ({},) where there is just one way."""
        ...

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Make the artefacts this variant starts from (image, bundle, initramfs). Never timed. Raises BackendError."""
        ...

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> Instance:
        """Create and start one instance, calling `mark` at REQUESTED first and at each later moment it passes.

        On any failure it removes what it made before it raises BackendError.
        """
        ...

    def engine_processes(self) -> tuple[int, ...] | None:
        """Return host process ids of the daemons behind this backend (dockerd, containerd); () where there is none.

        None where there are some that are not processes of this host, or cannot be told from others.

        They outlive the instances; the sampler charges a start with the CPU time they spend meanwhile.
        """
        ...

    def close(self) -> None:
        """Remove the artefacts that `prepare` made and close connections. Safe to call twice."""
        ...
