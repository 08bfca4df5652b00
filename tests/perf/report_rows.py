"""All reports of a run with 100 000 rows, in seconds: `python tests/perf/report_rows.py` (also part of `make perf`).

The rows are those of a long run: nine backends, phases and noise stamps for each start. Exits 1 where the reports take
longer or more memory than the limit, or the HTML report grows beyond its size limit.
"""

import json
import random
import resource
import sys
import tempfile
from pathlib import Path

from envbench.clock import NS_PER_S, monotonic_ns
from envbench.phases import Experiment, Outcome, Phase, Unit
from envbench.samples import Sample, SampleWriter

ROWS = 100_000
LIMIT_S = 10.0
MEMORY_LIMIT_BYTES = 600_000_000
HTML_LIMIT_BYTES = 1_500_000
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


def write_rows(folder: Path, rows: int = ROWS, seed: int = 7) -> None:
    """Write samples.csv and run.json of a run that never was; the same seed gives the same rows."""
    draw = random.Random(seed)
    per_start = len(PHASES) + len(NOISE)
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


def main() -> int:
    """Time the reports of a default run; return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder)
        began_ns = monotonic_ns()
        from envreport import write_all  # the imports are part of what a user waits for

        write_all(folder)
        took_s = (monotonic_ns() - began_ns) / NS_PER_S
        size_bytes = (folder / "report.html").stat().st_size
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    fits = took_s <= LIMIT_S and size_bytes <= HTML_LIMIT_BYTES and peak_bytes <= MEMORY_LIMIT_BYTES
    sys.stdout.write(
        f"reports of {ROWS} rows: {took_s:.1f} s (limit {LIMIT_S:g} s), report.html {size_bytes / 1e6:.2f} MB "
        f"(limit {HTML_LIMIT_BYTES / 1e6:g} MB), peak memory {peak_bytes / 1e6:.0f} MB "
        f"(limit {MEMORY_LIMIT_BYTES / 1e6:g} MB): {'ok' if fits else 'TOO MUCH'}\n"
    )
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
