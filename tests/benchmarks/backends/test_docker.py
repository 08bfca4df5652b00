"""Why Docker cannot be used, by what is really there: each cause has its own remedy, and the remedy helps."""

import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from envbench.backend import Unusable
from envbench.backends.docker import DockerBackend, require_docker
from envbench.backends.shared import docker_place
from envbench.backends.shared.engine_api import EngineBackend
from envbench.errors import BackendError
from envbench.errors.causes import Cause
from envbench.settings import Settings
from envbench.traces.journal import Journal

Ask = Callable[..., Unusable]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Ask the backend with this environment why it cannot be used."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(EngineBackend, "first_answer_s", 1)
    for name in ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    journal = Journal("run")

    def why(**environment: object) -> Unusable:
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        backend = DockerBackend(Settings("run", tmp_path, tmp_path, allow_remote=True), journal)
        answer = backend.check()
        backend.close()
        assert isinstance(answer, Unusable)
        return answer

    yield why
    journal.close()


def stale(path: Path) -> Path:
    """Leave a socket's file as a daemon that was killed does."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
    return path


@contextmanager
def silent(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """Give a socket on which nobody ever answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(mode)
        yield path


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(400)

    def log_message(self, *_words: object) -> None: ...


@contextmanager
def serving(certificates: Path | None = None) -> Iterator[int]:
    """Give the port of an HTTP server, behind TLS where there are certificates."""
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    server.handle_error = lambda *_request: None  # type: ignore[method-assign]
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificates(folder: Path, name: str) -> Path:
    """Make ca.pem, cert.pem and key.pem of a self-signed certificate for 127.0.0.1."""
    made = folder / name
    made.mkdir()
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=engine -addext subjectAltName=IP:127.0.0.1"
    files = ("-keyout", made / "key.pem", "-out", made / "cert.pem")
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    (made / "ca.pem").write_bytes((made / "cert.pem").read_bytes())
    return made


def test_an_absent_socket_of_the_users_is_no_reason_to_start_another_engine(ask: Ask, tmp_path: Path) -> None:
    answer = ask(DOCKER_HOST=f"unix://{tmp_path}/none")
    assert answer.cause is Cause.ABSENT
    assert answer.remedy.startswith("unset DOCKER_HOST")
    assert "systemctl" not in answer.remedy


def test_an_absent_usual_socket_is_one_to_start_an_engine_for(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_place, "SYSTEM_SOCKET", tmp_path / "none")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    answer = ask(XDG_RUNTIME_DIR=tmp_path)
    assert answer.cause is Cause.ABSENT
    assert "dockerd" in answer.remedy


def test_a_socket_whose_daemon_was_killed_refuses(ask: Ask, tmp_path: Path) -> None:
    answer = ask(DOCKER_HOST=f"unix://{stale(tmp_path / 'stale')}")
    assert answer.cause is Cause.REFUSED
    assert "nothing listens" in answer.reason


def test_a_port_without_a_listener_refuses(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert ask(DOCKER_HOST=f"tcp://127.0.0.1:{port}").cause is Cause.REFUSED


def test_a_socket_that_never_answers_says_so_in_time(ask: Ask, tmp_path: Path) -> None:
    with silent(tmp_path / "silent") as path:
        assert ask(DOCKER_HOST=f"unix://{path}").cause is Cause.NO_ANSWER


def test_an_unknown_host_is_no_engine_to_start(ask: Ask) -> None:
    answer = ask(DOCKER_HOST="tcp://no-such-host.invalid:2375")
    assert answer.cause is Cause.UNKNOWN_HOST
    assert "host name" in answer.remedy


NO_ADDRESSES = (
    *("/run/docker.sock", "nonsense", "tcp://", "tcp://host", "tcp://host:port", "tcp://[::1", "tcp://h:99999"),
    *("npipe:////./pipe/docker_engine", "foo://x", "unix://", "unix:/run/docker.sock", "fd://"),
)


@pytest.mark.parametrize("host", NO_ADDRESSES)
def test_an_address_that_is_none_is_named_and_not_taken_for_another_machine(ask: Ask, host: str) -> None:
    answer = ask(DOCKER_HOST=host)
    assert answer.cause is Cause.CONFIGURATION
    assert f"{host} (DOCKER_HOST) is no address" in answer.reason
    assert "unset DOCKER_HOST" in answer.remedy


def test_an_engine_behind_tls_that_is_asked_without_it_wants_certificates(ask: Ask, tmp_path: Path) -> None:
    with serving(certificates(tmp_path, "its")) as port:
        answer = ask(DOCKER_HOST=f"tcp://127.0.0.1:{port}")
    assert answer.cause is Cause.TLS_MISSING
    assert "DOCKER_TLS_VERIFY=1" in answer.remedy


def test_a_plain_engine_that_is_asked_with_tls_speaks_none(ask: Ask, tmp_path: Path) -> None:
    ours = certificates(tmp_path, "ours")
    with serving() as port:
        answer = ask(DOCKER_HOST=f"tcp://127.0.0.1:{port}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=ours)
    assert answer.cause is Cause.TLS_UNWANTED
    assert "unset DOCKER_TLS_VERIFY" in answer.remedy


def test_certificates_of_somebody_else_or_none_are_what_is_wrong(ask: Ask, tmp_path: Path) -> None:
    """A bundle of the user's for the web says nothing of an engine's certificate."""
    its, ours, junk = (certificates(tmp_path, name) for name in ("its", "ours", "junk"))
    (junk / "cert.pem").write_text("junk")
    with serving(its) as port:
        for folder in (ours, junk, tmp_path / "none"):
            answer = ask(DOCKER_HOST=f"tcp://127.0.0.1:{port}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=folder)
            assert (folder.name, answer.cause) == (folder.name, Cause.CERTIFICATES)
            assert "DOCKER_CERT_PATH" in answer.remedy
        known = ask(DOCKER_HOST=f"tcp://127.0.0.1:{port}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=its,
                    REQUESTS_CA_BUNDLE=ours / "ca.pem")  # fmt: skip
    assert known.cause is Cause.BROKEN, known.reason  # The remedy helps: what is left is that this server is no engine.


def test_a_context_that_does_not_exist_is_one_of_the_configuration(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    from envbench.run.opening import open_backend

    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    journal = Journal("other")
    _, answer = open_backend("docker", Settings("other", Path("/"), Path("/")), journal)
    journal.close()
    assert isinstance(answer, Unusable)
    assert answer.cause is Cause.CONFIGURATION
    assert "DOCKER_CONTEXT=default" in answer.remedy


WITHOUT_MODULE = """
import sys
from pathlib import Path
sys.modules["docker"] = None
from envbench.run.opening import open_backend
from envbench.settings import Settings
from envbench.traces.journal import Journal
journal = Journal("run")
_, answer = open_backend("docker", Settings("run", Path("/"), Path("/")), journal)
journal.close()
print(answer.cause, answer.remedy)
"""


def test_without_its_module_it_is_not_installed(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MODULE], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "not installed pip install 'envinspect[bench]'\n"


@pytest.mark.parametrize(
    ("version", "info"),
    [
        ({"Version": "1"}, {}),
        ({}, {"OSType": "linux"}),
        ([], {"OSType": "linux"}),
        ({"Version": "1"}, []),
        ({"Version": "1"}, {"OSType": "linux", "Runtimes": ["runc"]}),
        ({"Version": "1"}, {"OSType": "linux", "Containerd": "no"}),
    ],
)
def test_an_answer_of_another_form_is_not_dockers(version: object, info: object) -> None:
    with pytest.raises(BackendError, match="engine at x: it"):
        require_docker(version, info, "x")
    require_docker({"Version": "1"}, {"OSType": "linux", "Runtimes": None}, "x")
