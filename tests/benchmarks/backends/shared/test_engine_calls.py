"""How long an engine may take: to answer, for a start and for all else; and to remove what it removes already."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from envbench.backends.docker import DockerBackend
from envbench.backends.shared import engine_calls
from envbench.backends.shared.engine_calls import api_client, engine_errors, remove_container
from envbench.errors import BackendError, StartTimeoutError
from envbench.settings import Settings
from envbench.traces.journal import Journal

SLOW_S = 0.5


class _Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_version = self.path.endswith("/version")
        if not is_version:
            time.sleep(SLOW_S)
        body = b'{"ApiVersion": "1.41", "MinAPIVersion": "1.24"}' if is_version else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return ""

    def log_message(self, *_words: object) -> None: ...


class _Server(socketserver.ThreadingUnixStreamServer):
    def handle_error(self, request: object, client_address: object) -> None: ...


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerBackend]:
    """Give a backend whose starts may take 0.1 s, and whose engine takes half a second for what it is asked."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/slow.sock")
    with _Server(str(tmp_path / "slow.sock"), _Slow) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        journal = Journal("run")
        backend = DockerBackend(Settings("run", tmp_path, tmp_path, deadline_s=0.1), journal)
        yield backend
        backend.close()
        journal.close()
        server.shutdown()


def test_a_short_deadline_of_starts_leaves_an_engine_its_time_for_all_else(backend: DockerBackend) -> None:
    with engine_errors("asking"):
        assert backend.api.info() == {}


def test_what_belongs_to_a_start_ends_with_the_starts_deadline(backend: DockerBackend) -> None:
    api, begun = backend.api, time.monotonic()
    with pytest.raises(StartTimeoutError, match="does not answer in time"), engine_errors("creating", 0.1):
        api.info()
    assert time.monotonic() - begun < SLOW_S
    with engine_errors("removing"):
        assert api.info() == {}, "the start's deadline is over with the start"


class _Removing(_Slow):
    """An engine that refuses to remove a container: while a removal goes on, or while it ends."""

    status = "removing"
    refusals = 5

    def do_GET(self) -> None:
        if self.path.endswith("/json"):
            self._answer(200, {"State": {"Status": self.status}})
        else:
            super().do_GET()

    def do_DELETE(self) -> None:
        type(self).refusals -= 1
        if self.refusals >= 0:
            self._answer(409, {"message": "removal of container x is already in progress"})
        else:
            self._answer(404, {"message": "No such container: x"})

    def _answer(self, code: int, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize(("status", "patient"), [("removing", True), ("running", False)])
def test_a_removal_that_goes_on_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, patient: bool
) -> None:
    """An engine that is too busy to answer goes on with the removal, and refuses the next one until it is done."""
    monkeypatch.setattr(engine_calls, "REFUSED_PATIENCE_S", 0.0)
    handler = type("Handler", (_Removing,), {"status": status})
    with _Server(str(tmp_path / "engine.sock"), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        api = api_client(f"unix://{tmp_path}/engine.sock", 5)
        if patient:
            assert remove_container(api, "x"), "it was there"
        else:
            with pytest.raises(BackendError, match="refuses"):
                remove_container(api, "x")
        api.close()
        server.shutdown()
