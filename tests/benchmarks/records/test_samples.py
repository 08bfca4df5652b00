"""Rows of samples.csv that no measurement can have written are refused with their place."""

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbench.records.phases import Experiment, Outcome, Phase, Unit
from envbench.records.samples import Sample, SamplesError, SampleWriter, read_samples


def written(folder: Path, value: float, unit: Unit) -> Path:
    path = folder / "samples.csv"
    with SampleWriter(path) as writer:
        for each in (1, value):
            writer.append(
                Sample(
                    "r", 1, Experiment.STARTUP, "docker", "", "", False, 1, Phase.READY, each, unit, Outcome.OK, "", 1
                )
            )
    return path


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, -0.5])
def test_what_cannot_be_measured_is_refused_with_file_and_line(value, tmp_path):
    path = written(tmp_path, value, Unit.NS)
    with pytest.raises(SamplesError, match=r"samples\.csv: line 3: value"):
        list(read_samples(path))


def test_a_fall_of_memory_may_be_below_zero(tmp_path):
    assert [row.value for row in read_samples(written(tmp_path, -5, Unit.BYTES))] == [1, -5]


NUMBERS = ("order", "warmup", "iteration", "value", "monotonic_ns")
NO_NUMBERS = ["nan", "NaN", "inf", "-inf", "infinity", "1e999", "9" * 400, "-1", "1_000", " 1", "٣", "0x1", "1e", "--1"]


def with_cell(folder: Path, column: str, text: str) -> Path:
    """A samples.csv whose second row has this text in this column."""
    path = written(folder, 5, Unit.NS)
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[2][rows[0].index(column)] = text
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("column", NUMBERS)
def test_every_number_is_refused_with_file_and_line_where_it_is_none(column, text, tmp_path):
    with pytest.raises(SamplesError, match=r"samples\.csv: line 3: "):
        list(read_samples(with_cell(tmp_path, column, text)))


def test_an_observation_is_so_or_not_so(tmp_path):
    with pytest.raises(SamplesError, match="line 3: value '5' is neither 0 nor 1"):
        list(read_samples(with_cell(tmp_path, "unit", "bool")))


@given(column=st.sampled_from(NUMBERS), text=st.text(max_size=30) | st.floats().map(str) | st.integers().map(str))
def test_no_text_in_place_of_a_number_is_taken_for_what_cannot_be(column, text, tmp_path_factory):
    path = with_cell(tmp_path_factory.mktemp("cell"), column, text)
    try:
        *_, row = read_samples(path)
    except SamplesError as error:
        said = str(error)
    else:
        said = f"{path}: line taken"
        assert row.value is None or (math.isfinite(float(row.value)) and row.value >= 0)
        assert min(row.order, row.iteration, row.monotonic_ns) >= 0
    assert said.startswith(f"{path}: ")
    assert "line" in said


def test_what_is_no_text_is_refused_with_the_line_before(tmp_path):
    path = written(tmp_path, 5, Unit.NS)
    path.write_bytes(path.read_bytes() + b"\xff\xfe,\n")
    with pytest.raises(SamplesError, match=r"samples\.csv: behind line"):
        list(read_samples(path))


def test_a_spreadsheets_marks_and_line_ends_change_no_row(tmp_path):
    path = written(tmp_path, 5, Unit.NS)
    before = list(read_samples(path))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert list(read_samples(path)) == before


def test_a_carriage_return_in_a_field_loses_no_row(tmp_path):
    path = with_cell(tmp_path, "detail", "50 %, 100 %")
    path.write_bytes(path.read_bytes().replace(b"50 %, 100 %", b"50 %\r100 %"))
    assert [row.detail for row in read_samples(path)] == ["", "50 %\r100 %"]


def test_rows_of_another_run_are_refused_with_their_line(tmp_path):
    with pytest.raises(SamplesError, match=r"samples\.csv: line 3: a row of run other among those of run r"):
        list(read_samples(with_cell(tmp_path, "run_id", "other")))


def test_bytes_that_are_no_text_are_shown_and_cost_no_row(tmp_path):
    path = tmp_path / "samples.csv"
    sample = Sample(
        "r",
        1,
        Experiment.STARTUP,
        "docker",
        "",
        "",
        False,
        1,
        Phase.READY,
        None,
        Unit.NS,
        Outcome.FAILED,
        "/t\udcfc",
        1,
    )
    with SampleWriter(path) as writer:
        writer.append(sample)
    assert [row.detail for row in read_samples(path)] == ["/t\\udcfc"]
