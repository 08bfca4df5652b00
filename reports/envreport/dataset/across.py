"""Compares kinds of machines: one figure of each run in, the ratios between groups of runs out.

The unit is the run: starts of one run share its machine, its hour and its engine, and a thousand of them say no more
about the kind of machine than one run does. What must not be pooled (variant with its accelerator, profile, version of
the engine) is kept apart.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any, TypeVar

from envbench.records.metrics import Metric, metric
from envreport import units
from envreport.compare import Change, change_by_test, change_word
from envreport.dataset.figures import RunFigure, figures_of_runs, require
from envreport.results.backends import label
from envreport.selectors import Selector
from envreport.statistics import estimates
from envreport.statistics.figures import Estimate

MIN_RUNS = estimates.MIN_INTERVAL_SAMPLES
"""Fewer runs in a group give no interval of their median, and no verdict."""
_Key = TypeVar("_Key", str, tuple[str, str, str, str])


@dataclass(frozen=True, slots=True)
class Group:
    """The runs of one machine type (or of another label) in one configuration; `values` is one figure a run."""

    name: str
    values: tuple[float, ...]
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Pair:
    """Two groups: `ratio` is second over first, with Hodges and Lehmann's interval; `p` is Holm's."""

    first: str
    second: str
    ratio: Estimate | None
    p: float | None
    change: Change
    why: str = ""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What may be pooled: one backend as it was set up, with one version of its engine ("" where not recorded)."""

    backend: str
    variant: str
    profile: str
    engine_version: str
    groups: tuple[Group, ...]
    pairs: tuple[Pair, ...]

    @property
    def name(self) -> str:
        """The configuration in words."""
        version = self.engine_version or "version not recorded"
        return f"{label(self.backend, self.variant, self.profile)}, engine {version}"


@dataclass(frozen=True, slots=True)
class Across:
    """The answer: each configuration on its own; `unlabelled` runs have the figure and not the label."""

    by: str
    metric: str
    statistic: str
    configurations: tuple[Configuration, ...]
    unlabelled: int


def across(dataset: str, by: str, figure: Selector) -> Across:
    """Compare a figure between the groups that a label, or a column of the runs, makes.

    Raises DatasetError (a ValueError) where there is no dataset, no such label, no such figure in any run.
    """
    rows = figures_of_runs(dataset, figure, [by])
    require(rows, by, dataset, "--by {}")
    named = [each for each in rows if each.told(by) is not None]
    found = [(key, _groups(part, by)) for key, part in _parted(named, _key)]
    row = metric(figure.metric)
    probabilities = iter(estimates.holm([_probability(*pair) for _, groups in found for pair in _decidable(groups)]))
    configurations = tuple(
        Configuration(*key, groups, tuple(_pairs(groups, row, probabilities))) for key, groups in found
    )
    return Across(by, figure.metric, figure.statistic, configurations, len(rows) - len(named))


def _key(row: RunFigure) -> tuple[str, str, str, str]:
    return row.backend, row.variant, row.profile, row.engine_version


def _parted(rows: Iterable[RunFigure], key: Callable[[RunFigure], _Key]) -> Iterator[tuple[_Key, list[RunFigure]]]:
    """Yield the rows with each key, by key; each part in the order of the rows."""
    for each, part in groupby(sorted(rows, key=key), key):
        yield each, list(part)


def _groups(rows: Iterable[RunFigure], by: str) -> tuple[Group, ...]:
    named = _parted(rows, lambda row: row.told(by) or "")
    return tuple(_group(name, [each.value for each in part]) for name, part in named)


def _group(name: str, values: Sequence[float]) -> Group:
    estimate = estimates.median(values)
    if estimate is None:
        raise ValueError(f"group {name!r} has no run")
    return Group(name, tuple(values), estimate)


def _decidable(groups: Sequence[Group]) -> Iterator[tuple[Group, Group]]:
    for pair in combinations(groups, 2):
        if min(len(each.values) for each in pair) >= MIN_RUNS:
            yield pair


def _probability(first: Group, second: Group) -> float:
    """Return Mann and Whitney's two-sided p, exact for few runs without ties (1947)."""
    return estimates.rank_sum_probability(first.values, second.values)


def _pairs(groups: Sequence[Group], row: Metric, probabilities: Iterator[float]) -> Iterator[Pair]:
    for first, second in combinations(groups, 2):
        ratio = estimates.typical_ratio(second.values, first.values)
        few = [f"{each.name} has {len(each.values)}" for each in (first, second) if len(each.values) < MIN_RUNS]
        if few:
            why = f"fewer than {MIN_RUNS} runs: {', '.join(few)}"
            yield Pair(first.name, second.name, ratio, None, Change.INCONCLUSIVE, why)
        else:
            p = next(probabilities)
            yield Pair(first.name, second.name, ratio, p, change_by_test(ratio, p, row))


def across_lines(found: Across) -> Iterator[str]:
    """Yield the answer as text."""
    unit = metric(found.metric).unit
    yield f"{found.metric} ({found.statistic} of each run) by {found.by}"
    if found.unlabelled:
        yield f"left out: {found.unlabelled} without {found.by}"
    for each in found.configurations:
        yield each.name
        width = max(len(group.name) for group in each.groups)
        for group in each.groups:
            yield f"  {group.name:<{width}}  {units.estimate_text(group.estimate, unit, statistic=units.MEDIAN)} runs"
        for pair in each.pairs:
            ratio = units.estimate_text(pair.ratio, "ratio", 1.0) if pair.ratio else units.MISSING
            ground = pair.why or f"p = {pair.p:.2g}, Holm's"
            yield f"  {pair.second} is {change_word(pair.change)} against {pair.first}: {ratio} ({ground})"


def across_record(found: Across) -> dict[str, Any]:
    """Return the answer as JSON has it; figures in the unit that stands beside them."""
    return {
        "schema": "envbench-across/1",
        "by": found.by,
        "metric": found.metric,
        "statistic": found.statistic,
        "unit": str(metric(found.metric).unit),
        "unlabelled": found.unlabelled,
        "configurations": [_configuration_record(each) for each in found.configurations],
    }


def _configuration_record(each: Configuration) -> dict[str, Any]:
    return {
        "backend": each.backend,
        "variant": each.variant,
        "profile": each.profile,
        "engine_version": each.engine_version or None,
        "groups": [{"name": group.name, "runs": len(group.values), **_record(group.estimate)} for group in each.groups],
        "pairs": [
            {"first": pair.first, "second": pair.second, "change": str(pair.change), "p_holm": pair.p, "why": pair.why}
            | {f"ratio_{name}": value for name, value in _record(pair.ratio).items()}
            for pair in each.pairs
        ],
    }


def _record(estimate: Estimate | None) -> dict[str, float | None]:
    interval = estimate.interval if estimate else None
    return {
        "median": estimate.value if estimate else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }
