"""An image that the user's registry has: what an engine counts of it, whose login it takes, what is never touched."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envbench.backends.docker import DockerBackend
from envbench.errors import BackendError
from envbench.settings import Settings
from envbench.traces.journal import Journal

IMAGE = "registry.example:5000/shop/web:v3"
PULL = [
    {"status": "Pulling from shop/web", "id": "v3"},
    {"status": "Already exists", "progressDetail": {}, "id": "base"},
    {"status": "Downloading", "progressDetail": {"current": 10, "total": 700}, "id": "own"},
    {"status": "Extracting", "progressDetail": {"current": 700, "total": 700}, "id": "own"},
    {"status": "Pull complete", "progressDetail": {}, "id": "own"},
    {"status": "Status: Downloaded newer image"},
]
"""What Docker says of a pull (Docker Engine API, ImageCreate), shortened."""


class Engine:
    """Answers for an engine with these images; `said` is what it says of a pull."""

    timeout = 10
    base_url = "http://engine"

    def __init__(self, images: dict[str, list[str]], said: list[dict[str, Any]]) -> None:
        self.images, self.said, self.removed, self.login = images, said, [], None

    def inspect_image(self, name: str) -> dict[str, Any]:
        from docker.errors import NotFound

        if name not in self.images:
            raise NotFound(name)
        return {"Id": self.images[name][0], "RootFS": {"Layers": self.images[name]}}

    def pull(self, repository: str, tag: str, *, auth_config: Any, **_how: bool) -> Iterator[dict[str, Any]]:
        self.login = auth_config
        self.images[f"{repository}:{tag}"] = ["base", "own"]
        yield from self.said

    def tag(self, image: str, repository: str, tag: str) -> None:
        self.images[f"{repository}:{tag}"] = self.images[image]

    def remove_image(self, name: str, *, force: bool) -> None:
        self.removed += [name]
        self.inspect_image(name)
        del self.images[name]

    def close(self) -> None: ...


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerBackend]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    journal = Journal("run")
    backend = DockerBackend(Settings("run", tmp_path, tmp_path, images=(IMAGE,)), journal)
    yield backend
    backend.close()
    assert journal.entries() == ()
    journal.close()


def test_what_came_is_counted_named_and_removed(backend: DockerBackend) -> None:
    engine = backend._api = Engine({}, PULL)  # type: ignore[assignment]
    users = backend.users_image(IMAGE, {})
    with users.awaited():
        assert users.fetch() == 700, "the base was there"
        users.take_over()
        assert users.layers() == {"base", "own"}
        assert backend.image({"image": IMAGE}) == IMAGE
        assert any("run" in name and name != IMAGE for name in engine.images)
        (entry,) = backend.journal.entries()
        assert (entry.facts["fetched"], "run" in entry.name) == (IMAGE, True)
    assert engine.images == {}


def test_a_layer_of_no_known_length_makes_no_sum(backend: DockerBackend) -> None:
    backend._api = Engine({}, [*PULL, {"status": "Pull complete", "progressDetail": {}, "id": "other"}])  # type: ignore[assignment]
    assert backend.pull(IMAGE) is None


def test_what_the_user_has_is_not_fetched_and_stays(backend: DockerBackend) -> None:
    engine = backend._api = Engine({IMAGE: ["mine"]}, PULL)  # type: ignore[assignment]
    with pytest.raises(BackendError, match="has it already"), backend.users_image(IMAGE, {}).awaited():
        pytest.fail("it would be overwritten")
    assert (engine.images, engine.removed) == ({IMAGE: ["mine"]}, [])


def test_a_killed_runs_image_goes_by_both_names_while_they_are_one(backend: DockerBackend) -> None:
    from envbench.backends.shared.engine_calls import reap_by_api
    from envbench.traces.journal import Entry, Kind

    entry = Entry(1, Kind.IMAGE, "envbench-fetched-run:latest", "docker", {"fetched": IMAGE})
    ours = {entry.name: ["one"], IMAGE: ["one"]}
    for there, left in (
        (ours, set()),
        ({**ours, IMAGE: ["another"]}, {IMAGE}),
        ({IMAGE: ["one"]}, {IMAGE}),
        ({entry.name: ["one"]}, set()),
    ):
        engine = Engine(dict(there), [])
        assert reap_by_api(engine, entry, "run") is (entry.name in there)  # type: ignore[arg-type]
        assert set(engine.images) == left


def test_the_login_is_the_engines_own(backend: DockerBackend, tmp_path: Path) -> None:
    assert backend.login(IMAGE) is None
    auths = {"registry.example:5000": {"auth": base64.b64encode(b"me:secret").decode()}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}), "utf-8")
    login = backend.login(IMAGE)
    assert login is not None
    assert (login["username"], login["password"]) == ("me", "secret")
    assert backend.login("other.example/web:v3") is None


def test_a_login_that_cannot_be_read_is_not_shown(backend: DockerBackend, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"auths": {"registry.example:5000": "secret"}}', "utf-8")
    with pytest.raises(BackendError, match="no login that can be read") as error:
        backend.login(IMAGE)
    assert "secret" not in str(error.value)
