"""Times envinspect against its bars, whole processes, all commands in turn within each round (`make perf`).

A ratio is the median of the ratios within a round: what disturbs the machine disturbs both sides of it.
"""

import argparse
import compileall
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from perf_figures import Figures

PYTHON = sys.executable
PACKAGE = Path(__file__).parents[2] / "inspector" / "envinspect"
CLICK = (PYTHON, "-c", "import click")
BARE = (PYTHON, "-I", "-c", "pass")
PLAIN_RATIO = 2.0 if sys.version_info >= (3, 13) else 2.3
# CPU time, not wall time: other processes on the machine are no part of it.
IN_PROCESS = """
import time
from envinspect.inspection import inspect
inspect()
spent = []
for _ in range(30):
    started = time.process_time_ns()
    inspect()
    spent.append(time.process_time_ns() - started)
print(*spent)
"""
PEAK = """
import sys
sys.argv = ["envinspect", *sys.argv[1:]]
from envinspect.__main__ import main
main()
with open("/proc/self/status") as status:
    sys.stderr.write(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""
INSPECT_LIMIT_MS = 3.0
PEAK_LIMIT_MIB = 40.0


class Bar(NamedTuple):
    """`command` may take `ratio` times as long as `against`."""

    name: str
    command: tuple[str, ...]
    against: tuple[str, ...]
    ratio: float


def own(*arguments: str) -> tuple[str, ...]:
    """Return a command line of envinspect: its installed script where there is one, as users start it."""
    script = Path(PYTHON).with_name("envinspect")
    return (str(script), *arguments) if script.exists() else (PYTHON, "-m", "envinspect", *arguments)


def bars(virt_what: str | None, capture: str) -> list[Bar]:
    """Return what is held against what; `capture` is a captured system."""
    found = [Bar("plain / virt-what", own(), (virt_what,), 0.8)] if virt_what else []
    found.append(Bar("plain / a bare Python", own(), BARE, PLAIN_RATIO))
    quick = (["--is", "vm"], ["--brief"], ["--json"])
    found += [Bar(f"{' '.join(form)} / a bare Python", own(*form), BARE, 2.5) for form in quick]
    forms = (["--json"], ["--brief"], ["--explain"], ["--is", "vm"], ["--format", "virt-what"], ["resources"], ["list"])
    found.append(Bar("--from FOLDER / import click", own("--from", capture), CLICK, 1.3))
    return found + [Bar(f"{' '.join(form)} / import click", own(*form), CLICK, 1.3) for form in forms]


def timed(command: tuple[str, ...]) -> int:
    """Return how long a command takes, in ns, until it has ended and been waited for."""
    started = time.monotonic_ns()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.wait()
    return time.monotonic_ns() - started


def peak_kib(*arguments: str) -> int:
    """Return the peak resident memory of a command line."""
    done = subprocess.run([PYTHON, "-c", PEAK, *arguments], capture_output=True, text=True, check=True)
    return int(done.stderr)


def measure(held: list[Bar], rounds: int) -> dict[tuple[str, ...], list[int]]:
    """Return every command's times in the order of the rounds; two more rounds at the beginning warm the caches."""
    commands = list(dict.fromkeys(command for bar in held for command in (bar.command, bar.against)))
    spent: dict[tuple[str, ...], list[int]] = {command: [] for command in commands}
    for number in range(-2, rounds):
        for command in commands if number % 2 else reversed(commands):
            took = timed(command)
            if number >= 0:
                spent[command].append(took)
    return spent


def main() -> int:
    """Measure, print one line for each bar, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    # As an installed package would be; without it each start would compile the source again where writing is off.
    compileall.compile_dir(str(PACKAGE), quiet=1)
    virt_what = shutil.which("virt-what")
    with tempfile.TemporaryDirectory() as folder:
        capture = f"{folder}/capture"
        subprocess.run(own("capture", capture), check=True, stderr=subprocess.DEVNULL)
        held = bars(virt_what, capture)
        spent = measure(held, rounds)
    figures = Figures()
    for bar in held:
        ours, theirs = spent[bar.command], spent[bar.against]
        ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        medians = f"{statistics.median(ours) / 1e6:.1f} ms / {statistics.median(theirs) / 1e6:.1f} ms"
        figures.take(bar.name, "ratio", ratios, most=bar.ratio, beside=medians)
    answer = subprocess.run([PYTHON, "-c", IN_PROCESS], capture_output=True, text=True, check=True)
    inside_ms = [int(ns) / 1e6 for ns in answer.stdout.split()]
    figures.take("inspect() in process", "ms of CPU", inside_ms, most=INSPECT_LIMIT_MS)
    for form in ((), ("--json",), ("resources",)):
        name = " ".join(("peak memory of envinspect", *form))
        figures.take(name, "MiB", [peak_kib(*form) / 1024], most=PEAK_LIMIT_MIB)
    if virt_what is None:
        figures.lack("virt-what is not installed: the bar for plain calls was not measured")
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main())
