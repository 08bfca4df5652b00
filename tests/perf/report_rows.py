"""All reports of long runs, in CPU time and memory: `python tests/perf/report_rows.py` (also part of `make perf`).

The rows are those of a long run: nine backends, phases and noise stamps for each start. Each size is reported in a
process of its own, imports included.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from perf_figures import Figures

from envbench.records.phases import Experiment, Outcome, Phase, Unit
from envbench.records.samples import Sample, SampleWriter

LIMITS = {1_000: (None, None), 10_000: (None, None), 100_000: (4.0, 200.0), 1_000_000: (30.0, 1000.0)}
"""Rows → most seconds of CPU time and megabytes of memory, None where no limit is set."""
HTML_LIMIT_MB = 1.5
BACKENDS = {
    ("process", ""): 2,
    ("namespaces", ""): 4,
    ("runc", "network=none"): 60,
    ("crun", "network=none"): 40,
    ("gvisor", "network=none"): 300,
    ("docker", "network=none;runtime=runc"): 260,
    ("podman", "network=none;runtime=crun"): 250,
    ("qemu", "accel=tcg;machine=q35"): 4300,
    ("libvirt", "accel=tcg;machine=q35"): 5200,
}
PHASES = {Phase.CREATE: 0.2, Phase.START: 0.7, Phase.READY: 1.0, Phase.STOP: 0.1, Phase.REMOVE: 0.2, Phase.CYCLE: 1.4}
NOISE = ("noise.load1", "noise.psi_cpu", "noise.psi_io", "noise.steal")
MS = 1e6


def write_rows(folder: Path, rows: int, seed: int = 7) -> None:
    """Write samples.csv and run.json of a run that never was; the same seed gives the same rows."""
    draw = random.Random(seed)
    per_start = len(PHASES) + len(NOISE)
    os.fdatasync = lambda _descriptor: None  # type: ignore[assignment]  # rows that never were need not outlive a power cut
    with SampleWriter(folder / "samples.csv") as writer:
        for order in range(rows // per_start):
            (backend, variant), middle_ms = list(BACKENDS.items())[order % len(BACKENDS)]
            times = {
                phase: int(middle_ms * MS * share * draw.lognormvariate(0, 0.1)) for phase, share in PHASES.items()
            }
            stamps = {name: draw.random() / 20 for name in NOISE}
            writer.append(
                *(
                    Sample(
                        "0123456789ab", order, Experiment.STARTUP, backend, variant, "minimal", order < len(BACKENDS),
                        order // len(BACKENDS), phase, value, Unit.NS if isinstance(value, int) else Unit.RATIO,
                        Outcome.OK, "", order,
                    )
                    for phase, value in {**stamps, **times}.items()
                )
            )  # fmt: skip
    (folder / "run.json").write_text(json.dumps({"schema": "envbench-run/1", "outcome": "done"}), encoding="utf-8")


def report(folder: Path) -> int:
    """Write the usual reports of a folder and print what that took: CPU seconds, peak bytes, bytes of the page."""
    from envreport import write_all  # the imports are part of what a user waits for

    write_all(folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    record = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, (folder / "report.html").stat().st_size
    sys.stdout.write(json.dumps(record))
    return 0


def measured(rows: int) -> tuple[float, int, int]:
    """Return CPU seconds, peak bytes and the page's bytes of the reports of so many rows, from a fresh process."""
    with tempfile.TemporaryDirectory() as name:
        write_rows(Path(name), rows)
        done = subprocess.run([sys.executable, __file__, name], check=True, capture_output=True, text=True)
    cpu_s, peak_bytes, html_bytes = json.loads(done.stdout)
    return cpu_s, peak_bytes, html_bytes


def main() -> int:
    """Measure each size; return the exit code."""
    figures = Figures()
    for rows, (limit_s, limit_mb) in LIMITS.items():
        cpu_s, peak_bytes, html_bytes = measured(rows)
        figures.take(f"report of {rows} rows", "s of CPU", [cpu_s], most=limit_s)
        figures.take(f"report of {rows} rows: peak memory", "MB", [peak_bytes / 1e6], most=limit_mb)
        figures.take(f"report of {rows} rows: page", "MB", [html_bytes / 1e6], most=HTML_LIMIT_MB)
    return figures.ended()


if __name__ == "__main__":
    sys.exit(report(Path(sys.argv[1])) if len(sys.argv) > 1 else main())
