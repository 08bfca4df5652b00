"""The end of a sequence against what came before it, where neighbours may be alike: a machine that drifts, for example.

An interval for values that do not depend on each other is too narrow for such a sequence. Here it is widened by what
the correlation of neighbours says about how much a value tells that the one before did not tell.
"""

import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from envreport.statistics import estimates
from envreport.statistics.figures import Estimate, Interval, Method

HIGHEST_CORRELATION = 0.97
"""An estimate from some tens of values cannot tell higher ones from a walk without any level."""


def ratio_of_last(values: Sequence[float], last: int) -> Estimate | None:
    """Return Hodges and Lehmann's ratio of the `last` values to those before, with its widened rank-sum interval.

    The limits are moved away from the ratio, in logarithms, by the square root of how many times the variance of a mean
    grows in a first-order autoregression (Bayley and Hammersley 1946). None where a side is empty or a value is not
    above 0; no interval where there are too few values for one.
    """
    earlier, later = values[:-last], values[-last:]
    plain = estimates.typical_ratio(later, earlier)
    if plain is None or plain.interval is None:
        return plain
    factor = widening([len(earlier), len(later)], lag1([np.log(earlier), np.log(later)]))
    low, high = (_moved(limit, plain.value, factor) for limit in (plain.interval.low, plain.interval.high))
    return Estimate(plain.value, Interval(low, high, plain.interval.coverage), plain.n, Method.RANK_SUM_WIDENED)


def _moved(limit: float, value: float, factor: float) -> float:
    """Return the limit this many times as far from the value in logarithms, within what a float holds."""
    exponent = math.log(value) + factor * math.log(limit / value)
    return math.exp(min(exponent, math.log(sys.float_info.max)))


def lag1(parts: Sequence[NDArray[np.float64]]) -> float:
    """Return how much neighbours are alike, 0 to `HIGHEST_CORRELATION`; each part is taken about its own median.

    So a step between the parts is no correlation. What the medians take away is given back (Marriott and Pope 1954).
    """
    centred = [part - np.median(part) for part in parts]
    total = sum(float(part @ part) for part in centred)
    if total == 0:
        return 0.0
    share = len(parts) / sum(len(part) for part in parts)
    found = sum(float(part[:-1] @ part[1:]) for part in centred) / total
    corrected = (found + share) / (1 - 3 * share) if share < 1 / 3 else HIGHEST_CORRELATION
    return min(max(corrected, 0.0), HIGHEST_CORRELATION)


def widening(lengths: Sequence[int], correlation: float) -> float:
    """Return by what factor the standard error of a difference between means of parts of these lengths grows."""
    plain = sum(1 / length for length in lengths)
    return math.sqrt(sum(_growth(length, correlation) / length for length in lengths) / plain)


def _growth(length: int, correlation: float) -> float:
    """Return by what factor the variance of a mean of so many values grows."""
    distances = np.arange(1, length)
    return 1 + 2 * float(np.sum((1 - distances / length) * correlation**distances))
