"""`envbench compare`: per backend a ratio with interval, and faster, slower, same or inconclusive."""

from pathlib import Path

import click

from envbench.commands.arguments import debug_option, folder_argument, refused
from envbench.errors import UsageError


@click.command(epilog="Example: envbench compare results/BEFORE results/AFTER")
@folder_argument(nargs=-1)
@click.option("--force", is_flag=True, help="Compare runs with another payload, accelerator or CPU all the same.")
@debug_option
def compare(folders: tuple[Path, ...], force: bool) -> None:
    """Compare each further results folder with the first."""
    from envreport.compare import comparison_lines  # scipy only where it is needed
    from envreport.results import load

    if len(folders) < 2:
        raise UsageError("compare needs at least two results folders")
    with refused():
        for line in comparison_lines([load(folder) for folder in folders], force=force):
            click.echo(line)
