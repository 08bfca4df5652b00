"""Rows of hosts as a Parquet file, for programs that work with columns; needs the extra "parquet"."""

from __future__ import annotations

from envinspect.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TRUTHS = ("answered", "determined")
"""Columns that hold true or false; all others hold text."""


def file(columns: tuple[str, ...], rows: Iterable[tuple[str | bool | None, ...]]) -> bytes:
    """Return the file. None is null. Raises UsageError where pyarrow is not installed."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("parquet needs pyarrow", remedy="pip install 'envinspect[parquet]'") from error
    schema = pa.schema([(name, pa.bool_() if name in _TRUTHS else pa.string()) for name in columns])
    records = [dict(zip(columns, map(_encodable, row))) for row in rows]
    out = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(records, schema=schema), out)
    data: bytes = out.getvalue().to_pybytes()
    return data


def _encodable(cell: str | bool | None) -> str | bool | None:
    """Return text so that it can be UTF-8: JSON may hold halves of a character."""
    return cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell
