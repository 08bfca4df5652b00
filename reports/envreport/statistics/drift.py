"""Whether a level that wanders by itself would explain a step: a host that drifts and does not come back.

Two things are fitted to the same values: a step, and a level that goes a random way from each value to the next
(a local level, Harvey 1989). How far it goes beside the noise is not known, so every drift that fits the values about
as well as the likeliest one does is asked what is left of the step.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from envreport.statistics.figures import CONFIDENCE
from envreport.statistics.sequence import SEARCHED_FACTOR

DRIFTS = np.logspace(-4, 2, 25)
"""Variance of the level's way from one value to the next, in variances of the noise of a value."""
AS_LIKELY = 2.71
"""Twice the difference of log-likelihoods up to which a drift fits as well as the likeliest: 90 % (chi-squared)."""
FAR_OUT = 3.0
"""A value farther than this many scaled MADs from its side's median weighs no more than one that lies there."""
SCALED_MAD = 1.4826


def explaining_drift(logarithms: Sequence[float], split: int) -> float | None:
    """Return the likeliest drift that would explain the step after `split` values; None where none explains it.

    A drift is the standard deviation of the level's way from one value to the next (of logarithms: a ratio less 1). It
    explains a step if the interval of what remains of it, widened for a searched split, holds 0. Each side needs a
    value, and there are more than two.
    """
    values = np.concatenate([_drawn_in(np.asarray(side)) for side in (logarithms[:split], logarithms[split:])])
    count = len(values)
    # Differences of a local level: their covariance is noise * (drift + a matrix that sine waves diagonalise).
    waves = np.arange(1, count)
    each = 4 * np.sin(waves * math.pi / (2 * count)) ** 2 + DRIFTS[:, None]
    at_split = math.sqrt(2 / count) * np.sin(split * waves * math.pi / count)
    found = _sines(np.diff(values))
    weight = np.sum(at_split**2 / each, axis=1)
    step = np.sum(at_split * found / each, axis=1) / weight
    left = np.maximum(np.sum(found**2 / each, axis=1) - weight * step**2, np.finfo(float).tiny)
    noise = left / (count - 2)
    likelihood = -((count - 2) * np.log(noise) + np.sum(np.log(each), axis=1) + np.log(weight)) / 2
    error = SEARCHED_FACTOR * special.stdtrit(count - 2, (1 + CONFIDENCE) / 2) * np.sqrt(noise / weight)
    explain = (np.abs(step) <= error) & (2 * (likelihood.max() - likelihood) <= AS_LIKELY)
    if not explain.any():
        return None
    best = np.argmax(np.where(explain, likelihood, -np.inf))
    return float(np.sqrt(DRIFTS[best] * noise[best]))


def _drawn_in(side: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = np.median(side)
    reach = FAR_OUT * SCALED_MAD * np.median(np.abs(side - middle))
    return np.clip(side, middle - reach, middle + reach)


def _sines(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the orthonormal sine transform (DST-I), which is its own inverse."""
    odd = np.concatenate([[0], values, [0], -values[::-1]])
    return -np.fft.rfft(odd).imag[1:-1] / math.sqrt(len(odd))
