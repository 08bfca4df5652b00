"""`envbench report`: remake every report of a results folder, or set several runs side by side."""

import os
import webbrowser
from pathlib import Path

import click

from envbench.commands.arguments import debug_option, folder_argument, refused
from envbench.commands.names import Place
from envbench.commands.options import format_option
from envbench.errors import UsageError


@click.command(
    epilog="Examples: envbench report results/RUN --open · envbench report OLD NEW --output site --format html"
)
@folder_argument(nargs=-1)
@format_option
@click.option("--parquet", is_flag=True, help="Write samples and summary as Parquet, too.")
@click.option("--claims-file", type=Place(), help="TOML file with claims of your own.")
@click.option("--baseline", type=Place(), help="Earlier run: say what changed since.")
@click.option("--include-host", is_flag=True, help="Show host name, user name and paths.")
@click.option("--output", type=Place(file_okay=False), help="Folder to write into (default: the last run's).")
@click.option("--open", "open_", is_flag=True, help="Open the HTML report in a browser.")
@debug_option
def report(
    folders: tuple[Path, ...],
    formats: tuple[str, ...],
    parquet: bool,
    claims_file: Path | None,
    baseline: Path | None,
    include_host: bool,
    output: Path | None,
    open_: bool,
) -> None:
    """Write the reports of a results FOLDER again; several folders are set side by side, oldest first."""
    import envreport  # pandas and matplotlib only where they are needed

    if baseline is not None and len(folders) > 1:
        raise click.UsageError("--baseline goes with one FOLDER; several are held against each other already.")
    chosen = tuple(dict.fromkeys((*(formats or envreport.DEFAULT_FORMATS), *(("parquet",) if parquet else ()))))
    with refused():
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
        target = output or folders[-1]
        if not os.access(target, os.W_OK | os.X_OK):
            raise UsageError(f"{target} cannot be written", remedy="--output FOLDER, one that can be written")
        if len(folders) == 1:
            written = envreport.write_all(
                folders[0],
                chosen,
                claims_file=claims_file,
                include_host=include_host,
                output=output,
                baseline=baseline,
            )
        else:
            written = envreport.write_side_by_side(folders, chosen, include_host=include_host, output=output)
    for path in written:
        click.echo(path)
    page = next((path for path in written if path.suffix == ".html"), None)
    if open_ and page is not None and not webbrowser.open(page.resolve().as_uri()):
        click.echo(f"no browser could be started; open {page} yourself", err=True)
