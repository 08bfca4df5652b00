"""An image of the user's that an engine fetches from a registry of theirs: what was there before is never touched."""

import contextlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Protocol

from envbench.backends.shared.engine_calls import FETCHED, engine_errors, inspected_image, remove_image
from envbench.errors import BackendError
from envbench.settings import Settings
from envbench.traces.journal import Journal, Kind

PULL_SILENCE_S = 600.0
"""Longest silence of an engine that pulls: Podman says nothing while a layer is on its way."""


class _Engine(Protocol):
    """What an engine's backend does for it."""

    name: ClassVar[str]
    settings: Settings
    journal: Journal

    @property
    def api(self) -> Any: ...

    def journal_facts(self) -> dict[str, str]: ...

    def login(self, image: str) -> dict[str, Any] | None: ...

    def pull(self, image: str, login: dict[str, Any] | None = None) -> int | None: ...

    def take_over(self, image: str) -> None: ...


class EngineImage:
    """One image of the user's and the engine that fetches it, over the engine's API (`backend.UsersImage`).

    While the engine has it, it has a second name with the run's id: by that a killed run's is told from the user's.
    """

    def __init__(self, engine: _Engine, image: str) -> None:
        self._engine = engine
        self.image = image
        self._repository = f"localhost/envbench-fetched-{engine.settings.run_id}"

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """See, on entry, that the engine has no image of this name; at the end none is left that was fetched."""
        engine = self._engine
        if inspected_image(engine.api, self.image) is not None:
            words = f"{self.image}: {engine.name} has it already, and would not fetch it; it is yours, and stays"
            raise BackendError(words, remedy=f"{engine.name} rmi {self.image}, or another tag of it in the registry")
        _ = self._login
        own_name = f"{self._repository}:latest"
        number = engine.journal.intend(
            Kind.IMAGE, own_name, engine.name, **{FETCHED: self.image}, **engine.journal_facts()
        )
        try:
            yield
        finally:
            for name in (self.image, own_name):
                remove_image(engine.api, name)
            engine.journal.forget(number)

    def fetch(self) -> int | None:
        """Fetch it; return the bytes of layers that came, by the engine's own count, None where it does not tell."""
        with engine_errors(f"pulling {self.image}", PULL_SILENCE_S):
            return self._engine.pull(self.image, self._login)

    def take_over(self) -> None:
        """Give what was fetched the run's id and have starts made of it. Raises BackendError."""
        with engine_errors(f"naming {self.image}"):
            self._engine.api.tag(self.image, self._repository, "latest")
        self._engine.take_over(self.image)

    def layers(self) -> frozenset[str]:
        """Return the layers of what was fetched, by the digests of their archives (OCI, diff_ids)."""
        return _layers_of(inspected_image(self._engine.api, self.image) or {})

    def layers_there(self) -> frozenset[str]:
        """Return the layers of all images that the engine has. Raises BackendError."""
        api = self._engine.api
        with engine_errors("listing images"):
            found = [api.inspect_image(one["Id"]) for one in api.images(all=True)]
        return frozenset().union(*map(_layers_of, found))

    @cached_property
    def _login(self) -> dict[str, Any] | None:
        return self._engine.login(self.image)


def _layers_of(inspected: Mapping[str, Any]) -> frozenset[str]:
    return frozenset((inspected.get("RootFS") or {}).get("Layers") or ())
