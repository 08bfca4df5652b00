"""Figures with their uncertainty: plain numbers in, estimates with intervals out.

Too little data gives None, never a guess.

Methods and what they assume are told in docs/method.md. Order statistics need no assumption on the distribution, which
is why they head every table: start times are skewed and have outliers, and intervals of a mean then miss far too often.
"""

import math
import sys
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from envreport.statistics.figures import CONFIDENCE, Estimate, Interval, Method

RESAMPLES = 10_000
MANY_ROUNDS, RESAMPLES_OF_MANY = 500, 2_000
"""With this many rounds the interval is so narrow that fewer resamples give the same digits in a fifth of the time."""
BOOTSTRAP_SEED = 20_220_523
"""Fixed and printed, so that anyone gets the same interval from the same rows."""
MIN_INTERVAL_SAMPLES = 6
"""The exact interval of the median needs six values: 1 - 2 * 0.5**6 = 96.9 %, five give 93.75 %."""
MIN_LOG_NORMAL_SAMPLES = 5
CHUNK_CELLS, UNPAIRED_CHUNK_CELLS = 500_000, 4_000_000
"""So many cells of draws are held at once. Unpaired sides draw in turns, so that another size would draw others."""
DRAWN_CELLS, LEAST_RESAMPLES = 200_000_000, 400
"""So many values are drawn in all: a series of hundreds of thousands gets fewer resamples, never less than these."""
EXACT_PAIRS = 2_500
"""Up to this many pairs the rank-sum interval is exact; above it the normal limit of the statistic is as good."""
EXACT_TEST_PAIRS = 400
"""Up to this many pairs the rank-sum test is exact."""
MOST_POINTS = 1_000
"""Methods over all pairs take this many values of a side at most, evenly from the sorted ones."""


def median(values: Sequence[float]) -> Estimate | None:
    """Return the median with its exact order-statistic interval; None for no values (binomial, Conover 1999 §3.2)."""
    return quantile(values, 0.5, extrapolate=False)


def quantile(values: Sequence[float], p: float, *, extrapolate: bool = True) -> Estimate | None:
    """Return the p-quantile (type 7, as numpy) with an interval; None for no values.

    Where n is too small for an exact interval (p95 needs 72 values) and `extrapolate` is on, the limits are log-normal
    tolerance limits, widened to the observed extreme; they need positive values, and `method` says that they were used.
    """
    if not values:
        return None
    ordered = np.sort(np.asarray(values, dtype=float))
    value = _type7(ordered, p)
    n = len(ordered)
    ranks = order_ranks(n, p)
    if ranks is not None and n >= MIN_INTERVAL_SAMPLES:
        low, high, coverage = ranks
        interval = Interval(float(ordered[low - 1]), float(ordered[high - 1]), coverage)
        return Estimate(value, interval, n, Method.ORDER_STATISTIC)
    if extrapolate and n >= MIN_LOG_NORMAL_SAMPLES and ordered[0] > 0 and math.isfinite(ordered[-1]):
        return Estimate(value, _log_normal_limits(ordered, p, value), n, Method.LOG_NORMAL)
    return Estimate(value, None, n, Method.NONE)


def _type7(ordered: NDArray[np.float64], p: float) -> float:
    position = p * (len(ordered) - 1)
    below = math.floor(position)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    if low == high:  # also infinities, that numpy's interpolation turns into nan
        return low
    return low + (high - low) * (position - below)


@lru_cache(maxsize=1024)
def order_ranks(n: int, p: float, confidence: float = CONFIDENCE) -> tuple[int, int, float] | None:
    """Return (low rank, high rank, achieved coverage), ranks from 1, of the interval of the p-quantile.

    None if n is too small.
    """
    tail = (1 - confidence) / 2
    low = bisect_left(range(n), True, key=lambda most: bool(special.bdtr(most, n, p) >= tail))
    high = bisect_left(range(n), True, key=lambda most: bool(special.bdtrc(most, n, p) <= tail)) + 1
    if low < 1 or high > n:
        return None
    return low, high, float(special.bdtr(high - 1, n, p) - special.bdtr(low - 1, n, p))


def _log_normal_limits(ordered: NDArray[np.float64], p: float, value: float) -> Interval:
    """Return tolerance limits of the logarithms by the non-central t (Hahn & Meeker 1991 §4.4).

    No tighter than what was seen.
    """
    n = len(ordered)
    logs = np.log(ordered)
    centre, spread = float(np.mean(logs)), float(np.std(logs, ddof=1))
    if spread == 0:
        return Interval(value, value, CONFIDENCE)
    shift = float(special.ndtri(p)) * math.sqrt(n)
    low_factor, high_factor = _tolerance_factors(n, shift)
    low, high = _exp(centre + low_factor * spread), _exp(centre + high_factor * spread)
    if p > 0.5:
        high = max(high, float(ordered[-1]))
    if p < 0.5:
        low = min(low, float(ordered[0]))
    return Interval(min(low, value), max(high, value), CONFIDENCE)


def _exp(exponent: float) -> float:
    """Return e to this power; beyond the largest float there is no limit."""
    return math.exp(exponent) if exponent < math.log(sys.float_info.max) else math.inf


@lru_cache(maxsize=1024)
def _tolerance_factors(n: int, shift: float) -> tuple[float, float]:
    from scipy import stats  # noqa: PLC0415 -- half a second that few questions need

    low, high = (float(stats.nct.ppf(tail, n - 1, shift)) for tail in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return low / math.sqrt(n), high / math.sqrt(n)


Blocks = Mapping[int, Sequence[float]]
"""Values by round: what was measured close together is resampled together."""


def ratio_of_medians(numerator: Blocks, denominator: Blocks, *, paired: bool = True) -> Estimate | None:
    """Return median(numerator) / median(denominator) with a percentile-bootstrap interval.

    None if a side is empty or a median is 0.

    `paired`: both sides come from one interleaved schedule and rounds are drawn together; otherwise each side draws
    its own.
    """
    top, bottom = _flat(numerator), _flat(denominator)
    if not top or not bottom:
        return None
    divisor = float(np.median(bottom))
    if divisor == 0:
        return None
    value = float(np.median(top)) / divisor
    shared = sorted(set(numerator) | set(denominator)) if paired else None
    rounds = min(len(numerator), len(denominator))
    if rounds < MIN_INTERVAL_SAMPLES:
        return Estimate(value, None, rounds, Method.NONE)
    every = (_paired_ratios if paired else _unpaired_ratios)(_pool(numerator, shared), _pool(denominator, shared))
    drawn = every[np.isfinite(every)]
    if len(drawn) < len(every) / 10:
        return Estimate(value, None, rounds, Method.NONE)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value, Interval(float(low), float(high), CONFIDENCE), rounds, Method.BOOTSTRAP)


def ratio(numerator: Blocks, denominator: Blocks, *, paired: bool = True) -> Estimate | None:
    """Return the ratio of medians with the bootstrap's interval, or the rank-sum one where rounds are too few for it.

    The second is exact from four values a side (5 and 3, 14 and 2), if both sides differ by a factor only (Lehmann
    1963); fewer give no interval. None where a side is empty or the median to divide by is 0.
    """
    estimate = ratio_of_medians(numerator, denominator, paired=paired)
    if estimate is None or estimate.interval is not None:
        return estimate
    top, bottom = _flat(numerator), _flat(denominator)
    interval = _rank_sum_interval(top, bottom)
    if interval is None:
        return estimate
    held = Interval(min(interval.low, estimate.value), max(interval.high, estimate.value), interval.coverage)
    return Estimate(estimate.value, held, min(len(top), len(bottom)), Method.RANK_SUM)


def typical_ratio(top: Sequence[float], bottom: Sequence[float]) -> Estimate | None:
    """Return the median of all ratios of a value of `top` to one of `bottom` (Hodges and Lehmann 1963).

    Its interval is the rank-sum one; None where a side is empty or holds a value that is not above 0.
    """
    if not top or not bottom or min(*top, *bottom) <= 0:
        return None
    ratios = np.divide.outer(np.asarray(_thinned(top)), np.asarray(_thinned(bottom)))
    return Estimate(
        float(np.median(ratios)), _rank_sum_interval(top, bottom), min(len(top), len(bottom)), Method.RANK_SUM
    )


def _rank_sum_interval(top: Sequence[float], bottom: Sequence[float]) -> Interval | None:
    """Return the interval of pairwise ratios between the ranks where the Mann-Whitney statistic leaves 2.5 %."""
    if min(*top, *bottom) <= 0:
        return None
    top, bottom = _thinned(top), _thinned(bottom)
    cut, outside = _rank_sum_cut(len(top), len(bottom))
    if cut == 0:
        return None
    ratios = np.sort(np.divide.outer(np.asarray(top), np.asarray(bottom)).ravel())
    return Interval(float(ratios[cut - 1]), float(ratios[-cut]), 1 - 2 * outside)


def rank_sum_probability(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p-value of Mann and Whitney's test (1947) that neither side tends to larger values.

    Exact for few pairs without ties, else by the normal limit with the corrections for ties and for continuity. Raises
    ValueError for an empty side.
    """
    m, n = len(first), len(second)
    if not (m and n):
        raise ValueError("a rank-sum test needs values on both sides")
    both, ties = np.unique(np.concatenate([first, second]), return_counts=True)
    ranks = np.cumsum(ties) - (ties - 1) / 2
    u = float(np.sum(ranks[np.searchsorted(both, first)])) - m * (m + 1) / 2
    farther = max(u, m * n - u)
    if len(both) == m + n and m * n <= EXACT_TEST_PAIRS:
        counts = _mann_whitney_counts(m, n)
        return min(1.0, 2 * sum(counts[int(farther) :]) / sum(counts))
    spread = math.sqrt(m * n / 12 * (m + n + 1 - float(np.sum(ties**3 - ties)) / ((m + n) * (m + n - 1))))
    if spread == 0:
        return 1.0
    return min(1.0, 2 * float(special.ndtr(-(farther - m * n / 2 - 0.5) / spread)))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in the order given (Holm 1979)."""
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    adjusted, highest = [0.0] * len(order), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * probabilities[index]))
        adjusted[index] = highest
    return adjusted


def _thinned(values: Sequence[float]) -> Sequence[float]:
    """Return at most `MOST_POINTS` of these values, evenly from the sorted ones."""
    return values if len(values) <= MOST_POINTS else sorted(values)[:: math.ceil(len(values) / MOST_POINTS)]


@lru_cache(maxsize=1024)
def _rank_sum_cut(m: int, n: int) -> tuple[int, float]:
    """Return how many of the sorted pairs lie outside at each end, and the probability of that; 0 where none can."""
    limit = (1 - CONFIDENCE) / 2
    if m * n > EXACT_PAIRS:
        spread = math.sqrt(m * n * (m + n + 1) / 12)
        return int(m * n / 2 + special.ndtri(limit) * spread), limit
    counts = _mann_whitney_counts(m, n)
    total, cut, below = sum(counts), 0, 0
    while cut < len(counts) and (below + counts[cut]) / total <= limit:
        below += counts[cut]
        cut += 1
    return cut, below / total


@lru_cache(maxsize=64)
def _mann_whitney_counts(m: int, n: int) -> list[int]:
    """Return how many of the C(m+n, m) orders give each value 0..mn of the Mann-Whitney statistic."""
    counts = [[1]] * (n + 1)
    for size in range(1, m + 1):
        line = [[1]]
        for other in range(1, n + 1):
            with_top, with_bottom = counts[other], line[other - 1]
            merged = [0] * (size * other + 1)
            for value, count in enumerate(with_top):
                merged[value + other] += count
            for value, count in enumerate(with_bottom):
                merged[value] += count
            line.append(merged)
        counts = line
    return counts[n]


def _flat(blocks: Blocks) -> list[float]:
    return [value for values in blocks.values() for value in values]


class Pool(NamedTuple):
    """The values of a side in order of size, each with the number of its round, and how many rounds there are.

    A median of drawn rounds is then the middle of the values, each counted as often as its round was drawn: one pass
    over them, whatever their number and however unequal the rounds.
    """

    values: NDArray[np.float64]
    rounds: NDArray[np.intp]
    round_count: int


def _pool(blocks: Blocks, rounds: Sequence[int] | None) -> Pool:
    lines = [blocks.get(each, ()) for each in (sorted(blocks) if rounds is None else rounds)]
    values = np.asarray([value for line in lines for value in line], dtype=float)
    numbers = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    order = np.argsort(values, kind="stable")
    return Pool(values[order], numbers[order], len(lines))


def _paired_ratios(top: Pool, bottom: Pool) -> NDArray[np.float64]:
    medians = (
        _resampled_medians(
            side.values.tobytes(),
            side.rounds.tobytes(),
            side.round_count,
            _resamples(side.round_count, len(side.values)),
        )
        for side in (top, bottom)
    )
    return _quotients(*medians)


@lru_cache(maxsize=256)
def _resampled_medians(values: bytes, rounds: bytes, round_count: int, resamples: int) -> NDArray[np.float64]:
    """Return the median of each of so many resamples of these rounds.

    The seed is fixed, so backends with the same rounds see the same draws, and a backend's resamples serve all its
    pairs.
    """
    pool = Pool(np.frombuffer(values), np.frombuffer(rounds, dtype=np.intp), round_count)
    drawn = _draws(round_count, resamples)
    sizes = _chunks(len(drawn), max(round_count, len(pool.values)))
    ends = np.cumsum(list(sizes))
    return np.concatenate([_medians(pool, times) for times in np.split(drawn, ends[:-1])])


@lru_cache(maxsize=2)
def _draws(round_count: int, resamples: int) -> NDArray[np.uint8]:
    """Return how often each of these rounds was drawn in each resample: the same for every backend with so many."""
    random = np.random.default_rng(BOOTSTRAP_SEED)
    return np.concatenate([_times(round_count, random, size) for size in _chunks(resamples, round_count)])


def _unpaired_ratios(top: Pool, bottom: Pool) -> NDArray[np.float64]:
    most = max(len(top.values), len(bottom.values))
    random = np.random.default_rng(BOOTSTRAP_SEED)
    resamples = _resamples(max(top.round_count, bottom.round_count), most)
    sizes = _chunks(resamples, len(top.values) + len(bottom.values), UNPAIRED_CHUNK_CELLS)
    medians = ([_medians(side, _times(side.round_count, random, size)) for side in (top, bottom)] for size in sizes)
    return np.concatenate([_quotients(*each) for each in medians])


def _resamples(rounds: int, cells: int) -> int:
    usual = RESAMPLES if rounds < MANY_ROUNDS else RESAMPLES_OF_MANY
    return min(usual, max(LEAST_RESAMPLES, DRAWN_CELLS // max(1, cells)))


def _chunks(resamples: int, cells: int, most: int = CHUNK_CELLS) -> Iterator[int]:
    """Yield how many resamples to draw at once, so that their cells fit into memory."""
    chunk = max(1, min(resamples, most // max(1, cells)))
    yield from (min(chunk, resamples - start) for start in range(0, resamples, chunk))


def _times(round_count: int, random: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Return how often each round is drawn in each of this many resamples of all of them.

    A byte holds it: where 256 rounds and more are there, one is drawn 256 times with a chance of 1 in 256!.
    """
    drawn = random.integers(0, round_count, (size, round_count))
    drawn += np.arange(size)[:, None] * round_count
    return np.bincount(drawn.ravel(), minlength=size * round_count).astype(np.uint8).reshape(size, round_count)


def _medians(pool: Pool, times: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the median of each resample; nan where rounds without a value were drawn alone."""
    reached = np.cumsum(np.take(times, pool.rounds, axis=1), axis=1, dtype=np.int32)  # at most all values' rounds
    total = reached[:, -1]
    return np.where(total > 0, (_at(pool, reached, (total - 1) // 2) + _at(pool, reached, total // 2)) / 2, np.nan)


def _at(pool: Pool, reached: NDArray[np.int32], ranks: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the value of this rank, from 0, in each resample, by how many values each of the pool's reaches.

    All resamples are halved at once until each has its place: the first value that reaches beyond the rank.
    """
    low, high = np.zeros(len(ranks), dtype=np.intp), np.full(len(ranks), len(pool.values), dtype=np.intp)
    rows = np.arange(len(ranks))
    for _ in range(len(pool.values).bit_length()):
        middle = np.minimum((low + high) // 2, len(pool.values) - 1)
        beyond = reached[rows, middle] > ranks
        low, high = np.where(beyond | (low >= high), low, middle + 1), np.where(beyond, middle, high)
    return pool.values[np.minimum(low, len(pool.values) - 1)]


def _quotients(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return top / bottom


def slope(x: Sequence[float], y: Sequence[float]) -> Estimate | None:
    """Return the Theil-Sen slope of y over x with its interval (Sen 1968).

    None unless three points at two places of x exist.
    """
    if len(x) < 3 or len(set(x)) < 2:
        return None
    from scipy import stats  # noqa: PLC0415 -- half a second that few questions need

    step = math.ceil(len(x) / MOST_POINTS)
    found = stats.theilslopes(np.asarray(y[::step], dtype=float), np.asarray(x[::step], dtype=float), CONFIDENCE)
    low, high = float(found.low_slope), float(found.high_slope)
    interval = Interval(low, high, CONFIDENCE) if len(x) >= MIN_INTERVAL_SAMPLES and math.isfinite(low + high) else None
    return Estimate(float(found.slope), interval, len(x), Method.THEIL_SEN)
