"""Rows of samples.csv that no measurement can have written are refused with their place."""

import math
from pathlib import Path

import pytest

from envbench.phases import Experiment, Outcome, Phase, Unit
from envbench.samples import Sample, SamplesError, SampleWriter, read_samples


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
