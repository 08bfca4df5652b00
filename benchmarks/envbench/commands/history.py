"""`envbench history`: one machine over time, from a dataset of runs, and a gate on it."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envbench.commands.arguments import debug_option, refused
from envbench.commands.collect import read_labels
from envbench.commands.names import OneOf, Place
from envbench.errors import GateFailedError, GateInconclusiveError, UsageError

if TYPE_CHECKING:
    from envreport.dataset.history import History

FORMS = ("text", "json", "csv", "html", "otava")


@click.command(
    epilog="Examples: envbench history dataset/ --metric docker.ready --fail-on slower · "
    "envbench history dataset/ --metric docker.ready --output page.html"
)
@click.argument("dataset")
@click.option("--metric", required=True, metavar="FIGURE", help="As --fail-if names it: docker.ready, qemu.ready.p95.")
@click.option(
    "--where",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only runs with this label, or column such as cpu (repeatable): where a dataset holds several machines.",
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Only runs from this day on (UTC): where a new level has been accepted.",
)
@click.option(
    "--fail-on",
    type=OneOf(("slower", "faster", "more", "less")),
    help="End with 5 where a verdict is this, else with 6 where one cannot be told.",
)
@click.option(
    "--format",
    "form",
    type=OneOf(FORMS),
    help="Output (default: as the name of --output ends, else text); html: a page that opens offline; "
    "otava: a CSV file for Apache Otava, of the runs since the last cut.",
)
@click.option("--output", type=Place(dir_okay=False), help="Write into this file, in place of stdout.")
@debug_option
def history(
    dataset: str,
    metric: str,
    where: tuple[str, ...],
    since: datetime | None,
    fail_on: str | None,
    form: str | None,
    output: Path | None,
) -> None:
    """Show a figure over time, and say whether it changed and since when.

    The unit is the run. A changed kernel, CPU, layer, engine or payload cuts the history: only the runs since the last
    cut are judged, and fewer than 6 on a side give no verdict. They are split where both sides differ most. The later
    side is slower only where the whole interval of the ratio lies beyond the metric's margin (5 %, of disks 10 %); the
    interval is wider where runs that follow each other are alike. A step that a drift of the host itself would
    explain cannot be told.
    """
    from envreport.dataset.history import history as read  # pandas and scipy only where needed
    from envreport.dataset.history import possible_changes, verdict_text
    from envreport.selectors import parse_selector

    pairs = read_labels(where, "--where")
    with refused():
        figure = parse_selector(metric)
        found = read(dataset, figure, pairs, since)
    if fail_on is not None and fail_on not in (words := possible_changes(figure.metric)):
        raise UsageError(
            f"--fail-on {fail_on}: {figure.metric} is never that", remedy=f"--fail-on {' or '.join(words)}"
        )
    text = _text(found, form or _form_of(output))
    if output is None:
        click.echo(text, nl=False)
    else:
        with refused():
            output.write_text(text, encoding="utf-8")
    if fail_on is not None:
        _judge(fail_on, [(str(each.verdict.change), f"{each.name}: {verdict_text(each)}") for each in found.series])


def _form_of(output: Path | None) -> str:
    """Return the form that the name of a file asks for."""
    ending = output.suffix.removeprefix(".") if output is not None else ""
    return ending if ending in FORMS else "text"


def _text(found: "History", form: str) -> str:
    """Return a history in one of `FORMS`, whole lines."""
    from envreport.dataset.history import history_csv, history_lines, history_record

    match form:
        case "json":
            return json.dumps(history_record(found), indent=1, allow_nan=False) + "\n"
        case "csv":
            return history_csv(found)
        case "otava":
            from envreport.dataset.otava import otava_csv

            return otava_csv(found)
        case "html":
            from envreport.formats.history import history_page  # matplotlib only for a page

            return history_page(found)
        case _:
            return "".join(f"{line}\n" for line in history_lines(found))


def _judge(fail_on: str, verdicts: list[tuple[str, str]]) -> None:
    """Raise the gate's error where a verdict is the one asked for, or where there is none."""
    for change, error, what in (
        (fail_on, GateFailedError, "gate failed"),
        ("inconclusive", GateInconclusiveError, "gate not decided"),
    ):
        texts = [text for word, text in verdicts if word == change]
        if texts:
            raise error(f"{what}: {'; '.join(texts)}")
