"""What the terminal shows after a run: answer, start-up table, verdicts, warnings, and where the report is.

Plain text.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from envreport.claims.verdict import Verdict
from envreport.document import ReportDocument, Table
from envreport.formats.markdown import MEASURED, SYMBOLS
from envreport.units import printable


def summary(document: ReportDocument, folder: Path) -> str:
    """Return the text; control characters from outside never reach the terminal."""
    lines = [document.answer, *(f"  ({note})" for note in document.answer_notes), ""]
    startup = next((each for each in document.sections if each.id == "startup"), None)
    if startup and startup.charts:
        lines += [*table_lines(startup.charts[0].table), ""]
    lines += [*verdict_lines(document), ""]
    if document.warnings:
        lines += [f"warning: {each.message}. {each.advice}" for each in document.warnings] + [""]
    report = folder / "report.html"
    lines.append(f"Report: {report if report.is_file() else folder}")
    return "\n".join(printable(line) for line in lines)


def table_lines(table: Table) -> Iterator[str]:
    """Yield a table in columns."""
    rows: list[Sequence[str]] = [table.columns, *([cell.text for cell in row] for row in table.rows)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table.columns))]
    for row in rows:
        yield "  ".join(
            value.rjust(width) if index in table.numeric else value.ljust(width)
            for index, (value, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()


def verdict_lines(document: ReportDocument) -> Iterator[str]:
    """Yield the measured verdicts, and how many claims could not be measured by this run."""
    for each in document.judgements:
        if each.verdict in MEASURED:
            yield f"{SYMBOLS[each.verdict]} {each.label}: {each.claim.wording} [{each.claim.id}]"
            if each.figure:
                yield f"    {each.figure}"
    counts = Counter(each.verdict for each in document.judgements)
    rest = ", ".join(
        f"{counts[verdict]} {verdict}" for verdict in Verdict if verdict not in MEASURED and counts[verdict]
    )
    if rest:
        yield f"The other claims: {rest} (the report says what each needs)."
