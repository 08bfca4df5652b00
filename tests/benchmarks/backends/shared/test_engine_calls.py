"""How long an engine may take: to answer, for a start and for all else; and to remove what it removes already."""

import contextlib
import json
import os
import re
import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest

from envbench.backend import Unusable
from envbench.backends.docker import DockerBackend
from envbench.backends.shared import engine_calls
from envbench.backends.shared.engine_api import EngineBackend
from envbench.backends.shared.engine_calls import api_client, engine_errors, remove_container
from envbench.errors import BackendError, StartTimeoutError
from envbench.errors.causes import Cause
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


@contextlib.contextmanager
def _served(folder: Path, handler: type[BaseHTTPRequestHandler]) -> Iterator[None]:
    """Have an engine at engine.sock in a folder; what it still says when the block ends is not waited for."""
    with _Server(str(folder / "engine.sock"), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield
        server.shutdown()
        server.block_on_close = False


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


class _Trickling(_Slow):
    """An engine that says a byte now and then and never ends, in its header or in its body."""

    header = True

    def do_GET(self) -> None:
        if self.path.endswith("/version") and not self.header:
            super().do_GET()
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: " if self.header else b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(200):  # 10 s: nobody waits for it once the test is over
                self.wfile.write(b" ")
                time.sleep(0.05)


@pytest.mark.parametrize("header", [True, False])
def test_an_answer_that_trickles_is_given_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: bool
) -> None:
    """Each byte begins the wait of a read anew."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    monkeypatch.setattr(EngineBackend, "first_answer_s", 1)
    journal, begun = Journal("run"), time.monotonic()
    with _served(tmp_path, type("Handler", (_Trickling,), {"header": header})):
        answer = DockerBackend(Settings("run", tmp_path, tmp_path), journal).check()
        took_s = time.monotonic() - begun
    journal.close()
    assert isinstance(answer, Unusable)
    assert answer.cause is Cause.NO_ANSWER
    assert took_s < 5


class _Endless(_Slow):
    """An engine whose answer is fast and has no end."""

    broken = threading.Event()

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                self.wfile.write(b" " * 65536)
        except OSError:
            self.broken.set()


def test_an_answer_without_end_is_not_read_on(tmp_path: Path) -> None:
    with _served(tmp_path, _Endless), pytest.raises(StartTimeoutError, match="does not answer in time"):
        api_client(f"unix://{tmp_path}/engine.sock", 1)
    assert _Endless.broken.wait(10), "nobody reads what nobody waits for"


class _Saying(_Slow):
    """An engine that has another version of its API, and keeps what lies in TMPDIR meanwhile."""

    body = b""
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.extend(map(str, Path(tempfile.gettempdir()).iterdir()))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"ApiVersion": "latest"}', "the version of its API is 'latest', which is no number"),
        (b'{"ApiVersion": "1."}', "the version of its API is '1.', which is no number"),
        (b'{"ApiVersion": 1.41}', "the version of its API is 1.41, which is no number"),
        (b'{"ApiVersion": ""}', "the version of its API is '', which is no number"),
        (b"{}", "the version of its API is None, which is no number"),
        (b"[]", "the version of its API is None, which is no number"),
        (b"<html>", "what answers is no engine"),
    ],
)
def test_what_is_no_version_is_said_with_who_said_it(tmp_path: Path, body: bytes, said: str) -> None:
    handler = type("Handler", (_Saying,), {"body": body})
    with _served(tmp_path, handler), pytest.raises(BackendError, match=re.escape(said)) as error:
        api_client(f"unix://{tmp_path}/engine.sock", 5)
    assert str(error.value).startswith(f"engine at unix://{tmp_path}/engine.sock: ")
    assert error.value.cause is Cause.BROKEN


def test_a_connection_makes_no_file_that_a_killed_run_could_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it read the user's configuration: the SDK raises all kinds of errors at one of an unexpected form."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "config.json").write_text('{"proxies": [], "auths": 1, "HttpHeaders": "no"}')
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    handler = type("Handler", (_Saying,), {"body": b'{"ApiVersion": "1.41"}', "seen": []})
    with _served(tmp_path, handler):
        api_client(f"unix://{tmp_path}/engine.sock", 5).close()
    assert not handler.seen  # type: ignore[attr-defined]
    assert os.environ["DOCKER_CONFIG"] == str(tmp_path)


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
