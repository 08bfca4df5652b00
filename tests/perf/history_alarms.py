"""How often `envbench history` calls a machine slower that is not, and how often it finds a machine that is.

Draws histories of 60 runs whose level never changes, with noise that has no memory and with noise that has (a machine
that drifts), and the same with a step of 10 % in the last runs. The rule of the command judges each of them. Prints a
line for each noise, first for 60 histories, then for 1 000. A false alarm is any verdict of *slower* or *faster* on an
unchanged history. A step *can be seen* where the interval is so narrow that it would fit between the margin of 5 % and
10 %: its lower half is at most half of that way. Exits with 1 where false alarms are above 5 %, or fewer than 80 % of
the steps that can be seen are found.
"""

import math
import random
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from envbench.metrics import metric
from envreport.compare import Change
from envreport.dataset.history import DEFAULT_LAST, judge

RUNS = 60
STEP_RATIO = 1.10
METRIC = "ready"
MARGIN_RATIO = metric(METRIC).margin_ratio
FALSE_ALARMS_MAX, FOUND_MIN = 0.05, 0.80
SPREADS = (0.02, 0.03, 0.05)
"""Standard deviation of the logarithms of a history's figures."""
SIZES = (60, 1000)


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
        level += random_.gauss(0, 0.25)
        values.append(level + random_.gauss(0, 0.5))
    return values


NOISES: dict[str, Callable[[random.Random, int], list[float]]] = {
    "white": autoregressive(0),
    "AR(1), 0.5": autoregressive(0.5),
    "AR(1), 0.8": autoregressive(0.8),
    "AR(1), 0.9": autoregressive(0.9),
    "random walk": wandering,
}


class Outcome(NamedTuple):
    """Shares of histories: with a false alarm, with the step found, that could be seen, and found of those."""

    false_alarms: float
    found: float
    seen: float
    found_of_seen: float | None


def drawn(random_: random.Random, name: str, length: int, spread: float) -> list[float]:
    """Return the figures of an unchanged history, about 100."""
    return [100 * math.exp(spread * value) for value in NOISES[name](random_, length)]


def can_be_seen(values: Sequence[float]) -> tuple[bool, bool]:
    """Return whether a step in the last runs could be seen in these figures, and whether it was found."""
    verdict = judge(values, METRIC)
    if verdict.ratio is None or verdict.ratio.interval is None:
        return False, False
    room = math.log(STEP_RATIO / (1 + MARGIN_RATIO))
    half = math.log(verdict.ratio.value / verdict.ratio.interval.low)
    return half <= room / 2, verdict.change is Change.SLOWER


def outcome(name: str, spread: float, count: int) -> Outcome:
    """Judge this many histories with and without the step."""
    random_ = random.Random(f"{name} {spread} {count}")
    histories = [drawn(random_, name, RUNS, spread) for _ in range(count)]
    alarms = sum(judge(values, METRIC).change in (Change.SLOWER, Change.FASTER) for values in histories)
    cut = RUNS - DEFAULT_LAST
    steps = [can_be_seen([*values[:cut], *(value * STEP_RATIO for value in values[cut:])]) for values in histories]
    seen = [found for visible, found in steps if visible]
    found = sum(found for _, found in steps)
    return Outcome(alarms / count, found / count, len(seen) / count, sum(seen) / len(seen) if seen else None)


def main() -> int:
    """Draw, print, and return the exit code."""
    met = True
    for count in SIZES:
        for spread in SPREADS:
            for name in NOISES:
                each = outcome(name, spread, count)
                met &= each.false_alarms <= FALSE_ALARMS_MAX
                met &= each.found_of_seen is None or each.found_of_seen >= FOUND_MIN
                of_seen = (
                    "none could be seen" if each.found_of_seen is None else f"found of these {each.found_of_seen:.0%}"
                )
                sys.stdout.write(
                    f"{count} histories, {name}, spread {spread:.0%}: false alarms {each.false_alarms:.1%}; step of "
                    f"{STEP_RATIO - 1:.0%} found in {each.found:.0%}, could be seen in {each.seen:.0%}, {of_seen}\n"
                )
                sys.stdout.flush()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
