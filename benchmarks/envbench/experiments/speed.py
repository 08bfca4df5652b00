"""Steady-state speed of CPU, memory, system calls, processes, disk and loopback: the same bytes on every rung.

The tools are this distribution's sysbench, stress-ng and OpenSSL, carried in the payload tree and run by the tree's own
loader. Every round asks every rung, in an order of its own, so that what is compared was measured a moment apart.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from envbench.clock import monotonic_ns
from envbench.experiments.bench import Bench, Prepared
from envbench.experiments.inside import finish, running, shell
from envbench.experiments.toolbox import MEMORY_BYTES, TOOLS, tool_command, toolbox
from envbench.phases import Experiment
from envbench.plan import Settings

ROUNDS, ROUNDS_QUICK = 20, 6
SECONDS, SECONDS_QUICK = 2, 1
BEGIN, END = "@begin=", "@done="
NO_DISK = "the guest of this run has no disk: its root is in memory"
MEASURE_DEADLINE_S = 120.0
REMEDY = "apt install sysbench stress-ng openssl"
LATENCY_ACCESS_BYTES = 8
"""sysbench's memory test touches one machine word at each random place."""
SYSCALLS = """\
$B dd if=/dev/zero of=/dev/null bs=1 2>&1 & p=$!
$B sleep 1; kill -USR1 $p; $B sleep 0.1; kill $p; wait $p"""
"""Counted over a second: a fixed number would take milliseconds on the host and minutes in a sandbox."""
QUICK = frozenset(
    (
        *("cpu_int", "cpu_crypto", "memory_bandwidth", "memory_latency", "syscall", "process_create"),
        *("disk_rand_read", "disk_fsync", "net_loopback"),
    )
)
"""What a quick run takes where the host's own kernel runs the tools."""
QUICK_SANDBOXED = frozenset(("cpu_int", "memory_bandwidth", "syscall"))
"""And where a kernel stands between, whose start alone takes seconds: one metric each of CPU, memory and kernel."""
NO_TIME = "a quick run has no time for them"
LEFT_OUT_OF_QUICK = "run envbench speed without --quick"


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
    "cpu_int": Measure("sysbench", "cpu --time={s} --cpu-max-prime=2000 run", found(r"events per second:\s+([\d.]+)")),
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
    "context_switch": Measure("stress-ng", "--switch 1 --timeout {s} --metrics-brief 2>&1", _stress_ng("switch", 4)),
    "process_create": Measure("stress-ng", "--fork 1 --timeout {s} --metrics-brief 2>&1", _stress_ng("fork", 4)),
    "disk_seq_read": Measure("sysbench", "seqrd", found(r"read, MiB/s:\s+([\d.]+)", 1 << 20), needs_disk=True),
    "disk_rand_read": Measure("sysbench", "rndrd", found(r"reads/s:\s+([\d.]+)"), needs_disk=True),
    "disk_fsync": Measure("sysbench", "rndwr", found(r"writes/s:\s+([\d.]+)"), needs_disk=True),
    "net_loopback": Measure("stress-ng", "--sock 1 --timeout {s} --metrics-brief 2>&1", _stress_ng("sock", 4)),
}
"""Metric of `phases.METRICS` → how it is measured."""

DISK_WORDS = (
    "fileio --file-total-size=32M --file-num=1 --file-block-size={block} --file-test-mode={mode}"
    " --file-extra-flags=direct --file-fsync-freq={fsync} --time={s}"
)
DISK_BLOCKS = {"seqrd": ("1M", 0), "rndrd": ("4K", 0), "rndwr": ("4K", 1)}


def run(bench: Bench) -> None:
    """Ask every rung, in rounds of shuffled order, for one figure of each metric."""
    asked = _asked(bench)
    with toolbox(bench, [one.rung.backend for one in asked]) as tools:
        names = {one.name for one in asked}
        rungs = [one for one in tools.rungs if one.name in names]
        if rungs:
            _note_what_is_left_out(tools, rungs)
        rounds, longest_ns = ROUNDS_QUICK if bench.quick else ROUNDS, 0
        for round_number in range(rounds):
            if not bench.has_time(longest_ns):
                what = f"rounds {round_number + 1} to {rounds}"
                bench.skip(Experiment.SPEED, what, "the time of a quick run is used up", "envbench speed --quick")
                break
            begun_ns = monotonic_ns()
            for prepared in tools.shuffled(rungs, round_number):
                with bench.attempt(Experiment.SPEED, f"{prepared.name}, round {round_number}", REMEDY):
                    _round(tools, prepared, round_number)
            longest_ns = max(longest_ns, monotonic_ns() - begun_ns)
            bench.say(f"speed: round {round_number + 1} of {rounds}")
        bench.order = tools.order


def _note_what_is_left_out(bench: Bench, rungs: Sequence[Prepared]) -> None:
    missing = [tool for tool in TOOLS if tool_command(rungs[0], bench.settings, tool) is None]
    if missing:
        bench.skip(Experiment.SPEED, f"what {', '.join(missing)} measures", "not installed", REMEDY)
    for metrics in sorted({tuple(sorted(set(MEASURES) - wanted(bench, one))) for one in rungs} - {()}):
        names = ", ".join(one.name for one in rungs if wanted(bench, one).isdisjoint(metrics))
        bench.skip(Experiment.SPEED, f"{', '.join(metrics)} of {names}", NO_TIME, LEFT_OUT_OF_QUICK)
    machines = [one.name for one in rungs if one.is_vm]
    if machines and not bench.quick:
        bench.skip(Experiment.SPEED, f"disk metrics of {', '.join(machines)}", NO_DISK, "measure a disk inside by hand")


def _round(bench: Bench, prepared: Prepared, round_number: int) -> None:
    """Start an instance, take every metric in it one after the other, and write a row for each figure that came."""
    memory = MEMORY_BYTES if prepared.is_vm else None
    script = script_for(prepared, bench.settings, SECONDS_QUICK if bench.quick else SECONDS, wanted(bench, prepared))
    with running(bench, prepared, shell(script), keep_running=False, memory_bytes=memory) as run_:
        finish(run_, MEASURE_DEADLINE_S)
        said = sections(run_.lines)
    for name, measure in MEASURES.items():
        value = measure.read(said[name]) if name in said else None
        if value is not None:
            bench.record(name, value, prepared.rung, iteration=round_number, detail=measure.tool)
        elif round_number == 0 and name in said:
            words = " | ".join(said[name].strip().splitlines()[-2:])[-200:]
            bench.skip(Experiment.SPEED, f"{prepared.name}: {name}", f"no figure: {words or 'no output'}", REMEDY)


def wanted(bench: Bench, prepared: Prepared) -> frozenset[str]:
    """Return the metrics that are taken on this rung."""
    if not bench.quick:
        return frozenset(MEASURES)
    return QUICK_SANDBOXED if prepared.is_vm or prepared.rung.backend == "gvisor" else QUICK


def script_for(prepared: Prepared, settings: Settings, seconds: int, wanted: frozenset[str]) -> str:
    """Return the shell script that takes these metrics on this rung, each between two marks."""
    lines = ["B=${ENVBENCH_BUSYBOX:-/bin/busybox}", f"cd {_scratch(prepared, settings)}"]
    if prepared.rung.backend != "process":
        lines += ["[ -w . ] || cd /tmp", "$B ip link set lo up 2>/dev/null"]
    for name, measure in MEASURES.items():
        command = _command(prepared, settings, measure, seconds)
        if command is not None and name in wanted:
            lines += [f"echo {BEGIN}{name}", command, f"echo {END}{name}"]
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


def _command(prepared: Prepared, settings: Settings, measure: Measure, seconds: int) -> str | None:
    if measure.needs_disk and prepared.is_vm:
        return None
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
    # /tmp may be memory: better no figure than one of something else.
    return f'if [ "$PWD" != /tmp ]; then {prepare}; {tool} {words} run 2>&1; else echo "no writable disk"; fi'


def _scratch(prepared: Prepared, settings: Settings) -> str:
    """Return the folder to measure the disk in: the instance's own writable layer, or the run's folder on the host."""
    if prepared.rung.backend != "process":
        return "/root"
    folder = settings.work_dir / "disk"
    folder.mkdir(exist_ok=True)
    return str(folder)


def _asked(bench: Bench) -> list[Prepared]:
    """Return the rungs to compare; a quick run takes host, one container engine, gVisor and one machine."""
    usable = [one for one in bench.rungs if one.rung.backend not in ("wsl", "namespaces")]
    return (
        [one for one in usable if one in bench.chosen(one_of_a_kind=True) or one.rung.backend == "gvisor"]
        if bench.quick
        else usable
    )
