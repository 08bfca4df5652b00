"""One machine over time: one figure of each run in; whether, and since when, it is another one than before out.

The unit is the run. Where the environment changed (kernel, CPU, layers, engine, payload), the history is cut: what is
before a cut is another environment, and is shown but not compared.
"""

import csv
import io
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from envbench.records.metrics import metric
from envbench.records.phases import counted
from envreport import units
from envreport.compare import Change, change_word, direction
from envreport.dataset.across import MIN_RUNS
from envreport.dataset.figures import RunFigure, figures_of_runs, require
from envreport.dataset.files import DatasetError
from envreport.results.backends import label
from envreport.selectors import Selector
from envreport.statistics import estimates
from envreport.statistics.drift import explaining_drift
from envreport.statistics.figures import Equivalence, Estimate, equivalence
from envreport.statistics.sequence import most_striking_split, ratio_after

SCHEMA = "envbench-history/1"
ENVIRONMENT: Mapping[str, str] = {
    "kernel": "kernel",
    "cpu": "CPU",
    "architecture": "architecture",
    "cpus": "CPUs that may be used",
    "stack": "layers",
    "cloud": "cloud",
    "cgroup_version": "cgroup version",
    "engine_version": "engine",
    "payload": "payload",
}
"""Columns of a run that cut a history where they change, and how a reader calls them."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run: when it began (UTC), its figure in the metric's unit, and its environment (None: not recorded)."""

    run_id: str
    started_at: datetime
    value: float
    environment: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What cut a history: a column of `ENVIRONMENT` and its values before and after."""

    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """Runs in one environment, oldest first; `changed` is what is new in it, nothing for the first."""

    points: tuple[Point, ...]
    changed: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the newest segment says: `ratio` is its runs after the most striking split over those before.

    `why` is why there is no verdict. `drift_ratio` is how far the level would have to go by itself from run to run
    (standard deviation) for a change that is no verdict because of that, else None.
    """

    change: Change
    ratio: Estimate | None
    earlier: int
    later: int
    why: str = ""
    drift_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The history of one backend as it was set up."""

    backend: str
    variant: str
    profile: str
    segments: tuple[Segment, ...]
    verdict: Verdict

    @property
    def name(self) -> str:
        """The configuration in words."""
        return label(self.backend, self.variant, self.profile)


@dataclass(frozen=True, slots=True)
class History:
    """The answer; `undated` runs have the figure and do not record when they began, so they have no place in it."""

    metric: str
    statistic: str
    series: tuple[Series, ...]
    undated: int


def history(
    dataset: str, figure: Selector, where: Mapping[str, str] | None = None, since: datetime | None = None
) -> History:
    """Return the history of a figure in a dataset, of the runs whose labels (or columns) are as `where` says.

    `since` (UTC, without a zone) leaves out the runs that began earlier.

    Raises DatasetError (a ValueError) where there is no dataset, no such label, no such figure in any run, or where
    runs of several machines take turns and `where` does not say which is meant.
    """
    wanted = where or {}
    rows = figures_of_runs(dataset, figure, [*ENVIRONMENT, *wanted])
    for name, value in wanted.items():
        require(rows, name, dataset, "--where {}=VALUE")
        rows = [each for each in rows if each.told(name) == value]
        if not rows:
            raise DatasetError(f"{dataset}: no run with this figure has {name}={value}")
    _require_one_machine(dataset, rows, wanted)
    points: dict[tuple[str, str, str], list[Point]] = {}
    undated = 0
    for each in rows:
        if each.started_at is None:
            undated += 1
        elif since is None or each.started_at >= since.replace(tzinfo=UTC):
            points.setdefault((each.backend, each.variant, each.profile), []).append(_point(each, each.started_at))
    series = tuple(_series(*key, figure.metric, part) for key, part in sorted(points.items()))
    if not series:
        raise DatasetError(f"{dataset}: no run with this figure records that it began then")
    return History(figure.metric, figure.statistic, series, undated)


def _require_one_machine(dataset: str, rows: Sequence[RunFigure], chosen: Collection[str]) -> None:
    """Raise DatasetError, which names the labels to choose from, where runs of several machines take turns.

    A label whose value changes once and stays, such as a release, is a change over time; one whose earlier value comes
    back tells machines apart. Runs without the label do not count.
    """
    names = sorted({name for each in rows for name in each.labels} - set(chosen))
    turns = {name: values for name in names if (values := _by_turns([each.labels.get(name) for each in rows]))}
    if turns:
        told = "; ".join(f"{name}: {units.printable(', '.join(values))}" for name, values in turns.items())
        name, values = next(iter(turns.items()))
        raise DatasetError(
            f"{dataset}: runs with unlike labels take turns, so this is no history of one machine ({told})",
            remedy=f"--where {name}={values[0]}",
        )


def _by_turns(values: Sequence[str | None]) -> list[str]:
    """Return the values of a label in order of name if one comes back after another, else nothing."""
    stretches = [value for value, _ in groupby(value for value in values if value is not None)]
    different = sorted(set(stretches))
    return different if len(stretches) > len(different) else []


def _point(row: RunFigure, started_at: datetime) -> Point:
    columns = {**row.columns, "engine_version": row.engine_version}
    environment = tuple(str(columns[name]) if columns.get(name) not in {None, ""} else None for name in ENVIRONMENT)
    return Point(row.run_id, started_at, row.value, environment)


def _series(backend: str, variant: str, profile: str, name: str, points: Sequence[Point]) -> Series:
    segments = tuple(cut(points))
    verdict = judge([point.value for point in segments[-1].points], name)
    return Series(backend, variant, profile, segments, verdict)


def cut(points: Sequence[Point]) -> Iterator[Segment]:
    """Yield the stretches in one environment, oldest first, whatever the order of the runs given."""
    before: tuple[str | None, ...] | None = None
    current: list[Point] = []
    changed: tuple[Changed, ...] = ()
    for point in sorted(points, key=lambda each: (each.started_at, each.run_id)):
        if before is not None and point.environment != before:
            yield Segment(tuple(current), changed)
            values = zip(ENVIRONMENT, before, point.environment, strict=True)
            changed = tuple(Changed(name, old, new) for name, old, new in values if old != new)
            current = []
        current.append(point)
        before = point.environment
    if current:
        yield Segment(tuple(current), changed)


def judge(values: Sequence[float], name: str) -> Verdict:
    """Say whether the runs of one environment changed at the most striking split, for the metric of this name.

    They did if the whole interval of the ratio lies beyond the metric's margin and no drift of the host explains that;
    they are the same if it lies wholly within; else, or with fewer than `MIN_RUNS` on a side, it cannot be told.
    """
    if len(values) < 2 * MIN_RUNS:
        why = f"{counted(len(values), 'run')} in this environment; {2 * MIN_RUNS} are needed"
        return Verdict(Change.INCONCLUSIVE, None, len(values), 0, why)
    if min(values) <= 0:
        return Verdict(Change.INCONCLUSIVE, None, len(values), 0, "a ratio needs figures above 0")
    logarithms = [math.log(value) for value in values]
    earlier = most_striking_split(logarithms, MIN_RUNS)
    later = len(values) - earlier
    ratio = ratio_after(values, earlier)
    row = metric(name)
    found = equivalence(ratio, row.margin_ratio)
    if found is Equivalence.UNDECIDED:
        spans = f"the interval reaches across ±{units.percent(row.margin_ratio)}"
        return Verdict(Change.INCONCLUSIVE, ratio, earlier, later, spans)
    if found is Equivalence.SAME:
        return Verdict(Change.SAME, ratio, earlier, later)
    drift = explaining_drift(logarithms, earlier)
    if drift is not None:
        why = f"the host itself may drift: {units.percent(drift)} from run to run would explain it"
        return Verdict(Change.INCONCLUSIVE, ratio, earlier, later, why, drift)
    return Verdict(direction(row, more=ratio is not None and ratio.value > 1), ratio, earlier, later)


def possible_changes(name: str) -> tuple[Change, Change]:
    """Return the two words for a figure of this metric that rose and that fell."""
    return direction(metric(name), more=True), direction(metric(name), more=False)


def history_lines(found: History) -> Iterator[str]:
    """Yield the answer as text."""
    unit = metric(found.metric).unit
    yield f"{found.metric} ({found.statistic} of each run) over time"
    if found.undated:
        yield f"left out: {found.undated} without the time at which they began"
    for each in found.series:
        yield each.name
        for segment in each.segments:
            for one in segment.changed:
                yield f"  -- {changed_text(one)} --"
            middle = estimates.median([point.value for point in segment.points])
            days = f"{day(segment.points[0])} to {day(segment.points[-1])}"
            yield f"  {days}  {units.estimate_text(middle, unit)} runs"
        yield f"  {verdict_text(each)}"


def verdict_text(each: Series) -> str:
    """Return the verdict in words, with its figures."""
    verdict = each.verdict
    word = change_word(verdict.change)
    if verdict.ratio is None:
        return f"{word}: {verdict.why}"
    first = each.segments[-1].points[-verdict.later]
    interval = units.interval_text(verdict.ratio.interval, "ratio", 1.0)
    ratio = f"{units.quantity(verdict.ratio.value, 'ratio', 1.0)} {interval}"
    why = f" ({verdict.why})" if verdict.why else ""
    return (
        f"{word}: {counted(verdict.later, 'run')} since {day(first)} against the {verdict.earlier} before: {ratio}{why}"
    )


def changed_text(one: Changed) -> str:
    """Return what is new in an environment, in words."""
    return f"{ENVIRONMENT[one.column]}: {_told(one.before)} -> {_told(one.after)}"


def day(point: Point) -> str:
    """Return the day on which a run began (UTC)."""
    return point.started_at.strftime("%Y-%m-%d")


def _told(value: str | None) -> str:
    return "not recorded" if value is None else units.printable(value)


CSV_COLUMNS = ("backend", "variant", "profile", "segment", "run_id", "started_at", "value", "unit", *ENVIRONMENT)


def history_csv(found: History) -> str:
    """Return one row a run, oldest first in each series; `segment` counts from 1, what is not recorded is empty."""
    unit = str(metric(found.metric).unit)
    return csv_text(
        CSV_COLUMNS,
        (
            (
                *(each.backend, each.variant, each.profile, number),
                *(point.run_id, _moment(point), point.value, unit, *point.environment),
            )
            for each in found.series
            for number, segment in enumerate(each.segments, 1)
            for point in segment.points
        ),
    )


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV file with these columns; None is empty in it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def history_record(found: History) -> dict[str, Any]:
    """Return the answer as JSON has it; figures in the unit that stands beside them."""
    row = metric(found.metric)
    return {
        "schema": SCHEMA,
        "metric": found.metric,
        "statistic": found.statistic,
        "unit": str(row.unit),
        "margin_ratio": row.margin_ratio,
        "undated": found.undated,
        "series": [_series_record(each) for each in found.series],
    }


def _series_record(each: Series) -> dict[str, Any]:
    verdict = each.verdict
    interval = verdict.ratio.interval if verdict.ratio else None
    return {
        "backend": each.backend,
        "variant": each.variant,
        "profile": each.profile,
        "change": str(verdict.change),
        "why": verdict.why,
        "earlier_runs": verdict.earlier,
        "later_runs": verdict.later,
        "later_since": _moment(each.segments[-1].points[-verdict.later]) if verdict.later else None,
        "ratio": verdict.ratio.value if verdict.ratio else None,
        "ratio_low": interval.low if interval else None,
        "ratio_high": interval.high if interval else None,
        "drift_ratio": verdict.drift_ratio,
        "segments": [_segment_record(segment) for segment in each.segments],
    }


def _segment_record(segment: Segment) -> dict[str, Any]:
    return {
        "environment": dict(zip(ENVIRONMENT, segment.points[0].environment, strict=True)),
        "changed": [each.column for each in segment.changed],
        "runs": [
            {"run_id": point.run_id, "started_at": _moment(point), "value": point.value} for point in segment.points
        ],
    }


def _moment(point: Point) -> str:
    return point.started_at.isoformat()
