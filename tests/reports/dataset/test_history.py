"""One machine over time: a step is found, noise is not, a changed environment cuts, and few runs tell nothing."""

import io
import json
import random
import statistics
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.perf.history_alarms import NOISES, drawn, is_alarm

from envbench.commands.cli import main
from envreport.compare import Change
from envreport.dataset.history import ENVIRONMENT, Point, cut, history, judge
from envreport.dataset.store import collect_run
from envreport.selectors import parse_selector
from envreport.statistics.sequence import most_striking_split

Write = Callable[..., Path]
READY = parse_selector("docker.ready")


def fill(write_run: Write, into: Path, days: range, middle_ms: float, **more: object) -> None:
    random_ = random.Random(days.start)
    for day in days:
        moment = f"2026-{1 + day // 28:02}-{1 + day % 28:02}T03:00:00Z"
        folder = write_run(day, middle_ms * random_.uniform(0.99, 1.01), started_at=moment, **more)
        collect_run(folder, str(into), {"host": "a"})


def test_a_step_is_found_and_dated(write_run: Write, tmp_path: Path) -> None:
    fill(write_run, tmp_path / "set", range(20), 100.0)
    fill(write_run, tmp_path / "set", range(20, 30), 120.0)
    (found,) = history(str(tmp_path / "set"), READY).series
    assert found.verdict.change is Change.SLOWER
    assert (found.verdict.earlier, found.verdict.later) == (20, 10)
    assert found.verdict.ratio is not None
    assert found.verdict.ratio.interval is not None
    assert found.verdict.ratio.interval.low < 1.2 < found.verdict.ratio.interval.high
    assert found.segments[-1].points[-10].started_at == pd.Timestamp("2026-01-21T03:00:00Z")


@pytest.mark.parametrize(
    ("changed", "column"), [({"kernel": "6.12.0"}, "kernel"), ({"version": "27.1"}, "engine_version")]
)
def test_a_changed_environment_cuts_and_is_no_regression(
    changed: dict[str, str], column: str, write_run: Write, tmp_path: Path
) -> None:
    fill(write_run, tmp_path / "set", range(14), 100.0)
    fill(write_run, tmp_path / "set", range(14, 28), 150.0, **changed)
    (found,) = history(str(tmp_path / "set"), READY).series
    assert [len(segment.points) for segment in found.segments] == [14, 14]
    assert [[each.column for each in segment.changed] for segment in found.segments] == [[], [column]]
    assert found.verdict.change is Change.SAME


def test_variants_have_histories_of_their_own(write_run: Write, tmp_path: Path) -> None:
    fill(write_run, tmp_path / "set", range(12), 100.0)
    fill(write_run, tmp_path / "set", range(12, 24), 150.0, variant="network=none;runtime=crun")
    found = history(str(tmp_path / "set"), READY).series
    assert [each.verdict.change for each in found] == [Change.SAME, Change.SAME]


def test_a_level_that_was_accepted_starts_the_history(write_run: Write, tmp_path: Path) -> None:
    fill(write_run, tmp_path / "set", range(14), 100.0)
    fill(write_run, tmp_path / "set", range(14, 28), 150.0)
    words = ["history", str(tmp_path / "set"), "--metric", "docker.ready", "--fail-on", "slower"]
    assert main(words) == 5
    assert main([*words, "--since", "2026-01-15"]) == 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=12, max_size=60))
def test_the_split_leaves_enough_on_both_sides(values: list[float]) -> None:
    assert 6 <= most_striking_split(values, 6) <= len(values) - 6


@given(st.integers(6, 30), st.integers(6, 30))
def test_the_split_is_where_the_level_changed(earlier: int, later: int) -> None:
    assert most_striking_split([1.0] * earlier + [2.0] * later, 6) == earlier


def test_fewer_than_six_runs_on_a_side_tell_nothing() -> None:
    values = [100.0] * 6 + [200.0] * 5
    assert judge(values, "ready").change is Change.INCONCLUSIVE
    assert judge([*values, 200.0], "ready").change is Change.SLOWER


def test_the_gate_has_three_ends(write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["history", str(tmp_path / "set"), "--metric", "docker.ready", "--fail-on", "slower"]
    fill(write_run, tmp_path / "set", range(8), 100.0)
    assert main(words) == 6
    told = capsys.readouterr()
    assert "cannot tell: 8 runs in this environment; 12 are needed" in told.out
    assert "gate not decided" in told.err
    fill(write_run, tmp_path / "set", range(8, 20), 100.0)
    assert main(words) == 0
    fill(write_run, tmp_path / "set", range(20, 30), 120.0)
    assert main(words) == 5
    assert "gate failed" in capsys.readouterr().err
    assert main([*words[:-1], "faster"]) == 0


def test_a_gate_that_could_never_fail_is_refused(
    write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(write_run, tmp_path / "set", range(1), 100.0)
    assert main(["history", str(tmp_path / "set"), "--metric", "docker.ready", "--fail-on", "more"]) == 2
    assert "try: --fail-on slower or faster" in capsys.readouterr().err


def test_the_command_prints_text_and_json(write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(write_run, tmp_path / "set", range(12), 100.0)
    fill(write_run, tmp_path / "set", range(12, 14), 100.0, kernel="6.12.0")
    words = ["history", str(tmp_path / "set"), "--metric", "docker.ready"]
    assert main(words) == 0
    assert "-- kernel: 6.1.0 -> 6.12.0 --" in capsys.readouterr().out
    assert main([*words, "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    (series,) = record["series"]
    assert (record["schema"], series["change"]) == ("envbench-history/1", "inconclusive")
    assert [len(segment["runs"]) for segment in series["segments"]] == [12, 2]
    assert series["segments"][1]["environment"]["kernel"] == "6.12.0"


def test_csv_has_a_row_a_run_and_nothing_for_what_is_not_recorded(
    write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(write_run, tmp_path / "set", range(2), 100.0)
    fill(write_run, tmp_path / "set", range(2, 3), 100.0, version="")
    assert main(["history", str(tmp_path / "set"), "--metric", "docker.ready", "--format", "csv"]) == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert found["segment"].tolist() == [1, 1, 2]
    assert found["engine_version"].isna().tolist() == [False, False, True]
    assert found["value"].between(98e6, 102e6).all()
    assert found["unit"].unique().tolist() == ["ns"]
    assert pd.to_datetime(found["started_at"]).is_monotonic_increasing


def test_where_chooses_one_machine(write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(write_run, tmp_path / "set", range(12), 100.0)
    collect_run(write_run(90, 500.0, started_at="2026-01-05T00:00:00Z"), str(tmp_path / "set"), {"host": "b"})
    (found,) = history(str(tmp_path / "set"), READY, {"host": "a"}).series
    assert sum(len(segment.points) for segment in found.segments) == 12
    words = ["history", str(tmp_path / "set"), "--metric", "docker.ready", "--where"]
    assert main([*words, "host=c"]) == 2
    assert "no run with this figure has host=c" in capsys.readouterr().err
    assert main([*words, "site=a"]) == 2
    assert "try: --where host=VALUE" in capsys.readouterr().err


def test_several_machines_are_not_one_history_and_their_labels_are_named(
    write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        moment = f"2026-01-{1 + number:02}T03:00:00Z"
        labels = {"host": "ab"[number % 2], "release": "12"[number // 3]}
        collect_run(write_run(number, 100.0, started_at=moment), str(tmp_path / "set"), labels)
    words = ["history", str(tmp_path / "set"), "--metric", "docker.ready"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "(host: a, b)" in told
    assert "try: --where host=a" in told
    assert main([*words, "--where", "host=a"]) == 0


POINTS = st.lists(
    st.builds(
        lambda hour, value, kernel: (hour, value, kernel),
        st.integers(0, 10_000),
        st.floats(1e3, 1e12),
        st.sampled_from([None, "6.1", "6.12"]),
    ),
    min_size=1,
    max_size=40,
)


@given(POINTS, st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(
    drawn_points: list[tuple[int, float, str | None]], order: random.Random
) -> None:
    nothing: tuple[str | None, ...] = (None,) * (len(ENVIRONMENT) - 1)
    start = pd.Timestamp("2026-01-01T00:00:00Z")
    points = [
        Point(f"{index:03}", start + pd.Timedelta(hours=hour), value, (kernel, *nothing))
        for index, (hour, value, kernel) in enumerate(drawn_points)
    ]
    shuffled = list(points)
    order.shuffle(shuffled)
    segments = list(cut(points))
    assert list(cut(shuffled)) == segments
    assert sorted((each for one in segments for each in one.points), key=lambda each: each.run_id) == points
    assert all(len({each.environment for each in one.points}) == 1 for one in segments)
    assert all(one.changed for one in segments[1:])


@given(st.floats(1e-3, 1e15), st.integers(12, 80))
def test_an_unchanged_figure_is_the_same(value: float, runs: int) -> None:
    assert judge([value] * runs, "ready").change is Change.SAME


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_no_regression(name: str) -> None:
    random_ = random.Random(1)
    alarms = [is_alarm(drawn(random_, name, length)) for length in (20, 60) for _ in range(10)]
    assert alarms.count(True) <= 2


@pytest.mark.parametrize("name", [name for name in NOISES if not name.startswith("walk, 5%")])
def test_a_step_that_is_far_beyond_the_noise_is_found(name: str) -> None:
    random_ = random.Random(1)
    found = [
        judge([*values[:-10], *(value * 1.6 for value in values[-10:])], "ready").change
        for values in (drawn(random_, name, 60) for _ in range(10))
    ]
    assert found.count(Change.SLOWER) >= 8


def test_a_host_that_drifts_is_said_to_and_is_no_alarm() -> None:
    name, runs = "walk, 5% a run", 60
    random_ = random.Random(4)
    verdicts = [judge(drawn(random_, name, runs), "ready") for _ in range(60)]
    assert sum(each.change in {Change.SLOWER, Change.FASTER} for each in verdicts) <= 3
    drifts = [each.drift_ratio for each in verdicts if each.drift_ratio is not None]
    assert len(drifts) >= 10
    assert 0.03 < statistics.median(drifts) < 0.07
    assert all("drift" in each.why for each in verdicts if each.drift_ratio is not None)


def test_the_table_of_the_documentation_has_every_noise() -> None:
    told = (Path(__file__).parents[3] / "docs" / "method.md").read_text(encoding="utf-8")
    assert [name for name in NOISES if f"| {name.replace('%', ' %')} |" not in told] == []


def test_a_step_between_two_zeros_is_said_to_have_no_ratio() -> None:
    assert judge([0.0] * 12, "ready").change is Change.INCONCLUSIVE


def test_otava_gets_the_newest_environment_with_each_configuration_as_a_branch(
    write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(write_run, tmp_path / "set", range(2), 60.0)
    fill(write_run, tmp_path / "set", range(2, 5), 100.0, kernel="6.12.0", version="")
    fill(write_run, tmp_path / "set", range(5, 7), 150.0, variant="")
    assert main(["history", str(tmp_path / "set"), "--metric", "docker.ready", "--format", "otava"]) == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    runc = "docker[network=none,runtime=runc]/minimal"
    assert found["branch"].tolist() == ["docker/minimal"] * 2 + [runc] * 3
    assert found["kernel"].tolist() == ["6.1.0"] * 2 + ["6.12.0"] * 3
    assert found["engine_version"].isna().tolist() == [False, False, True, True, True]
    assert found["time"].iloc[-1] == "2026-01-05T03:00:00+00:00"
    assert parse_selector(f"{runc}.ready").fits("docker", "network=none;runtime=runc", "minimal")
