"""Runs against each other: for each backend and compared metric a change, with the interval that it rests on.

Runs on unlike machines are refused with the reasons, or what differs is said above the figures.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from msgspec import to_builtins

from envbench.records.metrics import Metric, Shown, metric, metrics_of, words
from envbench.records.phases import Experiment, Unit
from envbench.records.run_json import RUN_FILE, SCHEMA, HostAnswer, Run
from envreport import units
from envreport.results import BackendKey, Results, Series
from envreport.results.backends import label
from envreport.statistics import estimates
from envreport.statistics.figures import Equivalence, Estimate, Interval, equivalence

ERROR_RATE = 0.05
"""Of all verdicts together that are given at a time (Holm 1979)."""


class Change(StrEnum):
    """How the newer run stands to the older."""

    FASTER = "faster"
    SLOWER = "slower"
    LESS = "less"
    MORE = "more"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"
    MISSING = "missing"
    """Only one of the runs has the figure; the note says why."""


class Missing(StrEnum):
    """Which of the two runs does not have a figure."""

    NEITHER = "neither"
    OLDER = "older"
    NEWER = "newer"


class NotComparableError(ValueError):
    """Runs that cannot be compared; the message says why, and that --force compares them all the same."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one backend in two runs.

    `ratio` is newer over older: without an interval for what is counted, None where a side has nothing or is 0.
    """

    backend: BackendKey
    metric: str
    older: Estimate | None
    newer: Estimate | None
    ratio: Estimate | None
    change: Change
    note: str = ""
    missing: Missing = Missing.NEITHER
    failed: bool = False
    """The figure is missing because the starts failed."""

    @property
    def name(self) -> str:
        """The backend in words."""
        return label(*self.backend)

    @property
    def figures(self) -> str:
        """Both figures and their ratio in words, or why there is none."""
        unit = metric(self.metric).unit
        before, after = (units.quantity(one.value if one else None, unit) for one in (self.older, self.newer))
        ratio = units.estimate_text(self.ratio, Unit.RATIO, 1.0) if self.ratio and self.ratio.interval else ""
        return f"{units.MEDIAN} {before} → {after}  {self.note or ratio}".rstrip()

    @property
    def is_below_floor(self) -> bool:
        """Whether the change is too small to matter, whatever its ratio."""
        if self.older is None or self.newer is None:
            return False
        return abs(self.newer.value - self.older.value) <= metric(self.metric).floor

    def worsening(self) -> Interval | None:
        """Return how many times worse the newer run is: 1 is the same; a count has limits that are equal."""
        if self.older is None or self.newer is None:
            return None
        row = metric(self.metric)
        if not row.sampled:
            worse, better = (self.older, self.newer) if row.better == "higher" else (self.newer, self.older)
            times = worse.value / better.value if better.value else (1.0 if not worse.value else float("inf"))
            return Interval(times, times, 1.0)
        if self.ratio is None or self.ratio.interval is None:
            return None
        limits = self.ratio.interval
        if row.better == "higher":
            return Interval(1 / limits.high, 1 / limits.low, limits.coverage) if limits.low > 0 else None
        return limits


def change_of(ratio: Estimate | None, row: Metric) -> Change:
    """Return what an interval of newer over older says: same within the metric's margin, else which way it went."""
    if ratio is None or ratio.interval is None:
        return Change.INCONCLUSIVE
    if equivalence(ratio, row.margin_ratio) is Equivalence.SAME:
        return Change.SAME
    if ratio.interval.low > 1:
        return direction(row, more=True)
    return direction(row, more=False) if ratio.interval.high < 1 else Change.INCONCLUSIVE


def change_by_test(ratio: Estimate | None, p: float, row: Metric) -> Change:
    """Return the verdict: the same where the interval lies within the margin, a direction where Holm's p allows it."""
    if ratio is None or ratio.interval is None:
        return Change.INCONCLUSIVE
    if equivalence(ratio, row.margin_ratio) is Equivalence.SAME:
        return Change.SAME
    return direction(row, more=ratio.value > 1) if p < ERROR_RATE else Change.INCONCLUSIVE


def change_word(change: Change) -> str:
    """Return how a verdict on things that were tested together is called."""
    return "cannot tell" if change is Change.INCONCLUSIVE else str(change)


def direction(row: Metric, *, more: bool) -> Change:
    """Return the word for a figure that is more, or less, than the one it is compared with."""
    if row.unit is Unit.NS:
        return Change.SLOWER if more else Change.FASTER
    if row.unit is Unit.PER_S:
        return Change.FASTER if more else Change.SLOWER
    return Change.MORE if more else Change.LESS


Recorded = Mapping[str, Callable[[Run[HostAnswer]], Sequence[Any]]]
"""What is held against each other, and which values of a run it is."""

CONDITIONS: Recorded = {
    "payload": lambda run: [run.payload],
    "accelerator": lambda run: [run.accelerator.used],
    "CPU": lambda run: [run.host.machine.get(key) for key in ("cpu_brand", "cpu", "architecture")],
}
"""What must be recorded and equal."""
MACHINE: Recorded = {
    "number of CPUs that may be used": lambda run: [run.host.resources.get("cpus")],
    "stack around the machine": lambda run: [run.host.layers or ("bare metal" if run.host.bare_metal else None)],
}
"""What must be equal where both runs record it, and what is said where only one does."""
SAID: Recorded = {
    "memory": lambda run: [run.host.resources.get("memory_bytes")],
    "kernel release": lambda run: [run.host.machine.get("kernel")],
    "cgroup version": lambda run: [run.machine.value("cgroup_version")],
    "CPU frequency governor": lambda run: [run.machine.value("governor")],
    "kernel's set of mitigations": lambda run: [run.machine.value("mitigations")],
    "file system": lambda run: [run.machine.value("filesystem")],
}
"""What may differ, beside what the engines say of themselves; where it does, that is said above every figure."""
VOLATILE = ("path", "mhz", "time", "evidence", "confidence", "engine_id")
"""Words in keys whose values differ between runs on one machine."""


def _without_vms(run: Results) -> bool:
    used = run.run.backends.used
    return bool(used) and not any(backend.is_vm for backend in used)


def obstacles(older: Results, newer: Results) -> list[str]:
    """Return why two runs cannot be compared; [] where they can.

    What one of them does not record is an obstacle too.
    """
    reasons = [
        f"{each.folder / RUN_FILE} has schema {each.run.schema!r}, which this version does not know"
        for each in (older, newer)
        if each.run.schema != SCHEMA
    ]
    for name, read in CONDITIONS.items():
        before, after = (_stable(to_builtins(read(each.run))) for each in (older, newer))
        if not any(before) and not any(after):
            if name == "accelerator" and _without_vms(older) and _without_vms(newer):
                continue
            reasons.append(f"{name} is recorded in neither run")
        elif before != after:
            reasons.append(_differs(name, before, after))
    pairs = _recorded(older, newer, MACHINE)
    return reasons + [_differs(name, *pair) for name, pair in pairs if all(map(any, pair)) and pair[0] != pair[1]]


def differences(older: Results, newer: Results) -> list[str]:
    """Return what else differs between the machines of two runs: no reason to refuse, but always told.

    What only one of them records may differ, and is told too.
    """
    found = []
    for name, (before, after) in _recorded(older, newer, {**MACHINE, **SAID}):
        if any(before) != any(after):
            (known,) = before if any(before) else after
            words = _shown(known)
            found.append(f"{name} is known of one run only" + (f" ({words})" if words else ""))
        elif before != after and name in SAID:
            found.append(_differs(name, before, after))
    return [*found, *_engines_differing(older, newer)]


def _recorded(older: Results, newer: Results, table: Recorded) -> Iterator[tuple[str, tuple[list[Any], list[Any]]]]:
    for name, read in table.items():
        yield name, (_stable(to_builtins(read(older.run))), _stable(to_builtins(read(newer.run))))


def _engines_differing(older: Results, newer: Results) -> Iterator[str]:
    """Yield what engines that both runs used said differently of themselves: version, runtime, storage, images."""
    for name in (each for each in older.run.engines if each in newer.run.engines):
        before, after = (_stable(run.run.engines[name]) for run in (older, newer))
        for key in (each for each in before if each in after and before[each] != after[each]):
            yield _differs(f"{name}'s {key.replace('_', ' ')}", [before[key]], [after[key]])


def _differs(name: str, before: Sequence[Any], after: Sequence[Any]) -> str:
    """Return what differs with both values, of a table with its keys, where they are short enough to read."""
    old, new = next((old, new) for old, new in zip(before, after, strict=True) if old != new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = ", ".join(key for key in {**old, **new} if old.get(key) != new.get(key))
        return f"{name} differs ({keys})"
    shown = [_shown(each) for each in (old, new)]
    return f"{name} differs" + (f" ({shown[0]}, then {shown[1]})" if all(shown) else "")


def _shown(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
        return " in ".join(str(each.get("name") or each.get("id") or "?") for each in reversed(value))
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 and not isinstance(value, Mapping) else ""


def _stable(value: Any) -> Any:
    """Drop what differs between runs of the same thing: paths, times, clock speeds."""
    if isinstance(value, Mapping):
        return {
            key: _stable(each) for key, each in value.items() if not any(f"_{one}_" in f"_{key}_" for one in VOLATILE)
        }
    if isinstance(value, list | tuple):
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
    """Compare every metric that is meant for it, of every backend that either run has."""
    found = []
    for experiment in Experiment:
        for name in metrics_of(experiment, Shown.COMPARED):
            before, after = (_series(run, experiment, name) for run in (older, newer))
            keys = dict.fromkeys((*before, *after))
            found += [_compare(key, name, (older, before.get(key)), (newer, after.get(key))) for key in keys]
    return tuple(each for each in found if each is not None)


def _series(results: Results, experiment: Experiment, name: str) -> dict[BackendKey, Series]:
    return {
        key.backend_key: series
        for key, series in results.series.items()
        if key.experiment is experiment and key.phase == name and (series.values or series.rows)
    }


Side = tuple[Results, Series | None]


def _compare(backend: BackendKey, name: str, older: Side, newer: Side) -> Comparison | None:
    before, after = (
        estimates.median(series.values) if series and series.values else None for _, series in (older, newer)
    )
    row = metric(name)
    if before is None and after is None:
        return None
    if before is None or after is None:
        results, which = (older[0], Missing.OLDER) if before is None else (newer[0], Missing.NEWER)
        failure = results.failure(row.experiment, backend)
        note = f"{failure} in the {which} run" if failure else f"not measured in the {which} run"
        return Comparison(backend, name, before, after, None, Change.MISSING, note, which, bool(failure))
    if not row.sampled:
        same = before.value == after.value
        change = Change.SAME if same else direction(row, more=after.value > before.value)
        return Comparison(backend, name, before, after, None, change)
    rounds = [series.rounds if series else {} for _, series in (newer, older)]
    ratio = estimates.ratio(*rounds, paired=False)
    failure = newer[0].failure(row.experiment, backend)
    return Comparison(backend, name, before, after, ratio, change_of(ratio, row), failure)


def comparison_lines(runs: Sequence[Results], *, force: bool = False) -> Iterator[str]:
    """Yield the comparison of each run with the first, as text. Raises NotComparableError unless `force`."""
    oldest, *others = runs
    reached: set[float] = set()
    for run in others:
        if not force:
            require_comparable(oldest, run)
        yield f"{_run_name(oldest)} → {_run_name(run)}"
        if force:
            yield from (f"  forced although {reason}" for reason in obstacles(oldest, run))
        yield from (f"  mind: {reason}" for reason in differences(oldest, run))
        compared = compare(oldest, run)
        if not compared:
            yield "  neither run has a figure that is compared between runs"
        width = max((len(each.name) for each in compared), default=0)
        for name in dict.fromkeys(each.metric for each in compared):
            yield f"  {words(name)}"
            for each in compared:
                if each.metric == name:
                    yield f"    {each.name:<{width}}  {each.change:<12}  {each.figures}"
        reached |= {metric(each.metric).margin_ratio for each in compared if each.change is Change.INCONCLUSIVE}
    if reached:
        margin = " or ".join(f"±{units.percent(each)}" for each in sorted(reached))
        yield f"inconclusive: the interval of the ratio holds 1 and reaches beyond {margin}; more starts narrow it"


def _run_name(run: Results) -> str:
    return f"{run.run.run_id or run.folder.name} ({run.run.started_at or 'date not recorded'})"
