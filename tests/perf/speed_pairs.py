"""How far this machine is from itself: the speed experiment's programs, each run in pairs on the bare host.

`python tests/perf/speed_pairs.py [ROUNDS]` runs every program twice a round, one right after the other, which one is
called the first by turns, and compares the two as `envbench speed` compares a container with the host. Both are the
same program on the same kernel, so whatever differs is chance: a machine on which the same program does not come out
as the same is not calm enough for a verdict. Prints a line for each metric: ratio, 95 % interval, margin, answer.
"""

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from shutil import which

from envbench.experiments.speed import DISK_BLOCKS, DISK_WORDS, FIRST_CPU, MEASURES, ROUNDS, SECONDS, Measure
from envbench.records.metrics import METRICS
from envbench.records.phases import Unit
from envreport import units
from envreport.statistics import estimates
from envreport.statistics.figures import equivalence

DEADLINE_S = 120.0


def script(measure: Measure) -> str:
    """Return the shell script that takes one figure with this machine's own tools."""
    if measure.tool == "busybox":
        return f"B={which('busybox')}\n{measure.words}"
    if not measure.needs_disk:
        return f"{FIRST_CPU}\n{measure.tool} {measure.words.format(s=SECONDS)}"
    block, fsync = DISK_BLOCKS[measure.words]
    words = f"{measure.tool} {DISK_WORDS.format(block=block, mode=measure.words, fsync=fsync, s=SECONDS)}"
    return f"[ -e test_file.0 ] || {words} prepare >/dev/null 2>&1\n{words} run 2>&1"


def taken(measure: Measure, folder: Path) -> float:
    """Return one figure. Raises RuntimeError where the program gave none."""
    done = subprocess.run(
        ["sh", "-c", script(measure)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
        env={**os.environ, "LC_ALL": "C"},
    )
    value = measure.read(done.stdout)
    if value is None:
        raise RuntimeError(f"{measure.tool}: no figure: {(done.stdout + done.stderr)[-200:]}")
    return value


Rounds = dict[int, list[float]]


def pairs(rounds: int, folder: Path) -> Mapping[str, tuple[Rounds, Rounds]]:
    """Return for each metric what the two of a pair came to, round by round."""
    found: dict[str, tuple[Rounds, Rounds]] = defaultdict(lambda: ({}, {}))
    for number in range(rounds):
        for place, (name, measure) in enumerate(MEASURES.items()):
            for turn in range(2):
                found[name][(number + place + turn) % 2][number] = [taken(measure, folder)]
    return found


def main() -> None:
    """Take the pairs and say of each whether it came out as the same."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        found = pairs(rounds, Path(folder))
    for name, (first, second) in found.items():
        ratio, margin = estimates.ratio(first, second), METRICS[name].margin_ratio
        limits = units.interval_text(ratio.interval if ratio else None, Unit.RATIO)
        value = units.quantity(ratio.value if ratio else None, Unit.RATIO)
        answer = equivalence(ratio, margin)
        sys.stdout.write(f"{name:<18} {value:<7} {limits}  ±{units.percent(margin)}: {answer}\n")


if __name__ == "__main__":
    main()
