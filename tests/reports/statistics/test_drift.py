"""A drift explains what a level that wanders does, and no step that it cannot make."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from envreport.statistics.drift import AS_LIKELY, DRIFTS, explaining_drift
from envreport.statistics.sequence import SEARCHED_FACTOR


@given(st.integers(6, 40), st.integers(6, 40), st.floats(0.05, 3))
def test_no_drift_explains_a_step_without_noise(earlier: int, later: int, height: float) -> None:
    assert explaining_drift([5.0] * earlier + [5.0 + height] * later, earlier) is None


def dense(values: NDArray[np.float64], split: int) -> float | None:
    """Return the same by generalised least squares with the whole covariance of the values (Harvey 1989)."""
    count = len(values)
    told = np.column_stack([np.ones(count), np.arange(count) >= split])
    likelihoods, explain, drifts = [], [], []
    for drift in DRIFTS:
        covariance = np.eye(count) + drift * np.minimum.outer(np.arange(count), np.arange(count))
        inverse = np.linalg.inv(covariance)
        information = told.T @ inverse @ told
        found = np.linalg.solve(information, told.T @ inverse @ values)
        left = values - told @ found
        noise = left @ inverse @ left / (count - 2)
        determinants = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        likelihoods.append(-((count - 2) * np.log(noise) + determinants) / 2)
        error = np.sqrt(noise * np.linalg.inv(information)[1, 1])
        explain.append(abs(found[1]) <= SEARCHED_FACTOR * stats.t.ppf(0.975, count - 2) * error)
        drifts.append(np.sqrt(drift * noise))
    fits = [2 * (max(likelihoods) - each) <= AS_LIKELY for each in likelihoods]
    fitting = [index for index in range(len(DRIFTS)) if fits[index] and explain[index]]
    return drifts[max(fitting, key=likelihoods.__getitem__)] if fitting else None


def near(side: list[float]) -> list[float]:
    """Return what weighs: no value farther than three scaled MADs from the median."""
    middle = np.median(side)
    reach = 3 * 1.4826 * np.median(np.abs(np.array(side) - middle))
    return [float(each) for each in np.clip(side, middle - reach, middle + reach)]


@pytest.mark.parametrize("seed", range(20))
def test_the_fit_by_sine_waves_is_the_one_by_the_whole_covariance(seed: int) -> None:
    random_ = random.Random(seed)
    levels = itertools.accumulate(random_.uniform(-0.05, 0.05) for _ in range(30))
    values = [level + random_.uniform(-0.03, 0.03) + (0.12 if index >= 12 else 0) for index, level in enumerate(levels)]
    values = [*near(values[:12]), *near(values[12:])]
    found, expected = explaining_drift(values, 12), dense(np.array(values), 12)
    assert (found is None) == (expected is None)
    assert found is None or found == pytest.approx(expected, rel=1e-6)


def test_a_run_far_out_does_not_hide_a_step() -> None:
    random_ = random.Random(1)
    values = [random_.gauss(0, 0.02) + (0.1 if index >= 30 else 0) for index in range(60)]
    values[10] += 5
    assert explaining_drift(values, 30) is None
