"""What a backend leaves on the host after create, run and remove: every leak by name.

The machine may be busy with other work: a thing counts only if it is still there after a grace time, and if it carries
the run's id or was seen while this backend ran and belonged to no other process. Everything else that is new is named,
not counted.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from envbench.experiments.release.host_state import KINDS, HostState, left_behind, take
from envbench.experiments.shared.accounting import available_bytes
from envbench.experiments.shared.running import Running, running
from envbench.records.phases import Experiment, counted
from envbench.run.audit import traces_of
from envbench.run.bench import Bench, Prepared

CYCLES, CYCLES_QUICK = 20, 5
CYCLES_VM, CYCLES_VM_QUICK = 5, 2
GRACE_S = 10.0
"""What an engine tears down behind its answer (shims, network namespaces) has this long."""
DISK = Path("/var/lib")
NAMED_MAX = 20
LASTING = ("mounts", "links", "loops", "files")
"""Kinds that stay until somebody removes them; processes, and cgroups and namespaces with them, come and go."""


def run(bench: Bench) -> None:
    """Take cycles of each backend and compare the host before and after."""
    bench.course.expect(len(bench.chosen()))
    for prepared in bench.chosen():
        with bench.attempt(Experiment.RELEASE, prepared.name):
            _audit(bench, prepared)


@contextmanager
def whole_run_audited(bench: Bench) -> Iterator[None]:
    """Compare the host before and after all experiments of a run, whoever made what; write it as the host's own row.

    What carries the run's id counts as left. Other new things are named too: on a machine with other work they are
    seldom this run's, and on a calm one somebody should look at them.
    """
    run_id = bench.settings.run_id
    traces, before = set(traces_of(run_id)), _host()
    yield
    left = sorted(set(traces_of(run_id)) - traces)
    for _ in range(int(GRACE_S)):
        if not left:
            break
        sleep(1)
        left = sorted(set(traces_of(run_id)) - traces)
    new = left_behind(before, _host())
    others = [f"{kind}: {name}" for kind in LASTING for name in sorted(new[kind]) if run_id not in name]
    beside = f"; new without this run's name: {', '.join(others[:NAMED_MAX])}" if others else ""
    words = "; ".join(left) or "nothing"
    bench.record("leaked.whole_run", len(left), detail=f"{words} after all experiments{beside}")
    bench.say(f"release: all experiments left {words}{beside}")


def _host() -> HostState:
    return take((), DISK, available_bytes())


def _audit(bench: Bench, prepared: Prepared) -> None:
    cycles = (
        (CYCLES_VM_QUICK if bench.quick else CYCLES_VM) if prepared.is_vm else (CYCLES_QUICK if bench.quick else CYCLES)
    )
    with running(bench, prepared):
        """One cycle first: what an engine makes once and keeps (a bridge, a cache) is not a leak of a cycle."""
    before = _state(bench, prepared)
    own: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for _ in range(cycles):
        with running(bench, prepared) as run_:
            _note(own, run_)
    after = _settled(bench, prepared, before, own)
    leaks = leaks_of(before, after, own, bench.settings.run_id)
    _record(bench, prepared, cycles, before, after, leaks)


def leaks_of(
    before: HostState, after: HostState, own: Mapping[str, set[str]], run_id: str
) -> dict[str, frozenset[str]]:
    """Return what is new and this backend's: seen as its own while it ran, or with the run's id in its name."""
    return {
        kind: frozenset(name for name in new if run_id in name or name in own.get(kind, ()))
        for kind, new in left_behind(before, after).items()
    }


def _note(own: dict[str, set[str]], run_: Running) -> None:
    """Note what this instance is seen to have while it runs: processes, their namespaces and mounts, its cgroup."""
    pids = set(run_.instance.processes())
    state = take((), DISK, 0)
    own["processes"] |= {name for name in state.things["processes"] if int(name.split()[0]) in pids}
    host = {str(path.readlink()) for path in Path("/proc/self/ns").iterdir()}
    for pid in pids:
        try:
            own["namespaces"] |= {str(path.readlink()) for path in Path(f"/proc/{pid}/ns").iterdir()} - host
        except OSError:
            continue
    cgroup = run_.instance.cgroup()
    if cgroup is not None:
        own["cgroups"].add(os.fspath(cgroup))
    own["mounts"] |= {mount for mount in state.things["mounts"] if run_.instance.name in mount}


def _settled(bench: Bench, prepared: Prepared, before: HostState, own: Mapping[str, set[str]]) -> HostState:
    state = _state(bench, prepared)
    for _ in range(int(GRACE_S / 0.5)):
        if not any(leaks_of(before, state, own, bench.settings.run_id).values()):
            break
        sleep(0.5)
        state = _state(bench, prepared)
    return state


def _state(bench: Bench, prepared: Prepared) -> HostState:
    return take(prepared.backend.remaining(), DISK, available_bytes(), ignore=(bench.settings.work_dir,))


def _record(
    bench: Bench,
    prepared: Prepared,
    cycles: int,
    before: HostState,
    after: HostState,
    leaks: Mapping[str, frozenset[str]],
) -> None:
    configuration = prepared.configuration
    everything = [f"{kind}: {name}" for kind in KINDS for name in sorted(leaks[kind])]
    foreign = sum(len(new) for new in left_behind(before, after).values()) - len(everything)
    for kind in KINDS:
        bench.record(f"leaked.{kind}", len(leaks[kind]), configuration, detail=", ".join(sorted(leaks[kind])))
    nothing = f"nothing after {counted(cycles, 'cycle')}"
    beside = f"; {counted(foreign, 'other new thing')} on the host not this backend's" if foreign else ""
    bench.record(
        "leaked.total",
        len(everything),
        configuration,
        detail="; ".join(everything) or nothing + beside,
    )
    bench.record(
        "leaked_disk", round((before.free_disk_bytes - after.free_disk_bytes) / cycles), configuration, detail=str(DISK)
    )
    bench.record("leaked_memory", round((before.available_bytes - after.available_bytes) / cycles), configuration)
    bench.record("cycles", cycles, configuration)
    bench.say(f"release: {prepared.name}: {'; '.join(everything) or nothing}")
