"""`make perf` keeps what it found, and `make perf-check` names what has become worse, and only that."""

import json
from pathlib import Path

import pytest
from perf_figures import KEPT_IN, Figure, Figures
from perf_page import bar, interval
from perf_run import is_worse

STEADY = (2.0, 2.02, 1.98, 2.01, 1.99, 2.03, 1.97, 2.0, 2.01, 1.99)


def ratio(*values: float, least: float | None = None, most: float | None = 2.5) -> Figure:
    return Figure("plain / a bare Python", "ratio", values, least, most)


def shifted(by: float) -> tuple[float, ...]:
    return tuple(value * by for value in STEADY)


@pytest.mark.parametrize(
    ("now", "expected"), [(STEADY, False), (shifted(1.01), False), (shifted(1.1), True), (shifted(0.9), False)]
)
def test_worse_is_what_lies_beyond_both_intervals(now: tuple[float, ...], expected: bool) -> None:
    assert is_worse(ratio(*now), ratio(*STEADY)) is expected


def test_a_wide_interval_is_no_finding() -> None:
    noisy = (2.0, 3.0, 1.9, 2.9, 2.1, 2.8)
    assert not is_worse(ratio(*noisy), ratio(*STEADY))


@pytest.mark.parametrize(("by", "expected"), [(0.95, False), (0.5, True), (0.6, True)])
def test_of_two_stopwatches_on_one_thing_only_leaving_the_bar_is_worse(by: float, expected: bool) -> None:
    before = ratio(*shifted(0.5), least=0.9, most=1.1)
    assert is_worse(ratio(*shifted(by * 0.5), least=0.9, most=1.1), before) is expected


def test_a_figure_without_a_bar_has_no_worse() -> None:
    assert not is_worse(ratio(100.0, most=None), ratio(1.0, most=None))


@pytest.mark.parametrize(("now", "expected"), [(105.0, False), (130.0, True)])
def test_a_single_value_has_a_margin(now: float, expected: bool) -> None:
    assert is_worse(ratio(now), ratio(100.0)) is expected


def test_few_rounds_have_their_extremes_for_an_interval() -> None:
    assert interval(ratio(1.0, 3.0, 2.0)) == (1.0, 3.0)


def test_a_part_ends_with_1_where_a_bar_is_missed_and_with_2_where_one_was_not_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fine, lacking, missed = Figures(), Figures(), Figures()
    fine.take("report", "s of CPU", [3.9], most=4.0)
    lacking.lack("virt-what is not installed: its bar was not measured")
    missed.take("report", "s of CPU", [4.1], most=4.0)
    missed.lack("virt-what is not installed: its bar was not measured")
    assert [each.ended() for each in (fine, lacking, missed)] == [0, 2, 1]
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "ok      report: 3.9 s of CPU (at most 4)",
        "MISSED  report: 4.1 s of CPU (at most 4)",
    ]


def test_figures_are_kept_as_they_were_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "figures.jsonl"
    monkeypatch.setenv(KEPT_IN, str(kept))
    figures = Figures()
    figures.take("docker / docker run", "ratio", [0.8, 0.79], most=1.0)
    figures.ended()
    figures.ended()
    lines = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    assert lines == [{**figures.found[0]._asdict(), "values": [0.8, 0.79]}] * 2


def test_the_page_says_which_bar_is_missed() -> None:
    assert bar(ratio(2.4, most=2.0)) == "at most 2: **missed**"
    assert bar(ratio(1.0, least=0.9, most=1.1)) == "0.9 to 1.1"
