"""`envbench collect`: puts results folders into a dataset; a folder that cannot be used is named, the rest goes on."""

import shlex
from pathlib import Path

import click

from envbench.commands.arguments import debug_option, refused
from envbench.commands.names import Address, Place
from envbench.errors import EnvbenchError, UsageError, advice, one_line, without_passwords


def read_labels(words: tuple[str, ...], option: str = "--label") -> dict[str, str]:
    """Return KEY=VALUE words as pairs. Raises UsageError for a word that is none."""
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key.isidentifier() and equals and value):
            raise UsageError(f"{option} {word}: no KEY=VALUE", remedy=f"{option} instance_type=c6a.xlarge")
        pairs[key] = value
    return pairs


def read_target(into: str | None, labels: tuple[str, ...]) -> None:
    """Raise UsageError where a run could not be put into this dataset, as far as that can be told before it."""
    if into is None:
        if labels:
            raise UsageError("--label goes with --into", remedy="--into DATASET")
        return
    from envreport.dataset.files import require_writable

    read_labels(labels)
    with refused():
        require_writable(into)


def put_into(folder: Path, into: str, labels: tuple[str, ...]) -> str:
    """Put a run that is over into a dataset; return what became of it, in words.

    Raises EnvbenchError where that cannot be done. The folder is only read.
    """
    from envreport.dataset.store import collect_run  # pandas, after all measuring is done

    try:
        found = collect_run(folder, into, read_labels(labels))
    except (ValueError, OSError) as error:
        again = ["envbench", "collect", str(folder), "--into", into]
        again += [word for label in labels for word in ("--label", label)]
        raise EnvbenchError(
            f"{into}: the run could not be put there ({one_line(error)}); all of it is kept in {folder}",
            remedy=shlex.join(again),
        ) from error
    return f"{without_passwords(into)}: run {found.run_id}: {found.state}"


@click.command(epilog="Example: envbench collect results/* --into dataset/ --label instance_type=c6a.xlarge")
@click.argument("folders", nargs=-1, required=True, type=Place())
@click.option(
    "--into", type=Address(), required=True, metavar="DATASET", help="A folder, or an address such as s3://BUCKET/PATH."
)
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
