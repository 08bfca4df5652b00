"""How often `envbench history` calls a machine slower that is not, and how often it finds a machine that is.

Draws histories of 20, 40 and 60 runs whose level never changes by a step (noise without memory, noise with memory,
levels that wander or creep), and the same with a step of 10 % in their last third. The rule of the command judges each
of them. Prints the table of docs/method.md, and at last how the age of a step matters; the same seeds give the same
figures.

A *false alarm* is a verdict of *slower* or *faster* on a history without the step: at its end, and (*after any run*)
after any of its runs. A step *can be seen* where the interval is so narrow that all of it fits between the margin of
5 % and 10 %: its lower half is at most half of that way. The bars: at most 5 % of histories end with a false alarm,
whatever the noise, and at least 80 % of the steps that can be seen are found (where at least 10 can, and the level does
not wander: one that does moves the ratio itself).
"""

import math
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from perf_figures import Figures

from envbench.records.metrics import metric
from envreport.compare import Change
from envreport.dataset.across import MIN_RUNS
from envreport.dataset.history import judge

LENGTHS = (20, 40, 60)
STEP_RATIO = 1.10
METRIC = "ready"
MARGIN_RATIO = metric(METRIC).margin_ratio
FALSE_ALARMS_MAX_PERCENT, FOUND_MIN_PERCENT, SEEN_MIN = 5.0, 80.0, 10
HISTORIES, JUDGED_EVERY_RUN = 1000, 60
AGES = (6, 10, 20)
Draw = Callable[[random.Random, int], list[float]]
"""What draws the logarithms of a history's figures, about 0."""


def memory(kept: float, spread: float) -> Draw:
    """Return what draws noise of this spread in which each value keeps this share of the one before: AR(1)."""

    def draw(random_: random.Random, length: int) -> list[float]:
        values = [random_.gauss(0, 1)]
        while len(values) < length:
            values.append(kept * values[-1] + math.sqrt(1 - kept**2) * random_.gauss(0, 1))
        return [spread * value for value in values]

    return draw


def walk(going: float, spread: float) -> Draw:
    """Return what draws a level that goes this far with each run and never comes back by itself, and noise about it."""

    def draw(random_: random.Random, length: int) -> list[float]:
        level, values = 0.0, []
        for _ in range(length):
            level += random_.gauss(0, going)
            values.append(level + random_.gauss(0, spread))
        return values

    return draw


def outliers(share: float, far: float, spread: float) -> Draw:
    """Return what draws noise without memory, and this share of values lies so far above it."""
    return lambda random_, length: [
        random_.gauss(0, spread) + (far if random_.random() < share else 0) for _ in range(length)
    ]


def creep(total: float, spread: float) -> Draw:
    """Return what draws a level that rises evenly by this much from the first run to the last, and noise about it."""
    return lambda random_, length: [total * index / (length - 1) + random_.gauss(0, spread) for index in range(length)]


WALK = "walk"
NOISES: Mapping[str, Draw] = {
    **{f"no memory (white), {spread:.0%}": memory(0, spread) for spread in (0.02, 0.03, 0.05)},
    "white, 2%, one run in 20 is 65% slower": outliers(0.05, 0.5, 0.02),
    **{f"AR(1) {kept}, {spread:.0%}": memory(kept, spread) for kept in (0.5, 0.8, 0.9) for spread in (0.02, 0.05)},
    **{f"{WALK}, {going:.0%} a run": walk(going, 0) for going in (0.01, 0.02, 0.05)},
    **{f"{WALK}, {going:.0%} a run, and white, 2%": walk(going, 0.02) for going in (0.01, 0.02, 0.05)},
    "creep of 15% in all, and white, 2%": creep(0.15, 0.02),
}


class Outcome(NamedTuple):
    """Of `count` histories of a length: with a false alarm; with the step found, to be seen, and both."""

    count: int
    false_alarms: int
    found: int
    seen: int
    found_of_seen: int


def drawn(random_: random.Random, name: str, length: int) -> list[float]:
    """Return the figures of an unchanged history, about 100."""
    return [100 * math.exp(value) for value in NOISES[name](random_, length)]


def stepped(values: Sequence[float], age: int) -> list[float]:
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


def outcome(name: str, length: int, count: int = HISTORIES) -> Outcome:
    """Judge this many histories with and without the step."""
    random_ = random.Random(f"{name} {length}")
    histories = [drawn(random_, name, length) for _ in range(count)]
    steps = [sight(stepped(values, max(length // 3, MIN_RUNS))) for values in histories]
    return Outcome(
        count=count,
        false_alarms=sum(map(is_alarm, histories)),
        found=sum(found for _, found in steps),
        seen=sum(visible for visible, _ in steps),
        found_of_seen=sum(visible and found for visible, found in steps),
    )


def after_any_run(name: str) -> int:
    """Return how many of the longest unchanged histories give a false alarm after any of their runs."""
    random_ = random.Random(name)
    histories = (drawn(random_, name, LENGTHS[-1]) for _ in range(JUDGED_EVERY_RUN))
    return sum(any(is_alarm(values[:end]) for end in range(2 * MIN_RUNS, len(values) + 1)) for values in histories)


def cells(each: Outcome) -> tuple[str, str, str]:
    """Return false alarms, steps found, and how many of those that can be seen are found, as the table has them."""
    alarms, found = (f"{100 * number / each.count:.1f}" for number in (each.false_alarms, each.found))
    return alarms, found, f"{each.found_of_seen} of {each.seen}" if each.seen else "-"


def bars(judged: Mapping[str, Sequence[Outcome]]) -> Figures:
    """Return the worst figures of each noise over all lengths, told against their bars."""
    figures = Figures()
    for name, each in judged.items():
        alarms = max(100 * one.false_alarms / one.count for one in each)
        figures.take(f"false alarms, {name}", "% of histories", [alarms], most=FALSE_ALARMS_MAX_PERCENT)
        found = [100 * one.found_of_seen / one.seen for one in each if one.seen >= SEEN_MIN]
        if found and not name.startswith(WALK):
            figures.take(
                f"steps found, {name}", "% of those to be seen", [min(found)], least=FOUND_MIN_PERCENT, most=100
            )
    return figures


def main() -> int:
    """Draw, print, and return the exit code."""
    heads = [f"{what}, {length} runs" for what in ("alarms %", "found %", "seen and found") for length in LENGTHS]
    head = ["noise", *heads, f"after any run, of {JUDGED_EVERY_RUN}"]
    sys.stdout.write(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}\n")
    judged: dict[str, list[Outcome]] = {}
    for name in NOISES:
        each = judged[name] = [outcome(name, length) for length in LENGTHS]
        columns = zip(*map(cells, each), strict=True)
        row = [name.replace("%", " %"), *(cell for column in columns for cell in column), str(after_any_run(name))]
        sys.stdout.write(f"| {' | '.join(row)} |\n")
        sys.stdout.flush()
    for name in ("no memory (white), 2%", "AR(1) 0.5, 2%"):
        random_ = random.Random(name)
        histories = [drawn(random_, name, LENGTHS[-1]) for _ in range(HISTORIES)]
        found = [sum(sight(stepped(values, age))[1] for values in histories) / HISTORIES for age in AGES]
        shares = ", ".join(f"{age} runs ago {share:.0%}" for age, share in zip(AGES, found, strict=True))
        sys.stdout.write(f"{name}, {LENGTHS[-1]} runs: step found {shares}\n")
    return bars(judged).ended()


if __name__ == "__main__":
    sys.exit(main())
