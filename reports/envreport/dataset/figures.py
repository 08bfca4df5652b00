"""One figure of each run, as `across` and `history` judge it: a dataset in, one record a run and configuration out.

Neither pandas nor SciPy is loaded for it, and only the columns that are asked for are read: of 2 000 runs the figures
are there in a second.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from envreport.dataset.files import FIGURES, RUNS, DatasetError, read_table
from envreport.selectors import FAILED, Selector

STATISTICS = ("median", "p5", "p95", "min", "max")
ALWAYS = ("run_id", "started_at", "exit_code", "engines", "labels")
"""Columns of a run that every question needs."""


@dataclass(frozen=True, slots=True)
class RunFigure:
    """The figure of one run in one configuration.

    `value` is in the metric's unit, `started_at` UTC or None where it is not recorded, `engine_version` "" where it is
    not recorded. `columns` are those of the run that were asked for, `labels` are all of its labels.
    """

    run_id: str
    started_at: datetime | None
    backend: str
    variant: str
    profile: str
    engine_version: str
    value: float
    columns: Mapping[str, Any]
    labels: Mapping[str, str]

    def told(self, name: str) -> str | None:
        """Return the label of this name, else the column; None where the run has neither."""
        value = self.labels.get(name, self.columns.get(name))
        return None if value is None or value == "" else str(value)


def figures_of_runs(dataset: str, figure: Selector, columns: Collection[str] = ()) -> list[RunFigure]:
    """Return one record a run and configuration, by the start of the run; runs without a start are the last.

    Runs that ended badly are left out: their figures are no measure. Raises DatasetError where nothing is left.
    """
    if figure.metric == FAILED or figure.statistic not in STATISTICS:
        raise DatasetError(
            f"a dataset keeps no {figure.statistic} of {figure.metric}", remedy=f"one of {', '.join(STATISTICS)}"
        )
    runs = {row["run_id"]: row for row in _runs(dataset, columns)}
    found = [
        _record(runs[row["run_id"]], row, row[figure.statistic])
        for row in _figures(dataset, figure)
        if row["run_id"] in runs and row[figure.statistic] is not None
    ]
    if not found:
        raise DatasetError(f"{dataset}: no run that ended with 0 has {figure.backend}.{figure.metric}")
    return sorted(found, key=lambda each: (each.started_at or datetime.max.replace(tzinfo=UTC), each.run_id))


def _runs(dataset: str, columns: Collection[str]) -> Iterator[Mapping[str, Any]]:
    asked = [*ALWAYS, *(name for name in columns if name not in ALWAYS)]
    for row in read_table(dataset, RUNS, asked).to_pylist():
        if not row["exit_code"]:
            yield row


def _figures(dataset: str, figure: Selector) -> Iterator[Mapping[str, Any]]:
    names = ("run_id", "backend", "variant", "profile", figure.statistic)
    table = read_table(dataset, FIGURES, [*names, "metric"]).combine_chunks()
    # Any function of pyarrow.compute loads pandas, which takes longer than this.
    for index, key in enumerate(zip(table["backend"].to_pylist(), table["metric"].to_pylist(), strict=True)):
        if key == (figure.backend, figure.metric):
            row = {name: table[name][index].as_py() for name in names}
            if figure.fits(row["backend"], row["variant"], row["profile"]):
                yield row


def _record(run: Mapping[str, Any], row: Mapping[str, Any], value: float) -> RunFigure:
    return RunFigure(
        run_id=run["run_id"],
        started_at=_moment(run["started_at"]),
        backend=row["backend"],
        variant=row["variant"],
        profile=row["profile"],
        engine_version=json.loads(run["engines"]).get(row["backend"], ""),
        value=value,
        columns=run,
        labels=json.loads(run["labels"]),
    )


def _moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def require(rows: Sequence[RunFigure], name: str, dataset: str, option: str) -> None:
    """Raise DatasetError where no run has a label or column of this name.

    `option` is how one is named, with {} for its name.
    """
    if any(name in each.labels or name in each.columns for each in rows):
        return
    known = sorted({label for each in rows for label in each.labels})
    remedy = option.format(" or ".join(known)) if known else "envbench collect … --label KEY=VALUE"
    raise DatasetError(f"{dataset}: no run has a label {name!r}", remedy=remedy)
