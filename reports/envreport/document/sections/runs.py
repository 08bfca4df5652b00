"""Several runs: side by side, and one compared with a baseline.

Figures are compared only where the runs are comparable.
"""

from collections.abc import Sequence
from itertools import pairwise

from envbench.records.metrics import metric, words
from envbench.records.phases import Experiment, Phase, Unit
from envreport import units
from envreport.compare import Change, Comparison, compare, differences, obstacles
from envreport.document.model import Cell, Chart, Mark, Section, Table
from envreport.results import BackendKey, Results
from envreport.results.backends import label
from envreport.statistics import estimates
from envreport.statistics.figures import Estimate


def side_by_side(runs: Sequence[Results]) -> Section:
    """Return the section on these runs, oldest first."""
    medians: dict[BackendKey, dict[int, Estimate]] = {}
    for index, run in enumerate(runs):
        for series in run.find(Experiment.STARTUP, Phase.READY, usual=False):
            estimate = estimates.median(series.values)
            if estimate:
                medians.setdefault(series.key.backend_key, {})[index] = estimate
    if not medians:
        return Section("runs", "Runs side by side", "", empty="None of these runs has a start.")
    chart = _chart(runs, medians)
    return Section(
        "runs", "Runs side by side", "Oldest first; the rest of this report is about the last.", (chart,), _tables(runs)
    )


def _chart(runs: Sequence[Results], medians: dict[BackendKey, dict[int, Estimate]]) -> Chart:
    marks, rows = [], []
    for backend, found in medians.items():
        marks.append(
            Mark(
                label(*backend),
                runs[-1].side(backend),
                tuple(each.value for each in found.values()),
                tuple(index + 1.0 for index in found),
            )
        )
        cells = [
            Cell(units.estimate_text(found.get(index), Unit.NS), found[index].value if index in found else None)
            for index in range(len(runs))
        ]
        rows.append((Cell(label(*backend)), *cells))
    head = ("backend", *(name(run) for run in runs))
    table = Table("runs-table", "Median time to ready in each run", head, tuple(rows))
    return Chart(
        "runs-chart",
        "trend",
        "Median time to ready over the runs",
        "One point a run, oldest first.",
        "request to ready (log scale)",
        Unit.NS,
        tuple(marks),
        table,
        takeaway="Less is better: a lower point is a run whose starts were ready sooner. The table of changes "
        "says which differences are more than noise.",
    )


def name(run: Results) -> str:
    """Return what a run is called: its id and start."""
    return " ".join(filter(None, (run.run.run_id, run.run.started_at))) or run.folder.name


def _tables(runs: Sequence[Results]) -> tuple[Table, ...]:
    rows = []
    for older, newer in pairwise(runs):
        reasons = obstacles(older, newer)
        pair = f"{name(older)} → {name(newer)}"
        if reasons:
            rows.append(tuple(map(Cell, (pair, "every backend", "all", "not comparable", "; ".join(reasons)))))
            continue
        rows.extend(
            (Cell(pair), Cell(each.name), Cell(words(each.metric)), Cell(str(each.change)), _ratio(each))
            for each in compare(older, newer)
        )
    return (
        Table(
            "runs-changes",
            "From each run to the next",
            ("runs", "backend", "what", "change", "ratio of medians"),
            tuple(rows),
        ),
    )


def _ratio(each: Comparison) -> Cell:
    return Cell(each.note or units.estimate_text(each.ratio, Unit.RATIO, 1.0))


def since(baseline: Results, run: Results) -> Section:
    """Return the section on what changed since an earlier run; reasons alone where they do not compare."""
    title = "Since the baseline"
    reasons = obstacles(baseline, run)
    if reasons:
        return Section("since", title, f"Not comparable with {name(baseline)}: {'; '.join(reasons)}.")
    found = compare(baseline, run)
    rows = tuple(
        (
            Cell(each.name),
            Cell(words(each.metric)),
            *(_median(estimate, each.metric) for estimate in (each.older, each.newer)),
            Cell(str(each.change)),
            _ratio(each),
        )
        for each in sorted(found, key=lambda each: each.change in (Change.SAME, Change.INCONCLUSIVE))
    )
    if not rows:
        return Section("since", title, "Neither run has a figure that is compared between runs.")
    changed = sum(each.change not in (Change.SAME, Change.INCONCLUSIVE, Change.MISSING) for each in found)
    open_ = sum(each.change is Change.INCONCLUSIVE for each in found)
    lead = (
        f"Held against {name(baseline)}: {changed} of {len(found)} figures changed, "
        f"{open_} cannot be told from noise. "
        "Medians; a change is said only where the 95 % interval of the ratio excludes 1."
    )
    others = differences(baseline, run)
    lead += f" Mind: {'; '.join(others)}." if others else ""
    head = ("backend", "what", "then (median)", "now (median)", "change", "now ÷ then (ratio of medians)")
    return Section("since", title, lead, tables=(Table("since-table", "Each figure", head, rows, (2, 3), True),))


def _median(estimate: Estimate | None, metric_name: str) -> Cell:
    value = estimate.value if estimate else None
    return Cell(units.quantity(value, metric(metric_name).unit), value)
