"""Memory and CPUs given and taken while an instance runs, and whether the change is seen from inside.

Containers: the engine's `update`, or the cgroup's own file where no engine stands between. Machines: a virtio balloon
and a plugged-in CPU, asked for over QEMU's monitor.
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from envbench.errors import BackendError, EnvbenchError, StartTimeoutError, one_line
from envbench.experiments.shared.engine_cli import EngineCli, engine_cli
from envbench.experiments.shared.lab_machine import is_lab_able, lab_machine
from envbench.experiments.shared.running import Running, running, shell
from envbench.records.phases import Experiment
from envbench.run.bench import Bench, Prepared
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

MIB = 1 << 20
CONTAINER_MEMORY = (64 * MIB, 128 * MIB, 48 * MIB)
"""At the start, grown to, shrunk to."""
MACHINE_MEMORY = (512 * MIB, 512 * MIB, 384 * MIB)
"""A balloon gives back no more than the machine was started with: it is shrunk first, then grown again."""
SEEN_DEADLINE_S = 20.0
NO_ROOM_REMEDY = "a kernel or a machine that has CPU slots: KVM, or an earlier kernel by --kernel"

MEMORY_SLACK = 0.15
"""A guest's MemTotal is less than its memory: its kernel keeps a part for itself."""

WATCH = r"""
B=${ENVBENCH_BUSYBOX:-/bin/busybox}
value() { { read -r v <"$1"; } 2>/dev/null && echo "@$2=$v"; }
while :; do
  value /sys/fs/cgroup/memory/memory.limit_in_bytes limit
  value /sys/fs/cgroup/memory.max limit
  value /sys/fs/cgroup/cpu/cpu.cfs_quota_us quota
  value /sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us quota
  value /sys/fs/cgroup/cpu.max quota
  while read -r name amount _; do
    [ "$name" = MemTotal: ] && echo "@total=$((amount * 1024))"
  done </proc/meminfo
  # What udev does for a CPU that was plugged in.
  for c in /sys/devices/system/cpu/cpu*/online; do
    [ -w $c ] && { read -r v <$c; [ "$v" = 0 ] && echo 1 >$c; } 2>/dev/null
  done
  value /sys/devices/system/cpu/possible possible
  echo "@cpus=$($B nproc)"
  $B sleep 0.3
done
"""


def run(bench: Bench) -> None:
    """Resize one instance of every container and VM backend."""
    resizable = [one for one in bench.chosen(one_of_a_kind=True) if one.is_vm or one in bench.containers()]
    bench.course.expect(len(resizable))
    for prepared in resizable:
        with bench.attempt(Experiment.RESIZE, prepared.name):
            _resize_machine(bench, prepared) if prepared.is_vm else _resize_container(bench, prepared)


def _resize_container(bench: Bench, prepared: Prepared) -> None:
    start, grown, shrunk = CONTAINER_MEMORY
    with running(bench, prepared, shell(WATCH), ask_to_stop=False, memory_bytes=start, cpus=1.0) as run_:
        _require_start_limit(run_, start)
        change = _changer(bench, prepared, run_)
        _try(
            bench,
            prepared,
            run_,
            "memory_grown",
            lambda: change("memory", grown),
            lambda seen: seen.get("limit") == str(grown),
        )
        _try(
            bench,
            prepared,
            run_,
            "memory_shrunk",
            lambda: change("memory", shrunk),
            lambda seen: seen.get("limit") == str(shrunk),
        )
        half = lambda seen: seen.get("quota", "").split()[:1] == ["50000"]  # noqa: E731 -- one test, used once
        _try(bench, prepared, run_, "cpu_changed", lambda: change("cpu", 0.5), half)


def _require_start_limit(run_: Running, start: int) -> None:
    """See that the limit that it was started with is there. Raises EnvbenchError where it is not."""
    try:
        _seen(run_, lambda seen: seen.get("limit") == str(start))
    except StartTimeoutError as error:
        reason = "the memory limit that it was started with is not to be seen inside: no change could be"
        raise EnvbenchError(reason, remedy="an engine that sets limits, with its cgroup mounted inside") from error


def _resize_machine(bench: Bench, prepared: Prepared) -> None:
    start, grown, shrunk = MACHINE_MEMORY
    if not is_lab_able(prepared):
        raise EnvbenchError("its machines have no balloon and no CPU slots", remedy="--backend qemu --boot kernel")
    with lab_machine(bench, prepared, WATCH, memory_bytes=start) as (run_, monitor):
        _seen(run_, lambda seen: "total" in seen)
        _try(
            bench, prepared, run_, "memory_shrunk", lambda: monitor.set_memory(shrunk), lambda seen: _near(seen, shrunk)
        )
        _try(bench, prepared, run_, "memory_grown", lambda: monitor.set_memory(grown), lambda seen: _near(seen, grown))
        with bench.attempt(Experiment.RESIZE, f"{prepared.name}, another CPU", NO_ROOM_REMEDY):
            _require_room(run_)
            _try(bench, prepared, run_, "cpu_changed", monitor.add_cpu, lambda seen: seen.get("cpus") == "2")


def _require_room(run_: Running) -> None:
    """See that the guest's kernel has room for a CPU more. Raises EnvbenchError where it made none when it booted.

    A kernel that knows no hypervisor, and emulated it knows none, may take the slots that firmware lists for CPUs that
    will never be there (arch/x86/kernel/acpi/boot.c; seen of 6.12.117, not of 6.1).
    """
    if _seen(run_, lambda seen: "possible" in seen)["possible"] == "0":
        raise EnvbenchError("its kernel made no room for a CPU more when it booted, so that none can be given to it")


def _near(seen: Mapping[str, str], wanted: int) -> bool:
    total = int(seen.get("total", 0))
    return wanted * (1 - MEMORY_SLACK) <= total <= wanted


def _try(
    bench: Bench,
    prepared: Prepared,
    run_: Running,
    name: str,
    change: Callable[[], None],
    is_so: Callable[[Mapping[str, str]], bool],
) -> None:
    """Ask for one change and record whether it is seen from inside in time, or who refused it."""
    begun_ns = monotonic_ns()
    try:
        change()
        seen = _seen(run_, is_so)
    except StartTimeoutError:
        last = {key: values[-1] for key, values in run_.reports(len(run_.lines) - 20).items()}
        bench.record(
            name,
            False,
            prepared.configuration,
            detail=f"accepted, and not seen inside within {SEEN_DEADLINE_S:g} s: {_shown(last)}",
        )
    except BackendError as error:
        bench.record(name, False, prepared.configuration, detail=f"refused: {one_line(error)}")
    else:
        bench.record(name, True, prepared.configuration, detail=f"seen inside: {_shown(seen)}")
        bench.record("resize_time", monotonic_ns() - begun_ns, prepared.configuration, detail=name)
    bench.say(
        f"resize: {prepared.name}: {name.replace('_', ' ')} tried after {(monotonic_ns() - begun_ns) / NS_PER_S:.1f} s"
    )


def _shown(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(facts.items())) or "nothing"


def _seen(run_: Running, is_so: Callable[[Mapping[str, str]], bool]) -> dict[str, str]:
    """Return the facts seen inside once they are as wanted. Raises StartTimeoutError."""
    facts: dict[str, str] = {}
    begun = len(run_.lines)

    def arrived(line: str) -> bool:
        key, separator, value = line.removeprefix("@").partition("=")
        if separator:
            facts[key] = value
        return is_so(facts)

    if not run_.read_until(arrived, SEEN_DEADLINE_S, "change", after=begun):
        raise BackendError("it ended while it was resized")
    return facts


def _changer(bench: Bench, prepared: Prepared, run_: Running) -> Callable[[str, float], None]:
    cli = engine_cli(prepared)
    name = run_.instance.name
    if cli is not None:
        flags: dict[str, Callable[[float], tuple[str, ...]]] = {
            "memory": lambda amount: ("--memory", f"{amount:.0f}", "--memory-swap", f"{amount:.0f}"),
            "cpu": lambda amount: ("--cpus", f"{amount:g}"),
        }
        return lambda what, amount: _update(cli, bench.settings.run_id, flags[what](amount), name)
    cgroup = run_.instance.cgroup()
    if cgroup is None:
        raise EnvbenchError("no engine to ask and no cgroup of its own")
    return lambda what, amount: write_limit(cgroup, what, amount)


def _update(cli: EngineCli, run_id: str, flags: tuple[str, ...], name: str) -> None:
    cli.run(run_id, "update", *flags, name)


def write_limit(cgroup: Path, what: str, amount: float) -> None:
    """Write a memory (bytes) or CPU (CPUs) limit into a cgroup of either version. Raises BackendError."""
    v2 = (cgroup / "memory.max").exists()
    if what == "memory":
        files = {cgroup / ("memory.max" if v2 else "memory.limit_in_bytes"): f"{amount:.0f}"}
    elif v2:
        files = {cgroup / "cpu.max": f"{amount * 100_000:.0f} 100000"}
    else:
        relative = cgroup.relative_to("/sys/fs/cgroup/memory")
        folder = next((p for n in ("cpu", "cpu,cpuacct") if (p := Path("/sys/fs/cgroup", n, relative)).is_dir()), None)
        if folder is None:
            raise BackendError("no CPU cgroup of its own")
        files = {folder / "cpu.cfs_period_us": "100000", folder / "cpu.cfs_quota_us": f"{amount * 100_000:.0f}"}
    for path, text in files.items():
        try:
            with contextlib.suppress(FileNotFoundError):
                path.write_text(text, "ascii")
        except OSError as error:
            raise BackendError(f"{path}: {error.strerror}") from error
