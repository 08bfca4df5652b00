"""Runs as folders, with a known time to ready."""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.reports.conftest import Rows, run_meta

from envbench.records.phases import Experiment, Phase

MS = 1_000_000


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    return partial(written_run, tmp_path / "results")


def written_run(
    results: Path,
    number: int,
    ready_ms: float,
    *,
    version: str = "20.10.24",
    kernel: str = "6.1.0",
    started_at: str = "2026-01-02T03:04:05Z",
    exit_code: int = 0,
    variant: str = "network=none;runtime=runc",
    starts: int = 3,
) -> Path:
    """Write a run with so many starts of Docker into a folder of its own below `results`; return that folder."""
    run_id = f"{number:012x}"
    random_ = random.Random(number)
    values = [int(ready_ms * MS * random_.uniform(0.999, 1.001)) for _ in range(starts)]
    rows = Rows().add(Experiment.STARTUP, "docker", Phase.READY, values, variant=variant)
    rows.samples = [replace(sample, run_id=run_id) for sample in rows.samples]
    meta = run_meta()
    record = {
        "run_id": run_id,
        "started_at": started_at,
        "exit_code": exit_code,
        "engines": {"docker": {"version": version}},
        "host": {**meta["host"], "host": {**meta["host"]["host"], "kernel": kernel}},
    }
    return rows.write(results / f"{run_id}-{random_.random()}", {**meta, **record})
