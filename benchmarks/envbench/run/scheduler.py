"""Decides which backend starts next: rounds of shuffled backends from a recorded seed, within a budget, to a precision.

Starts of all backends are interleaved, because machines drift (on bare metal too), and with one block a backend the
drift would look like a difference. (In a quick run machines come after the first starts of the others: one that hangs
must not cost those their figures.) A slow backend takes part in fewer rounds, spread evenly, so that it neither starves
the rest nor passes the budget. It never looks at significance: stopping when a difference shows would make differences
of chance.
"""

import math
import random
from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from statistics import median

from envbench.errors import InterruptedRunError
from envbench.records.phases import Experiment, Outcome
from envbench.run.sampler import Start, Ticket
from envbench.settings import ADAPTIVE_RUNS, QUICK_RUNS, Configuration, Plan
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

STOPPING_CONFIDENCE = 0.98
"""A backend has enough starts once this interval of its median is narrow; the report gives the 95 % interval. A run
that stopped by the 95 % interval would stop where that happens to be narrow, and would miss the true median more often
than in 5 % of runs (`tests/perf/stopping.py` counts how often)."""
FAILURES_IN_A_ROW = 3
"""A backend that fails this many times in a row is given up: it would only use up the others' budget."""
MOST_RUNS = 200
"""No backend is asked for more than this (or than the planned runs, if they are more), however noisy it is."""
DEAR_START_S = 10.0
"""A backend whose starts take this long (a whole system, emulated) gets as many as an interval needs, and no more."""
CHEAP_START_S = 1.0
"""A backend whose starts are this short gets its first ones whatever the slow ones have used up: it takes a few seconds
in all."""
SHORTEST_DEADLINE_S = 20.0
"""No start is given up earlier, however small the budget: an emulated machine on a busy host needs half of it."""
SLOW_START_RATIO = 2
"""No start is given up before this many times the longest that got ready (its own backend's, else any other's): what is
left of a budget tells nothing about how long an emulated system takes to boot."""
HANGS_RATIO = 10
"""A start that takes this many times what its backend's starts take hangs."""

MORE_TIME = "Give the run more time (--budget) or fewer backends (--backend)."

Measure = Callable[[Sequence[Ticket]], Sequence[Start]]


@dataclass(slots=True)
class Tally:
    """What is known of one backend so far."""

    configuration: Configuration
    index: int
    iterations: int = 0
    ready_ns: "array[int]" = field(default_factory=lambda: array("q"))
    """Measured starts that got ready, warm-ups left out."""
    measured: int = 0
    """Measured starts, failed ones included."""
    failed: int = 0
    wall_ns: deque[int] = field(default_factory=lambda: deque(maxlen=9))
    """The latest starts, clean-up included."""
    failures_in_a_row: int = 0
    longest_ready_ns: int = 0
    """Its longest start that got ready, warm-ups included; 0 before there is one."""
    timed_out: bool = False
    """Whether its latest start was not ready in time."""
    credit: float = 0.5

    @property
    def cost_ns(self) -> float | None:
        """Wall time that one start takes, clean-up included; None before the first."""
        return median(self.wall_ns) if self.wall_ns else None

    @property
    def was_ready(self) -> bool:
        """Whether any start of it got ready, warm-ups included."""
        return self.longest_ready_ns > 0

    @property
    def given_up(self) -> bool:
        """Whether it failed too often in a row to go on; one that never got ready is not waited for twice."""
        return self.failures_in_a_row >= FAILURES_IN_A_ROW or (self.timed_out and not self.was_ready)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A configuration that did not get what was planned; `needed` more starts would do, as far as can be told."""

    configuration: Configuration
    runs: int
    needed: int
    reason: str
    remedy: str = MORE_TIME


@cache
def interval_ranks(count: int, confidence: float) -> tuple[int, int] | None:
    """Return the ranks (from 1) of the exact interval of a median of `count` values, None where there are too few.

    The number of values below the median is binomial(count, 1/2); the interval between the k-th smallest and the k-th
    largest misses it with twice the probability of fewer than k (Conover, Practical Nonparametric Statistics, 3.2).
    """
    from scipy.stats import binom  # noqa: PLC0415 -- half a second that only an adaptive run pays

    lower = int(binom.ppf((1 - confidence) / 2, count, 0.5))
    return (lower, count - lower + 1) if lower >= 1 else None


def half_width_ratio(values: Sequence[int], confidence: float = STOPPING_CONFIDENCE) -> float | None:
    """Return the larger arm of the median's exact interval as a share of the median; None for too few values."""
    ranks = interval_ranks(len(values), confidence)
    if ranks is None:
        return None
    ordered = sorted(values)
    middle = median(ordered)
    return max(middle - ordered[ranks[0] - 1], ordered[ranks[1] - 1] - middle) / middle if middle else None


def runs_wanted(tally: Tally, plan: Plan) -> int:
    """Return how many measured starts this backend is to have in all: what it needs, within reason."""
    if is_dear(tally, plan):
        return min(plan.runs, QUICK_RUNS)
    return min(runs_needed(tally, plan), max(plan.runs, MOST_RUNS))


def aimed_at(tally: Tally, plan: Plan) -> int:
    """Return how many measured starts it should have had, as far as can be told: of dear ones the smallest number."""
    return runs_wanted(tally, plan) if is_dear(tally, plan) else runs_needed(tally, plan)


def is_dear(tally: Tally, plan: Plan) -> bool:
    """Return whether its starts are so long that an adaptive run is content with the smallest number of them."""
    return plan.precision_ratio is not None and (tally.cost_ns or 0) >= DEAR_START_S * NS_PER_S


def runs_needed(tally: Tally, plan: Plan) -> int:
    """Return how many measured starts this backend should have in all, as far as can be told now.

    An interval narrows with the square root of the number of values, so twice as narrow costs four times as many.
    """
    if plan.precision_ratio is None or len(tally.ready_ns) < plan.runs:
        return plan.runs
    width = half_width_ratio(tally.ready_ns)
    if width is None:
        return max(plan.runs, tally.measured + 1)
    if width <= plan.precision_ratio:
        return tally.measured
    grown = math.ceil(len(tally.ready_ns) * (width / plan.precision_ratio) ** 2)
    return max(grown, tally.measured + 1)


def shares(
    costs_ns: Mapping[int, float], first: Mapping[int, int], wanted: Mapping[int, int], budget_ns: float
) -> dict[int, int]:
    """Return how many more starts each backend gets so that all together fit into the budget.

    All that are `first` come before the rest of the `wanted`; of each, the time is shared out evenly, and what a cheap
    backend does not need goes to the others.
    """
    granted = dict.fromkeys(costs_ns, 0)
    left_ns = budget_ns
    for aim in (first, wanted):
        open_ns = {index: (aim[index] - granted[index]) * costs_ns[index] for index in costs_ns}
        for place, index in enumerate(sorted(open_ns, key=lambda index: open_ns[index])):
            share_ns = left_ns / (len(open_ns) - place)
            fitting = int(share_ns / costs_ns[index]) if costs_ns[index] else 0
            more = max(0, min(aim[index] - granted[index], fitting))
            granted[index] += more
            left_ns -= more * costs_ns[index]
    return granted


def shuffled(count: int, seed: int, round_number: int) -> list[int]:
    """Return the order of the backends in one round: the same for the same seed, whoever else takes part."""
    order = list(range(count))
    random.Random(f"{seed}:{round_number}").shuffle(order)  # noqa: S311 -- an order of measurement, no secret
    return order


def dry_run(configurations: Sequence[Configuration], plan: Plan) -> Iterator[tuple[int, bool, Configuration]]:
    """Yield (round, is a warm-up, backend) as a run would take them if its budget and precision set no other end."""
    for number in range(plan.warmup + plan.runs):
        for index in shuffled(len(configurations), plan.seed, number) if number else range(len(configurations)):
            yield number, number < plan.warmup, configurations[index]


class Scheduler:
    """Runs a plan by calling `measure` with the tickets of each start (more than one: at the same time).

    `measure` returns their outcomes and raises only what ends the run. `before_round` may wait for calm; its time
    is not charged to the budget; `after_start` is called when a start is counted. `unwarmed` are the indices of
    backends that get no warm-up: in a short run a machine that boots for seconds has time for its measured starts
    only. After `run`, `tallies` and `unfinished` tell what came of it.
    """

    def __init__(
        self,
        plan: Plan,
        configurations: Sequence[Configuration],
        measure: Measure,
        *,
        experiment: Experiment = Experiment.STARTUP,
        before_round: Callable[[], None] = lambda: None,
        after_start: Callable[[], None] = lambda: None,
        now_ns: Callable[[], int] = monotonic_ns,
        order: int = 0,
        unwarmed: Collection[int] = (),
    ) -> None:
        self.plan = plan
        self.tallies = [Tally(configuration, index) for index, configuration in enumerate(configurations)]
        self.order = order
        """Starts so far over the whole run."""
        self._measure = measure
        self._experiment = experiment
        self._before_round = before_round
        self._after_start = after_start
        self._now_ns = now_ns
        self._left_ns = plan.budget_s * NS_PER_S
        self._round = 0
        self._unwarmed = unwarmed
        self._broken_off = ""
        """Why the run did not come to the end of its plan, "" where it did."""

    def run(self) -> None:
        """Take all warm-ups and measured starts; raises only what `measure` raises."""
        try:
            self._run()
        except InterruptedRunError:
            self._broken_off = "the run was interrupted"
            raise
        except BaseException:
            self._broken_off = "the run ended early"
            raise

    def _run(self) -> None:
        for number in range(self.plan.warmup):
            warmed = [one for one in self.tallies if one.index not in self._unwarmed]
            self._take_round([one for one in warmed if number == 0 or not self._is_slow(one)], warmup=True)
        while members := self._next_members():
            self._take_round(members, warmup=False)

    def left_s(self) -> float | None:
        """Return how many seconds the rest is likely to take: never more than what is left of the budget.

        None while there is a backend that was not started yet: its starts may take milliseconds or minutes.
        """
        if any(not one.wall_ns and not one.given_up for one in self.tallies):
            return None
        granted = self._granted()
        todo_ns = sum(granted[one.index] * (one.cost_ns or 0) for one in self.tallies if one.index in granted)
        return max(0.0, min(todo_ns, self._left_ns) / NS_PER_S)

    def unfinished(self) -> tuple[Unfinished, ...]:
        """Return the backends that did not get what was planned."""
        found = []
        for one in self.tallies:
            needed = max(aimed_at(one, self.plan) - one.measured, 0)
            if one.given_up or needed:
                found.append(Unfinished(one.configuration, one.measured, needed, *self._why(one)))
        return tuple(found)

    def _why(self, one: Tally) -> tuple[str, str]:
        """Return the reason for which a backend did not get what was planned, and what to try."""
        if one.given_up:
            hung = one.failures_in_a_row < FAILURES_IN_A_ROW
            what = "1 start that was not ready in time" if hung else f"{FAILURES_IN_A_ROW} failures in a row"
            return f"given up after {what}", "Its rows in samples.csv say why in their column detail."
        if self._broken_off:
            return self._broken_off, "Let the run come to its end."
        if one.measured >= max(self.plan.runs, MOST_RUNS):
            return "too noisy for the wanted precision", "Measure on a calmer machine, or ask for less (--precision)."
        cost = f"; a start takes {one.cost_ns / NS_PER_S:.1f} s" if one.cost_ns and one.cost_ns > NS_PER_S else ""
        return f"the budget of {self.plan.budget_s:g} s ended{cost}", MORE_TIME

    def _is_slow(self, one: Tally) -> bool:
        """Return whether further warm-ups would cost this backend the starts it needs for an interval."""
        share_ns = self._left_ns / len(self.tallies)
        return one.given_up or (one.cost_ns or 0) * (QUICK_RUNS + 1) > share_ns

    def _granted(self) -> dict[int, int]:
        wanting = [one for one in self.tallies if self._wants(one) and self._fits(one)]
        costs_ns = {one.index: (one.cost_ns or 0.0) / self.plan.parallel for one in wanting}
        wanted = {one.index: runs_wanted(one, self.plan) - one.measured for one in wanting}
        first = {one.index: min(wanted[one.index], max(0, ADAPTIVE_RUNS - one.measured)) for one in wanting}
        return shares(costs_ns, first, wanted, self._left_ns)

    def _wants(self, one: Tally) -> bool:
        return not one.given_up and one.measured < runs_wanted(one, self.plan)

    def _fits(self, one: Tally) -> bool:
        """Return whether a start of this one may begin: the budget pays for it and for what cheaper ones must have."""
        cost_ns = one.cost_ns or 0.0  # The first start of a backend tells its cost.
        if cost_ns <= CHEAP_START_S * NS_PER_S and one.measured < QUICK_RUNS:
            return True
        return cost_ns <= self._left_ns - self._held_back_ns(cost_ns)

    def _held_back_ns(self, cost_ns: float) -> float:
        """Return what backends whose starts are cheaper than this must have for their first ones."""
        # Who has had its first ones is passed by before its starts are sorted to see whether it wants more.
        cheaper = (
            other
            for other in self.tallies
            if other.measured < QUICK_RUNS and (other.cost_ns or 0.0) < cost_ns and self._wants(other)
        )
        first = ((min(QUICK_RUNS, runs_wanted(other, self.plan)) - other.measured, other.cost_ns) for other in cheaper)
        return sum(count * (each_ns or 0.0) for count, each_ns in first) / self.plan.parallel

    def _deadline_s(self, one: Tally) -> float:
        """Return how long a start of this one may take: an even share of what the cheaper ones leave.

        Those share that are slow or not known yet: a start that hangs takes no more than its part from them.
        """
        others = [other for other in self.tallies if other is not one and self._wants(other)]
        slow = [other for other in others if other.cost_ns is None or other.cost_ns > CHEAP_START_S * NS_PER_S]
        left_ns = self._left_ns - self._held_back_ns(math.inf if one.cost_ns is None else one.cost_ns)
        share_ns = left_ns / (len(slow) + 1)
        if one.was_ready and one.cost_ns is not None:
            share_ns = min(share_ns, HANGS_RATIO * one.cost_ns)
        longest_ns = one.longest_ready_ns or max(other.longest_ready_ns for other in self.tallies)
        return max(share_ns / NS_PER_S, SHORTEST_DEADLINE_S, SLOW_START_RATIO * longest_ns / NS_PER_S)

    def _next_members(self) -> list[Tally]:
        going = [one for one in self.tallies if not one.given_up]
        unknown = [one for one in going if not one.wall_ns]
        if unknown:
            # A backend whose cost is unknown cannot be given its share yet. It may hang: those that are known to be
            # quick have their first starts before it.
            quick = [one for one in going if one.wall_ns and one.measured < QUICK_RUNS]
            return [one for one in quick if self._wants(one) and self._fits(one)] or unknown
        granted = self._granted()
        rounds = max(granted.values(), default=0)
        if not rounds:
            return self._one_that_still_fits()
        members = []
        for one in self.tallies:
            one.credit += granted.get(one.index, 0) / rounds
            if granted.get(one.index, 0) and one.credit >= 1:
                one.credit -= 1
                members.append(one)
        return members

    def _one_that_still_fits(self) -> list[Tally]:
        """Return the neediest backend that fits into what is left once no even share pays for a whole start."""
        fitting = [one for one in self.tallies if self._wants(one) and self._fits(one)]
        return [min(fitting, key=lambda one: (one.measured, one.cost_ns or 0))] if fitting else []

    def _take_round(self, members: Sequence[Tally], *, warmup: bool) -> None:
        self._before_round()
        chosen = {one.index for one in members}
        count = len(self.tallies)
        # The very first round goes through the registry in order, cheap backends first: a tiny budget may not last
        # longer.
        order = shuffled(count, self.plan.seed, self._round) if self._round else list(range(count))
        # Last those whose cost is not known: it may be all that is left.
        for index in sorted(order, key=lambda index: not self.tallies[index].wall_ns):
            one = self.tallies[index]
            if index in chosen and not one.given_up and self._fits(one):
                self._take(one, warmup=warmup)
        self._round += 1

    def _take(self, one: Tally, *, warmup: bool) -> None:
        deadline_s = self._deadline_s(one)
        tickets = [
            Ticket(one.configuration, self.order + place, one.iterations + place, warmup, self._experiment, deadline_s)
            for place in range(self.plan.parallel)
        ]
        self.order += len(tickets)
        one.iterations += len(tickets)
        begun_ns = self._now_ns()
        starts = self._measure(tickets)
        spent_ns = self._now_ns() - begun_ns
        self._left_ns -= spent_ns
        one.wall_ns.append(spent_ns)
        for start in starts:
            failed = start.outcome is not Outcome.OK
            one.failures_in_a_row = one.failures_in_a_row + 1 if failed else 0
            one.longest_ready_ns = max(one.longest_ready_ns, start.ready_ns or 0)
            one.timed_out = start.outcome is Outcome.TIMED_OUT
            if not warmup:
                one.measured += 1
                one.failed += failed
                if start.ready_ns is not None:
                    one.ready_ns.append(start.ready_ns)
        self._after_start()
