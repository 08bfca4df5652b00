"""Takes one start from the request to its removal: reads the clock, always cleans up, and writes every row at once.

A backend says when it passes a moment (`Mark`); only this module looks at the clock. A failed start is a row too.
"""

import contextlib
import gc
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from envbench.backend import Backend, Instance, Mark, MarkCallback, Workload
from envbench.errors import BackendError, EnvbenchError, StartTimeoutError, foreseen, one_line
from envbench.readiness.output import OutputReader, read_until, reader_for
from envbench.readiness.probe import ports_for, wait_until_ready
from envbench.records.phases import NOISE_PREFIX, BackendKind, Experiment, Outcome, Phase, Unit
from envbench.records.samples import Sample, SampleWriter
from envbench.run.cpu_time import CpuMeter
from envbench.run.noise import NoiseWatch
from envbench.settings import Configuration, Settings, new_nonce, ready_of
from envbench.settings.condition import Ready
from envbench.surroundings.clock import NS_PER_S, NS_PER_US, monotonic_ns, process_time_ns

STOP_DEADLINE_S = 30.0

_BEFORE_START = (Mark.ATTACHED, Mark.CREATED, Mark.REQUESTED)
"""What the start request follows, latest first: the backend asks for the start as soon as the stretch before has
ended."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Which start this is: its place in the run's order and in its backend's own count.

    `deadline_s` is how long it may take, None: as long as the run's settings say.
    """

    configuration: Configuration
    order: int
    iteration: int
    warmup: bool = False
    experiment: Experiment = Experiment.STARTUP
    deadline_s: float | None = None


@dataclass(slots=True)
class Start:
    """What came of one start: `ready_ns` and `phases` in nanoseconds, None and {} where it failed."""

    ticket: Ticket
    outcome: Outcome = Outcome.OK
    detail: str = ""
    marks: dict[Mark, int] = field(default_factory=dict)
    phases: dict[Phase, int] = field(default_factory=dict)
    wall_ns: int = 0
    """Everything that this start took, the clean-up of a failed one included: what the budget pays."""
    probe_gap_ns: int | None = None
    """Where readiness was asked for from outside: how much later than it was so it may have been seen."""

    @property
    def ready_ns(self) -> int | None:
        """Request until ready."""
        return self.phases.get(Phase.READY)


def phases_of(marks: Mapping[Mark, int]) -> dict[Phase, int]:
    """Return the durations between these moments, in nanoseconds; a stretch with an end missing is left out."""
    found: dict[Phase, int] = {}

    def stretch(phase: Phase, begin: Mark, end: Mark) -> None:
        if begin in marks and end in marks and marks[end] >= marks[begin]:
            found[phase] = marks[end] - marks[begin]

    start_requested = next((mark for mark in _BEFORE_START if mark in marks), Mark.REQUESTED)
    stretch(Phase.CREATE, Mark.REQUESTED, Mark.CREATED)
    stretch(Phase.ATTACH, Mark.CREATED, Mark.ATTACHED)
    stretch(Phase.START, start_requested, Mark.STARTED)
    stretch(Phase.VMM, start_requested, Mark.VMM_UP)
    stretch(Phase.FIRMWARE, Mark.VMM_UP, Mark.KERNEL_UP)
    stretch(Phase.KERNEL, Mark.KERNEL_UP, Mark.USERSPACE_UP)
    stretch(Phase.USERSPACE, Mark.USERSPACE_UP, Mark.READY)
    stretch(Phase.READY, Mark.REQUESTED, Mark.READY)
    stretch(Phase.STOP, Mark.STOP_REQUESTED, Mark.STOPPED)
    stretch(Phase.REMOVE, Mark.STOPPED, Mark.GONE)
    stretch(Phase.CYCLE, Mark.REQUESTED, Mark.GONE)
    if Phase.CYCLE in found and Mark.READY in marks and Mark.STOP_REQUESTED in marks:
        # Between ready and the stop request the harness reads CPU clocks: that pause is the harness's, not the
        # instance's.
        found[Phase.CYCLE] -= max(0, marks[Mark.STOP_REQUESTED] - marks[Mark.READY])
    return found


def observer_lag_ns(reader: OutputReader, realtime_minus_monotonic_ns: int) -> int | None:
    """Return how long after the payload read the wall clock its line was seen, None where that cannot be known.

    Only where the payload reads this machine's own clock; both clocks advance alike (clock_gettime(2)), so the wall
    clock's moment is moved onto the monotonic one by the offset taken at receipt. The payload's clock has microseconds:
    its figure is rounded down, so the lag is never reported too small.
    """
    said = reader.ready_values.get("realtime_ns", "")
    if not said.isdigit() or reader.ready_ns is None:
        return None
    lag_ns = reader.ready_ns + realtime_minus_monotonic_ns - int(said)
    # A lag longer than any start, or more negative than the payload's resolution allows, shows that the clocks differ.
    return lag_ns if -NS_PER_US <= lag_ns < 60 * NS_PER_S else None


class Sampler:
    """Measures starts and appends their rows to the run's samples.csv.

    Raises EnvbenchError where a row cannot be written (disk full, folder gone): rows written before stay whole.
    """

    def __init__(self, settings: Settings, writer: SampleWriter, noise: NoiseWatch | None = None) -> None:
        self._settings = settings
        self._writer = writer
        self._noise = noise
        self._lock = threading.Lock()
        self.on_instance: Callable[[Instance], None] = _ignore
        """Called with each instance that got ready, between ready and stop."""

    def measure(self, backend: Backend, ticket: Ticket, *, alone: bool = True) -> Start:
        """Take one start from request to gone and write its rows; a failure is a row, not an exception.

        `alone` is False where other starts are under way: CPU times cannot be told apart then and get no row. Only
        KeyboardInterrupt, InterruptedRunError and an unwritable samples.csv leave by exception, after the clean-up.
        """
        stamps = self._noise.stamps() if self._noise else {}
        start = Start(ticket)
        cpu = CpuMeter(backend) if alone else None
        begun_ns = monotonic_ns()
        harness_ns = process_time_ns()
        ready, nonce = ready_of(self._settings, ticket.configuration.profile), new_nonce()
        reader = reader_for(nonce, ready)
        with _no_garbage_collection():
            self._take(backend, start, reader, ready, nonce, cpu)
        start.phases = phases_of(start.marks) if start.outcome is Outcome.OK or Mark.READY in start.marks else {}
        offset_ns = time.clock_gettime_ns(time.CLOCK_REALTIME) - monotonic_ns()
        lag_ns = None if backend.kind is BackendKind.VM else observer_lag_ns(reader, offset_ns)
        if lag_ns is None:
            lag_ns = start.probe_gap_ns
        if lag_ns is not None:
            start.phases[Phase.OBSERVER_LAG] = max(lag_ns, 0)
        if cpu is not None and start.outcome is Outcome.OK:
            if cpu.charged_ns is not None:
                start.phases[Phase.HOST_CPU] = cpu.charged_ns
            start.phases[Phase.HARNESS_CPU] = process_time_ns() - harness_ns
        start.wall_ns = monotonic_ns() - begun_ns
        self._write(start, stamps)
        return start

    def stamp(self, ticket: Ticket) -> None:
        """Write the machine's state now: what runs beside disturbs work that is measured inside, too."""
        stamps = self._noise.stamps() if self._noise else {}
        self.record(*(self.sample(ticket, NOISE_PREFIX + name, *each) for name, each in stamps.items()))

    def record(self, *samples: Sample) -> None:
        """Append rows. Raises EnvbenchError where that cannot be done."""
        try:
            with self._lock:
                self._writer.append(*samples)
        except OSError as error:
            raise EnvbenchError(
                f"samples.csv cannot be written: {error.strerror}; the rows before are kept",
                remedy="free space, then run again",
            ) from error

    def sample(self, ticket: Ticket, phase: str, value: float | None, unit: Unit, **more: str) -> Sample:
        """Return a row of this start; `more` may give `outcome` and `detail`."""
        return Sample(
            run_id=self._settings.run_id,
            order=ticket.order,
            experiment=ticket.experiment,
            backend=ticket.configuration.backend,
            variant=ticket.configuration.variant_text,
            profile=ticket.configuration.profile,
            warmup=ticket.warmup,
            iteration=ticket.iteration,
            phase=phase,
            value=value,
            unit=unit,
            outcome=Outcome(more.get("outcome", Outcome.OK)),
            detail=more.get("detail", ""),
            monotonic_ns=monotonic_ns(),
        )

    def workload(self, nonce: str, configuration: Configuration, deadline_s: float | None = None) -> Workload:
        """Return the workload of a timed start: it idles when it is ready, so that stopping it is measured too."""
        settings = self._settings
        return Workload(
            nonce=nonce,
            deadline_s=deadline_s,
            memory_bytes=settings.memory_bytes,
            cpus=settings.cpus,
            network=configuration.variant.get("network", settings.networks[0]),
            read_only=settings.read_only,
            init=settings.init,
            keep_running=True,
            ports=ports_for(ready_of(settings, configuration.profile)),
        )

    def _take(
        self,
        backend: Backend,
        start: Start,
        reader: OutputReader,
        ready: Ready | None,
        nonce: str,
        cpu: CpuMeter | None,
    ) -> None:
        def mark(moment: Mark) -> None:
            start.marks.setdefault(moment, monotonic_ns())

        instance: Instance | None = None
        configuration = start.ticket.configuration
        deadline_s = min(self._settings.deadline_s, start.ticket.deadline_s or math.inf)
        deadline_ns = monotonic_ns() + int(deadline_s * NS_PER_S)
        try:
            if cpu is not None:
                cpu.begin()
            workload = self.workload(nonce, configuration, deadline_s)
            instance = backend.start(workload, configuration.variant, mark)
            seen = wait_until_ready(instance, reader, ready, workload, deadline_ns)
            start.marks[Mark.READY], start.probe_gap_ns = seen.ready_ns, seen.gap_ns
            if cpu is not None:
                cpu.end(instance)
            if start.probe_gap_ns is None:
                _read_rest_of_line(instance, reader)
            self.on_instance(instance)
            end_instance(instance, mark)
            instance = None
        except Exception as error:  # noqa: BLE001 -- what a backend's library raises is that backend's failure
            start.outcome = Outcome.TIMED_OUT if isinstance(error, StartTimeoutError) else Outcome.FAILED
            start.detail = one_line(foreseen(error))
        finally:
            if instance is not None:
                instance.destroy()

    def _write(self, start: Start, stamps: Mapping[str, tuple[float, Unit]]) -> None:
        ticket = start.ticket
        rows = [self.sample(ticket, NOISE_PREFIX + name, value, unit) for name, (value, unit) in stamps.items()]
        rows += [self.sample(ticket, phase, value, Unit.NS) for phase, value in start.phases.items()]
        if start.outcome is not Outcome.OK:
            # It got ready and could not be stopped: the figures up to there hold, and the phase that failed gets the
            # row.
            failed = Phase.STOP if Mark.READY in start.marks else Phase.READY
            rows.append(self.sample(ticket, failed, None, Unit.NS, outcome=start.outcome, detail=start.detail))
        self.record(*rows)


def end_instance(instance: Instance, mark: MarkCallback) -> None:
    """Stop and remove an instance, marking both. Raises BackendError: the caller then destroys it."""
    # An engine whose start call has not returned yet answers this when it has: that wait is no part of the stop.
    instance.processes()
    mark(Mark.STOP_REQUESTED)
    instance.stop(monotonic_ns() + int(STOP_DEADLINE_S * NS_PER_S))
    mark(Mark.STOPPED)
    instance.remove(monotonic_ns() + int(STOP_DEADLINE_S * NS_PER_S))
    mark(Mark.GONE)


def _read_rest_of_line(instance: Instance, reader: OutputReader) -> None:
    """Read on to the end of the ready line: its first byte has been stamped, its values may come in a later chunk."""
    with contextlib.suppress(BackendError):
        deadline_ns = monotonic_ns() + NS_PER_S // 10
        read_until(instance, reader, lambda: reader.line_complete, deadline_ns, "end of the ready line")


def _ignore(_instance: Instance) -> None:
    """Take no note."""


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the collector from running inside a measurement."""
    gc.collect(0)
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
