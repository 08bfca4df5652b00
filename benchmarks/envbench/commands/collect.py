"""`envbench collect`: puts results folders into a dataset; a folder that cannot be used is named, the rest goes on."""

from pathlib import Path

import click

from envbench.commands.arguments import debug_option
from envbench.errors import EnvbenchError, UsageError, advice


def read_labels(words: tuple[str, ...], option: str = "--label") -> dict[str, str]:
    """Return KEY=VALUE words as pairs. Raises UsageError for a word that is none."""
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key.isidentifier() and equals and value):
            raise UsageError(f"{option} {word}: no KEY=VALUE", remedy=f"{option} instance_type=c6a.xlarge")
        pairs[key] = value
    return pairs


@click.command(epilog="Example: envbench collect results/* --into dataset/ --label instance_type=c6a.xlarge")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--into", required=True, metavar="DATASET", help="A folder, or an address such as s3://BUCKET/PATH.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="What these runs share (repeatable).")
@debug_option
def collect(folders: tuple[Path, ...], into: str, labels: tuple[str, ...]) -> None:
    """Put results FOLDERS into a dataset of Parquet files, which pandas and DuckDB read.

    A run that is there already is not taken twice.
    """
    from envreport.dataset.files import DatasetError
    from envreport.dataset.store import collect_run  # pandas only where it is needed

    pairs = read_labels(labels)
    broken = 0
    for folder in folders:
        try:
            found = collect_run(folder, into, pairs)
        except DatasetError as error:
            raise UsageError(str(error), remedy=error.remedy) from error
        except ValueError as error:
            broken += 1
            click.echo(f"envbench: left out: {advice(str(error), getattr(error, 'remedy', ''))}", err=True)
        else:
            click.echo(f"{folder}: run {found.run_id}: {found.state}")
    if broken:
        raise EnvbenchError(f"{broken} of {len(folders)} folders could not be collected; the others were")
