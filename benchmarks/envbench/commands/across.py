"""`envbench across`: machines against machines, from a dataset of runs."""

import json

import click

from envbench.commands.arguments import debug_option, refused


@click.command(epilog="Example: envbench across dataset/ --by instance_type --metric docker.ready")
@click.argument("dataset")
@click.option("--by", required=True, metavar="LABEL", help="A label, or a column such as cpu, cloud, kernel, stack.")
@click.option("--metric", required=True, metavar="FIGURE", help="As --fail-if names it: docker.ready, qemu.ready.p95.")
@click.option("--json", "as_json", is_flag=True, help="As JSON (schema: envbench-across/1).")
@debug_option
def across(dataset: str, by: str, metric: str, as_json: bool) -> None:
    """Compare a figure between kinds of machines.

    The unit is the run: fewer than 6 runs of a kind give no verdict. Accelerators, engine versions and payload
    profiles are never pooled; the verdicts of all pairs together err in 5 % at most (Holm).
    """
    from envreport.dataset.across import across as compare  # pandas and scipy only where needed
    from envreport.dataset.across import across_lines, across_record
    from envreport.selectors import parse_selector

    with refused():
        found = compare(dataset, by, parse_selector(metric))
    if as_json:
        click.echo(json.dumps(across_record(found), indent=1, allow_nan=False))
    else:
        for line in across_lines(found):
            click.echo(line)
