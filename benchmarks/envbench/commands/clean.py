"""`envbench clean`: removes what killed runs left behind, and only that."""

import click

from envbench.commands.arguments import debug_option
from envbench.errors import EnvbenchError, UsageError
from envbench.records.phases import counted
from envbench.run.reaper import Left, Reaped, Reaping, reap
from envbench.traces.journal import found_journals
from envbench.traces.owner import Standing


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what the journals list, and what is known of their runs.")
@click.option(
    "--run",
    "run_id",
    metavar="RUN_ID",
    help="Clean up after this run alone, also where it ran in a container or on a machine that is gone for good.",
)
@debug_option
def clean(dry_run: bool, run_id: str | None) -> None:
    """Remove what killed runs left: containers, images, guests, processes, mounts, folders.

    Removes what stands in the journal of a run whose process is proved dead, once the run's id is found on the thing.
    A run of another container or machine that shares this home is named and left alone. Exit code 1 if anything is
    left.
    """
    if run_id is not None and not any(journal.run_id == run_id for journal in found_journals()):
        raise UsageError(f"no journal of a run {run_id}", remedy="envbench clean --dry-run, which lists all")
    if dry_run:
        _list(run_id)
        return
    found = reap(run_id=run_id)
    for one in found.done:
        click.echo(_line(one))
    for alive in found.alive:
        click.echo(f"{alive}: is running; left alone")
    for left in found.left:
        click.echo(f"{left}; left alone")
    _judge(found, run_id)
    if not any(one.was_there for one in found.done):
        click.echo("nothing was left behind")


def _judge(found: Reaping, run_id: str | None) -> None:
    """Raise EnvbenchError where anything is left."""
    if found.failed:
        raise EnvbenchError(
            f"{len(found.failed)} of {len(found.done)} things could not be removed; their journal is kept",
            remedy="mend what stands above, then envbench clean again",
        )
    if found.left:
        raise EnvbenchError(
            f"left alone: {counted(len(found.left), 'run')} that nobody can prove here to be over",
            remedy=" · ".join(left.remedy for left in found.left),
        )
    if run_id is not None and found.alive:
        raise EnvbenchError(f"run {run_id} is running", remedy="end it (Ctrl-C): it cleans up after itself")


def _list(run_id: str | None) -> None:
    words = {
        Standing.DEAD: "is over",
        Standing.ALIVE: "is running",
        Standing.ELSEWHERE: "ran in another container or on another machine",
    }
    journals = [journal for journal in found_journals() if run_id in (None, journal.run_id)]
    if not journals:
        click.echo("nothing was left behind")
    for journal in journals:
        if journal.standing is Standing.UNREADABLE:
            click.echo(f"{Left(journal.run_id, unreadable=journal.path)}")
        for entry in journal.entries:
            click.echo(f"{journal.run_id} ({words[journal.standing]}): {entry.kind} {entry.name}")


def _line(one: Reaped) -> str:
    what = f"{one.run_id}: {one.entry.kind} {one.entry.name}"
    if one.error:
        return f"{what}: {one.error}"
    return f"{what}: removed" if one.was_there else f"{what}: gone already"
