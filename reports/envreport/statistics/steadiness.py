"""Whether the machine was steady: a series in, the result of each test out. No value is dropped because of them.

The tests are screens, not proofs: each names its threshold, and a warning asks a person to look at the run-order chart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

MIN_SAMPLES = 8
"""Below this, drift and correlation are mostly chance."""
DRIFT_P = 0.01
DRIFT_RHO = 0.5
LAG_LIMIT_SDS = 2.576
"""Lag-1 autocorrelation beyond this many standard errors (1/sqrt n) is flagged: 1 % by chance."""
FIRST_RUN_RATIO = 1.5
OUTLIER_MADS = 10.0
"""Modified z-score, the limit hyperfine uses: |x - median| / (1.4826 MAD)."""
MAD_TO_SIGMA = 1.4826
MODE_SHARE = 0.2
MODE_SEPARATION = 6.0
"""Two groups are two modes if the gap between them is this many times the larger group's scaled MAD."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the screens found in one series; None where there were too few values to tell."""

    n: int
    drift_rho: float | None
    drift_p: float | None
    lag1: float | None
    first_ratio: float | None
    outliers: tuple[int, ...]
    """Positions among the counted values."""
    bimodal: bool | None


def diagnose(values: Sequence[float]) -> Diagnosis:
    """Screen values in the order they were measured."""
    data = np.asarray(values, dtype=float)
    n = len(data)
    if n < MIN_SAMPLES:
        return Diagnosis(n, None, None, None, None, (), None)
    rho, p = _spearman(data)
    rest = float(np.median(data[1:]))
    return Diagnosis(
        n=n,
        drift_rho=rho,
        drift_p=p,
        lag1=_lag1(data),
        first_ratio=float(data[0]) / rest if rest > 0 else None,
        outliers=_outliers(data),
        bimodal=_bimodal(data),
    )


def _spearman(data: "np.ndarray[Any, np.dtype[np.float64]]") -> tuple[float | None, float | None]:
    if np.ptp(data) == 0:
        return None, None
    found = stats.spearmanr(np.arange(len(data)), data)
    return float(found.statistic), float(found.pvalue)


def _lag1(data: "np.ndarray[Any, np.dtype[np.float64]]") -> float | None:
    """Correlate neighbours by rank, so that one outlier cannot make or hide it."""
    ranks = stats.rankdata(data)
    centred = ranks - ranks.mean()
    total = float(np.dot(centred, centred))
    return float(np.dot(centred[:-1], centred[1:])) / total if total else None


def _outliers(data: "np.ndarray[Any, np.dtype[np.float64]]") -> tuple[int, ...]:
    middle = float(np.median(data))
    mad = float(np.median(np.abs(data - middle))) * MAD_TO_SIGMA
    if mad == 0:
        return ()
    return tuple(int(each) for each in np.flatnonzero(np.abs(data - middle) > OUTLIER_MADS * mad))


def _bimodal(data: "np.ndarray[Any, np.dtype[np.float64]]") -> bool:
    """Split at the widest gap of the logarithms (if all are positive).

    Two modes if both groups are large and far apart.
    """
    ordered = np.sort(np.log(data) if (data > 0).all() else data)
    smallest = max(3, math.ceil(MODE_SHARE * len(ordered)))
    gaps = np.diff(ordered)[smallest - 1 : len(ordered) - smallest]
    if not len(gaps) or gaps.max() <= 0:
        return False
    cut = smallest + int(np.argmax(gaps))
    spreads = [
        float(np.median(np.abs(half - np.median(half)))) * MAD_TO_SIGMA for half in (ordered[:cut], ordered[cut:])
    ]
    return bool(float(gaps.max()) > MODE_SEPARATION * max(*spreads, 1e-12))
