"""A service against a plain start, with an engine that is played: what is asked of it, and what it may fail to say."""

import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envbench.errors import BackendError, StartTimeoutError
from envbench.experiments.kernel import managers, swarm, vagrant
from envbench.experiments.kernel.swarm import _Starts
from envbench.experiments.shared import own_engine as door
from envbench.experiments.shared.own_engine import own_engine
from envbench.settings import LABEL, Settings, new_run_id
from envbench.traces.journal import Journal


class Played(socketserver.ThreadingUnixStreamServer):
    """An engine's socket: once something has been started it says so, and its log has these words with the nonce."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str, log: str) -> None:
        self.log, self.started, self.nonce = log, threading.Event(), ""
        super().__init__(path, Talk)


class Talk(socketserver.StreamRequestHandler):
    server: Played

    def handle(self) -> None:
        asked = self.rfile.readline().decode()
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        if "/logs" in asked:
            self.wfile.write(self.server.log.format(nonce=self.server.nonce).encode())
        elif self.server.started.wait(5):
            self.wfile.write(json.dumps({"id": "made"}).encode() + b"\n")


class Api:
    """What is asked by the SDK; `runs` counts down the looks that still see a container running."""

    def __init__(self, server: Played) -> None:
        self.server, self.calls, self.runs = server, [], 2

    def create_service(self, task: dict[str, Any]) -> dict[str, str]:
        self.calls.append("create")
        self.server.nonce = task["ContainerSpec"]["Labels"][f"{LABEL}.nonce"]
        self.task = task
        self.server.started.set()
        return {"ID": "service"}

    def remove_service(self, identity: str) -> None:
        self.calls.append(f"remove {identity}")

    def containers(self, **_words: object) -> list[str]:
        self.calls.append("look")
        self.runs -= 1
        return ["made"] * self.runs


@pytest.fixture
def settings() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="envbench-") as folder:  # A socket needs a short path.
        yield Settings(new_run_id(), Path(folder), Path(folder), deadline_s=2)


@pytest.fixture
def played(settings: Settings) -> Iterator[Played]:
    path = settings.work_dir / "socket"
    with Played(str(path), "ENVBENCH-READY {nonce} realtime_ns=1 uptime_s=2\n") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def starts(server: Played, settings: Settings) -> tuple[_Starts, Api]:
    api = Api(server)
    return _Starts(api, settings.work_dir / "socket", "sha256:abc", settings), api


def test_a_service_is_timed_until_its_ready_line_and_is_gone_then(played: Played, settings: Settings) -> None:
    made, api = starts(played, settings)
    assert 0 < made.time_ns(made._service) < 2e9
    assert api.calls == ["create", "remove service", "look", "look"]
    spec = api.task["ContainerSpec"]
    assert (spec["Image"], spec["Command"]) == ("sha256:abc", ["/envbench/ready"])
    assert spec["Args"] == [played.nonce, "idle"]
    assert api.task["RestartPolicy"] == {"Condition": "none"}


def test_a_log_without_the_ready_line_is_no_start(played: Played, settings: Settings) -> None:
    played.log = "exec: no such file {nonce}"
    made, api = starts(played, settings)
    with pytest.raises(BackendError, match="ended before its ready line: exec: no such file"):
        made.time_ns(made._service)
    assert "remove service" in api.calls


def test_a_service_that_nothing_comes_of_ends_at_the_deadline(
    played: Played, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, api = starts(played, settings)
    made._deadline_s = 0.1
    monkeypatch.setattr(played.started, "set", lambda: None)
    with pytest.raises(StartTimeoutError, match=r"within 0\.1 s"):
        made.time_ns(made._service)
    assert "remove service" in api.calls


def test_both_ways_begin_a_round_in_turns(played: Played, settings: Settings) -> None:
    made, _ = starts(played, settings)
    first = [made.in_turns(number)[0][0] for number in range(4)]
    assert first == ["managed_ready", "plain_ready"] * 2


@pytest.mark.parametrize(
    ("user", "path", "words", "remedy"),
    [
        (1000, None, "needs root", "sudo envbench kernel"),
        (0, "/nowhere", "no unshare on the PATH", door.INSTALL),
    ],
)
def test_what_an_engine_of_the_runs_own_lacks_is_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, user: int, path: str | None, words: str, remedy: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if path is not None:
        monkeypatch.setenv("PATH", path)
    journal = Journal(settings.run_id, settings.work_dir / "state")
    with pytest.raises(BackendError, match=words) as raised, own_engine(journal, settings):
        pass
    assert raised.value.remedy == remedy
    assert journal.entries() == ()
    journal.close()


class Bench:
    """As much of a bench as the managers take."""

    def __init__(self, *, quick: bool) -> None:
        self.quick, self.rows = quick, {}

    def attempt(self, *_words: object) -> Any:
        from contextlib import nullcontext

        return nullcontext()

    def containers(self) -> tuple[()]:
        return ()

    vms = containers

    def record(self, name: str, value: float, detail: str) -> None:
        self.rows[name] = (value, detail)


@pytest.mark.parametrize(
    ("quick", "expected"),
    [(False, (1, "Docker Swarm 1.0 (tried)")), (True, (0, "none of those looked for"))],
)
def test_a_quick_run_tries_no_manager(monkeypatch: pytest.MonkeyPatch, quick: bool, expected: tuple[int, str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(swarm, "run", lambda _bench: "Docker Swarm 1.0")
    monkeypatch.setattr(vagrant, "run", lambda _bench: "Vagrant 1.0")
    bench: Any = Bench(quick=quick)
    managers.run(bench)
    assert bench.rows["managers.container"] == expected
