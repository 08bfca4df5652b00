"""Runs as folders, with a known time to ready."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envbench.phases import Experiment, Phase

MS = 1_000_000


@pytest.fixture
def write_run(tmp_path: Path, make_rows: Callable[[], Any], meta: dict[str, Any]) -> Callable[..., Path]:
    def write(
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
        run_id = f"{number:012x}"
        random_ = random.Random(number)
        rows = make_rows()
        rows.add(
            Experiment.STARTUP,
            "docker",
            Phase.READY,
            [int(ready_ms * MS * random_.uniform(0.999, 1.001)) for _ in range(starts)],
            variant=variant,
        )
        rows.samples = [_of_run(sample, run_id) for sample in rows.samples]
        host = {**meta["host"], "host": {**meta["host"]["host"], "kernel": kernel}}
        record = {
            "run_id": run_id,
            "started_at": started_at,
            "exit_code": exit_code,
            "engines": {"docker": {"version": version}},
            "host": host,
        }
        return Path(rows.write(tmp_path / "results" / f"{run_id}-{random_.random()}", {**meta, **record}))

    return write


def _of_run(sample: Any, run_id: str) -> Any:
    from dataclasses import replace

    return replace(sample, run_id=run_id)
