"""How many starts a narrow interval takes, and whether the interval that is then reported holds what it says.

Starts are drawn again and again from what long runs recorded (`stopping.py FOLDER...`, results of `envbench startup
--runs 400`; without a folder one is recorded first, in two minutes at most) and from known distributions. Each time the
scheduler's own rule says when a backend has enough. Prints one line a backend: starts and seconds for an interval
within 5 %, against always 20 starts, and how often the reported 95 % interval holds the true median.
"""

import random
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from perf_figures import Figures

from envbench.records.phases import Phase
from envbench.records.samples import read_samples
from envbench.run.scheduler import MOST_RUNS, Tally, half_width_ratio, interval_ranks, runs_needed
from envbench.settings import ADAPTIVE_RUNS, DEFAULT_PRECISION_RATIO, DEFAULT_RUNS, Configuration, Plan

REPORTED_CONFIDENCE = 0.95
COVERAGE_MIN_PERCENT = 94.0
DRAWS = 4000
RECORDED = ("process", "runc", "docker")
SHAPES: dict[str, tuple[Callable[[random.Random], float], float]] = {
    "normal, spread 3 %": (lambda r: r.gauss(100, 3), 100.0),
    "log-normal, spread 12 %": (lambda r: 100 * r.lognormvariate(0, 0.12), 100.0),
    "exponential tail": (lambda r: 80 + r.expovariate(1 / 15), 80 + 15 * 0.6931471805599453),
    "a slow start in ten": (lambda r: r.gauss(100, 4) * (3 if r.random() < 0.1 else 1), 100.56),
}
"""Each shape with its true median (of the last: where 0.9 of the normal distribution reaches one half, z = 0.1397)."""


class Outcome(NamedTuple):
    """What stopping by one rule came to over all draws."""

    starts: float
    within: float
    """Share of draws whose reported interval lay within the wanted precision."""
    coverage: float


def reported(values: Sequence[int]) -> tuple[int, int]:
    """Return the interval that a report gives of these values' median."""
    ranks = interval_ranks(len(values), REPORTED_CONFIDENCE)
    assert ranks is not None
    ordered = sorted(values)
    return ordered[ranks[0] - 1], ordered[ranks[1] - 1]


def stopped(draw: Callable[[], int], plan: Plan) -> "array[int]":
    """Return the starts that the scheduler's rule asks for."""
    tally = Tally(Configuration("backend"), 0)
    while tally.measured < min(runs_needed(tally, plan), MOST_RUNS):
        tally.ready_ns.append(draw())
        tally.measured += 1
    return tally.ready_ns


def outcome(draw: Callable[[], int], truth: float, plan: Plan) -> Outcome:
    """Stop by this plan again and again."""
    counts, within, holds = [], 0, 0
    for _ in range(DRAWS):
        values = stopped(draw, plan)
        low, high = reported(values)
        counts.append(len(values))
        holds += low <= truth <= high
        within += (half_width_ratio(values, REPORTED_CONFIDENCE) or 1.0) <= DEFAULT_PRECISION_RATIO
    return Outcome(mean(counts), within / DRAWS, holds / DRAWS)


def recorded(folder: Path) -> dict[str, list[int]]:
    """Return the start times in ns of each backend of a run, warm-ups left out."""
    found: dict[str, list[int]] = {}
    for row in read_samples(folder / "samples.csv"):
        if row.phase == Phase.READY and not row.warmup and row.value is not None:
            found.setdefault(row.backend, []).append(int(row.value))
    return found


def record(folder: Path) -> bool:
    """Record a run long enough to draw from, of what can be used here; return whether there is one."""
    chosen = [part for backend in RECORDED for part in ("--backend", backend)]
    command = ("-m", "envbench", "startup", *chosen, "--runs", "200", "--budget", "120", "--output", str(folder))
    done = subprocess.run((sys.executable, *command), check=False, capture_output=True)
    return done.returncode == 0


def compare(figures: Figures, name: str, draw: Callable[[], int], truth: float, cost_s: float | None) -> None:
    """Take what one backend or shape came to: the starts, and how often the interval holds what it says."""
    fixed = outcome(draw, truth, Plan(runs=DEFAULT_RUNS))
    adaptive = outcome(draw, truth, Plan(runs=ADAPTIVE_RUNS, precision_ratio=DEFAULT_PRECISION_RATIO))
    seconds = "" if cost_s is None else f" ({adaptive.starts * cost_s:.1f} s against {DEFAULT_RUNS * cost_s:.1f} s)"
    always = f"always {DEFAULT_RUNS}: within 5 % in {fixed.within:.0%}, coverage {fixed.coverage:.1%}"
    beside = f"within 5 % in {adaptive.within:.0%}{seconds}; {always}"
    figures.take(f"starts until the interval is narrow, {name}", "starts", [adaptive.starts], beside=beside)
    coverage = 100 * adaptive.coverage
    figures.take(f"coverage, {name}", "%", [coverage], least=COVERAGE_MIN_PERCENT, most=100.0)


def main(folders: Sequence[str]) -> int:
    """Draw, print, and return the exit code."""
    rng, figures = random.Random(1), Figures()
    for name, (one, truth) in SHAPES.items():
        compare(figures, name, lambda one=one: int(one(rng) * 1e6), truth * 1e6, None)
    with tempfile.TemporaryDirectory(prefix="envbench-stopping-") as folder:
        if not folders and not record(Path(folder)):
            figures.lack("no run could be recorded here: the known distributions stand alone")
            return figures.ended()
        for name in folders or (folder,):
            for backend, values in recorded(Path(name)).items():
                draw = lambda pool=values: rng.choice(pool)  # noqa: E731
                compare(figures, backend, draw, median(values), median(values) / 1e9)
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
