"""What a place can do: sockets are asked for real, and what only a trial proves is called unknown."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.inspector.captured_systems import made_of

from envinspect.facets.abilities import ENGINES, capabilities_block
from envinspect.model import ABSENT, Denied, Found, Reading
from envinspect.model.facts import Facts
from envinspect.systems import engines
from envinspect.systems.engines import connects, kvm_api_version
from envinspect.systems.live import RunningMachine, live_facts

INTEL_GUEST = "processor\t: 0\nflags\t\t: fpu vmx hypervisor\n\nprocessor\t: 1\n"
INTEL_HOST = "processor\t: 0\nflags\t\t: fpu vmx\n"


def ability(facts: Facts, name: str) -> dict[str, str]:
    return next(item for item in capabilities_block(facts)["capabilities"] if item["id"] == name)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """Serve a unix socket that answers with what the test put into the list."""
    path = str(tmp_path / "engine.sock")
    answers: list[bytes] = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(1000)
                if answers:
                    connection.sendall(answers[0])
                else:
                    threading.Event().wait(0.3)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield path, answers
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(2)


def test_an_engine_that_answers(engine: tuple[str, list[bytes]]) -> None:
    path, answers = engine
    answers.append(b"HTTP/1.0 200 OK\r\n\r\nOK")
    assert connects(path, http=True) == Found("HTTP/1.0 200 OK")
    answers[0] = b"HTTP/1.0 500 Internal Server Error\r\n\r\n"
    assert connects(path, http=True) == Denied("answered HTTP/1.0 500 Internal Server Error")


def test_an_engine_that_hangs(engine: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "TIMEOUT_S", 0.1)
    assert connects(engine[0], http=True) == Denied("ETIMEDOUT")
    assert connects(engine[0], http=False) == Found("takes connections")


def test_a_socket_without_a_server_or_no_socket_at_all(tmp_path: Path) -> None:
    assert connects(str(tmp_path / "none.sock"), http=True) is ABSENT
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "stale.sock"))
    stale.close()
    assert connects(str(tmp_path / "stale.sock"), http=True) == Denied("ECONNREFUSED")
    assert isinstance(connects("/" + "x" * 200, http=True), Denied)


def test_a_device_that_is_no_kvm(tmp_path: Path) -> None:
    assert kvm_api_version(str(tmp_path / "kvm")) is ABSENT
    assert kvm_api_version("/dev/null") == Denied("ENOTTY")


class Running(RunningMachine):
    """A running machine whose /dev/kvm answers as given."""

    def __init__(self, kvm: Reading[int]) -> None:
        self.kvm = kvm

    def kvm_api_version(self) -> Reading[int]:
        return self.kvm


def test_a_capture_is_never_asked(tmp_path: Path) -> None:
    stat = {"dev": 1, "ino": 2}
    facts = made_of(tmp_path, {"stat": {"/var/run/docker.sock": stat, "/dev/kvm": stat}}, {"/proc/cpuinfo": INTEL_HOST})
    assert ability(facts, "docker")["answer"] == "unknown"
    assert ability(facts, "kvm")["answer"] == "unknown"
    assert ability(facts, "podman")["answer"] == "no"


@pytest.mark.parametrize(
    ("cpuinfo", "answer"), [(INTEL_HOST, "yes"), (INTEL_GUEST, "unknown"), ("", "yes")], ids=["host", "guest", "blank"]
)
def test_kvm_in_a_guest_is_proved_only_by_a_guest(tmp_path: Path, cpuinfo: str, answer: str) -> None:
    facts = made_of(tmp_path, {"stat": {"/dev/kvm": {"dev": 1, "ino": 2}}}, {"/proc/cpuinfo": cpuinfo})
    facts.running = Running(Found(12))
    assert ability(facts, "kvm")["answer"] == answer


def test_kvm_missing_or_denied(tmp_path: Path) -> None:
    guest = made_of(tmp_path, {"stat": {}}, {"/proc/cpuinfo": INTEL_GUEST})
    assert ability(guest, "kvm")["answer"] == "no"
    assert "outer hypervisor" in ability(guest, "kvm")["remedy"]
    facts = made_of(tmp_path, {"stat": {"/dev/kvm": {"dev": 1, "ino": 2}}}, {"/proc/cpuinfo": INTEL_HOST})
    facts.running = Running(Denied("EACCES"))
    assert "EACCES" in ability(facts, "kvm")["because"]
    assert "group kvm" in ability(facts, "kvm")["remedy"]


@pytest.mark.parametrize(
    ("files", "euid", "answer"),
    [
        ({}, 1000, "unknown"),
        ({"/proc/sys/user/max_user_namespaces": "0"}, 1000, "no"),
        ({"/proc/sys/user/max_user_namespaces": "9"}, 1000, "yes"),
        ({"/proc/sys/user/max_user_namespaces": "9", "/proc/sys/kernel/unprivileged_userns_clone": "0"}, 1000, "no"),
        ({"/proc/sys/user/max_user_namespaces": "9", "/proc/sys/kernel/unprivileged_userns_clone": "0"}, 0, "yes"),
        ({"/proc/sys/user/max_user_namespaces": "9", "/proc/self/status": "Seccomp:\t2\n"}, 1000, "unknown"),
    ],
)
def test_user_namespaces(tmp_path: Path, files: dict[str, str], euid: int, answer: str) -> None:
    assert ability(made_of(tmp_path, {"euid": euid}, files), "user-namespaces")["answer"] == answer


def test_foreign_binaries(tmp_path: Path) -> None:
    folder = "/proc/sys/fs/binfmt_misc"
    names = {folder: ["python3.11", "qemu-aarch64", "qemu-arm", "register", "status"]}
    files = {f"{folder}/qemu-aarch64": "enabled\ninterpreter /usr/bin/qemu\n", f"{folder}/qemu-arm": "disabled\n"}
    item = ability(made_of(tmp_path, {"listings": names}, files), "foreign-binaries")
    assert (item["answer"], item["because"]) == ("yes", "registered: qemu-aarch64")
    bare = ability(made_of(tmp_path, {"listings": {}}), "foreign-binaries")
    assert bare["answer"] in {"no", "yes"}


@pytest.mark.parametrize(
    ("level", "mask", "counters", "answer"),
    [
        ("2", "0", ["cpu", "software"], "yes"),
        ("3", "0", ["cpu"], "no"),
        ("4", f"{1 << 38:x}", ["cpu"], "yes"),
        ("-1", "0", ["software"], "no"),
        ("1", "0", ["armv8_pmuv3_0"], "yes"),
    ],
)
def test_perf(tmp_path: Path, level: str, mask: str, counters: list[str], answer: str) -> None:
    files = {"/proc/sys/kernel/perf_event_paranoid": level, "/proc/self/status": f"CapEff:\t{mask}\n"}
    facts = made_of(tmp_path, {"listings": {"/sys/bus/event_source/devices": counters}}, files)
    assert ability(facts, "perf")["answer"] == answer


class Answering:
    """A machine on which each socket answers as the test says."""

    def __init__(self, answers: dict[str, Reading[str]]) -> None:
        self.answers = answers

    def connects(self, path: str, *, http: bool) -> Reading[str]:
        return self.answers[path]

    def kvm_api_version(self) -> Reading[int]:
        return ABSENT


SOCKET = {"dev": 1, "ino": 2}
OF_ROOT, OF_USER = "/run/podman/podman.sock", "/run/user/1000/podman/podman.sock"


def test_a_socket_of_root_hides_none_of_the_user(tmp_path: Path) -> None:
    facts = made_of(tmp_path, {"euid": 1000, "stat": {OF_USER: SOCKET}, "denied": {OF_ROOT: "EACCES"}})
    facts.running = Answering({OF_ROOT: Denied("EACCES"), OF_USER: Found("HTTP/1.0 200 OK")})
    assert (ability(facts, "podman")["answer"], OF_USER in ability(facts, "podman")["because"]) == ("yes", True)


def test_a_rootless_docker(tmp_path: Path) -> None:
    path = "/run/user/1000/docker.sock"
    facts = made_of(tmp_path, {"euid": 1000, "stat": {path: SOCKET, "/var/run/docker.sock": SOCKET}})
    facts.running = Answering({"/var/run/docker.sock": Denied("EACCES"), path: Found("HTTP/1.0 200 OK")})
    assert ability(facts, "docker")["answer"] == "yes"


def test_a_socket_where_the_user_has_the_runtime_folder(tmp_path: Path) -> None:
    path = "/home/user/.docker/run/docker.sock"
    environ = {"XDG_RUNTIME_DIR": "/home/user/.docker/run"}
    facts = made_of(tmp_path, {"euid": 1000, "stat": {path: SOCKET}, "environ": environ})
    facts.running = Answering({path: Found("HTTP/1.0 200 OK")})
    assert (ability(facts, "docker")["answer"], path in ability(facts, "docker")["because"]) == ("yes", True)


@pytest.mark.parametrize(
    ("endpoint", "answer", "word"),
    [
        ("unix:///run/own.sock", "yes", "200 OK"),
        ("unix:///run/ended.sock", "no", "ECONNREFUSED"),
        ("unix:///run/none.sock", "no", "not there"),
        ("tcp://build.example:2376", "unknown", "not asked"),
        ("ssh://build.example", "unknown", "not asked"),
        ("", "yes", "/var/run/docker.sock"),
    ],
)
def test_docker_host_names_the_engine(tmp_path: Path, endpoint: str, answer: str, word: str) -> None:
    """The one that `docker` goes to is asked, whether the system's answers or not."""
    sockets = dict.fromkeys(("/var/run/docker.sock", "/run/own.sock", "/run/ended.sock"), SOCKET)
    facts = made_of(tmp_path, {"euid": 0, "stat": sockets, "environ": {"DOCKER_HOST": endpoint}})
    answers = dict.fromkeys(("/var/run/docker.sock", "/run/own.sock"), Found("HTTP/1.0 200 OK"))
    facts.running = Answering({**answers, "/run/ended.sock": Denied("ECONNREFUSED"), "/run/none.sock": ABSENT})
    docker = ability(facts, "docker")
    assert (docker["answer"], word in docker["because"]) == (answer, True), docker
    assert ("DOCKER_HOST" in docker["because"]) is bool(endpoint)
    assert ("DOCKER_HOST" in docker["remedy"]) is (answer == "no")


def test_docker_host_of_a_capture_is_not_asked(tmp_path: Path) -> None:
    facts = made_of(tmp_path, {"euid": 0, "stat": {}, "environ": {"DOCKER_HOST": "set"}})
    assert ability(facts, "docker")["answer"] == "unknown"
    assert "set" in ability(facts, "docker")["because"]


@pytest.mark.parametrize(("error", "remedy"), [("EACCES", "run it as root"), ("ECONNREFUSED", "start containerd")])
def test_the_remedy_is_for_what_happened(tmp_path: Path, error: str, remedy: str) -> None:
    path = "/run/containerd/containerd.sock"
    facts = made_of(tmp_path, {"euid": 1000, "stat": {path: SOCKET}})
    facts.running = Answering({path: Denied(error)})
    assert (ability(facts, "containerd")["answer"], ability(facts, "containerd")["remedy"]) == ("no", remedy)


def test_podman_needs_no_socket(tmp_path: Path) -> None:
    """Only a start proves that it works."""
    facts = made_of(tmp_path, {"euid": 1000, "stat": {}}, {"/usr/bin/podman": ""})
    assert ability(facts, "podman")["answer"] == "unknown"
    assert "install" not in ability(facts, "podman")["remedy"]


def test_a_denied_socket_of_a_capture_is_not_there(tmp_path: Path) -> None:
    facts = made_of(tmp_path, {"euid": 1000, "stat": {}, "denied": {"/run/containerd/containerd.sock": "EACCES"}})
    because = ability(facts, "containerd")["because"]
    assert ("is there" in because, "EACCES" in because) == (False, True)


def test_every_answer_has_a_reason_and_every_no_of_an_engine_a_remedy() -> None:
    items = capabilities_block(live_facts())["capabilities"]
    assert {item["answer"] for item in items} <= {"yes", "no", "unknown"}
    assert all(item["because"] for item in items)
    ids = {engine.id for engine in ENGINES}
    assert all(item["remedy"] for item in items if item["id"] in ids and item["answer"] == "no")


def test_docker_answers_as_its_socket_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has: the report says yes exactly if the engine's socket answers a ping."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    expected = isinstance(connects("/var/run/docker.sock", http=True), Found)
    assert (ability(live_facts(), "docker")["answer"] == "yes") is expected
