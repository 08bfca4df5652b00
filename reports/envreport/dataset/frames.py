"""A run as tidy tables: results in, pandas frames out, with the units in the names of their columns.

A missing value is a missing value of pandas (NA, NaN, NaT), never 0.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from envbench.records.phases import NOISE_PREFIX, Unit
from envreport.dataset.files import LABEL_PREFIX
from envreport.results import Results, ResultsError
from envreport.statistics.summary import summarise

UNIT_SUFFIXES: Mapping[str, str] = {Unit.COUNT: "", Unit.BOOL: "", Unit.PER_S: "_per_s"}
"""How a unit ends a column's name where that is not "_" and the unit itself."""
RUN_INTEGERS = ("exit_code", "cpus", "memory_bytes", "row_count")
START_KEYS = ["run_id", "order", "experiment", "backend", "variant", "profile", "warmup", "iteration", "outcome"]


@dataclass(frozen=True, eq=False)
class Frames:
    """One run, or all runs of a dataset, as pandas frames.

    `runs`: one row a run. `figures`: one row a quantity of a backend in a run, as in summary.csv. `samples`: the rows
    of samples.csv.
    """

    runs: pd.DataFrame
    figures: pd.DataFrame
    samples: pd.DataFrame

    @property
    def starts(self) -> pd.DataFrame:
        """One row a start, a column a metric, e.g. `ready_ns`; without the stamps of the machine's noise."""
        rows = self.samples[~self.samples["metric"].str.startswith(NOISE_PREFIX)]
        suffix = rows["unit"].map(lambda unit: UNIT_SUFFIXES.get(unit, f"_{unit}"))
        named = rows.assign(column=rows["metric"].astype(str) + suffix.astype(str))
        wide = named.pivot_table(
            index=START_KEYS, columns="column", values="value", aggfunc="first", observed=True, dropna=False
        )
        present = named.drop_duplicates(START_KEYS).set_index(START_KEYS).index
        found = wide.reindex(present).reset_index()
        found.columns.name = None
        return found


def frames_of(results: Results, labels: Mapping[str, str] | None = None) -> Frames:
    """Return the tables of one run. Raises ResultsError where neither run.json nor a row says which run it is."""
    record = run_record(results)
    runs = pd.DataFrame([record | {f"{LABEL_PREFIX}{key}": value for key, value in (labels or {}).items()}])
    return Frames(_typed(runs), figures_frame(results, record["run_id"]), samples_frame(results))


def run_record(results: Results) -> dict[str, Any]:
    """Return what run.json says of a run, flat. What it does not record is None."""
    run, host, resources = results.run, results.host.machine, results.host.resources
    rows = [row for series in results.series.values() for row in series.rows[:1]]
    run_id = run.run_id or next((row.run_id for row in rows), None)
    if run_id is None:
        raise ResultsError(f"{results.folder}: neither run.json nor a row says which run this is")
    return {
        "run_id": run_id,
        "started_at": run.started_at,
        "tool_version": run.tool_version,
        "outcome": run.outcome,
        "exit_code": run.exit_code,
        "stack": _stack(results),
        "cloud": _name(run.host.cloud),
        "kernel": host.get("kernel"),
        "architecture": host.get("architecture"),
        "cpu": run.host.cpu,
        "cpus": resources.get("cpus"),
        "memory_bytes": resources.get("memory_bytes") or host.get("memory_bytes"),
        "cgroup_version": run.machine.value("cgroup_version"),
        "engines": json.dumps(dict(results.engine_versions), sort_keys=True),
        "payload": run.payload.digest,
        "row_count": results.row_count,
        "samples_sha256": results.samples_sha256 or None,
    }


def _stack(results: Results) -> str | None:
    """Return the layers' ids, innermost first, "bare-metal" where it was said so, None where it is not recorded."""
    if results.host.layers:
        return " in ".join(each.id or "?" for each in reversed(results.host.layers))
    return "bare-metal" if results.host.bare_metal else None


def _name(cloud: Mapping[str, Any] | None) -> str | None:
    return None if cloud is None else cloud.get("id") or cloud.get("name")


def figures_frame(results: Results, run_id: str) -> pd.DataFrame:
    """Return the summary of a run: one row a quantity of a backend."""
    rows = [asdict(row) | {"run_id": run_id} for row in summarise(results)]
    columns = ("run_id", *FIGURE_COLUMNS)
    frame = pd.DataFrame(rows).rename(columns={"phase": "metric"}) if rows else pd.DataFrame(columns=list(columns))
    return frame[list(columns)]


FIGURE_COLUMNS = (
    "experiment", "backend", "variant", "profile", "metric", "unit", "n", "failed",
    "median", "median_low", "median_high", "p5", "p95", "min", "max",
)  # fmt: skip


def samples_frame(results: Results) -> pd.DataFrame:
    """Return the rows of samples.csv in the order of `order`, then of the moment they were known."""
    rows = [row for series in results.series.values() for row in series.rows]
    rows += [row for stamps in results.noise.values() for row in stamps]
    rows.sort(key=lambda row: (row.order, row.monotonic_ns))
    frame = pd.DataFrame(
        {
            "run_id": [row.run_id for row in rows],
            "order": pd.array([row.order for row in rows], dtype="int64"),
            "experiment": [str(row.experiment) for row in rows],
            "backend": [row.backend for row in rows],
            "variant": [row.variant for row in rows],
            "profile": [row.profile for row in rows],
            "warmup": pd.array([bool(row.warmup) for row in rows], dtype="bool"),
            "iteration": pd.array([row.iteration for row in rows], dtype="int64"),
            "metric": [row.phase for row in rows],
            "value": pd.array([row.value for row in rows], dtype="Float64"),
            "unit": [str(row.unit) for row in rows],
            "outcome": [str(row.outcome) for row in rows],
            "detail": [row.detail for row in rows],
            "monotonic_ns": pd.array([row.monotonic_ns for row in rows], dtype="int64"),
        }
    )
    return frame.astype({"value": "float64"})


def _typed(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with one type a column (time, whole number or text), also where values are missing."""
    kinds = {name: "Int64" if name in RUN_INTEGERS else "string" for name in runs if name != "started_at"}
    moments = pd.to_datetime(runs["started_at"], utc=True, errors="coerce", format="ISO8601")
    return runs.astype(kinds).assign(started_at=moments)


def expanded(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of a dataset with a column for each label in place of the column that holds them all."""
    labels = pd.DataFrame([json.loads(text) for text in runs["labels"]], index=runs.index)
    return _typed(runs.drop(columns="labels").join(labels.add_prefix(LABEL_PREFIX)))
