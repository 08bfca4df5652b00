"""What one idle instance costs the host in memory, by every usual definition, and the least memory it needs to start.

The definition decides the headline, so all stand side by side; `total` is the one that the claims use: what is charged
to the instance's cgroup, at least the PSS of the processes in it, plus the PSS of its host processes outside.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from envbench.errors import BackendError, EnvbenchError
from envbench.experiments.shared.accounting import (
    CgroupMemory,
    ProcessMemory,
    available_bytes,
    cgroup_memory,
    cgroup_processes,
    mapped_guest,
    process_memory,
)  # fmt: skip
from envbench.experiments.shared.engine_cli import engine_cli
from envbench.experiments.shared.limits import require_memory_limit
from envbench.experiments.shared.running import Running, running
from envbench.records.phases import BackendKind, Experiment, counted
from envbench.run.bench import Bench, Prepared

SETTLE_S = 0.3
"""After the ready line: an engine's start call, and what a kernel frees after boot, may still be under way."""
REPEATS, REPEATS_QUICK = 12, 6
INSTANCES, INSTANCES_QUICK = 8, 3
"""How many instances are started; the fall of MemAvailable is divided by this number."""
SMALLEST_BYTES = 1 << 20
LARGEST_BYTES = 512 << 20
MACHINE_FLOOR_BYTES = 16 << 20
"""The search for a machine begins here: each size that is too small costs a start that may hang to its deadline."""
CONTAINER_FLOOR_BYTES = 6 << 20
"""Docker refuses less than 6 MiB (moby, daemon/daemon_unix.go, linuxMinMemory)."""
FRACTION = 16
"""The search ends once the bracket is this part of its upper end."""
MEMORY_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory of one or more instances on the host."""

    processes: ProcessMemory
    outside: ProcessMemory
    """Of the processes that are not in the instance's cgroup."""
    cgroup: CgroupMemory | None

    @property
    def total(self) -> int:
        """The headline, in bytes.

        A file's pages are charged to the cgroup that touched them first, which may be another instance's or the host's:
        what is inside the cgroup is no less than the PSS of the processes in it.
        """
        inside = self.processes.pss - self.outside.pss
        return max(self.cgroup.working_set if self.cgroup else 0, inside) + self.outside.pss


def footprint(pids: Sequence[int], cgroup: Path | None) -> Footprint:
    """Return what these processes and this cgroup hold now. Raises BackendError where nothing could be read."""
    charge = None
    inside: set[int] = set()
    if cgroup is not None:
        try:
            charge, inside = cgroup_memory(cgroup), cgroup_processes(cgroup)
        except OSError as error:
            raise BackendError(f"{cgroup}: its memory cannot be read: {error.strerror}") from error
    # One of its own processes in it is what makes a cgroup the instance's: a shim's slice charges nothing of it.
    if not inside & set(pids):
        charge, inside = None, set()
    processes = process_memory(pids)
    if processes.pss == 0:
        raise BackendError(
            "none of its host processes could be looked at: it has ended, or may not be looked at", remedy="sudo"
        )
    return Footprint(processes, process_memory(set(pids) - inside), charge)


def run(bench: Bench) -> None:
    """Measure every backend: interleaved repeats, the n-th instance, the smallest memory, the engines' own daemons."""
    bare: dict[int, int] = {}
    rounds = range(REPEATS_QUICK if bench.quick else REPEATS)
    falling = [one for one in bench.chosen() if not one.is_vm or not bench.quick]
    uncharged = (BackendKind.HOST, BackendKind.NAMESPACES)
    limited = [one for one in bench.chosen(one_of_a_kind=True) if one.kind not in uncharged]
    bench.course.expect(len(rounds) * len(bench.chosen()) + len(falling) + len(limited))
    for round_number in rounds:
        configurations = bench.shuffled(bench.chosen(), round_number)
        for prepared in sorted(configurations, key=lambda one: one.kind is not BackendKind.HOST):
            with bench.attempt(Experiment.MEMORY, f"{prepared.name}, round {round_number}"):
                total = _one(bench, prepared, round_number, bare.get(round_number))
                if prepared.kind is BackendKind.HOST:
                    bare[round_number] = total
                if round_number == 0:
                    bench.say(f"memory: {prepared.name}: {total / 2**20:.1f} MiB for one idle instance")
    for prepared in falling:
        with bench.attempt(Experiment.MEMORY, f"{prepared.name}: fall of MemAvailable"):
            _available(bench, prepared)
    for prepared in limited:
        with bench.attempt(Experiment.MEMORY, f"{prepared.name}: smallest memory"):
            _minimum(bench, prepared)
    _engines(bench)


def _one(bench: Bench, prepared: Prepared, round_number: int, bare: int | None) -> int:
    configuration = prepared.configuration

    def put(name: str, value: float | None, detail: str = "") -> None:
        if value is not None:
            bench.record(name, value, configuration, iteration=round_number, detail=detail)

    with running(bench, prepared) as run_:
        sleep(SETTLE_S)
        pids = run_.host_processes()
        seen = footprint(pids, run_.instance.cgroup())
        _record_definitions(put, seen, len(pids))
        if round_number == 0:
            _cross_check(bench, prepared, run_, seen)
        if prepared.is_vm:
            size, resident = mapped_guest(pids)
            put("guest_size", size)
            put("guest_untouched", size - resident if size else None)
    if prepared.kind is BackendKind.HOST:
        put("payload_bare", seen.processes.pss)
    elif bare is not None:
        put("overhead", seen.total - bare, "total less the same payload's PSS as a bare process")
    return seen.total


def _record_definitions(put: Callable[..., None], seen: Footprint, count: int) -> None:
    put("total", seen.total, f"{count} host processes, {'a' if seen.cgroup else 'no'} cgroup of its own")
    put("pss", seen.processes.pss)
    put("uss", seen.processes.uss)
    put("rss", seen.processes.rss)
    put("helpers_pss", seen.outside.pss if seen.cgroup else None)
    if seen.cgroup is not None:
        put("cgroup", seen.cgroup.working_set, f"with all page cache {seen.cgroup.usage}")
        put("cgroup_peak", seen.cgroup.peak)


def _cross_check(bench: Bench, prepared: Prepared, run_: Running, seen: Footprint) -> None:
    """Say what the engine's own `stats` shows beside our figure of the same cgroup."""
    cli = engine_cli(prepared)
    if cli is None or seen.cgroup is None:
        return
    words = ("stats", "--no-stream", "--format", "{{.MemUsage}}", run_.instance.name)
    said = cli.run(bench.settings.run_id, *words).partition("/")[0].strip()
    bench.say(
        f"memory: {prepared.name}: {cli.program} stats: {said}, its cgroup {seen.cgroup.working_set / 2**20:.2f} MiB"
    )


def _available(bench: Bench, prepared: Prepared) -> None:
    count = INSTANCES_QUICK if bench.quick else INSTANCES
    before = available_bytes()
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(running(bench, prepared)).host_processes()
        sleep(SETTLE_S)
        difference = (before - available_bytes()) / count
    bench.record(
        "available_difference",
        round(difference),
        prepared.configuration,
        detail=f"over {counted(count, 'instance')}; noisy by nature",
    )


def _minimum(bench: Bench, prepared: Prepared) -> None:
    """Search by bisection: a container gets the amount as its limit, a machine as its memory."""

    def gets_ready(memory_bytes: int) -> bool:
        try:
            with running(bench, prepared, deadline_s=MEMORY_DEADLINE_S, may_fail=True, memory_bytes=memory_bytes):
                return True
        except BackendError:
            return False

    floor = MACHINE_FLOOR_BYTES if prepared.is_vm else SMALLEST_BYTES
    floor = CONTAINER_FLOOR_BYTES if engine_cli(prepared) else floor
    if not prepared.is_vm:
        require_memory_limit(bench, prepared, LARGEST_BYTES)
    found, tried = smallest(gets_ready, floor, LARGEST_BYTES)
    if found is None:
        raise EnvbenchError(f"not ready even with {LARGEST_BYTES >> 20} MiB")
    why = "the engine allows no less" if engine_cli(prepared) else "less was not tried"
    at_floor = f"; {why}" if found == floor else ""
    bench.record("minimum_ready", found, prepared.configuration, detail=f"{counted(tried, 'start')} tried{at_floor}")
    bench.say(f"memory: {prepared.name}: gets ready with {found / 2**20:.1f} MiB{at_floor}")


def smallest(gets_ready: Callable[[int], bool], low: int, high: int) -> tuple[int | None, int]:
    """Return the smallest memory (in whole MiB, within 1/16) that is enough, and how many were tried.

    Doubles from `low` until it is enough, then halves the bracket; None where not even `high` is enough.
    """
    size, tried, too_little = low, 0, 0
    while True:
        tried += 1
        if gets_ready(size):
            break
        too_little = size
        if size >= high:
            return None, tried
        size = min(size * 2, high)
    while size - too_little > max(1 << 20, size // FRACTION) and size > low:
        middle = (too_little + size) // 2 >> 20 << 20
        tried += 1
        if gets_ready(middle):
            size = middle
        else:
            too_little = middle
    return size, tried


def _engines(bench: Bench) -> None:
    for prepared in bench.configurations:
        pids = prepared.backend.engine_processes()
        if pids is None:
            bench.skip(
                Experiment.MEMORY,
                f"{prepared.name}: its engine's daemons",
                "they are not processes of this host, or may not be looked at",
                "run envbench as root, where the engine runs",
            )
        elif pids:
            pss = process_memory(pids).pss
            bench.record(
                "engine_pss",
                pss,
                prepared.configuration,
                detail=f"{counted(len(pids), 'daemon')}, shared by all instances",
            )
