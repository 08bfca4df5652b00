"""Runs against each other: per rung a ratio with interval and one of four verdicts.

What is not comparable is refused with reasons.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from envbench.phases import Experiment, Phase, Unit
from envreport import units
from envreport.backends import label
from envreport.results import Results, RungKey, Series
from envreport.statistics import estimates

MARGIN = 0.05
"""Within ± this share two runs are the same for practical use."""


class Change(StrEnum):
    """How the newer run stands to the older."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"


class NotComparableError(ValueError):
    """Runs that cannot be compared; the message says why, and that --force compares them all the same."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One rung in two runs. `ratio` is newer over older; None where a side has nothing."""

    rung: RungKey
    older: estimates.Estimate | None
    newer: estimates.Estimate | None
    ratio: estimates.Estimate | None
    change: Change
    note: str = ""

    @property
    def name(self) -> str:
        """The rung in words."""
        return label(*self.rung)


def change_of(ratio: estimates.Estimate | None, margin: float = MARGIN) -> Change:
    """Return what an interval of newer over older says.

    Same within the margin, else faster or slower if it excludes 1.
    """
    if ratio is None or ratio.interval is None:
        return Change.INCONCLUSIVE
    if estimates.equivalence(ratio, margin) is estimates.Equivalence.SAME:
        return Change.SAME
    if ratio.interval.low > 1:
        return Change.SLOWER
    return Change.FASTER if ratio.interval.high < 1 else Change.INCONCLUSIVE


CONDITIONS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "payload": (("payload",),),
    "accelerator": (("accelerator", "used"),),
    "CPU": (("host", "host", "cpu_brand"), ("host", "host", "cpu"), ("host", "host", "architecture")),
}
"""What must be equal, and where in run.json it stands."""


def _without_vms(run: Results) -> bool:
    used = run.get("backends", "used", default=())
    return bool(used) and not any(backend.get("is_vm") for backend in used)


def obstacles(older: Results, newer: Results) -> list[str]:
    """Return why two runs cannot be compared; [] where they can.

    What one of them does not record is an obstacle too.
    """
    reasons = []
    for name, paths in CONDITIONS.items():
        before, after = (_stable([run.get(*path) for path in paths]) for run in (older, newer))
        if not any(before) and not any(after):
            if name == "accelerator" and _without_vms(older) and _without_vms(newer):
                continue
            reasons.append(f"{name} is recorded in neither run")
        elif before != after:
            reasons.append(f"{name} differs")
    return reasons


def _stable(value: Any) -> Any:
    """Drop what differs between runs of the same thing: paths, times, clock speeds."""
    if isinstance(value, Mapping):
        return {
            key: _stable(each)
            for key, each in value.items()
            if not any(word in str(key) for word in ("path", "mhz", "time"))
        }
    if isinstance(value, list):
        return [_stable(each) for each in value]
    return value


def require_comparable(older: Results, newer: Results) -> None:
    """Raise NotComparableError with all reasons."""
    reasons = obstacles(older, newer)
    if reasons:
        raise NotComparableError(
            f"{older.folder} and {newer.folder} are not comparable: {'; '.join(reasons)} (--force "
            "compares them all the same)"
        )


def compare(older: Results, newer: Results) -> tuple[Comparison, ...]:
    """Compare the time to ready of every rung that either run has."""
    before, after = (_ready(run) for run in (older, newer))
    return tuple(_compare(rung, before.get(rung), after.get(rung)) for rung in dict.fromkeys((*before, *after)))


def _ready(results: Results) -> dict[RungKey, Series]:
    return {each.key.rung: each for each in results.find(Experiment.STARTUP, Phase.READY, usual=False)}


def _compare(rung: RungKey, older: Series | None, newer: Series | None) -> Comparison:
    before, after = (estimates.median(each.values) if each else None for each in (older, newer))
    if older is None or newer is None:
        return Comparison(
            rung, before, after, None, Change.INCONCLUSIVE, f"only in the {'newer' if older is None else 'older'} run"
        )
    ratio = estimates.ratio(newer.rounds, older.rounds, paired=False)
    return Comparison(rung, before, after, ratio, change_of(ratio))


def comparison_lines(runs: Sequence[Results], *, force: bool = False) -> Iterator[str]:
    """Yield the comparison of each run with the first, as text. Raises NotComparableError unless `force`."""
    oldest, *others = runs
    changes: set[Change] = set()
    for run in others:
        if not force:
            require_comparable(oldest, run)
        yield f"Time to ready, {_run_name(oldest)} → {_run_name(run)}"
        if force:
            yield from (f"  forced although {reason}" for reason in obstacles(oldest, run))
        compared = compare(oldest, run)
        width = max((len(each.name) for each in compared), default=0)
        yield from (f"  {each.name:<{width}}  {each.change:<12}  {_figures(each)}" for each in compared)
        changes.update(each.change for each in compared if each.ratio)
    if Change.INCONCLUSIVE in changes:
        margin = units.percent(MARGIN)
        yield f"inconclusive: the interval of the ratio holds 1 and reaches beyond ±{margin}; more starts narrow it"


def _figures(each: Comparison) -> str:
    before, after = (units.quantity(one.value if one else None, Unit.NS) for one in (each.older, each.newer))
    return f"{before:>7} → {after:>7}  {each.note or units.estimate_text(each.ratio, Unit.RATIO, 1.0)}"


def _run_name(run: Results) -> str:
    return f"{run.get('run_id', default=run.folder.name)} ({run.get('started_at', default='date not recorded')})"
