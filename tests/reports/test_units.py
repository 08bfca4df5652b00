"""Numbers as people read them never cross a bound and never lose their size."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbench.records.phases import Unit
from envreport.statistics.figures import Estimate, Interval, Method
from envreport.units import DURATIONS, MISSING, SIZES, estimate_text, percent, quantity

FACTORS = {name: factor for table in (DURATIONS, SIZES) for name, factor in table} | {"": 1.0}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, Unit.NS, MISSING),
        (0, Unit.NS, "0 ns"),
        (950, Unit.NS, "950 ns"),
        (1_500, Unit.NS, "1.50 µs"),
        (263_400_000, Unit.NS, "263 ms"),
        (4_470_000_000, Unit.NS, "4.47 s"),
        (90_000_000_000, Unit.NS, "90 s"),
        (900_000_000_000, Unit.NS, "15 min"),
        (2_400_000, Unit.BYTES, "2.29 MiB"),
        (1, Unit.BOOL, "yes"),
        (0, Unit.BOOL, "no"),
        (17.56, Unit.RATIO, "\N{MULTIPLICATION SIGN}17.6"),
        (2_500_000, Unit.PER_S, "2.50M/s"),
        (float("inf"), Unit.NS, "no limit"),
        (12, Unit.COUNT, "12"),
    ],
)
def test_quantities(value: float | None, unit: Unit, text: str) -> None:
    assert quantity(value, unit) == text


def test_a_rounded_number_stays_on_its_side() -> None:
    assert quantity(59_960_000_000, Unit.NS, 60e9) == "59.96 s"
    assert quantity(60_000_100_000, Unit.NS, 60e9) == "60.0001 s"
    assert quantity(60e9, Unit.NS, 60e9) == "60 s"


def _read(text: str) -> float:
    found = re.fullmatch(r"([-0-9.e\u202f+]+) ?(\S*)", text)
    assert found, text
    return float(found[1].replace("\u202f", "")) * FACTORS[found[2]]


@given(st.integers(1, 10**15), st.integers(1, 10**15), st.sampled_from([Unit.NS, Unit.BYTES]))
def test_never_across_a_bound(value: int, bound: int, unit: Unit) -> None:
    shown = _read(quantity(value, unit, bound))
    if value < bound:
        assert shown < bound
    elif value > bound:
        assert shown > bound
    assert shown == pytest.approx(value, rel=0.006)


def test_an_estimate_always_says_interval_and_n() -> None:
    estimate = Estimate(263e6, Interval(250e6, 280e6, 0.96), 20, Method.ORDER_STATISTIC)
    assert estimate_text(estimate, Unit.NS) == "263 ms [250 ms, 280 ms], n = 20"
    assert estimate_text(Estimate(263e6, None, 3, Method.NONE), Unit.NS) == "263 ms no interval, n = 3"
    assert estimate_text(None, Unit.NS) == MISSING


def test_shares() -> None:
    assert percent(0.45) == "45 %"
    assert percent(0.004) == "0.40 %"
