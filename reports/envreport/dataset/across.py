"""Compares kinds of machines: one figure of each run in, the ratios between groups of runs out.

The unit is the run: starts of one run share its machine, its hour and its engine, and a thousand of them say no more
about the kind of machine than one run does. What must not be pooled (variant with its accelerator, profile, version of
the engine) is kept apart.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd
from scipy import stats

from envbench.metrics import Metric, metric
from envreport import units
from envreport.backends import label
from envreport.compare import Change, direction
from envreport.dataset.frames import LABEL_PREFIX
from envreport.dataset.store import DatasetError, read_figures
from envreport.selectors import FAILED, Selector
from envreport.statistics import estimates
from envreport.statistics.figures import Equivalence, Estimate, equivalence

MIN_RUNS = estimates.MIN_INTERVAL_SAMPLES
"""Fewer runs in a group give no interval of their median, and no verdict."""
ERROR_RATE = 0.05
"""Of all pairs of one call together (Holm 1979)."""
STATISTICS = ("median", "p5", "p95", "min", "max")


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
    rows = figures_of_runs(dataset, figure)
    column = column_of(rows, by, dataset, "--by {}")
    named = rows[rows[column].notna()]
    found: list[tuple[Any, list[Group]]] = [
        (key, [_group(str(name), each["figure"].tolist()) for name, each in part.groupby(column, sort=True)])
        for key, part in named.groupby(["backend", "variant", "profile", "engine_version"], sort=True)
    ]
    row = metric(figure.metric)
    probabilities = iter(holm([_probability(*pair) for _, groups in found for pair in _decidable(groups)]))
    configurations = tuple(
        Configuration(
            str(backend),
            str(variant),
            str(profile),
            str(version),
            tuple(groups),
            tuple(_pairs(groups, row, probabilities)),
        )
        for (backend, variant, profile, version), groups in found
    )
    return Across(by, figure.metric, figure.statistic, configurations, len(rows) - len(named))


def figures_of_runs(dataset: str, figure: Selector) -> pd.DataFrame:
    """Return one row a run and configuration: the run's columns, `figure` in the metric's unit, `engine_version`.

    Runs that ended badly are left out: their figures are no measure. Raises DatasetError where nothing is left.
    """
    if figure.metric == FAILED or figure.statistic not in STATISTICS:
        raise DatasetError(
            f"a dataset keeps no {figure.statistic} of {figure.metric}", remedy=f"one of {', '.join(STATISTICS)}"
        )
    runs, figures = read_figures(dataset, figure.backend, figure.metric)
    kept = figures[[figure.fits(*key) for key in zip(figures["backend"], figures["variant"], figures["profile"],
                                                     strict=True)]]  # fmt: skip
    rows = kept.merge(runs[runs["exit_code"].fillna(0) == 0], on="run_id").dropna(subset=[figure.statistic])
    if rows.empty:
        raise DatasetError(f"{dataset}: no run that ended with 0 has {figure.backend}.{figure.metric}")
    versions = [json.loads(text).get(figure.backend, "") for text in rows["engines"]]
    return rows.assign(figure=rows[figure.statistic], engine_version=versions).sort_values(["started_at", "run_id"])


def column_of(rows: pd.DataFrame, name: str, dataset: str, option: str) -> str:
    """Return the column of this label, or of the runs themselves; `option` is how one is named, with {} for its name.

    Raises DatasetError where there is neither.
    """
    column = f"{LABEL_PREFIX}{name}" if f"{LABEL_PREFIX}{name}" in rows else name
    if column not in rows:
        known = [each.removeprefix(LABEL_PREFIX) for each in map(str, rows) if each.startswith(LABEL_PREFIX)]
        remedy = option.format(" or ".join(known)) if known else "envbench collect … --label KEY=VALUE"
        raise DatasetError(f"{dataset}: no run has a label {name!r}", remedy=remedy)
    return column


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
    return float(stats.mannwhitneyu(first.values, second.values, alternative="two-sided").pvalue)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in the order given (Holm 1979)."""
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    adjusted, highest = [0.0] * len(order), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * probabilities[index]))
        adjusted[index] = highest
    return adjusted


def _pairs(groups: Sequence[Group], row: Metric, probabilities: Iterator[float]) -> Iterator[Pair]:
    for first, second in combinations(groups, 2):
        ratio = estimates.typical_ratio(second.values, first.values)
        few = [f"{each.name} has {len(each.values)}" for each in (first, second) if len(each.values) < MIN_RUNS]
        if few:
            why = f"fewer than {MIN_RUNS} runs: {', '.join(few)}"
            yield Pair(first.name, second.name, ratio, None, Change.INCONCLUSIVE, why)
        else:
            p = next(probabilities)
            yield Pair(first.name, second.name, ratio, p, _change(ratio, p, row))


def _change(ratio: Estimate | None, p: float, row: Metric) -> Change:
    """Return the verdict: the same where the interval lies within the margin, a direction where Holm's p allows it."""
    if ratio is None or ratio.interval is None:
        return Change.INCONCLUSIVE
    if equivalence(ratio, row.margin_ratio) is Equivalence.SAME:
        return Change.SAME
    return direction(row, more=ratio.value > 1) if p < ERROR_RATE else Change.INCONCLUSIVE


WORDS = {Change.INCONCLUSIVE: "cannot tell"}


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
            change = WORDS.get(pair.change, str(pair.change))
            yield f"  {pair.second} is {change} against {pair.first}: {ratio} ({ground})"


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
