"""Statistics held against their definitions, by property and by simulation."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import quantile_test

from envreport.statistics import estimates
from envreport.statistics.figures import Equivalence, Estimate, Interval, Method, equivalence

values = st.lists(st.floats(1e-3, 1e15, allow_nan=False), min_size=1, max_size=60)


def rounds(data: list[float]) -> dict[int, list[float]]:
    return {index: [value] for index, value in enumerate(data)}


def test_nothing_gives_nothing() -> None:
    assert estimates.median([]) is None
    assert estimates.quantile([], 0.95) is None
    assert estimates.ratio({}, {0: [1.0]}) is None
    assert estimates.ratio({0: [1.0]}, {0: [0.0]}) is None
    assert estimates.slope([1, 2], [1, 2]) is None


@given(values)
def test_median_is_numpys_and_lies_in_its_interval(data: list[float]) -> None:
    found = estimates.median(data)
    assert found is not None
    assert found.value == pytest.approx(float(np.median(data)))
    assert found.n == len(data)
    if len(data) < 6:
        assert found.interval is None
    else:
        assert found.interval is not None
        assert found.interval.low <= found.value <= found.interval.high
        assert found.interval.coverage >= 0.95
        assert {found.interval.low, found.interval.high} <= set(data)


def test_six_values_give_their_range_with_the_exact_coverage() -> None:
    found = estimates.median([5.0, 1.0, 4.0, 2.0, 3.0, 9.0])
    assert found is not None
    assert found.interval == Interval(1.0, 9.0, 1 - 2 * 0.5**6)


@pytest.mark.parametrize("n", [6, 10, 20, 37])
def test_ranks_agree_with_scipy(n: int) -> None:
    data = np.arange(1.0, n + 1)
    limits = quantile_test(data, p=0.5).confidence_interval(0.95)
    found = estimates.median(list(data))
    assert found is not None
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (limits.low, limits.high)


def test_p95_is_exact_from_72_values_on_and_says_when_it_is_not() -> None:
    few, many = ([float(each) for each in range(1, n + 1)] for n in (71, 100))
    assert estimates.order_ranks(71, 0.95) is None
    found = estimates.quantile(many, 0.95)
    assert found is not None
    assert found.method is Method.ORDER_STATISTIC
    guessed = estimates.quantile(few, 0.95)
    assert guessed is not None
    assert guessed.method is Method.LOG_NORMAL
    assert guessed.interval is not None
    assert guessed.interval.high >= 71
    assert estimates.quantile([1.0] * 4, 0.95) == Estimate(1.0, None, 4, Method.NONE)


def test_log_normal_limit_covers_the_true_p95() -> None:
    random = np.random.default_rng(5)
    true = math.exp(0.4 * 1.6448536)
    held = 0
    for _ in range(400):
        found = estimates.quantile(list(np.exp(random.normal(0, 0.4, 15))), 0.95)
        assert found is not None
        assert found.interval is not None
        held += found.interval.low <= true <= found.interval.high
    assert held / 400 >= 0.93


def test_median_interval_holds_its_coverage_with_outliers() -> None:
    random = np.random.default_rng(6)
    held = 0
    for _ in range(500):
        data = random.lognormal(0, 0.3, 20) * np.where(random.random(20) < 0.03, 3, 1)
        found = estimates.median(list(data))
        assert found is not None
        assert found.interval is not None
        held += found.interval.low <= 1.0 <= found.interval.high
    assert held / 500 >= 0.93


def test_ratio_bootstrap_covers_and_is_the_same_every_time() -> None:
    random = np.random.default_rng(7)
    held = 0
    for _ in range(60):
        shared = random.lognormal(0, 0.2, 20)  # what a round has in common
        top, bottom = 3 * shared * random.lognormal(0, 0.05, 20), shared * random.lognormal(0, 0.05, 20)
        found = estimates.ratio_of_medians(rounds(list(top)), rounds(list(bottom)))
        assert found is not None
        assert found.interval is not None
        held += found.interval.low <= 3 <= found.interval.high
        assert found == estimates.ratio_of_medians(rounds(list(top)), rounds(list(bottom)))
    assert held >= 52


def test_ratio_bears_rounds_that_one_side_missed() -> None:
    top = {index: [2.0 + index / 100] for index in range(10)}
    bottom = {index: [1.0 + index / 100] for index in range(3, 13)}
    found = estimates.ratio_of_medians(top, bottom)
    assert found is not None
    assert found.interval is not None
    assert 1.5 < found.interval.low <= found.value <= found.interval.high < 2.3


def test_few_rounds_use_the_rank_sum_interval_and_fewer_none() -> None:
    four = estimates.ratio(rounds([10.0, 11, 12, 13]), rounds([1.0, 1.1, 1.2, 1.3]))
    assert four is not None
    assert four.method is Method.RANK_SUM
    assert four.interval == Interval(10 / 1.3, 13 / 1.0, 1 - 2 / 70)
    three = estimates.ratio(rounds([10.0, 11, 12]), rounds([1.0, 1.1, 1.2]))
    assert three is not None
    assert three.interval is None


@given(st.integers(1, 8), st.integers(1, 8))
def test_mann_whitney_counts_every_order(m: int, n: int) -> None:
    counts = estimates._mann_whitney_counts(m, n)
    assert sum(counts) == math.comb(m + n, m)
    assert len(counts) == m * n + 1
    assert counts == counts[::-1]


def test_slope_is_theil_sen() -> None:
    x = [float(each) for each in range(10)]
    found = estimates.slope(x, [3 * each + 1 for each in x])
    assert found is not None
    assert found.value == pytest.approx(3)
    assert found.interval is not None
    assert estimates.slope([1, 1, 1], [1, 2, 3]) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.96, 1.04, Equivalence.SAME),
        (0.95, 1.04, Equivalence.UNDECIDED),
        (0.96, 1.05, Equivalence.UNDECIDED),
        (1.05, 1.2, Equivalence.UNDECIDED),
        (1.06, 1.2, Equivalence.DIFFERENT),
        (0.7, 0.94, Equivalence.DIFFERENT),
        (0.7, 1.5, Equivalence.UNDECIDED),
    ],
)
def test_equivalence_at_its_edges(low: float, high: float, expected: Equivalence) -> None:
    ratio = Estimate(1.0, Interval(low, high, 0.95), 20, Method.BOOTSTRAP)
    assert equivalence(ratio, 0.05) is expected


def test_no_interval_is_never_equivalent() -> None:
    assert equivalence(None, 0.05) is Equivalence.UNDECIDED
    assert equivalence(Estimate(1.0, None, 3, Method.NONE), 0.05) is Equivalence.UNDECIDED


def test_the_rank_sum_interval_of_many_pairs_is_near_the_exact_one() -> None:
    exact, _ = estimates._rank_sum_cut(50, 50)
    many = int(50 * 50 / 2 - 1.959964 * math.sqrt(50 * 50 * 101 / 12))
    assert abs(exact - many) <= 2


@pytest.mark.parametrize(("rounds", "each"), [(3, 20_000), (5, 5_000), (499, 200)])
def test_many_values_in_few_rounds_still_give_an_interval(rounds: int, each: int) -> None:
    side = {number: [100.0 + index % 7 for index in range(each)] for number in range(rounds)}
    found = estimates.ratio(side, side)
    assert found is not None
    assert found.interval is not None
    assert found.interval.low <= 1 <= found.interval.high


ANY_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
RAGGED = st.lists(st.lists(st.floats(0.5, 2.0), max_size=5), min_size=6, max_size=12).filter(any)


@given(RAGGED)
def test_a_resamples_median_is_that_of_its_rounds_values(lines: list[list[float]]) -> None:
    pool = estimates._pool(dict(enumerate(lines)), None)
    found = estimates._medians(pool, estimates._times(pool.round_count, np.random.default_rng(3), 20))
    drawn = np.random.default_rng(3).integers(0, len(lines), (20, len(lines)))
    for median, row in zip(found, drawn, strict=True):
        values_drawn = [value for number in row for value in lines[number]]
        assert math.isnan(median) if not values_drawn else median == pytest.approx(float(np.median(values_drawn)))


@given(st.lists(ANY_FLOAT, min_size=1, max_size=40), st.sampled_from([0.05, 0.5, 0.95, 0.99]))
def test_a_quantile_of_any_finite_numbers_lies_in_its_interval(data: list[float], p: float) -> None:
    found = estimates.quantile([abs(each) for each in data], p)
    assert found is not None
    assert found.interval is None or found.interval.low <= found.value <= found.interval.high


@given(st.lists(ANY_FLOAT, min_size=1, max_size=20), st.lists(ANY_FLOAT, min_size=1, max_size=20), st.booleans())
def test_a_ratio_of_any_finite_numbers_is_no_surprise(top: list[float], bottom: list[float], paired: bool) -> None:
    with np.errstate(all="ignore"):
        found = estimates.ratio(rounds(top), rounds(bottom), paired=paired)
    assert found is None or found.interval is None or not found.interval.low > found.interval.high


def test_another_number_of_resamples_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(7)
    top, bottom = (rounds(list(random.lognormal(size=20))) for _ in range(2))
    many = estimates.ratio_of_medians(top, bottom)
    monkeypatch.setattr(estimates, "RESAMPLES", 1000)
    few = estimates.ratio_of_medians(top, bottom)
    assert many is not None
    assert few is not None
    assert few.interval != many.interval


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40), st.lists(st.integers(0, 1000), min_size=1, max_size=40))
def test_the_rank_sum_test_is_scipys(first: list[int], second: list[int]) -> None:
    found = estimates.rank_sum_probability([float(value) for value in first], [float(value) for value in second])
    tied = len({*first, *second}) < len(first) + len(second)
    method = "exact" if not tied and len(first) * len(second) <= estimates.EXACT_TEST_PAIRS else "asymptotic"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all values alike: scipy divides by a spread of 0
        asked = float(stats.mannwhitneyu(first, second, alternative="two-sided", method=method).pvalue)
    assert found == pytest.approx(1.0 if math.isnan(asked) else asked, abs=1e-12)


@given(st.integers(1, 3000), st.sampled_from([0.05, 0.25, 0.5, 0.75, 0.95, 0.99]))
def test_the_ranks_of_a_quantile_are_the_binomials(n: int, p: float) -> None:
    binomial = stats.binom(n, p)
    low = int(binomial.ppf(0.025))
    high = int(binomial.isf(0.025)) + 1
    found = estimates.order_ranks(n, p)
    assert (found is None) == (low < 1 or high > n)
    if found is not None:
        assert found[:2] == (low, high)
        assert found[2] == pytest.approx(binomial.cdf(high - 1) - binomial.cdf(low - 1))


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_lowers_a_p_and_keeps_their_order(probabilities: list[float]) -> None:
    adjusted = estimates.holm(probabilities)
    assert all(before <= after <= 1 for before, after in zip(probabilities, adjusted, strict=True))
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    assert [adjusted[index] for index in order] == sorted(adjusted)


def test_holm_as_in_the_books() -> None:
    assert estimates.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
