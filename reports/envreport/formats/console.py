"""What the terminal shows after a run: answer, start-up table, verdicts in two lines each, warnings, and the report.

One layout for both: on a terminal with colours, elsewhere the same lines as plain text.
"""

import io
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from envreport.claims.model import Judgement
from envreport.claims.verdict import Verdict
from envreport.document.model import ReportDocument, Table
from envreport.formats.markdown import MEASURED, SYMBOLS
from envreport.units import printable

COLOURS = {Verdict.SUPPORTED: "green", Verdict.CONTRADICTED: "red", Verdict.INCONCLUSIVE: "yellow"}
SHOWN_COLUMNS = ("backend", "median", "95 % interval", "n", "p95", "failed")
SPARE_COLUMNS = ("p95",)
"""Left out where the terminal is too narrow for all."""
USUAL_WIDTH = 100
NARROW = 90


def summary(document: ReportDocument, folder: Path, *, width: int = 0, styled: bool = False) -> str:
    """Return the text, `width` columns wide; control characters from outside never reach the terminal."""
    columns = width or shutil.get_terminal_size((USUAL_WIDTH, 24)).columns
    screen = Console(
        file=io.StringIO(), width=columns, force_terminal=styled, color_system="standard" if styled else None,
        markup=False, highlight=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
    screen.print(Text(printable(document.answer), style="bold"))
    for note in document.answer_notes:
        screen.print(_wrapped(f"  · {note}", columns, indent=4), style="dim")
    if document.starts:
        screen.print()
        screen.print(backend_table(document.starts, narrow=columns < NARROW))
    if document.meaning:
        screen.print()
    for sentence in document.meaning:
        screen.print(_wrapped(f"→ {sentence}", columns, indent=2))
    for line in verdict_lines(document, columns):
        screen.print(line)
    for each in document.warnings:
        screen.print(_wrapped(f"! {each.message}. {each.advice}", columns, indent=2), style="yellow")
    report = folder / "report.html"
    screen.print(Text(f"\nReport: {printable(str(report if report.is_file() else folder))}"), soft_wrap=True)
    return "\n".join(line.rstrip() for line in screen.file.getvalue().splitlines())  # type: ignore[attr-defined]


def _wrapped(line: str, columns: int, *, indent: int) -> Text:
    return Text(textwrap.fill(printable(line), columns, subsequent_indent=" " * indent))


def backend_table(table: Table, *, narrow: bool) -> Grid:
    """Return the start-up table with the columns that a terminal has room for."""
    wanted = [name for name in SHOWN_COLUMNS if not (narrow and name in SPARE_COLUMNS)]
    grid = Grid(box=SIMPLE, pad_edge=False, padding=(0, 1), show_edge=False, header_style="bold")
    chosen = [index for index, name in enumerate(table.columns) if name in wanted]
    for index in chosen:
        side = "right" if index in table.numeric else "left"
        grid.add_column(table.columns[index], justify=side, no_wrap=index in table.numeric, overflow="fold")  # type: ignore[arg-type]
    for row in table.rows:
        grid.add_row(*(Text(printable(row[index].text)) for index in chosen))
    return grid


def verdict_lines(document: ReportDocument, columns: int) -> Iterator[Text]:
    """Yield each measured verdict in two lines at most, and how many claims this run could not measure."""
    yield Text("")
    for verdict in MEASURED:
        for each in document.judgements:
            if each.verdict is verdict:
                yield from _verdict(each, columns)
    counts = Counter(each.verdict for each in document.judgements)
    rest = "; ".join(
        f"{counts[verdict]} {verdict.words}" for verdict in Verdict if verdict not in MEASURED and counts[verdict]
    )
    if rest:
        yield Text(f"The other claims: {rest} (the report says what each needs).")
    yield Text("")


def _verdict(judgement: Judgement, columns: int) -> Iterator[Text]:
    colour = COLOURS[judgement.verdict]
    label = f"{SYMBOLS[judgement.verdict]} {judgement.label}"
    line = Text.assemble((label, f"bold {colour}"), (f"  {printable(judgement.claim.wording)}", ""))
    line.truncate(columns, overflow="ellipsis")
    yield line
    if judgement.figures:
        more = len(judgement.figures) - 1 + judgement.figures_left_out
        tail = f"  (+{more})" if more else ""
        figure = Text(f"    {printable(judgement.figures[0])}", style="dim")
        figure.truncate(columns - len(tail), overflow="ellipsis")
        figure.append(tail)
        yield figure
