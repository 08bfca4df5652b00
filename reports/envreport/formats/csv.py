"""summary.csv, claims.csv and warnings.csv: UTF-8, one header, missing is empty.

Programs load them without any options.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from envreport.document.model import ReportDocument
from envreport.formats import tables


def render(document: ReportDocument) -> dict[str, str]:
    """Return the three files."""
    return {
        "summary.csv": _text(tables.SUMMARY_COLUMNS, tables.summary_records(document)),
        "claims.csv": _text(tables.CLAIM_COLUMNS, tables.claim_records(document)),
        "warnings.csv": _text(tables.WARNING_COLUMNS, tables.warning_records(document)),
    }


def _text(columns: Sequence[str], records: Iterable[tables.Record]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: _one_line(value) for name, value in record.items()})
    return buffer.getvalue()


def _one_line(value: str | float | None) -> str | float:
    """Keep a record on a line: not every reader takes line breaks in quotes."""
    if value is None:
        return ""
    return " ".join(value.split()) if isinstance(value, str) else value
