"""Ways to an image of the user's in a registry of theirs: the server is another's, and so is the network."""

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

from envbench.backend import Backend, UsersImage
from envbench.experiments.deploy.way import ABSENT, THERE, Way, configured
from envbench.records.phases import Experiment
from envbench.run.bench import Bench, Prepared
from envbench.settings import OWN

REMEDY = "the engine's own pull of that name, until it works: its login (docker login, podman login) and its settings"


def ways_to_users_image(
    bench: Bench, containers: Sequence[Prepared], image: str, folder: Path, open_until_end: ExitStack
) -> list[Way]:
    """Return a way to the image for each engine that can fetch it; what it cannot is noted. `folder` is the ways' own.

    The engines were opened with the run's own payload. They are opened anew here, for the user's image alone.
    """
    settings = replace(bench.settings, images=(image,), work_dir=folder)
    ways = []
    for one in containers:
        with bench.attempt(Experiment.DEPLOY, f"{one.name}: {image}", REMEDY):
            backend = type(one.backend)(settings, bench.journal)
            open_until_end.callback(backend.close)
            ways.append(_way(one, backend, image))
    return ways


def _way(one: Prepared, backend: Backend, image: str) -> Way:
    """Fetch the image once, untimed: a registry that only passes it on has it then, and it shows what was there before.

    Raises BackendError where the engine has it already, or cannot have it.
    """
    variant = {"image": image, **one.configuration.variant}
    users = backend.users_image(image, variant)
    state = _fetched_once(users)
    prepared = Prepared(backend, replace(one.configuration, variant=variant, profile=OWN))
    return Way(
        prepared,
        configured(prepared, {"from": "registry", "base": state}),
        fetched=lambda: nullcontext(users.fetch()),
        already=users.awaited,
        between=users.take_over,
    )


def _fetched_once(users: UsersImage) -> str:
    """Return whether a part of the image was on the host before: its layers are told by their digests."""
    before = users.layers_there()
    with users.awaited():
        users.fetch()
        users.take_over()
        return THERE if users.layers() & before else ABSENT
