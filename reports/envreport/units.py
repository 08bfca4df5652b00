"""Numbers as people read them: units of their size, three digits, and never rounded across a bound.

The raw rows stay integers in nanoseconds and bytes; this is for reading only.
"""

import math
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from envbench.records.phases import Unit
from envreport.statistics.figures import Estimate, Interval

WITHIN_NOISE = "within the noise"
MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EM DASH}"
MICRO, GREEK_MU = "\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}"
"""Keyboards have the one or the other."""
MEDIAN = "median"
RATIO_OF_MEDIANS = "ratio of medians"
TIMES = "\N{MULTIPLICATION SIGN}"
DIGITS = 3
MAX_DIGITS = 17
DURATIONS = (("min", 60e9), ("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0))
SIZES = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))
RATES = (("G/s", 1e9), ("M/s", 1e6), ("k/s", 1e3), ("/s", 1.0))
GIGABYTE = 1e9
MINUTES_FROM_NS = 600e9
"""Below ten minutes people compare seconds more easily."""


def scale_for(value: float, unit: Unit | str) -> tuple[str, float]:
    """Return the name and size of the unit in which a number of this magnitude reads best."""
    size = abs(value)
    match unit:
        case Unit.NS:
            table = DURATIONS if size >= MINUTES_FROM_NS else DURATIONS[1:]
        case Unit.BYTES:
            table = SIZES
        case Unit.PER_S:
            table = RATES
        case _:
            return "", 1.0
    return next(((name, factor) for name, factor in table if size >= factor), table[-1])


def quantity(value: float | None, unit: Unit | str, bound: float | None = None) -> str:
    """Return a number with its unit, e.g. "263 ms"; a dash where it is missing.

    `bound` is in the same unit: digits are added until the rounded number stands on the same side of it.
    """
    if value is None:
        return MISSING
    if unit == Unit.BOOL:
        return "yes" if value else "no"
    name, factor = scale_for(value, unit)
    if math.isinf(value):
        return "no limit" if value > 0 else "no lower limit"
    text = _digits(value / factor, None if bound is None else bound / factor)
    prefix = TIMES if unit == Unit.RATIO else ""
    space = "" if not name or name.startswith(("/", "k/", "M/", "G/")) else " "
    return f"{prefix}{text}{space}{name}"


def difference(value: float, unit: Unit | str) -> str:
    """Return a difference with its sign, e.g. "+11 MiB"."""
    return f"{'+' if value > 0 else MINUS if value < 0 else ''}{quantity(abs(value), unit)}"


def shown(value: float | None, unit: Unit | str, *, noisy: bool, interval: Interval | None = None) -> str:
    """Return a figure, or that it cannot be told from 0 where other work on the machine changes it as much."""
    low = interval.low if interval else value
    if noisy and value is not None and low is not None and (value <= 0 or low <= 0):
        return WITHIN_NOISE
    return quantity(value, unit)


def bound_text(bound: float, unit: Unit | str) -> str:
    """Return a bound in the unit in which it is a round number: 10^9 bytes are "1 GB", not 953.67 MiB."""
    if unit == Unit.BYTES and bound >= GIGABYTE and bound % GIGABYTE == 0:
        return f"{bound / GIGABYTE:g} GB"
    return quantity(bound, unit)


def _digits(number: float, bound: float | None, fewest: int = DIGITS) -> str:
    text = _round(number, fewest)
    if bound is None or number == bound:
        return text
    for digits in range(fewest, MAX_DIGITS + 1):
        text = _round(number, digits)
        if (float(text.replace("\u202f", "")) > bound) == (number > bound) and float(
            text.replace("\u202f", "")
        ) != bound:
            return text
    return repr(number)


def _round(number: float, digits: int) -> str:
    """Return plain decimals with this many significant digits.

    Whole numbers keep all theirs, grouped by thin spaces.
    """
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{decimals}f}".replace(",", "\u202f")
    if float(number).is_integer() and decimals:
        text = text.rstrip("0").rstrip(".")
    return text


def interval_text(interval: Interval | None, unit: Unit | str, bound: float | None = None) -> str:
    """Return "[250 ms, 280 ms]"; "no interval" where there is none."""
    if interval is None:
        return "no interval"
    return f"[{quantity(interval.low, unit, bound)}, {quantity(interval.high, unit, bound)}]"


def estimate_text(
    estimate: Estimate | None, unit: Unit | str, bound: float | None = None, *, statistic: str = ""
) -> str:
    """Return "263 ms [250 ms, 280 ms], n = 20"; a dash where nothing was measured.

    `statistic` stands before it where no heading names it: "median 263 ms …".
    """
    if estimate is None:
        return MISSING
    figure = (
        f"{quantity(estimate.value, unit, bound)} {interval_text(estimate.interval, unit, bound)}, n = {estimate.n}"
    )
    return f"{statistic} {figure}".lstrip()


def quantile_name(p: float) -> str:
    """Return what a quantile is called: "median", "p95"."""
    return MEDIAN if p == 0.5 else f"p{p * 100:g}"


def frequency(hertz: float) -> str:
    """Return a clock rate, e.g. "2.60 GHz"."""
    return f"{_round(hertz / 1e9, DIGITS)} GHz"


def percent(ratio: float, bound: float | None = None) -> str:
    """Return a share as a percentage, e.g. "45 %"; small shares keep a digit that is not 0.

    Digits are added until it stands on the same side of the bound, a share as well.
    """
    return f"{_digits(ratio * 100, None if bound is None else bound * 100, 2)} %"


def printable(text: str) -> str:
    """Return text from outside without control characters (for a terminal) or what XML forbids; blanks stay blanks."""
    return "".join(
        each if each.isprintable() or (each.isspace() and each in " \n\t") else "\N{REPLACEMENT CHARACTER}"
        for each in text
    )


SUFFIXES: Mapping[str, tuple[Unit, float]] = {
    "ns": (Unit.NS, 1),
    "us": (Unit.NS, 1e3),
    "µs": (Unit.NS, 1e3),
    "ms": (Unit.NS, 1e6),
    "s": (Unit.NS, 1e9),
    "min": (Unit.NS, 60e9),
    "B": (Unit.BYTES, 1),
    "KiB": (Unit.BYTES, 2**10),
    "MiB": (Unit.BYTES, 2**20),
    "GiB": (Unit.BYTES, 2**30),
    "%": (Unit.RATIO, 0.01),
}
"""What may stand behind the number of a gate or of a user's claim."""
_BOUND = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ%]*)\s*")


def read_bound(text: str, unit: Unit) -> float:
    """Return a bound such as "1.5 s" or "10" in this unit; times and sizes need one of `SUFFIXES`.

    Raises ValueError with what to write in its place.
    """
    found = _BOUND.fullmatch(text.replace(GREEK_MU, MICRO))
    fitting = ", ".join(name for name, (kind, _) in SUFFIXES.items() if kind is unit)
    if found is None:
        raise ValueError(f"{text!r}: write a number and, for times and sizes, a unit")
    number, suffix = float(found[1]), found[2]
    if math.isinf(number):
        raise ValueError(f"a number of {len(found[1])} digits is no bound: nothing is beyond it")
    if not suffix:
        if unit in {Unit.NS, Unit.BYTES}:
            raise ValueError(f"{text!r}: a unit is missing ({fitting})")
        return number
    kind, factor = SUFFIXES.get(suffix, (None, 1.0))
    if kind is not unit:
        raise ValueError(f"{text!r} does not fit a metric in {unit}; write {fitting or 'a bare number'}")
    return number * factor


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "did you mean …?" with the names most like this one; "" where none is like it."""
    near = get_close_matches(name.lower(), [str(each) for each in known], 2)
    return f"did you mean {' or '.join(near)}?" if near else ""
