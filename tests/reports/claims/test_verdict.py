"""Verdict logic at its edges: bounds that are touched, answers that differ, parts that are missing, emulation."""

import math
from itertools import product

import pytest

from envreport.claims.verdict import (
    Answer,
    Quantifier,
    Relation,
    TcgBias,
    Weighed,
    both,
    compare,
    compare_exact,
    needed_samples,
    unite,
    weigh,
)
from envreport.statistics.figures import Estimate, Interval, Method

HOLDS, FAILS, OPEN = Answer
MORE, LESS = Relation


@pytest.mark.parametrize(
    ("low", "high", "relation", "expected"),
    [
        (61, 70, MORE, HOLDS),
        (60, 70, MORE, OPEN),
        (50, 60, MORE, OPEN),
        (50, 70, MORE, OPEN),
        (50, 59, MORE, FAILS),
        (60, 60, MORE, OPEN),
        (50, 59, LESS, HOLDS),
        (50, 60, LESS, OPEN),
        (61, 70, LESS, FAILS),
        (50, math.inf, LESS, OPEN),
        (61, math.inf, LESS, FAILS),
        (math.nan, 70, MORE, OPEN),
    ],
)
def test_an_interval_that_touches_decides_nothing(
    low: float, high: float, relation: Relation, expected: Answer
) -> None:
    assert compare(Interval(low, high, 0.95), relation, 60) is expected


def test_no_interval_decides_nothing() -> None:
    assert compare(None, MORE, 0) is OPEN


def test_exact_figures_need_to_agree() -> None:
    assert compare_exact([], LESS, 1) is OPEN
    assert compare_exact([0, 0], LESS, 1) is HOLDS
    assert compare_exact([0, 2], LESS, 1) is OPEN
    assert compare_exact([1], LESS, 1) is FAILS
    assert compare_exact([1], MORE, 1) is FAILS


@pytest.mark.parametrize("answers", list(product(Answer, repeat=2)))
def test_quantifiers(answers: tuple[Answer, Answer]) -> None:
    agree, every, some = (unite(answers, each) for each in Quantifier)
    assert (agree is HOLDS) == (every is HOLDS) == (set(answers) == {HOLDS})
    assert (agree is FAILS) == (some is FAILS) == (set(answers) == {FAILS})
    assert (every is FAILS) == (FAILS in answers)
    assert (some is HOLDS) == (HOLDS in answers)
    assert unite((), Quantifier.ALL) is OPEN


@pytest.mark.parametrize(
    ("answers", "bias", "expected"),
    [
        ([(HOLDS, "kvm")], TcgBias.TOWARDS, Weighed(HOLDS)),
        ([(HOLDS, "tcg")], TcgBias.TOWARDS, Weighed(HOLDS, tcg_only=True)),
        ([(HOLDS, "")], TcgBias.TOWARDS, Weighed(HOLDS, tcg_only=True)),
        ([(FAILS, "tcg")], TcgBias.TOWARDS, Weighed(FAILS)),
        ([(FAILS, "tcg")], TcgBias.AWAY, Weighed(FAILS, tcg_only=True)),
        ([(HOLDS, "tcg")], TcgBias.AWAY, Weighed(HOLDS)),
        ([(HOLDS, "tcg")], TcgBias.NONE, Weighed(HOLDS)),
        ([(HOLDS, "tcg"), (FAILS, "kvm")], TcgBias.TOWARDS, Weighed(FAILS)),
        ([(FAILS, "tcg"), (HOLDS, "kvm")], TcgBias.TOWARDS, Weighed(HOLDS)),
        ([(FAILS, "tcg"), (HOLDS, "kvm")], TcgBias.NONE, Weighed(OPEN)),
        ([(HOLDS, None)], TcgBias.TOWARDS, Weighed(HOLDS)),
        ([(OPEN, "tcg")], TcgBias.TOWARDS, Weighed(OPEN)),
        ([(HOLDS, "tcg"), (FAILS, "tcg")], TcgBias.TOWARDS, Weighed(OPEN)),
    ],
)
def test_emulation_never_speaks_for_hardware(
    answers: list[tuple[Answer, str | None]], bias: TcgBias, expected: Weighed
) -> None:
    assert weigh(answers, Quantifier.AGREE, bias) == expected


def test_parts() -> None:
    assert both([]) is None
    assert both([Weighed(HOLDS), None]) is None
    assert both([Weighed(FAILS), None]) == Weighed(FAILS)
    assert both([Weighed(HOLDS), Weighed(OPEN)]) == Weighed(OPEN)
    assert both([Weighed(HOLDS), Weighed(HOLDS, tcg_only=True)]) == Weighed(HOLDS, tcg_only=True)
    assert both([Weighed(FAILS), Weighed(FAILS, tcg_only=True)]) == Weighed(FAILS)


def test_what_more_samples_would_cost() -> None:
    near = Estimate(61.0, Interval(57, 65, 0.95), 20, Method.ORDER_STATISTIC)
    assert needed_samples(near, 60) == 320
    assert needed_samples(Estimate(60.0, near.interval, 20, near.method), 60) is None
    assert needed_samples(Estimate(61.0, None, 3, Method.NONE), 60) is None
    assert needed_samples(Estimate(61.0, Interval(57, math.inf, 0.95), 20, near.method), 70) is None
