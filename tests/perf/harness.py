"""What the harness itself costs: its CPU share over container starts, and its memory over thousands of rows.

Without Docker only the memory is looked at.
"""

import sys
import tempfile
from pathlib import Path

from perf_figures import Figures

from envbench.backend import Backend, Unusable
from envbench.backends import load
from envbench.payload.kernel import default_cache_dir
from envbench.records.phases import Phase
from envbench.records.samples import SampleWriter
from envbench.run.noise import NoiseWatch
from envbench.run.reaper import reap_entries
from envbench.run.sampler import Sampler, Start, Ticket
from envbench.settings import Configuration, Settings, new_run_id
from envbench.traces.journal import Journal

CONTAINER_STARTS = 100
CPU_SHARE_MAX_PERCENT = 3.0
ROWS = 10_000
ROWS_A_START = 10
"""At least so many rows come of one start of the process backend."""
GROWTH_MAX_MIB = 2.0
PAGE_BYTES = 4096


def resident_bytes() -> int:
    """Return this process's resident memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE_BYTES


def take(sampler: Sampler, backend: Backend, first: int, count: int) -> list[Start]:
    """Take so many starts of the backend's first variant."""
    configuration = Configuration(backend.name, backend.variants()[0])
    return [sampler.measure(backend, Ticket(configuration, order=n, iteration=n)) for n in range(first, first + count)]


def opened(name: str, settings: Settings, journal: Journal) -> Backend | None:
    """Return a backend that is ready to start, None where it cannot be used here."""
    backend = load(name)(settings, journal)
    if isinstance(backend.check(), Unusable):
        return None
    backend.prepare(backend.variants()[0])
    return backend


def main() -> int:
    """Measure, print, and return the exit code."""
    run_id, figures = new_run_id(), Figures()
    with tempfile.TemporaryDirectory(prefix=f"envbench-{run_id}-") as folder:
        settings = Settings(run_id, Path(folder), default_cache_dir())
        journal = Journal(run_id, Path(folder, "state"))
        with SampleWriter(Path(folder, "samples.csv")) as writer:
            sampler = Sampler(settings, writer, NoiseWatch())
            process, docker = opened("process", settings, journal), opened("docker", settings, journal)
            if process is not None:
                take(sampler, process, 0, 100)
                before = resident_bytes()
                take(sampler, process, 100, ROWS // ROWS_A_START)
                grown = resident_bytes() - before
                figures.take(f"growth over {ROWS} rows", "MiB", [grown / (1 << 20)], most=GROWTH_MAX_MIB)
                process.close()
            if docker is not None:
                starts = take(sampler, docker, 0, CONTAINER_STARTS)
                # Of ten starts each: a single one is about as long as the clock of CPU time can tell.
                tens = [starts[n : n + 10] for n in range(0, len(starts), 10)]
                shares = [
                    100 * sum(one.phases[Phase.HARNESS_CPU] for one in ten) / sum(one.wall_ns for one in ten)
                    for ten in tens
                ]
                name = f"the harness's CPU over {CONTAINER_STARTS} container starts"
                figures.take(name, "% of the time", shares, most=CPU_SHARE_MAX_PERCENT)
                docker.close()
            else:
                figures.lack("docker cannot be used here: the harness's CPU was not measured")
        reap_entries(journal.entries(), run_id)
        journal.close()
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main())
