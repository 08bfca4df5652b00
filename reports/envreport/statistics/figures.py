"""What an estimate is: a figure, its interval and how that was made; data only, `estimates` computes them."""

from dataclasses import dataclass
from enum import StrEnum

CONFIDENCE = 0.95


class Method(StrEnum):
    """How an interval was made."""

    ORDER_STATISTIC = "order statistics (exact)"
    LOG_NORMAL = "log-normal tolerance limit"
    BOOTSTRAP = "percentile bootstrap by round"
    RANK_SUM = "rank-sum interval of pairwise ratios (exact)"
    RANK_SUM_WIDENED = "rank-sum interval of pairwise ratios, widened for a search and for correlated neighbours"
    THEIL_SEN = "Theil-Sen"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Interval:
    """Two limits in the unit of the figure and the probability with which such an interval holds the true figure."""

    low: float
    high: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure; `interval` is None where the data are too few for one. `n` counts values (rounds, for a ratio)."""

    value: float
    interval: Interval | None
    n: int
    method: Method


class Equivalence(StrEnum):
    """Whether two figures count as the same, by the interval of their ratio."""

    SAME = "same"
    DIFFERENT = "different"
    UNDECIDED = "undecided"


def equivalence(ratio: Estimate | None, margin: float) -> Equivalence:
    """Return whether a ratio is within 1 ± `margin`.

    Same if its interval lies inside, different if it lies wholly outside.

    Inclusion of the 95 % interval is two one-sided tests at 2.5 % each (Schuirmann 1987); no interval decides nothing.
    """
    if ratio is None or ratio.interval is None:
        return Equivalence.UNDECIDED
    low, high = 1 - margin, 1 + margin
    if low < ratio.interval.low and ratio.interval.high < high:
        return Equivalence.SAME
    if ratio.interval.low > high or ratio.interval.high < low:
        return Equivalence.DIFFERENT
    return Equivalence.UNDECIDED
