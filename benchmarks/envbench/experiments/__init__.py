"""One file an experiment; this table is the registry, in the order of `envbench all`. Reading it imports none of them.

Every `run(bench)` measures on the backends it is given, writes rows through the bench, notes what it could not do with
reason and remedy, and leaves the machine as it was.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from envbench.run.bench import Bench


class Registered(NamedTuple):
    """Where an experiment's `run` is, as MODULE:ATTRIBUTE, and what the command line says of it.

    `line` stands in the list of commands and fits 80 columns; `text` is the command's own help where that says more.
    """

    where: str
    line: str
    text: str = ""


EXPERIMENTS: dict[str, Registered] = {
    "kernel": Registered(
        "envbench.experiments.kernel.experiment:run",
        "See whose kernel runs the payload, and what else runs.",
        "See whose kernel runs the payload, and what else runs: Windows images, other architectures and systems.",
    ),
    "size": Registered(
        "envbench.experiments.size.experiment:run",
        "Measure the artefacts: transferred, on disk, what they hold.",
        "Measure the artefacts: transferred, on disk and virtual, and what they hold.",
    ),
    "memory": Registered(
        "envbench.experiments.memory:run",
        "Measure what one idle instance costs in memory.",
        "Measure what one idle instance costs in memory, by every usual definition, and the least it needs.",
    ),
    "idle": Registered(
        "envbench.experiments.idle:run",
        "Measure what one idle instance costs in CPU time and wake-ups.",
        "Measure what a running, idle instance costs in CPU time and wake-ups.",
    ),
    "isolation": Registered(
        "envbench.experiments.isolation.experiment:run",
        "Count what can be seen and done from inside.",
        "Count what can be seen and done from inside, and across two containers.",
    ),
    "release": Registered(
        "envbench.experiments.release.experiment:run", "Look for what an instance leaves behind, by name."
    ),
    "resize": Registered(
        "envbench.experiments.resize:run",
        "Give and take memory and CPUs while an instance runs.",
        "Give and take memory and CPUs while an instance runs, seen from inside.",
    ),
    "density": Registered(
        "envbench.experiments.density:run",
        "Run 1, 2, 4 … instances at once: what each further one costs.",
        "Run 1, 2, 4 … instances at once: memory and start time of each further one.",
    ),
    "portability": Registered(
        "envbench.experiments.portability:run",
        "Export and import the artefacts, and what becomes of data.",
        "Export and import the artefacts, and see what becomes of data written inside.",
    ),
    "deploy": Registered(
        "envbench.experiments.deploy.experiment:run",
        "From nothing to ready: fetch an image or a disk, then start.",
        "Fetch an image from a registry, or a machine's files from a server, on a host that has nothing of them, and "
        "start: bytes and time until it is ready.",
    ),
    "speed": Registered(
        "envbench.experiments.speed:run",
        "Compare CPU, memory, system calls and disk with the host.",
        "Compare CPU, memory, system calls, disk and loopback with the host, the same tool bytes everywhere.",
    ),
    "wsl": Registered("envbench.experiments.wsl:run", "Settle the claims on WSL; only inside a WSL distribution."),
}

EXPECTED_S = {
    "kernel": 34.0,
    "size": 29.0,
    "memory": 130.0,
    "idle": 51.0,
    "isolation": 37.0,
    "release": 36.0,
    "resize": 21.0,
    "density": 30.0,
    "portability": 24.0,
    "deploy": 31.0,
    "speed": 383.0,
}
"""Seconds that each took in a recorded quick run with a process, runc, Docker and an emulated QEMU: their proportions
tell, with the pace of a run, about how long its rest takes."""
AFTER_ALL_S = 30.0
"""Seconds that it then took to look for what is left and to write the reports."""


class Run(Protocol):
    """What the `run` of an experiment's module is."""

    def __call__(self, bench: "Bench") -> None:
        """Measure and write rows. Raises EnvbenchError where nothing of it could be done."""
        ...


def load(name: str) -> Run:
    """Return the `run` of one experiment. Raises KeyError for a name that is not in `EXPERIMENTS`."""
    module, _, attribute = EXPERIMENTS[name].where.partition(":")
    return cast("Run", getattr(import_module(module), attribute))
