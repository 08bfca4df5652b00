"""How far a run is: its parts in order, the steps of the present one, and about how long the rest takes.

It reads nothing but the clock. The time left is estimated from this run's own pace alone; until enough of the run is
over, there is no estimate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from envbench.surroundings.clock import NS_PER_S, monotonic_ns

ENOUGH_RATIO = 0.08
"""The pace of the parts so far is told of the others once they were to take this share of the whole."""
MANY_STEPS = 10
"""From so many steps of a part on, its own pace counts alone once it is half over."""
FIRST_STEPS_RATIO = 0.1
"""A part without expected seconds has an estimate of its time left once this share of its steps is over."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run is. `total` and `left_s` are None where nobody can tell yet."""

    part: str
    number: int = 1
    count: int = 1
    done: int = 0
    total: int | None = None
    left_s: float | None = None
    unit: str = "steps"

    def __str__(self) -> str:
        place = f"{self.number} of {self.count}, " if self.count > 1 else ""
        steps = f"{self.done} of {self.total}" if self.total else f"{self.done} {self.unit}"
        left = "" if self.left_s is None else f", {about(self.left_s)} left"
        return f"{place}{self.part}: {steps}{left}"


def about(seconds: float) -> str:
    """Return a time in words, rounded to what an estimate can support, and never as 0."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {-(-seconds // 10) * 10:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.0f} h"


@dataclass
class Course:
    """The parts of a run, name → seconds expected; `tell` is called at each step.

    Expected seconds are those of one recorded run: only their proportions count, and `pace` is what turns them into
    seconds of this run. With a pace of None it is found out, with 1 they are seconds of this run from the beginning.
    """

    tell: Callable[[Position], None] = lambda _position: None
    now_ns: Callable[[], int] = monotonic_ns
    until_ns: int | None = None
    """Moment after which no further part begins; None: there is none."""
    expected_s: dict[str, float] = field(default_factory=dict)
    pace: float | None = None
    after_s: float = 0
    """Seconds expected after the last part: what was made is removed, and the reports are written."""
    took_s: dict[str, float] = field(default_factory=dict)
    """Seconds that each part took, in the order in which they ended."""
    _part: str = ""
    _ended: tuple[str, ...] = ()
    _done: int = 0
    _total: int | None = None
    _own_left_s: float | None = None
    _unit: str = "steps"
    _begun_ns: int = 0
    _spent_s: float = 0.0
    """In parts that have ended and of which something was expected."""

    def plan(self, expected_s: Mapping[str, float], *, after_s: float | None = None) -> None:
        """Say which parts the run has, in order, before the first one begins."""
        self.expected_s = dict(expected_s)
        self.after_s = self.after_s if after_s is None else after_s

    def begin(self, part: str) -> None:
        """Say that the next part begins; the one before has ended."""
        self.end()
        self.expected_s.setdefault(part, 0)
        self._part, self._done, self._total, self._own_left_s, self._unit = part, 0, None, None, "steps"
        self._begun_ns = self.now_ns()
        self.tell(self.position())

    def end(self) -> None:
        """Say that the present part has ended, and that none begins for now."""
        if self._part:
            elapsed_s = self._elapsed_s()
            self.took_s[self._part] = self.took_s.get(self._part, 0) + elapsed_s
            self._ended += (self._part,)
            self._spent_s += elapsed_s if self.expected_s.get(self._part) else 0
            self._part = ""

    def expect(self, steps: int) -> None:
        """Say how many steps more the present part has than was known."""
        self._total = (self._total or 0) + steps

    def step(self) -> None:
        """Say that a step of the present part has ended."""
        self._done += 1
        if self._part:
            self.tell(self.position())

    def at(self, done: int, left_s: float | None, unit: str) -> None:
        """Say how far a part is that knows its own time left (None: not yet)."""
        self._done, self._own_left_s, self._unit = done, left_s, unit
        self.tell(self.position())

    def position(self) -> Position:
        """Return where the run is now."""
        parts = list(self.expected_s)
        # More steps than were expected: their number is not known after all.
        total = self._total if self._total and self._done <= self._total else None
        number = parts.index(self._part) + 1
        return Position(self._part, number, len(parts), self._done, total, self._left_s(), self._unit)

    def _elapsed_s(self) -> float:
        return (self.now_ns() - self._begun_ns) / NS_PER_S

    def _left_s(self) -> float | None:
        pace = self._pace()
        later_s = sum(seconds for part, seconds in self.expected_s.items() if part not in (*self._ended, self._part))
        of_this_s = self._left_of_this_s(pace)
        if of_this_s is None or (later_s and pace is None):
            return None
        left_s = of_this_s + later_s * (pace or 0)
        if self.until_ns is not None:
            left_s = min(left_s, self._until_s(of_this_s, pace or 1))
        return left_s + self.after_s * (pace or 1)

    def _until_s(self, of_this_s: float, pace: float) -> float:
        """Return how long it is until no further part begins; the last one is then half over, as a rule."""
        until_s = ((self.until_ns or 0) - self.now_ns()) / NS_PER_S
        half_s = sum(self.expected_s.values()) / len(self.expected_s) / 2 * pace
        return max(of_this_s, until_s + half_s if until_s > 0 else 0)

    def _left_of_this_s(self, pace: float | None) -> float | None:
        expected_s = self.expected_s[self._part]
        if self._unit != "steps":
            return self._own_left_s
        ratio, elapsed_s = self._ratio(), self._elapsed_s()
        if not expected_s or pace is None:
            return elapsed_s / ratio * (1 - ratio) if ratio >= FIRST_STEPS_RATIO else None
        by_expectation_s = max(expected_s * pace - elapsed_s, 0) if ratio < 1 else 0
        if not ratio:
            return by_expectation_s
        # A part's own pace counts more the further it has come, if its steps are many: of a few, one may be most of it.
        own = min(2 * ratio, 1) * min((self._total or 0) / MANY_STEPS, 1)
        return own * elapsed_s / ratio * (1 - ratio) + (1 - own) * by_expectation_s

    def _ratio(self) -> float:
        return min(self._done / self._total, 1) if self._total else 0.0

    def _pace(self) -> float | None:
        """Return what a second expected takes in this run, None while too little of it is over."""
        if self.pace is not None:
            return self.pace
        ended_s = sum(self.expected_s[part] for part in self._ended)
        whole_s = sum(self.expected_s.values())
        return self._spent_s / ended_s if ended_s and ended_s >= ENOUGH_RATIO * whole_s else None
