"""How often `envbench history` calls a machine slower that is not, and how often it finds a machine that is.

Draws histories of 60 runs whose level never changes, with noise that has no memory and with noise that has (a machine
that drifts), and the same with a step of 10 % twenty runs ago. The rule of the command judges each of them. Prints a
line for each noise, first for 60 histories, then for 1 000, and at last how the age of a step matters.

A *false alarm* is a verdict of *slower* or *faster* on an unchanged history: at its end, and (*on any night*) after any
of its runs. A step *can be seen* where the interval is so narrow that all of it fits between the margin of 5 % and
10 %: its lower half is at most half of that way. Exits with 1 where, of 60 histories, more than 5 % give a false alarm
at their end, or fewer than 80 % of the steps that can be seen are found (where at least 10 can). A random walk that
goes farther than the margin in 60 runs is shown and is not held to that: its level did change.
"""

import math
import random
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from envbench.metrics import metric
from envreport.compare import Change
from envreport.dataset.across import MIN_RUNS
from envreport.dataset.history import judge

RUNS = 60
STEP_RATIO = 1.10
METRIC = "ready"
MARGIN_RATIO = metric(METRIC).margin_ratio
FALSE_ALARMS_MAX, FOUND_MIN, SEEN_MIN = 0.05, 0.80, 10
SPREADS = (0.02, 0.03, 0.05)
"""Standard deviation of the logarithms of a history's figures."""
HISTORIES, MANY_HISTORIES = 60, 1000
WALK, WALKED = "random walk", 0.25
"""How far a random walk goes with each run, in spreads."""
AGES = (3, 6, 8, 10, 15, 20, 30, 50)
USUAL_AGE = 20
"""So many runs ago the step was."""


def autoregressive(memory: float) -> Callable[[random.Random, int], list[float]]:
    """Return what draws noise of spread 1 in which each value keeps this share of the one before."""

    def draw(random_: random.Random, length: int) -> list[float]:
        values = [random_.gauss(0, 1)]
        while len(values) < length:
            values.append(memory * values[-1] + math.sqrt(1 - memory**2) * random_.gauss(0, 1))
        return values

    return draw


def wandering(random_: random.Random, length: int) -> list[float]:
    """Return a level that goes a random step with each run and never comes back by itself, and noise about it."""
    level, values = 0.0, []
    for _ in range(length):
        level += random_.gauss(0, WALKED)
        values.append(level + random_.gauss(0, 0.5))
    return values


NOISES: dict[str, Callable[[random.Random, int], list[float]]] = {
    "white": autoregressive(0),
    "AR(1), 0.5": autoregressive(0.5),
    "AR(1), 0.8": autoregressive(0.8),
    "AR(1), 0.9": autoregressive(0.9),
    WALK: wandering,
}


class Outcome(NamedTuple):
    """Of `count` histories: with a false alarm, with one on any night, with the step found, seen, and both."""

    count: int
    false_alarms: int
    any_night: int | None
    found: int
    seen: int
    found_of_seen: int

    @property
    def is_met(self) -> bool:
        """Whether the bars are met."""
        few = self.false_alarms <= FALSE_ALARMS_MAX * self.count
        return few and (self.seen < SEEN_MIN or self.found_of_seen >= FOUND_MIN * self.seen)


def drawn(random_: random.Random, name: str, length: int, spread: float) -> list[float]:
    """Return the figures of an unchanged history, about 100."""
    return [100 * math.exp(spread * value) for value in NOISES[name](random_, length)]


def stepped(values: Sequence[float], age: int = USUAL_AGE) -> list[float]:
    """Return the figures of a machine that became slower so many runs ago."""
    return [*values[:-age], *(value * STEP_RATIO for value in values[-age:])]


def is_alarm(values: Sequence[float]) -> bool:
    """Return whether the command says that something changed."""
    return judge(values, METRIC).change in (Change.SLOWER, Change.FASTER)


def sight(values: Sequence[float]) -> tuple[bool, bool]:
    """Return whether a step in the last runs could be seen in these figures, and whether it was found."""
    verdict = judge(values, METRIC)
    assert verdict.ratio is not None
    assert verdict.ratio.interval is not None
    room = math.log(STEP_RATIO / (1 + MARGIN_RATIO))
    half = math.log(verdict.ratio.value / verdict.ratio.interval.low)
    return half <= room / 2, verdict.change is Change.SLOWER


def holds_one(values: Sequence[float]) -> bool:
    """Return whether the interval of the ratio holds 1."""
    ratio = judge(values, METRIC).ratio
    return ratio is not None and ratio.interval is not None and ratio.interval.low <= 1 <= ratio.interval.high


def outcome(name: str, spread: float, count: int, *, every_night: bool) -> Outcome:
    """Judge this many histories with and without the step."""
    random_ = random.Random(f"{name} {spread} {count}")
    histories = [drawn(random_, name, RUNS, spread) for _ in range(count)]
    steps = [sight(stepped(values)) for values in histories]
    nights = [
        any(is_alarm(values[:end]) for end in range(2 * MIN_RUNS, RUNS + 1)) for values in histories if every_night
    ]
    return Outcome(
        count=count,
        false_alarms=sum(map(is_alarm, histories)),
        any_night=sum(nights) if every_night else None,
        found=sum(found for _, found in steps),
        seen=sum(visible for visible, _ in steps),
        found_of_seen=sum(visible and found for visible, found in steps),
    )


def line(name: str, spread: float, count: int, *, every_night: bool) -> bool:
    """Print what one noise came to; return whether the bars are met."""
    each = outcome(name, spread, count, every_night=every_night)
    nights = "" if each.any_night is None else f" (on any night: {each.any_night})"
    sys.stdout.write(
        f"{name}, spread {spread:.0%}, {count} histories: {each.false_alarms} false alarms{nights}; step of "
        f"{STEP_RATIO - 1:.0%} found in {each.found}; could be seen in {each.seen}, found in "
        f"{each.found_of_seen} of them\n"
    )
    walked = WALKED * spread * math.sqrt(RUNS) if name == WALK else 0.0
    return each.is_met or walked > MARGIN_RATIO


def main() -> int:
    """Draw, print, and return the exit code."""
    rows = [(name, spread) for spread in SPREADS for name in NOISES]
    met = [line(*row, HISTORIES, every_night=True) for row in rows]
    for row in rows:
        line(*row, MANY_HISTORIES, every_night=False)
    for name in NOISES:
        random_ = random.Random(name)
        histories = [drawn(random_, name, RUNS, SPREADS[0]) for _ in range(MANY_HISTORIES)]
        holding = sum(map(holds_one, histories)) / MANY_HISTORIES
        found = [sum(sight(stepped(values, age))[1] for values in histories) / MANY_HISTORIES for age in AGES]
        shares = ", ".join(f"{age} runs ago {share:.0%}" for age, share in zip(AGES, found, strict=True))
        sys.stdout.write(
            f"{name}, spread {SPREADS[0]:.0%}: without a step the interval holds 1 in {holding:.1%}; "
            f"step found {shares}\n"
        )
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
