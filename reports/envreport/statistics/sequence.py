"""Where the level of a sequence changed, and by how much, where neighbours may be alike: a machine that drifts.

An interval for values that do not depend on each other, about a split that nobody searched for, is too narrow for that.
Here it is widened by what the correlation of neighbours says about how little a value tells that the one before did not
tell, and because the split is the most striking of all.
"""

import math
import sys
from bisect import insort
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from envbench.records.phases import counted
from envreport.statistics import estimates
from envreport.statistics.figures import Estimate, Interval, Method

HIGHEST_CORRELATION = 0.97
"""An estimate from some tens of values cannot tell higher ones from a walk without any level."""


SEARCHED_FACTOR = 1.5
"""How much farther from the middle the most striking of all splits lies in 95 % of sequences without a change than any
one split does; `tests/perf/history_alarms.py` counts that."""


def most_striking_split(values: Sequence[float], least: int) -> int:
    """Return how many values stand before the split that leaves the least absolute deviation from the two medians.

    Each side has at least `least` values; of equal splits it is the first. Raises ValueError for too few values.
    """
    count = len(values)
    if count < 2 * least:
        raise ValueError(f"two sides of {least} cannot be made of {counted(count, 'value')}")
    before, after = _deviations(values), _deviations(values[::-1])
    return min(range(least, count - least + 1), key=lambda split: before[split] + after[count - split])


def _deviations(values: Sequence[float]) -> list[float]:
    """Return the sum of absolute deviations from their median of the first 0, 1, 2, … values."""
    ordered: list[float] = []
    found = [0.0]
    for value in values:
        insort(ordered, value)
        half = len(ordered) // 2
        found.append(sum(ordered[len(ordered) - half :]) - sum(ordered[:half]))
    return found


def ratio_after(values: Sequence[float], split: int) -> Estimate | None:
    """Return Hodges and Lehmann's ratio of the values after a searched split to those before, with a widened interval.

    The limits of the rank-sum interval are moved away from the ratio, in logarithms: by `SEARCHED_FACTOR`, and by the
    square root of how many times the variance of a mean grows in a first-order autoregression (Bayley and Hammersley
    1946). None where a side is empty or a value is not above 0; no interval where there are too few values for one.
    """
    earlier, later = values[:split], values[split:]
    plain = estimates.typical_ratio(later, earlier)
    if plain is None or plain.interval is None:
        return plain
    correlation = lag1([np.log(earlier), np.log(later)])
    factor = SEARCHED_FACTOR * widening([len(earlier), len(later)], correlation)
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
