"""samples.parquet and summary.parquet, for programs that work with columns; needs the extra "parquet"."""

import io
from typing import Any

from envbench.records.samples import COLUMNS, SCHEMA, Sample, read_samples
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
        files["samples.parquet"] = pack([_record(sample) for sample in read_samples(document.raw.path)])
    return files


def _record(sample: Sample) -> dict[str, Any]:
    texts = {name: str(getattr(sample, name)) for name in COLUMNS[1:] if name not in {*INTEGERS, "value"}}
    numbers = {name: int(getattr(sample, name)) for name in INTEGERS}
    found = {"schema": SCHEMA, "value": None if sample.value is None else float(sample.value), **texts, **numbers}
    return {name: found[name] for name in COLUMNS}
