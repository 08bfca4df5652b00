"""`envbench fetch`: gets what runs need from the distribution beforehand, into the user's cache; installs nothing."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from envbench.commands.arguments import debug_option
from envbench.commands.names import OneOf
from envbench.errors import BackendError, EnvbenchError, one_line
from envbench.experiments.shared.artefacts import fetch as fetch_foreign
from envbench.payload.bootable import find_loaders
from envbench.payload.kernel import default_cache_dir, fetch_kernel
from envbench.payload.userland import IMAGES, MACHINES, root_disk, userland_tree

Got = tuple[str, Path | EnvbenchError | OSError]
"""What was wanted, and where it lies or why it could not be had."""


def _kernel(cache_dir: Path) -> Iterator[Got]:
    yield "guest kernel", fetch_kernel(cache_dir).path


def _whole_system(profile: str) -> Callable[[Path], Iterator[Got]]:
    def fetch(cache_dir: Path) -> Iterator[Got]:
        yield f"{profile}: image", userland_tree(cache_dir, IMAGES[profile])
        modules = fetch_kernel(cache_dir).modules
        if modules is not None:
            yield f"{profile}: machine", root_disk(cache_dir, MACHINES[profile], modules)
        find_loaders()

    return fetch


def _another(cache_dir: Path) -> Iterator[Got]:
    yield "another release's userland", userland_tree(cache_dir, "another")


def _login(cache_dir: Path) -> Iterator[Got]:
    yield "vagrant: userland of its machine", userland_tree(cache_dir, "login")


ARTEFACTS: Mapping[str, Callable[[Path], Iterator[Got]]] = {
    "kernel": _kernel,
    "distro": _whole_system("distro"),
    "service": _whole_system("service"),
    "another": _another,
    "vagrant": _login,
    "foreign": fetch_foreign,
}


@click.command()
@click.argument("what", nargs=-1, type=OneOf((*ARTEFACTS, "all")))
@debug_option
def fetch(what: tuple[str, ...]) -> None:
    """Get beforehand what runs need: a guest kernel, whole userlands, binaries of other architectures and systems.

    All of it comes from the distribution's packages and goes into the user's cache; nothing is installed, no image
    registry is asked. What is there already is not fetched again. Without an argument: all. The userlands (distro,
    service, another: a slim one of another release, vagrant: distro with an SSH server) are built by root, with
    mmdebstrap. Exit code 4 if some of it could not be had.
    """
    failed = 0
    for name in ARTEFACTS if not what or "all" in what else dict.fromkeys(what):
        for title, got in _fetched(name):
            if isinstance(got, Path):
                click.echo(f"{title}: {got}")
            else:
                failed += 1
                click.echo(f"{title}: {one_line(got)}", err=True)
    if failed:
        raise BackendError(f"{failed} of what was asked for could not be had")


def _fetched(name: str) -> Iterator[Got]:
    try:
        yield from ARTEFACTS[name](default_cache_dir())
    except (EnvbenchError, OSError) as error:
        yield name, error
