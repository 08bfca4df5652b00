"""Runs the parts of `make perf`, keeps what they found, or holds it against what was kept (`make perf-check`).

    python tests/perf/perf_run.py [PART...]            run them and keep their figures: docs/performance.json and .md
    python tests/perf/perf_run.py --check [PART...]    run them, and name each figure that is worse than the kept one

Worse is what lies beyond both intervals, twice: such a part is measured a second time, so that a moment's noise is no
finding. A figure that is no ratio is about the machine too, and is compared only on the same kind of machine.
Exits with 1 where a bar is missed or a figure is worse, with 2 where something could not be measured.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from perf_figures import KEPT_IN, MISSED, NOT_MEASURED, Figure
from perf_page import interval, page

PARTS = (
    "compare_peers",
    "start_peers",
    "harness",
    "report_rows",
    "dataset",
    "history_alarms",
    "worst_inputs",
    "census",
    "via",
    "ansible_hosts",
    "pytest_start",
    "stopping",
)
HERE = Path(__file__).parent
KEPT = HERE.parents[1] / "docs" / "performance.json"
PAGE = KEPT.with_suffix(".md")


def is_worse(now: Figure, before: Figure) -> bool:
    """Whether a figure is worse than before, beyond both intervals; a figure without a bar has no better and no worse.

    Where the bar has two ends, as of two stopwatches on one thing, only leaving it is worse.
    """
    if now.most is None:
        return False
    (low, high), (low_before, high_before) = interval(now), interval(before)
    if now.least is None:
        return low > high_before
    return not now.fits and (high < low_before or low > high_before)


def machine() -> dict[str, str | int]:
    """Return what kind of machine this is, for figures that are no ratios."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
    }


def measure(part: str) -> tuple[list[Figure], int]:
    """Run one part in a process of its own; return its figures and its exit code."""
    with tempfile.TemporaryDirectory(prefix="envinspect-perf-") as folder:
        kept = Path(folder, "figures.jsonl")
        done = subprocess.run(
            [sys.executable, HERE / f"{part}.py"], env={**os.environ, KEPT_IN: str(kept)}, check=False
        )
        lines = kept.read_text("utf-8").splitlines() if kept.exists() else []
    if done.returncode not in (0, MISSED, NOT_MEASURED):
        sys.stderr.write(f"{part}: ended with {done.returncode}\n")
    return [Figure.of(json.loads(line)) for line in lines], done.returncode


def worse(part: str, now: Sequence[Figure], before: Sequence[Figure], same_machine: bool) -> Iterator[Figure]:
    """Give each figure that is worse than the kept one of the same name and unit."""
    known = {(one.name, one.unit): one for one in before}
    for one in now:
        if (one.name, one.unit) not in known:
            sys.stdout.write(f"new     {part}: {one.name}: nothing kept to compare with\n")
        elif (same_machine or one.unit == "ratio") and is_worse(one, known[one.name, one.unit]):
            yield one


def check(parts: Sequence[str], kept: Mapping[str, Any]) -> int:
    """Run parts and hold each against what was kept; return the exit code."""
    ended, here = 0, machine()
    for part in parts:
        if part not in kept:
            sys.stdout.write(f"{part}: nothing is kept to compare with: make perf ARGS={part}\n")
            ended = ended or NOT_MEASURED
            continue
        same_machine = kept[part]["machine"] == here
        if not same_machine:
            sys.stdout.write(f"{part}: kept from another kind of machine: only ratios are compared\n")
        before = [Figure.of(one) for one in kept[part]["figures"]]
        now, status = measure(part)
        found = list(worse(part, now, before, same_machine))
        if found:
            sys.stdout.write(f"{part}: measuring again, to be sure\n")
            again = {one.name for one in worse(part, measure(part)[0], before, same_machine)}
            found = [one for one in found if one.name in again]
        was = {one.name: one.amount for one in before}
        for one in found:
            sys.stdout.write(f"WORSE   {part}: {one.name}: {one.amount}, was {was[one.name]}\n")
        ended = MISSED if found or ended == MISSED else ended or (NOT_MEASURED if status == NOT_MEASURED else 0)
    return ended


def run(parts: Sequence[str], kept: Mapping[str, Any]) -> int:
    """Run parts and keep what each found, if all of it was measured; return the exit code."""
    ended = set()
    for part in parts:
        load = round(os.getloadavg()[0], 1)
        figures, status = measure(part)
        ended.add(status)
        if status in (0, MISSED):
            found = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), "load_before": load}
            kept = {**kept, part: {**found, "figures": [one._asdict() for one in figures]}}
            KEPT.write_text(json.dumps({name: kept[name] for name in PARTS if name in kept}, indent=1) + "\n", "utf-8")
            PAGE.write_text(page(kept), "utf-8")
    return 0 if ended == {0} else MISSED if ended - {0, NOT_MEASURED} else NOT_MEASURED


def main() -> int:
    """Run or check what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="hold the figures against the kept ones")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    asked = parser.parse_args()
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    return (check if asked.check else run)(asked.parts or PARTS, kept)


if __name__ == "__main__":
    sys.exit(main())
