"""How memory and start time grow with the number of instances that run at once: 1, 2, 4 … until a limit is reached.

Stops before the machine suffers: at a share of free memory, at memory pressure (PSI), or at the number asked for.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from time import sleep

from envbench.errors import EnvbenchError
from envbench.experiments.memory import footprint
from envbench.experiments.shared.accounting import available_bytes, memory_pressure, total_bytes
from envbench.experiments.shared.running import Running, running
from envbench.records.phases import Experiment
from envbench.run.bench import Bench, Prepared
from envbench.settings import Configuration
from envbench.surroundings.clock import monotonic_ns

FREE_SHARE = 0.25
"""No step is begun that is expected to leave less than this share of the machine's memory available."""
PRESSURE = 0.10
"""Nor while tasks wait for memory for more than this share of the time."""
MAX_QUICK, MAX_VM_QUICK = 8, 4
SETTLE_S = 0.3


def steps_to(highest: int) -> list[int]:
    """Return 1, 2, 4 … and the highest number itself."""
    steps = [1]
    while steps[-1] * 2 <= highest:
        steps.append(steps[-1] * 2)
    return steps if steps[-1] == highest else [*steps, highest]


def why_stop(available: int, total: int, pressure: float | None, expected: int) -> str:
    """Return why the next step, which is expected to need that many bytes, must not be taken; "" if it may."""
    if pressure is not None and pressure > PRESSURE:
        return f"tasks waited for memory for {pressure:.0%} of the last 10 s"
    if available - expected < FREE_SHARE * total:
        return f"less than {FREE_SHARE:.0%} of the machine's memory would be left"
    return ""


def run(bench: Bench) -> None:
    """Take the steps of every container and VM backend, in sequence and in parallel."""
    several = [one for one in bench.chosen(one_of_a_kind=True) if one.is_vm or one in bench.containers()]
    parts = [
        (prepared, mode)
        for prepared in several
        for mode in (("sequence",) if bench.quick and prepared.is_vm else ("sequence", "parallel"))
    ]
    bench.course.expect(len(parts))
    for prepared, mode in parts:
        with bench.attempt(Experiment.DENSITY, f"{prepared.name}, {mode}"):
            _grow(bench, prepared, mode)


def _grow(bench: Bench, prepared: Prepared, mode: str) -> None:
    highest = bench.max_instances
    if bench.quick:
        highest = min(highest, MAX_VM_QUICK if prepared.is_vm else MAX_QUICK)
    begin = available_bytes()
    reached, reason, each, before = 0, "the number asked for", 0, 0
    with ExitStack() as stack:
        runs: list[Running] = []
        for step in steps_to(highest):
            stop = why_stop(available_bytes(), total_bytes(), memory_pressure(), each * (step - reached))
            if stop:
                reason = stop
                break
            configuration = _at_step(prepared.configuration, step, mode)
            begun_ns = monotonic_ns()
            new = _start(bench, prepared, step - reached, stack, parallel=mode == "parallel")
            last_ready_ns = max(run_.ready_ns for run_ in new)
            runs += new
            sleep(SETTLE_S)
            memory = sum(footprint(run_.host_processes(), run_.instance.cgroup()).total for run_ in runs)
            each = (memory - before) // (step - reached)
            for number, run_ in enumerate(new):
                bench.record("start_n", run_.start_ns, configuration, iteration=number)
            bench.record("start_all", last_ready_ns - begun_ns, configuration, detail=f"{step - reached} more started")
            bench.record("memory_n", memory, configuration)
            bench.record("memory_per_further", each, configuration, detail=f"{step - reached} more than {reached}")
            bench.record("available_n", begin - available_bytes(), configuration)
            reached, before = step, memory
    bench.record("instances", reached, _at_step(prepared.configuration, None, mode), detail=f"stopped at {reason}")
    bench.say(
        f"density: {prepared.name}: {reached} at once in {mode}, {each / 2**20:.1f} MiB for each of the last ({reason})"
    )


def _at_step(configuration: Configuration, count: int | None, mode: str) -> Configuration:
    more = {"mode": mode} if count is None else {"mode": mode, "n": str(count)}
    return replace(configuration, conditions={**configuration.conditions, **more})


def _start(bench: Bench, prepared: Prepared, count: int, stack: ExitStack, *, parallel: bool) -> list[Running]:
    """Start that many; whatever was started is ended by the stack, also where one of them fails."""
    if not parallel or count == 1:
        return [stack.enter_context(running(bench, prepared)) for _ in range(count)]
    lock = threading.Lock()
    found: list[Running] = []

    def one(_: int) -> None:
        context = running(bench, prepared)
        run_ = context.__enter__()
        with lock:
            stack.push(context)
            found.append(run_)

    with ThreadPoolExecutor(max_workers=count) as rooms:
        futures = [rooms.submit(one, number) for number in range(count)]
        errors = [future.exception() for future in futures]
    for error in errors:
        if error is not None:
            raise EnvbenchError(f"one of {count} parallel starts failed: {error}", remedy="a smaller --max") from error
    return found
