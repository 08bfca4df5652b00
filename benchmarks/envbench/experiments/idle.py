"""What a running instance costs while it does nothing: CPU time, wake-ups and memory over windows of time.

All backends idle side by side, so that every window saw the same machine; an idle instance does not disturb another.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from time import sleep

from envbench.errors import BackendError
from envbench.experiments.memory import footprint
from envbench.experiments.shared.accounting import cpu_ns, growth, wakeups
from envbench.experiments.shared.running import Running, running
from envbench.records.phases import Experiment, counted
from envbench.run.bench import Bench, Prepared
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

WINDOWS = 12
"""Enough for the exact interval of a median to leave out the odd window in which a shim collects its garbage."""
WINDOW_S, WINDOW_QUICK_S = 10.0, 3.0
CALM_S = 2.0
"""A guest's kernel goes on initialising for a while after its first process ran."""
PER_MINUTE = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class _Counters:
    at_ns: int
    cpu: dict[tuple[int, int], int]
    wakeups: dict[tuple[int, int], int]


def per_minute(amount: int, window_ns: int) -> int:
    """Return an amount seen in a window as what a minute of it would be."""
    return round(amount * PER_MINUTE / window_ns)


def run(bench: Bench) -> None:
    """Start one instance of every backend, let them all idle and write a row a window."""
    windows, window_s = WINDOWS, WINDOW_QUICK_S if bench.quick else WINDOW_S
    bench.course.expect((windows + 1) * len(bench.chosen()))
    with ExitStack() as stack:
        idling: list[tuple[Prepared, Running]] = []
        for prepared in bench.chosen():
            with bench.attempt(Experiment.IDLE, prepared.name):
                idling.append((prepared, stack.enter_context(running(bench, prepared))))
        sleep(CALM_S)
        before = {prepared.name: _count(run_) for prepared, run_ in idling}
        for window in range(windows):
            sleep(window_s)
            for prepared, run_ in idling:
                with bench.attempt(Experiment.IDLE, f"{prepared.name}, window {window}"):
                    before[prepared.name] = _record(bench, prepared, run_, window, before[prepared.name])
    bench.say(f"idle: {counted(len(idling), 'backend')} watched for {counted(windows, 'window')} of {window_s:g} s")


def _count(run_: Running) -> _Counters:
    pids = run_.host_processes()
    return _Counters(monotonic_ns(), cpu_ns(pids), wakeups(pids))


def _record(bench: Bench, prepared: Prepared, run_: Running, window: int, before: _Counters) -> _Counters:
    now = _count(run_)
    if not now.cpu:
        raise BackendError("it has ended")
    window_ns = now.at_ns - before.at_ns
    detail = f"window of {window_ns / NS_PER_S:.2f} s, {counted(len(now.cpu), 'thread')}"
    configuration = prepared.configuration
    bench.record(
        "cpu_ns_per_min",
        per_minute(growth(before.cpu, now.cpu), window_ns),
        configuration,
        iteration=window,
        detail=detail,
    )
    bench.record(
        "wakeups_per_min",
        per_minute(growth(before.wakeups, now.wakeups), window_ns),
        configuration,
        iteration=window,
        detail=detail,
    )
    held = footprint(run_.host_processes(), run_.instance.cgroup()).total
    bench.record("idle_memory", held, configuration, iteration=window, detail=detail)
    return now
