"""Collecting and loading: results folders into a dataset, a dataset into pandas frames.

The name of a file is the run's id, so that collecting twice gives the same dataset. A file appears whole or not at all,
and a run's row is the last of its three files to appear: what other collectors read or write at that moment is whole.
"""

import io
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd

from envbench.records.phases import counted
from envbench.records.run_json import SCHEMA as RUN_SCHEMA
from envreport.dataset.files import FIGURES, RUNS, SAMPLES, is_local, opened, read_table
from envreport.dataset.frames import (
    FIGURE_COLUMNS,
    RUN_INTEGERS,
    Frames,
    expanded,
    figures_frame,
    run_record,
    samples_frame,
)
from envreport.results import ResultsError, load

SCHEMA = "envbench-dataset/1"
UNKNOWN_MONTH = "unknown"
RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_NUMBERS = ("median", "median_low", "median_high", "p5", "p95", "min", "max")


class State(StrEnum):
    """What became of a folder that was to be collected."""

    NEW = "new"
    SAME = "already there"
    LABELLED = "labelled anew"
    REPLACED = "replaced"
    """The dataset held an earlier state of this run, with fewer rows."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of one folder."""

    folder: Path
    run_id: str
    state: State


def collect_run(folder: Path, dataset: str, labels: Mapping[str, str] | None = None) -> Collected:
    """Put a results folder into a dataset (a folder, or an address that pyarrow reads, such as s3://bucket/path).

    A run that is there already keeps its labels, unless others of the same name are given. Raises ResultsError or
    SamplesError for a folder that cannot be read, is of another schema or holds less than the dataset has of that run;
    OSError where the dataset cannot be written.
    """
    results = load(folder)
    if results.run.schema != RUN_SCHEMA:
        raise ResultsError(f"{folder}: run.json has schema {results.run.schema!r}; this version collects {RUN_SCHEMA}")
    record = run_record(results)
    run_id = record["run_id"]
    if not RUN_ID.fullmatch(run_id):
        raise ResultsError(f"{folder}: {run_id!r} is no id of a run")
    disk, root = opened(dataset)
    before = _stored(disk, root, run_id)
    state = _state(before, record, labels or {}, folder)
    if state is not State.SAME:
        kept = json.loads(before["labels"]) if before is not None else {}
        where = f"month={_month(record['started_at'])}/{run_id}.parquet"
        if state is not State.LABELLED:
            _write(disk, f"{root}/{SAMPLES}/{where}", samples_bytes(samples_frame(results)))
            _write(disk, f"{root}/{FIGURES}/{where}", figures_bytes(figures_frame(results, run_id)))
        row = {"schema": SCHEMA, **record, "labels": json.dumps({**kept, **(labels or {})}, sort_keys=True)}
        _write(disk, f"{root}/{RUNS}/{where}", run_bytes(row))
    return Collected(folder, run_id, state)


def _state(
    before: Mapping[str, Any] | None, record: Mapping[str, Any], labels: Mapping[str, str], folder: Path
) -> State:
    if before is None:
        return State.NEW
    same = before["samples_sha256"] == record["samples_sha256"] and before["outcome"] == record["outcome"]
    if same:
        kept = json.loads(before["labels"])
        return State.SAME if {**kept, **labels} == kept else State.LABELLED
    if before["row_count"] > record["row_count"]:
        raise ResultsError(
            f"{folder}: {counted(record['row_count'], 'row')}, and the dataset has {before['row_count']} of run "
            f"{record['run_id']}; it keeps those"
        )
    return State.REPLACED


def load_dataset(dataset: str, *, samples: bool = True) -> Frames:
    """Return a dataset as frames, runs by their start; without `samples` that frame is empty (it may be large).

    Labels are columns that begin with `label_`. Raises DatasetError where there is no dataset.
    """
    runs = read_table(dataset, RUNS).to_pandas()
    figures = read_table(dataset, FIGURES).to_pandas()
    rows = read_table(dataset, SAMPLES).to_pandas() if samples else pd.DataFrame()
    ordered = expanded(runs.drop(columns="schema")).sort_values(["started_at", "run_id"], ignore_index=True)
    known = set(ordered["run_id"])  # Another collector may be at a run whose own row is not there yet.
    tables = (
        frame[frame["run_id"].isin(known)].reset_index(drop=True) if len(frame) else frame for frame in (figures, rows)
    )
    return Frames(ordered, *tables)


def _month(started_at: object) -> str:
    found = re.match(r"\d{4}-\d{2}", str(started_at or ""))
    return found[0] if found else UNKNOWN_MONTH


def _stored(disk: Any, root: str, run_id: str) -> Mapping[str, Any] | None:
    """Return the row of a run that the dataset has, None where it has none."""
    from pyarrow import fs, parquet  # noqa: PLC0415 -- an extra

    months = disk.get_file_info(fs.FileSelector(f"{root}/{RUNS}", allow_not_found=True))
    paths = [f"{month.path}/{run_id}.parquet" for month in months if month.base_name.startswith("month=")]
    found = [info.path for info in disk.get_file_info(paths) if info.type == fs.FileType.File] if paths else []
    if not found:
        return None
    row: Mapping[str, Any] = parquet.read_table(found[0], filesystem=disk, partitioning=None).to_pylist()[0]
    return row


def run_bytes(row: Mapping[str, Any]) -> bytes:
    """Return the file of a run's row."""
    import pyarrow as pa  # noqa: PLC0415 -- an extra

    kinds = [(name, pa.int64() if name in RUN_INTEGERS else pa.string()) for name in row]
    texts = {name: value if name in RUN_INTEGERS or value is None else str(value) for name, value in row.items()}
    return _packed(pd.DataFrame([texts], dtype=object), kinds)


def figures_bytes(frame: pd.DataFrame) -> bytes:
    """Return the file of a run's figures."""
    import pyarrow as pa  # noqa: PLC0415 -- an extra

    counts = ("n", "failed")
    kinds = [
        (name, pa.float64() if name in _NUMBERS else pa.int64() if name in counts else pa.string())
        for name in ("run_id", *FIGURE_COLUMNS)
    ]
    return _packed(frame, kinds)


def samples_bytes(frame: pd.DataFrame) -> bytes:
    """Return the file of a run's rows; rows of a start that were known within a millisecond share its first stamp.

    How many microseconds apart they were written down is a third of such a file, and no result.
    """
    import pyarrow as pa  # noqa: PLC0415 -- an extra

    since_ns = frame["monotonic_ns"] - frame.groupby("order")["monotonic_ns"].transform("first")
    shared = frame.groupby([frame["order"], since_ns // MILLISECOND_NS])["monotonic_ns"].transform("first")
    frame = frame.assign(monotonic_ns=shared)
    kinds = {"int64": pa.int64(), "bool": pa.bool_(), "float64": pa.float64()}
    return _packed(frame, [(name, kinds.get(str(kind), pa.string())) for name, kind in frame.dtypes.items()])


MILLISECOND_NS = 1_000_000
DELTAS = ("order", "iteration")
"""Columns that grow from row to row: their differences compress far better than the values."""
FEW_ROWS = 200
"""Up to so many a dictionary of a column's texts is longer than what it saves, and takes longer to read."""


def _packed(frame: pd.DataFrame, kinds: Sequence[tuple[Any, Any]]) -> bytes:
    """Return a Parquet file with as little metadata as possible: metadata would be half of a small file."""
    import pyarrow as pa  # noqa: PLC0415 -- an extra
    from pyarrow import parquet  # noqa: PLC0415

    encoded = {name: "DELTA_BINARY_PACKED" for name, _ in kinds if name in DELTAS}
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(frame, schema=pa.schema(kinds), preserve_index=False)
    parquet.write_table(
        table.replace_schema_metadata(None),
        buffer,
        compression="zstd" if len(frame) > 1 else "none",
        compression_level=15 if len(frame) > 1 else None,
        use_dictionary=[name for name, kind in kinds if kind == pa.string()] if len(frame) > FEW_ROWS else False,
        column_encoding=encoded or None,
        write_statistics=False,
        store_schema=False,
    )
    return buffer.getvalue()


def _write(disk: Any, path: str, content: bytes) -> None:
    """Write a file whole or not at all. Raises OSError. An object store does that by itself."""
    folder = path.rpartition("/")[0]
    if not is_local(disk):
        with disk.open_output_stream(path) as stream:
            stream.write(content)
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o666 & ~_umask())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    """Return the user's mask for new files; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
