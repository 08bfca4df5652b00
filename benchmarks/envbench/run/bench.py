"""What an experiment works with: the run's backends, a place for its rows, and notes on what could not be done."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from envbench.backend import Backend
from envbench.errors import EnvbenchError, StartTimeoutError
from envbench.records.metrics import metric
from envbench.records.phases import HOST, BackendKind, Experiment, ImageUse, Outcome
from envbench.records.run_json import Skip
from envbench.run.course import Course
from envbench.run.sampler import Sampler, Ticket
from envbench.settings import Configuration, Settings
from envbench.surroundings.clock import monotonic_ns
from envbench.traces.journal import Journal

CONTAINERS = (BackendKind.NAMESPACES, BackendKind.CONTAINER, BackendKind.SANDBOX)
MAX_FAILED = 2
"""A backend whose starts fail would otherwise cost every repeat of every experiment its whole deadline."""


def named(backend: str, variant: Mapping[str, str]) -> str:
    """Return a backend's name with its variant for people, e.g. "qemu accel=tcg"."""
    return " ".join((backend, *(f"{key}={value}" for key, value in sorted(variant.items()))))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A configuration that can be started: its backend has been checked and its artefacts made."""

    backend: Backend
    configuration: Configuration

    @property
    def name(self) -> str:
        """The backend's name for people, e.g. "qemu accel=tcg"."""
        return named(self.configuration.backend, self.configuration.variant)

    @property
    def kind(self) -> BackendKind:
        """What kind of thing it starts."""
        return self.backend.kind

    @property
    def is_vm(self) -> bool:
        """Whether it boots a kernel of its own."""
        return self.kind is BackendKind.VM


@dataclass
class Bench:
    """One run of experiments. `configurations` are in the registry's order; `journal` lists all that is made."""

    settings: Settings
    journal: Journal
    sampler: Sampler
    configurations: Sequence[Prepared]
    whole_systems: Sequence[Prepared] = ()
    """Backends of the profiles beside the first one."""
    bandwidths: tuple[str, ...] = ()
    """What a transfer is held to as well, beside no limit: 100Mbit."""
    quick: bool = False
    max_instances: int = 8
    seed: int = 0
    say: Callable[[str], None] = print
    course: Course = field(default_factory=Course)
    """How far the run is: each outermost `attempt` is a step of the experiment."""
    until_ns: int | None = None
    """Moment on the monotonic clock by which the experiments should have ended; None: they take the time they need."""
    skips: list[Skip] = field(default_factory=list)
    order: int = 0
    failed_in_a_row: Counter[str] = field(default_factory=Counter)
    """Starts that failed one after the other, by backend: after `MAX_FAILED` a backend is not started any more."""
    _depth: int = 0

    def record(
        self,
        name: str,
        value: float | None,
        configuration: Configuration | None = None,
        *,
        iteration: int = 0,
        detail: str = "",
        warmup: bool = False,
    ) -> None:
        """Append one row of this metric.

        None for `configuration` is the machine as a whole, None for `value` a failure.
        Raises KeyError for a metric that `metrics.METRICS` does not name.
        """
        meaning = metric(name)
        configuration = configuration or Configuration(HOST, {}, self.settings.profile)
        ticket = Ticket(configuration, self.order, iteration, warmup, meaning.experiment)
        outcome = Outcome.FAILED if value is None else Outcome.OK
        number = int(value) if value in (True, False) else value
        detail = " ".join(detail.split())[:500]
        self.sampler.record(self.sampler.sample(ticket, name, number, meaning.unit, outcome=outcome, detail=detail))

    def skip(self, experiment: Experiment, what: str, reason: str, remedy: str) -> None:
        """Note what cannot be measured here; the reports show it beside the claims that needed it."""
        self.skips.append(Skip(experiment, what, reason, remedy))
        self.say(f"{experiment}: {what} left out: {reason}; {remedy}")

    @contextmanager
    def attempt(self, experiment: Experiment, what: str, remedy: str = "") -> Iterator[None]:
        """Turn an expected failure of one part of an experiment into a note, so that the other parts go on.

        `remedy` is for a failure that names none itself.
        """
        self._depth += 1
        try:
            yield
        except (EnvbenchError, OSError, ValueError) as error:
            self.skip(experiment, what, *reason_and_remedy(error, experiment, remedy))
        finally:
            self._depth -= 1
        if not self._depth:
            self.course.step()

    def has_time(self, needed_ns: int = 0) -> bool:
        """Return whether something that takes so long may begin."""
        return self.until_ns is None or monotonic_ns() + needed_ns < self.until_ns

    def containers(self) -> tuple[Prepared, ...]:
        """Return the backends that are containers: neither the bare process nor a machine."""
        return tuple(one for one in self.configurations if one.kind in CONTAINERS)

    def vms(self) -> tuple[Prepared, ...]:
        """Return the backends that boot a kernel of their own."""
        return tuple(one for one in self.configurations if one.is_vm)

    def main(self) -> tuple["Prepared", ...]:
        """Return one backend of each kind: the bare process, a container (an engine before a runtime), a machine."""
        bare = self.bare()
        return (*((bare,) if bare else ()), *self.main_containers(), *self.vms()[:1])

    def main_containers(self) -> tuple["Prepared", ...]:
        """Return the one container backend that stands for all, an engine before a runtime; () without containers."""
        containers = self.containers()
        engines = tuple(one for one in containers if one.backend.images is not ImageUse.NONE)
        return (engines or containers)[:1]

    def chosen(self, *, one_of_a_kind: bool = False) -> tuple["Prepared", ...]:
        """Return all backends; of a quick run only one machine, and with `one_of_a_kind` one backend of each kind."""
        if not self.quick:
            return tuple(self.configurations)
        if one_of_a_kind:
            return self.main()
        extra = self.vms()[1:]
        return tuple(one for one in self.configurations if one not in extra)

    def bare(self) -> Prepared | None:
        """Return the backend that runs the payload as a plain process, None where it is not part of this run."""
        return next((one for one in self.configurations if one.kind is BackendKind.HOST), None)

    def shuffled(self, configurations: Sequence[Prepared], round_number: int) -> list[Prepared]:
        """Return these backends in the order of this round, which the seed decides."""
        order = list(configurations)
        random.Random(f"{self.seed}:{round_number}").shuffle(order)  # noqa: S311 -- an order of measurement
        return order


def reason_and_remedy(error: BaseException, experiment: Experiment, otherwise: str = "") -> tuple[str, str]:
    """Return an error's words and what to try: the error's own advice, what helps against its kind, or `otherwise`."""
    what = " ".join((str(error) or type(error).__name__).split())
    if isinstance(error, EnvbenchError) and error.remedy:
        return what, error.remedy
    if isinstance(error, StartTimeoutError):
        return what, "a longer --deadline, or a machine with less to do"
    if isinstance(error, PermissionError):
        return what, "run it as root"
    alone = f"envbench {experiment} by itself; envbench doctor says what this machine lacks"
    return what, otherwise or alone
