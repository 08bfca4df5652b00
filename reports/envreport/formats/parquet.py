"""samples.parquet and summary.parquet, for programs that work with columns; needs the extra "parquet"."""

import csv
import io
from typing import Any

from envreport.document.model import ReportDocument
from envreport.formats import tables

INTEGERS = ("order", "warmup", "iteration", "monotonic_ns")


def render(document: ReportDocument) -> dict[str, bytes]:
    """Return both files. Raises ValueError where pyarrow is not installed."""
    try:
        import pyarrow as pa  # noqa: PLC0415  (an extra)
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise ValueError("parquet needs pyarrow: pip install 'envinspect[parquet]'") from error

    def pack(records: list[dict[str, Any]]) -> bytes:
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(records), buffer)
        return buffer.getvalue()

    files = {
        "summary.parquet": pack(
            [
                {k: float(v) if isinstance(v, int) else v for k, v in each.items()}
                for each in tables.summary_records(document)
            ]
        )
    }
    if document.raw.path is not None:
        with document.raw.path.open(encoding="utf-8", newline="") as rows:
            files["samples.parquet"] = pack([_sample(row) for row in csv.DictReader(rows)])
    return files


def _sample(row: dict[str, str]) -> dict[str, Any]:
    record: dict[str, Any] = dict(row)
    record["value"] = float(row["value"]) if row["value"] else None
    return record | {name: int(row[name]) for name in INTEGERS}
