"""A series as the sections show it: cells of a row, a mark in a chart, a table of several."""

from collections import Counter
from collections.abc import Callable, Sequence

from envbench.records.metrics import is_noisy_metric, words
from envbench.records.phases import Experiment, Unit
from envreport import units
from envreport.claims.judge import left_out
from envreport.document.model import Cell, Mark, Section, Table
from envreport.document.sections.cells import count, number, text
from envreport.results import Results, Series
from envreport.statistics import estimates


def estimate_cells(series: Series) -> tuple[Cell, ...]:
    """Return median, interval and n of a series; what cannot be told from noise says so."""
    middle = estimates.median(series.values)
    noisy = is_noisy_metric(series.key.phase)
    if middle and units.shown(middle.value, series.unit, noisy=noisy, interval=middle.interval) == units.WITHIN_NOISE:
        return Cell(units.WITHIN_NOISE, middle.value), Cell(units.MISSING), count(len(series.values))
    return value_cells(series.values, series.unit)


def middle_cell(series: Series) -> Cell:
    """Return the median of a series; what cannot be told from noise says so."""
    middle = estimates.median(series.values)
    if middle is None:
        return Cell(units.MISSING)
    noisy = is_noisy_metric(series.key.phase)
    return Cell(units.shown(middle.value, series.unit, noisy=noisy, interval=middle.interval), middle.value)


def value_cells(values: Sequence[float], unit: Unit) -> tuple[Cell, ...]:
    """Return median, interval and n of values."""
    middle = estimates.median(values)
    limits = units.interval_text(middle.interval, unit) if middle else units.MISSING
    return (
        number(middle.value if middle else None, unit),
        Cell(limits, middle.interval.low if middle and middle.interval else None),
        count(len(values)),
    )


def mark(results: Results, series: Series, *, positions: bool = False) -> Mark:
    """Return a series as a mark of a chart."""
    where = tuple(float(row.order) for row in series.good) if positions else ()
    return Mark(series.key.label, results.side(series.key), series.values, where, estimates.median(series.values))


def series_table(table_id: str, caption: str, series: Sequence[Series], *, metric: bool = False) -> Table:
    """Return median, interval and n of each series as a table."""
    head = ("backend", *(("what",) if metric else ()), "median", "95 % interval", "n")
    first = 2 if metric else 1
    return Table(
        table_id,
        caption,
        head,
        tuple(
            (text(each.key.label), *((text(words(each.key.phase)),) if metric else ()), *estimate_cells(each))
            for each in series
        ),
        tuple(range(first, first + 3)),
    )


def spoken(series: Sequence[Series]) -> str:
    """Return medians as a sentence, for those who cannot see the chart."""
    parts = []
    for each in series:
        middle = estimates.median(each.values)
        if middle:
            parts.append(f"{each.key.label}: median {units.quantity(middle.value, each.unit)}")
    return "; ".join(parts) + "."


def detail_table(table_id: str, caption: str, series: Sequence[Series]) -> Table:
    """Return observations and counts with what was seen."""
    rows = tuple(
        (
            text(each.key.label),
            text(words(each.key.phase)),
            middle_cell(each),
            text("; ".join(each.details[:3]) or units.MISSING),
        )
        for each in series
    )
    return Table(table_id, caption, ("backend", "what", "result (median)", "seen"), rows, (2,))


def on_several_backends(series: Sequence[Series]) -> list[Series]:
    """Return the series whose metric was looked at on more than one backend."""
    seen = Counter(each.key.phase for each in series)
    return [each for each in series if seen[each.key.phase] > 1]


def matrix_table(table_id: str, caption: str, series: Sequence[Series]) -> Table:
    """Return medians with a row for each metric and a column for each backend."""
    names = tuple(dict.fromkeys(each.key.label for each in series))
    found = {(each.key.phase, each.key.label): middle_cell(each) for each in series}
    rows = tuple(
        (text(words(phase)), *(found.get((phase, name), text(units.MISSING)) for name in names))
        for phase in dict.fromkeys(each.key.phase for each in series)
    )
    return Table(table_id, caption, ("what", *names), rows, tuple(range(1, len(names) + 1)), is_matrix=True)


def backend_table(table_id: str, caption: str, series: Sequence[Series], name: Callable[[str], str] = words) -> Table:
    """Return medians with a row for each backend and a column for each metric, called by `name`."""
    phases = tuple(dict.fromkeys(each.key.phase for each in series))
    found = {(each.key.label, each.key.phase): middle_cell(each) for each in series}
    rows = tuple(
        (text(label), *(found.get((label, phase), text(units.MISSING)) for phase in phases))
        for label in dict.fromkeys(each.key.label for each in series)
    )
    return Table(table_id, caption, ("backend", *map(name, phases)), rows, tuple(range(1, len(phases) + 1)))


def empty_section(results: Results, experiment: Experiment, title: str) -> Section:
    """Return the section of an experiment that has nothing to show: it says why, and what measures it."""
    return Section(experiment, title, "", experiment=experiment, empty=_why_empty(results, experiment))


def _why_empty(results: Results, experiment: Experiment) -> str:
    """Return why an experiment has nothing to show, and what measures it."""
    if any(key.experiment is experiment for key in results.series):
        return "Measured, but no value came of it: see the warnings."
    notes = left_out(results, experiment)
    if notes:
        reasons = dict.fromkeys(f"{each.reason} (to supply it: {each.remedy})" for each in notes)
        return f"Could not be measured: {'; '.join(reasons)}."
    return f"Not part of this run. Measure it with: envbench {experiment}"


def left_out_table(results: Results, experiment: str) -> Table:
    """Return what an experiment did not measure, with reason and remedy; without rows where it measured all."""
    rows = tuple((text(each.what), text(each.reason), text(each.remedy)) for each in left_out(results, experiment))
    return Table(f"{experiment}-left-out", "Left out of this run", ("what", "reason", "remedy"), rows)
