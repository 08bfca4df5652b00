"""`envbench clean`: removes what killed runs left behind, and only that."""

import click

from envbench.commands.arguments import debug_option
from envbench.errors import EnvbenchError
from envbench.run.reaper import Reaped, reap
from envbench.traces.journal import leftovers


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what the journals of killed runs list.")
@debug_option
def clean(dry_run: bool) -> None:
    """Remove what killed runs left: containers, images, guests, processes, mounts, folders.

    Only what the journal of a run lists whose process is dead, and only once it is seen to carry that run's id.
    """
    if dry_run:
        for journal in leftovers():
            for entry in journal.entries:
                click.echo(f"{journal.run_id}: {entry.kind} {entry.name}")
        return
    done = reap()
    for one in done:
        click.echo(_line(one))
    failed = [one for one in done if one.error]
    if failed:
        raise EnvbenchError(
            f"{len(failed)} of {len(done)} things could not be removed; their journal is kept, run again"
        )
    if not any(one.was_there for one in done):
        click.echo("nothing was left behind")


def _line(one: Reaped) -> str:
    what = f"{one.run_id}: {one.entry.kind} {one.entry.name}"
    if one.error:
        return f"{what}: {one.error}"
    return f"{what}: removed" if one.was_there else f"{what}: gone already"
