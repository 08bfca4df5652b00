"""`envbench history`: one machine over time, from a dataset of runs, and a gate on it."""

import json
from datetime import datetime

import click

from envbench.commands.arguments import debug_option, refused
from envbench.commands.collect import read_labels
from envbench.commands.names import OneOf
from envbench.errors import GateFailedError, GateInconclusiveError, UsageError


@click.command(epilog="Example: envbench history dataset/ --metric docker.ready --fail-on slower")
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
    type=OneOf(("text", "json", "csv", "otava")),
    default="text",
    show_default=True,
    help="Output; otava: a CSV file for Apache Otava, of the runs since the last cut.",
)
@debug_option
def history(
    dataset: str, metric: str, where: tuple[str, ...], since: datetime | None, fail_on: str | None, form: str
) -> None:
    """Show a figure over time, and say whether it changed and since when.

    The unit is the run. A changed kernel, CPU, layer, engine or payload cuts the history: only the runs since the last
    cut are judged, and fewer than 6 on a side give no verdict. They are split where both sides differ most. The later
    side is slower only where the whole interval of the ratio lies beyond the metric's margin (5 %); the interval is
    wider where runs that follow each other are alike.
    """
    from envreport.dataset.history import history as read  # pandas and scipy only where needed
    from envreport.dataset.history import history_csv, history_lines, history_record, possible_changes, verdict_text
    from envreport.dataset.otava import otava_csv
    from envreport.selectors import parse_selector

    pairs = read_labels(where, "--where")
    with refused():
        figure = parse_selector(metric)
        found = read(dataset, figure, pairs, since)
    if fail_on is not None and fail_on not in (words := possible_changes(figure.metric)):
        raise UsageError(
            f"--fail-on {fail_on}: {figure.metric} is never that", remedy=f"--fail-on {' or '.join(words)}"
        )
    if form == "json":
        click.echo(json.dumps(history_record(found), indent=1, allow_nan=False))
    elif form == "csv":
        click.echo(history_csv(found), nl=False)
    elif form == "otava":
        click.echo(otava_csv(found), nl=False)
    else:
        for line in history_lines(found):
            click.echo(line)
    if fail_on is not None:
        _judge(fail_on, [(str(each.verdict.change), f"{each.name}: {verdict_text(each)}") for each in found.series])


def _judge(fail_on: str, verdicts: list[tuple[str, str]]) -> None:
    """Raise the gate's error where a verdict is the one asked for, or where there is none."""
    for change, error, what in (
        (fail_on, GateFailedError, "gate failed"),
        ("inconclusive", GateInconclusiveError, "gate not decided"),
    ):
        texts = [text for word, text in verdicts if word == change]
        if texts:
            raise error(f"{what}: {'; '.join(texts)}")
