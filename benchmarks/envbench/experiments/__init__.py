"""One file an experiment; this table is the registry: name → where its `run` is, in the order of `envbench all`.

Every `run(bench)` measures on the backends it is given, writes rows through the bench, notes what it could not do with
reason and remedy, and leaves the machine as it was.
"""

from importlib import import_module
from typing import Protocol, cast

from envbench.run.bench import Bench

EXPERIMENTS: dict[str, str] = {
    "kernel": "envbench.experiments.kernel.experiment:run",
    "size": "envbench.experiments.size.experiment:run",
    "memory": "envbench.experiments.memory:run",
    "idle": "envbench.experiments.idle:run",
    "isolation": "envbench.experiments.isolation.experiment:run",
    "release": "envbench.experiments.release.experiment:run",
    "resize": "envbench.experiments.resize:run",
    "density": "envbench.experiments.density:run",
    "portability": "envbench.experiments.portability:run",
    "speed": "envbench.experiments.speed:run",
    "wsl": "envbench.experiments.wsl:run",
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
    "speed": 383.0,
}
"""Seconds that each took in a recorded quick run with a process, runc, Docker and an emulated QEMU: their proportions
tell, with the pace of a run, about how long its rest takes."""


class Run(Protocol):
    """What the `run` of an experiment's module is."""

    def __call__(self, bench: Bench) -> None:
        """Measure and write rows. Raises EnvbenchError where nothing of it could be done."""
        ...


def load(name: str) -> Run:
    """Return the `run` of one experiment. Raises KeyError for a name that is not in `EXPERIMENTS`."""
    module, _, attribute = EXPERIMENTS[name].partition(":")
    return cast("Run", getattr(import_module(module), attribute))
