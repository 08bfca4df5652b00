"""`envbench doctor`: every backend, usable here or why not and what to do about it."""

import json

import click

from envbench.backend import Unusable, Usable
from envbench.backends import BACKENDS
from envbench.commands.arguments import debug_option
from envbench.errors import LeftBehindError, NoUsableBackendError
from envbench.payload.kernel import default_cache_dir
from envbench.run.opening import close_backend, open_backend
from envbench.run.reaper import clear_away
from envbench.run.session import make_work_dir
from envbench.settings import Settings, new_run_id
from envbench.traces.journal import Journal


@click.command()
@click.option(
    "--backend", "names", multiple=True, type=click.Choice(tuple(BACKENDS)), help="Only this backend (repeatable)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug_option
def doctor(names: tuple[str, ...], as_json: bool) -> None:
    """Say for every backend whether it can run here; if not, why, and what to do.

    VM backends boot a canary guest to find out whether KVM is of any use, which takes a few seconds. Exit code 3 if no
    backend is usable.
    """
    run_id = new_run_id()
    journal = Journal(run_id)
    found: dict[str, Usable | Unusable] = {}
    try:
        settings = Settings(run_id, make_work_dir(run_id, journal), default_cache_dir())
        for name in names or tuple(BACKENDS):
            found[name] = examine(name, settings, journal)
            if not as_json:
                _show(name, found[name])
    finally:
        left = clear_away(journal)
    if as_json:
        click.echo(json.dumps({name: _as_json(answer) for name, answer in found.items()}, indent=1))
    if left:
        raise LeftBehindError(f"left behind, and why: {'; '.join(left)}", remedy="envbench clean")
    if not any(isinstance(answer, Usable) for answer in found.values()):
        raise NoUsableBackendError("no backend can run here; each one's reason and remedy stand above")


def examine(name: str, settings: Settings, journal: Journal) -> Usable | Unusable:
    """Return what one backend says of itself, and leave nothing behind."""
    backend, answer = open_backend(name, settings, journal)
    if backend is not None:
        close_backend(backend)
    return answer


def _show(name: str, answer: Usable | Unusable) -> None:
    if isinstance(answer, Usable):
        click.secho(f"{name:<11} usable", fg="green", nl=not answer.facts)
        if answer.facts:
            click.echo("      " + ", ".join(f"{key} {value}" for key, value in answer.facts.items() if value))
    else:
        click.secho(f"{name:<11} not usable  ", fg="yellow", nl=False)
        click.echo(answer.reason)
        click.echo(f"{'':<24}try: {answer.remedy}")


def _as_json(answer: Usable | Unusable) -> dict[str, object]:
    if isinstance(answer, Usable):
        return {"usable": True, "facts": dict(answer.facts)}
    return {"usable": False, "reason": answer.reason, "remedy": answer.remedy}
