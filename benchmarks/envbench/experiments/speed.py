"""Steady-state speed of CPU, memory, system calls, processes, disk and loopback: the same bytes on every backend.

The tools are this distribution's sysbench, stress-ng and OpenSSL, copied into the payload tree and run by the tree's
own loader. Every round asks every backend, metric by metric and in an order of its own, so that what is compared was
measured a moment apart: the speed of a machine drifts by more in a minute than a container can cost.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from envbench.backends.shared.child import run_command
from envbench.backends.vm.guest import Disk
from envbench.experiments.shared.lab_machine import is_lab_able, lab_machine
from envbench.experiments.shared.running import Running, finish, running, shell
from envbench.experiments.shared.toolbox import MEMORY_BYTES, TOOLS, tool_command, toolbox
from envbench.records.phases import BackendKind, Experiment
from envbench.run.bench import Bench, Prepared
from envbench.run.sampler import Ticket
from envbench.settings import Settings
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

ROUNDS, ROUNDS_QUICK = 20, 8
SECONDS, SECONDS_QUICK = 2, 1
BEGIN, END, CLOCK = "@begin=", "@done=", "@clock="
SAY_CLOCK = f'read -r uptime _ </proc/uptime && echo "{CLOCK}$uptime"'
"""A machine's own clock, by which its tools count their seconds, said before the first and after the last of them."""
NO_DISK = "its guest has no disk, its root is in memory: only QEMU started by envbench itself is given one for this"
DISK_REMEDY = "--backend qemu --boot kernel; apt install e2fsprogs"
DISK_BYTES = 96 << 20
"""Of a machine's disk: the measured file, ext4's journal, and room."""
MEASURE_DEADLINE_S = 120.0
REMEDY = "apt install sysbench stress-ng openssl"
LATENCY_ACCESS_BYTES = 8
"""sysbench's memory test touches one machine word at each random place."""
SYSCALLS = """\
$B dd if=/dev/zero of=/dev/null bs=1 2>&1 & p=$!
$B sleep 1; kill -USR1 $p; $B sleep 0.1; kill $p; wait $p"""
"""System calls counted over a second: a fixed number would take milliseconds on the host and minutes in a sandbox."""
QUICK_SANDBOXED = frozenset(("cpu_int", "memory_bandwidth", "syscall"))
"""What a quick run takes where a kernel stands between and a start alone takes seconds: CPU, memory and kernel."""
QUICK_DISK = frozenset(("disk_rand_read", "disk_fsync"))
"""And where that kernel has a disk of its own."""
NO_TIME = "a quick run has no time for them"
LEFT_OUT_OF_QUICK = "run envbench speed without --quick"
FIRST_CPU = """\
while read -r name list; do case $name in Cpus_allowed_list:) C=${list%%[-,]*} ;; esac; done </proc/self/status"""
"""For what two processes do in turn: on two CPUs the figure is where the scheduler puts them, and how deep each sleeps
in between; on one it is the switch itself. The first CPU allowed: a container may be confined to some."""
WHERE_MACHINES_DISK = "ext4 on a virtio disk, a raw file in the run's folder past the host's page cache"
MOUNT_DISK = "$B mount -t ext4 /dev/vda /root && cd /root || cd /tmp"


@dataclass(frozen=True, slots=True)
class Measure:
    """One tool run: its words after the tool, and how to read its figure from what it says."""

    tool: str
    words: str
    read: Callable[[str], float | None]
    needs_disk: bool = False


def found(pattern: str, scale: float = 1.0) -> Callable[[str], float | None]:
    """Return a reader of the first number that the pattern finds, times `scale`; None where it finds none."""
    compiled = re.compile(pattern, re.MULTILINE)

    def read(text: str) -> float | None:
        match = compiled.search(text)
        return None if match is None else float(match[1]) * scale

    return read


def _stress_ng(name: str, column: int) -> Callable[[str], float | None]:
    """Return a reader of stress-ng's metrics: column 4 is operations a second of wall time, 5 of CPU time."""
    return found(rf"{name}\s+" + r"[\d.]+\s+" * (column) + r"([\d.]+)")


def _latency(text: str) -> float | None:
    mib_per_s = found(r"\(([\d.]+) MiB/sec\)")(text)
    return None if not mib_per_s else 1e9 * LATENCY_ACCESS_BYTES / (mib_per_s * (1 << 20))


MEASURES: Mapping[str, Measure] = {
    "cpu_int": Measure("sysbench", "cpu --time={s} --cpu-max-prime=20000 run", found(r"events per second:\s+([\d.]+)")),
    "cpu_float": Measure(
        "stress-ng", "--cpu 1 --cpu-method double --timeout {s} --metrics-brief 2>&1", _stress_ng("cpu", 5)
    ),
    "cpu_crypto": Measure(
        "openssl", "speed -seconds {s} -bytes 16384 -evp sha256 2>/dev/null", found(r"^(?i:sha256)\s+([\d.]+)k", 1000)
    ),
    "memory_bandwidth": Measure(
        "sysbench",
        "memory --time={s} --memory-block-size=1M --memory-total-size=100T run",
        found(r"\(([\d.]+) MiB/sec\)", 1 << 20),
    ),
    "memory_latency": Measure(
        "sysbench",
        "memory --time={s} --memory-block-size=64M --memory-total-size=100T --memory-access-mode=rnd run",
        _latency,
    ),
    "syscall": Measure("busybox", SYSCALLS, found(r"^(\d+)\+\d+ records in")),
    "context_switch": Measure(
        "stress-ng", "--switch 1 --taskset ${{C:-0}} --timeout {s} --metrics-brief 2>&1", _stress_ng("switch", 4)
    ),
    "process_create": Measure("stress-ng", "--fork 1 --timeout {s} --metrics-brief 2>&1", _stress_ng("fork", 4)),
    "disk_seq_read": Measure("sysbench", "seqrd", found(r"read, MiB/s:\s+([\d.]+)", 1 << 20), needs_disk=True),
    "disk_rand_read": Measure("sysbench", "rndrd", found(r"reads/s:\s+([\d.]+)"), needs_disk=True),
    "disk_fsync": Measure("sysbench", "rndwr", found(r"writes/s:\s+([\d.]+)"), needs_disk=True),
    "net_loopback": Measure("stress-ng", "--sock 1 --timeout {s} --metrics-brief 2>&1", _stress_ng("sock", 4)),
}
"""Metric of `metrics.METRICS` → how it is measured."""

DISK_WORDS = (
    "fileio --file-total-size=32M --file-num=1 --file-block-size={block} --file-test-mode={mode}"
    " --file-extra-flags=direct --file-fsync-freq={fsync} --time={s}"
)
DISK_BLOCKS = {"seqrd": ("1M", 0), "rndrd": ("4K", 0), "rndwr": ("4K", 1)}


def run(bench: Bench) -> None:
    """Ask every backend, in rounds of shuffled order, for one figure of each metric."""
    asked = _asked(bench)
    with toolbox(bench, [one.configuration.backend for one in asked]) as tools:
        names = {one.name for one in asked}
        configurations = [one for one in tools.configurations if one.name in names]
        disk = None
        if any(is_lab_able(one) for one in configurations):
            with bench.attempt(Experiment.SPEED, "disk metrics of machines", DISK_REMEDY):
                disk = machine_disk(tools.settings.work_dir / "machine-disk", bench.settings.run_id)
        plan = {one.name: Work(wanted(bench, one, disk), disk if is_lab_able(one) else None) for one in configurations}
        if configurations:
            _note_what_is_left_out(tools, configurations, plan)
        rounds, longest_ns = ROUNDS_QUICK if bench.quick else ROUNDS, 0
        bench.course.expect(rounds * len(list(turns(tools, configurations, plan, 0))))
        for round_number in range(rounds):
            if not bench.has_time(longest_ns):
                what = f"rounds {round_number + 1} to {rounds}"
                bench.skip(Experiment.SPEED, what, "the time of a quick run is used up", "envbench speed --quick")
                break
            begun_ns = monotonic_ns()
            for prepared, work in turns(tools, configurations, plan, round_number):
                with bench.attempt(Experiment.SPEED, f"{prepared.name}, round {round_number}", REMEDY):
                    _turn(tools, prepared, round_number, work)
            longest_ns = max(longest_ns, monotonic_ns() - begun_ns)
            bench.say(f"speed: round {round_number + 1} of {rounds}")
        bench.order = tools.order


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured on a backend, and the disk that its machine is given, None for none."""

    metrics: frozenset[str]
    disk: Disk | None


def machine_disk(path: Path, run_id: str) -> Disk:
    """Write a disk with an empty ext4 to `path`, every block of it allocated, for a machine to measure.

    Raises BackendError without mke2fs, OSError where the folder's filesystem knows no direct I/O.
    """
    with path.open("wb") as file:
        for _ in range(DISK_BYTES >> 20):
            file.write(bytes(1 << 20))
    os.close(os.open(path, os.O_RDWR | os.O_DIRECT))
    run_command(("mke2fs", "-q", "-F", "-t", "ext4", path), run_id, "mke2fs")
    return Disk(path, scratch=False, direct=True)


def _note_what_is_left_out(bench: Bench, configurations: Sequence[Prepared], plan: Mapping[str, Work]) -> None:
    missing = [tool for tool in TOOLS if tool_command(configurations[0], bench.settings, tool) is None]
    if missing:
        bench.skip(Experiment.SPEED, f"what {', '.join(missing)} measures", "not installed", REMEDY)
    without = [one.name for one in configurations if one.is_vm and plan[one.name].disk is None]
    if without:
        bench.skip(Experiment.SPEED, f"disk metrics of {', '.join(without)}", NO_DISK, DISK_REMEDY)
    left_out: dict[str, list[str]] = defaultdict(list)
    for one in configurations if bench.quick else ():
        metrics = [name for name in MEASURES if name not in plan[one.name].metrics]
        left_out[", ".join(metrics)].append(one.name)
    for left, names in left_out.items():
        if left:
            bench.skip(Experiment.SPEED, f"{left} of {', '.join(names)}", NO_TIME, LEFT_OUT_OF_QUICK)


def turns(
    bench: Bench, configurations: Sequence[Prepared], plan: Mapping[str, Work], round_number: int
) -> Iterator[tuple[Prepared, Work]]:
    """Yield who measures what in one round: one metric on each backend, then the next.

    Where a start takes seconds one has to do for all metrics; by turns those come before and after the others.
    """
    slow = [one for one in configurations if one.is_vm or one.kind is BackendKind.SANDBOX]
    whole = [(one, plan[one.name]) for one in bench.shuffled(slow, round_number)]
    single = [
        (one, Work(frozenset((metric,)), None))
        for place, metric in enumerate(MEASURES)
        for one in bench.shuffled(
            [one for one in configurations if one not in slow], round_number * len(MEASURES) + place
        )
        if metric in plan[one.name].metrics
    ]
    yield from (*whole, *single) if round_number % 2 else (*single, *whole)


def _turn(bench: Bench, prepared: Prepared, round_number: int, work: Work) -> None:
    """Start an instance, take its metrics in it one after the other, and write a row for each figure that came."""
    bench.sampler.stamp(Ticket(prepared.configuration, bench.order, round_number, experiment=Experiment.SPEED))
    script = script_for(prepared, bench.settings, SECONDS_QUICK if bench.quick else SECONDS, work.metrics)
    with _started(bench, prepared, script, work.disk) as run_:
        finish(run_, MEASURE_DEADLINE_S)
        said, rate = sections(run_.lines), clock_rate(run_.lines, run_.moments_ns)
    if rate is not None:
        bench.record("clock_rate", rate, prepared.configuration, iteration=round_number)
    for name, measure in MEASURES.items():
        value = measure.read(said[name]) if name in said else None
        if value is not None:
            detail = f"{measure.tool}; {WHERE_MACHINES_DISK}" if measure.needs_disk and work.disk else measure.tool
            bench.record(name, value, prepared.configuration, iteration=round_number, detail=detail)
        elif round_number == 0 and name in said:
            words = " | ".join(said[name].strip().splitlines()[-2:])[-200:]
            bench.skip(Experiment.SPEED, f"{prepared.name}: {name}", f"no figure: {words or 'no output'}", REMEDY)


@contextmanager
def _started(bench: Bench, prepared: Prepared, script: str, disk: Disk | None) -> Iterator[Running]:
    if disk is not None:
        with lab_machine(bench, prepared, script, disk=disk, memory_bytes=MEMORY_BYTES, keep_running=False) as (
            run_,
            _,
        ):
            yield run_
    else:
        memory = MEMORY_BYTES if prepared.is_vm else None
        with running(bench, prepared, shell(script), keep_running=False, memory_bytes=memory) as run_:
            yield run_


def wanted(bench: Bench, prepared: Prepared, disk: Disk | None = None) -> frozenset[str]:
    """Return the metrics that are taken on this backend; a machine's are without the disk's unless it is given one."""
    has_disk = not prepared.is_vm or (disk is not None and is_lab_able(prepared))
    every = frozenset(name for name, measure in MEASURES.items() if has_disk or not measure.needs_disk)
    if not bench.quick:
        return every
    if prepared.is_vm:
        return every & (QUICK_SANDBOXED | QUICK_DISK)
    return QUICK_SANDBOXED if prepared.kind is BackendKind.SANDBOX else every


def script_for(prepared: Prepared, settings: Settings, seconds: int, wanted: frozenset[str]) -> str:
    """Return the shell script that takes these metrics on this backend, each between two marks."""
    lines = ["B=${ENVBENCH_BUSYBOX:-/bin/busybox}", FIRST_CPU, _enter(prepared, settings)]
    if prepared.kind is not BackendKind.HOST:
        lines.append("$B ip link set lo up 2>/dev/null")
    if prepared.is_vm:
        lines.append(SAY_CLOCK)
    for name, measure in MEASURES.items():
        command = _command(prepared, settings, measure, seconds)
        if command is not None and name in wanted:
            lines += [f"echo {BEGIN}{name}", command, f"echo {END}{name}"]
    if prepared.is_vm:
        lines += [SAY_CLOCK, "cd /; $B umount /root 2>/dev/null"]
    return "\n".join(lines)


def sections(lines: list[str]) -> dict[str, str]:
    """Return what was said between the marks of each metric; a section without its end is left out."""
    parts: dict[str, str] = {}
    name: str | None = None
    held: list[str] = []
    for line in lines:
        if line.startswith(BEGIN):
            name, held = line.removeprefix(BEGIN).strip(), []
        elif line.startswith(END) and name is not None:
            parts[name], name = "\n".join(held), None
        elif name is not None:
            held.append(line)
    return parts


def clock_rate(lines: Sequence[str], moments_ns: Sequence[int]) -> float | None:
    """Return how many seconds of its own clock a machine counted in a second of the host's; None where it said no two.

    `moments_ns` says of each line when the host read it.
    """
    said = [
        (float(line.removeprefix(CLOCK)), moment_ns)
        for line, moment_ns in zip(lines, moments_ns, strict=True)
        if line.startswith(CLOCK)
    ]
    if len(said) != 2 or said[0][1] == said[1][1]:
        return None
    (began_s, began_ns), (ended_s, ended_ns) = said
    return (ended_s - began_s) * NS_PER_S / (ended_ns - began_ns)


def _command(prepared: Prepared, settings: Settings, measure: Measure, seconds: int) -> str | None:
    if measure.tool == "busybox":
        return measure.words
    tool = tool_command(prepared, settings, measure.tool)
    if tool is None:
        return None
    if not measure.needs_disk:
        return f"{tool} {measure.words.format(s=seconds)}"
    block, fsync = DISK_BLOCKS[measure.words]
    words = DISK_WORDS.format(block=block, mode=measure.words, fsync=fsync, s=seconds)
    prepare = f"[ -e test_file.0 ] || {tool} {words} prepare >/dev/null 2>&1"
    # /tmp may be memory, and a figure of memory must not pass for one of the disk.
    return f'if [ "$PWD" != /tmp ]; then {prepare}; {tool} {words} run 2>&1; else echo "no writable disk"; fi'


def _enter(prepared: Prepared, settings: Settings) -> str:
    """Return the shell words that go where the disk is measured.

    That is the machine's own disk, the container's writable layer, or on the host the run's folder.
    """
    if prepared.is_vm:
        return MOUNT_DISK
    if prepared.kind is not BackendKind.HOST:
        return "cd /root; [ -w . ] || cd /tmp"
    folder = settings.work_dir / "disk"
    folder.mkdir(exist_ok=True)
    return f"cd {folder}"


def _asked(bench: Bench) -> list[Prepared]:
    """Return the backends to compare; a quick run takes host, one container engine, gVisor and one machine."""
    usable = [one for one in bench.configurations if one.kind not in (BackendKind.WSL, BackendKind.NAMESPACES)]
    return (
        [one for one in usable if one in bench.chosen(one_of_a_kind=True) or one.kind is BackendKind.SANDBOX]
        if bench.quick
        else usable
    )
