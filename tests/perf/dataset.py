"""A dataset of 2 000 runs, 13 million rows: how large it is, and how long `envbench across` and `history` take over it.

    python tests/perf/dataset.py [RUNS]        (also part of `make perf`)

No run is like another. Every start is one of the real run in tests/gold/all: its times are drawn about those that were
measured, as far apart as the starts of one backend are there (log-normal, scaled MAD, and so many digits as a clock of
nanoseconds gives), and its stamps about the real ones. What the machine's noise was is drawn anew for every start,
although a kernel gives a new figure every few seconds only: that costs more than it would. The files are written by
what `envbench collect` writes them with, from frames in place of 2 000 folders.

Each command runs in a process of its own, imports included: CPU seconds (the machine may be busy), the shortest of
three, and memory. The seconds of `history` have no bar.
"""

import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from perf_figures import Figures

import envreport
from envbench.records.phases import NOISE_PREFIX, Experiment, Phase
from envreport.dataset.frames import Frames, run_record
from envreport.dataset.store import SCHEMA, figures_bytes, run_bytes, samples_bytes
from envreport.results import load

REAL = Path(__file__).parents[1] / "gold" / "all"
RUNS, ROWS = 2_000, 13_000_000
SIZE_MAX_MB, CPU_MAX_S, MEMORY_MAX_MB = 80.0, 2.0, 1000.0
KINDS = ("c6a.xlarge", "c7g.xlarge", "m6i.xlarge", "t3.large")
FIRST_NIGHT = datetime(2020, 1, 1, 3, tzinfo=UTC)
COMMANDS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "across": (("--by", "instance_type"), CPU_MAX_S),
    "history": (("--where", f"instance_type={KINDS[0]}"), None),
}
"""Command → its options, and the most CPU seconds that it may take, None where there is no bar."""
METRIC = ("--metric", "docker.ready")
KEYS = ["backend", "variant", "profile"]


class Starts:
    """The starts of a real run, to draw from."""

    def __init__(self, frames: Frames) -> None:
        """Take them from a run's frames."""
        rows = frames.samples
        self.rows = rows[rows["experiment"] == Experiment.STARTUP].reset_index(drop=True)
        self.timed = ((self.rows["unit"] == "ns") & (self.rows["value"] > 0)).to_numpy()
        logs = pd.Series(np.where(self.timed, np.log(self.rows["value"].where(self.timed, 1)), np.nan))
        apart = logs - logs.groupby([self.rows[name] for name in (*KEYS, "metric")]).transform("median")
        spread = apart.abs().groupby([self.rows[name] for name in (*KEYS, "metric")]).transform("median")
        self.spread = 1.4826 * np.nan_to_num(spread.to_numpy())
        self.noise = self.rows["metric"].str.startswith(NOISE_PREFIX).to_numpy()
        self.backends = [
            [part.index.to_numpy() for _, part in starts.groupby("order")] for _, starts in self.rows.groupby(KEYS)
        ]

    def drawn(self, random: np.random.Generator, count: int) -> pd.DataFrame:
        """Return at least this many rows of a run: rounds of a start of each backend, shuffled."""
        taken: list[Any] = []
        rounds: list[int] = []
        while sum(map(len, taken)) < count:
            rounds += [rounds[-1] + 1 if rounds else 0] * len(self.backends)
            shuffled = (self.backends[number] for number in random.permutation(len(self.backends)))
            taken += [starts[random.integers(len(starts))] for starts in shuffled]
        at = np.concatenate(taken)
        lengths = [len(each) for each in taken]
        values = self._values(random, at)
        order = np.repeat(np.arange(len(taken)), lengths)
        iteration = np.repeat(rounds, lengths)
        stamps = self._stamps(random, at, values, order)
        return self.rows.iloc[at].assign(
            order=order, iteration=iteration, warmup=iteration == 0, value=values, monotonic_ns=stamps
        )

    def _values(self, random: np.random.Generator, at: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        values = self.rows["value"].to_numpy()[at]
        drawn = values * np.exp(self.spread[at] * random.normal(size=len(at)))
        near = np.round(values * random.uniform(0.9, 1.1, len(at)), 4)
        return np.where(self.timed[at], np.round(drawn), np.where(self.noise[at], near, values))

    def _stamps(
        self, random: np.random.Generator, at: np.ndarray[Any, Any], values: np.ndarray[Any, Any], order: Any
    ) -> np.ndarray[Any, Any]:
        real = self.rows["monotonic_ns"].to_numpy()
        steps = np.abs(np.diff(real[at], prepend=real[at[0]])) * random.lognormal(0, 0.2, len(at))
        cycles = np.zeros(order[-1] + 1)
        whole = (self.rows["metric"] == Phase.CYCLE).to_numpy()[at]
        cycles[order[whole]] = values[whole]
        steps[np.diff(order, prepend=-1) > 0] = cycles + random.integers(1_000_000, 9_000_000, len(cycles))
        return real[0] + np.cumsum(steps).astype("int64")


def write_dataset(into: Path, runs: int, rows: int) -> int:
    """Write a dataset of so many runs with at least so many rows in all; return how many rows it has."""
    results, frames = load(REAL), envreport.load(REAL)
    starts, record = Starts(frames), run_record(results)
    figures = frames.figures[frames.figures["experiment"] == Experiment.STARTUP]
    numbers = [str(name) for name in figures if figures[name].dtype == "float64"]
    written = 0
    for number in range(runs):
        random = np.random.default_rng(number)
        run_id, began = f"{random.integers(16**12):012x}", FIRST_NIGHT + timedelta(hours=number)
        samples = starts.drawn(random, -(-rows // runs)).assign(run_id=run_id)
        quantities = figures.assign(run_id=run_id)
        quantities[numbers] *= random.lognormal(0, 0.03, (len(figures), len(numbers)))
        row = record | {
            "run_id": run_id,
            "started_at": began.isoformat(),
            "row_count": len(samples),
            "samples_sha256": random.bytes(32).hex(),
        }
        labels = json.dumps({"instance_type": KINDS[number % len(KINDS)]})
        written += len(samples)
        for part, content in (
            ("samples", samples_bytes(samples)),
            ("figures", figures_bytes(quantities)),
            ("runs", run_bytes({"schema": SCHEMA, **row, "labels": labels})),
        ):
            folder = into / part / f"month={began:%Y-%m}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{run_id}.parquet").write_bytes(content)
    return written


def measured(command: list[str]) -> tuple[float, float, int]:
    """Run a command that must succeed; return its CPU seconds, its seconds, its peak bytes."""
    begin = time.monotonic()
    pid = os.posix_spawn(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, used = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, time.monotonic() - begin, used.ru_maxrss * 1024


def main(runs: int = RUNS) -> int:
    """Write the dataset, measure, print, and return the exit code."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as name:
        rows = write_dataset(Path(name), runs, ROWS * runs // RUNS)
        sizes = {
            part.name: sum(path.stat().st_size for path in part.rglob("*.parquet")) for part in Path(name).iterdir()
        }
        parts = ", ".join(f"{part} {each / 1e6:.1f}" for part, each in sorted(sizes.items()))
        title = f"dataset of {runs} runs"
        most_mb = SIZE_MAX_MB * runs / RUNS
        figures.take(title, "MB", [sum(sizes.values()) / 1e6], most=most_mb, beside=f"{rows} rows: {parts}")
        for command, (options, most_s) in COMMANDS.items():
            words = [sys.executable, "-m", "envbench", command, name, *options, *METRIC]
            cpu_s, wall_s, peak_bytes = map(min, zip(*(measured(words) for _ in range(3)), strict=True))
            said = f"{command} over a {title}"
            figures.take(said, "s of CPU", [cpu_s], most=most_s, beside=f"{wall_s:.2f} s in all")
            figures.take(f"{said}: peak memory", "MB", [peak_bytes / 1e6], most=MEMORY_MAX_MB)
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
