"""The analyses of docs/analyses.md, run as they stand there, on runs whose answers are known."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreport.dataset.store import collect_run

PAGE = (Path(__file__).resolve().parents[3] / "docs/analyses.md").read_text("utf-8")
CODE = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
RUNS = 7
ODD = 3


@pytest.fixture
def worked(write_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the names of the page hold after all of it ran; one night of the slow machine takes half as long again."""
    monkeypatch.chdir(tmp_path)
    for place, (kind, ready_ms) in enumerate((("quick", 200.0), ("slow", 300.0))):
        for night in range(RUNS):
            number = place * RUNS + night
            took_ms = ready_ms * (1.5 if (kind, night) == ("slow", ODD) else 1.0)
            run = write_run(number, took_ms, started_at=f"2026-01-{night + 1:02}T03:04:05Z", starts=8)
            collect_run(run, "dataset", {"instance_type": kind})
    collect_run(write_run(99, 900.0, exit_code=4), "dataset", {"instance_type": "quick"})
    names: dict[str, Any] = {}
    exec(compile(CODE, "docs/analyses.md", "exec"), names)  # noqa: S102 -- a page of our own
    return names


def test_kinds_of_machines_are_told_by_their_runs(worked: dict[str, Any]) -> None:
    assert worked["by_type"]["runs"].to_dict() == {"quick": RUNS, "slow": RUNS}
    assert worked["by_type"]["ready_ms"].to_dict() == pytest.approx({"quick": 200.0, "slow": 300.0}, rel=0.002)


def test_runs_differ_more_than_the_starts_within_them(worked: dict[str, Any]) -> None:
    assert 0 < worked["within"] < 0.003
    assert 0.2 < worked["between"] < 0.5


def test_the_one_odd_night_stands_out(worked: dict[str, Any]) -> None:
    assert worked["odd"]["run_id"].tolist() == [f"{RUNS + ODD:012x}"]
    assert worked["odd"]["change_ratio"].tolist() == pytest.approx([1.5], rel=0.005)
