"""The words of a measurement: experiments, phases, units and outcomes, as they stand in samples.csv.

Reports import this module, `samples`, `run_json` and `metrics`, and nothing else of envbench.
"""

from enum import StrEnum


class Experiment(StrEnum):
    """What was being measured; one command of envbench each."""

    STARTUP = "startup"
    KERNEL = "kernel"
    SIZE = "size"
    MEMORY = "memory"
    SPEED = "speed"
    ISOLATION = "isolation"
    DENSITY = "density"
    RELEASE = "release"
    RESIZE = "resize"
    IDLE = "idle"
    PORTABILITY = "portability"
    DEPLOY = "deploy"
    WSL = "wsl"


class Phase(StrEnum):
    """A stretch of one start, or a total over several; all values are durations in nanoseconds on the host's clock.

    The stretches stand in the order in which they begin; a backend that has no such stretch writes no row for it. A
    start call may go on while the payload already runs, and covers the first of a guest's stretches.
    The totals overlap the stretches and are measured, never summed.
    """

    CREATE = "create"
    """Request to the engine until the instance exists."""
    ATTACH = "attach"
    """Existing instance until its output is attached (Podman runs the OCI create in here)."""
    START = "start"
    """Start request until the engine's call returns; containerd, until its event says that the task has started."""
    VMM = "vmm"
    """Start request until the VMM opened the serial line."""
    FIRMWARE = "firmware"
    """VMM up until the kernel (or boot loader) said its first word."""
    KERNEL = "kernel"
    """Kernel's first word until the guest's first process ran, by the guest's boot clock where no host mark exists."""
    USERSPACE = "userspace"
    """First process of the guest until the ready line."""
    READY = "ready"
    """Total: request to the engine until the first byte of the ready line was seen on the host. The headline."""
    STOP = "stop"
    """Stop request until the payload has ended."""
    REMOVE = "remove"
    """Remove request until nothing of the instance is left."""
    CYCLE = "cycle"
    """Total: request to the engine until the instance is gone again."""
    OBSERVER_LAG = "observer_lag"
    """Ready line written (same clock, read by the payload) until its first byte was seen: the method's error bar."""
    HOST_CPU = "host_cpu"
    """CPU time charged on the host from request to ready, all processes of the instance and its engine."""
    HARNESS_CPU = "harness_cpu"
    """CPU time of the harness itself over the whole start."""


class BackendKind(StrEnum):
    """What kind of thing a backend starts; claims and the experiments go by it, never by a backend's name."""

    HOST = "host"
    """The payload as a plain process: the floor."""
    NAMESPACES = "namespaces"
    """The isolation of a container, without a runtime or engine."""
    CONTAINER = "container"
    """An ordinary container: shares the host's kernel."""
    SANDBOX = "sandbox"
    """A container with a kernel of its own in between (gVisor, Kata)."""
    VM = "vm"
    """A machine that boots a kernel of its own."""
    WSL = "wsl"
    """A program in a WSL distribution, started from Windows' side."""


class ImageUse(StrEnum):
    """What a backend does with container images."""

    NONE = "none"
    """It starts a folder, a process or a machine."""
    PAYLOAD = "payload"
    """It keeps the payload as an image in a store that is the run's own; a user's image is not in there."""
    ANY = "any"
    """Its engine has an image store, and every image in it can be started."""


class Outcome(StrEnum):
    """How the start behind a row ended."""

    OK = "ok"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


class Unit(StrEnum):
    """Units of the value column."""

    NS = "ns"
    BYTES = "bytes"
    COUNT = "count"
    RATIO = "ratio"
    BOOL = "bool"
    """1 or 0: an observation that is or is not so; `detail` says what was seen."""
    PER_S = "per_s"
    """Operations (or bytes) in a second; higher is faster."""


OWN_KEYS = ("image", "disk", "kernel")
"""Keys of the variant column that say which of the user's own things was started."""

NOISE_PREFIX = "noise."
"""Phases that start so are stamps of the machine's state just before a start: noise.load1 (ratio to CPUs),
noise.psi_cpu, noise.psi_io, noise.psi_memory, noise.steal (ratios), noise.throttled (count), noise.swap (count)."""

HOST = "host"
"""Backend column of a row that is about the machine or the engine as a whole, not about one backend."""


def counted(number: float, noun: str) -> str:
    """Return a number with its noun, regular in the plural: "1 start", "2 starts", "0.5 CPUs"."""
    return f"{number:.15g} {noun}{'' if number == 1 else 's'}"
