"""What rootless Podman leaves running for the user's next command: ended where the run began it, else never touched."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from envbench.backends.podman import Service, end_lingering, is_on_loopback, its_store
from envbench.backends.shared.child import users_environment
from envbench.errors import BackendError
from envbench.settings import Settings, new_run_id


@pytest.fixture
def pause(tmp_path):
    """Return a function that starts a process of Podman's name which carries a run's id."""
    begun = []

    def start(run_id, name="catatonit", *words):
        folder = tmp_path / str(len(begun))
        folder.mkdir()
        program = shutil.copy(shutil.which("sh"), folder / name)
        argv, pipe = [program, "-c", "echo runs; read -r _", *words], subprocess.PIPE
        begun.append(subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=users_environment(run_id)))
        assert begun[-1].stdout.readline() == b"runs\n"
        return begun[-1]

    yield start
    for process in begun:
        process.communicate()


def test_only_the_runs_own_is_ended(pause):
    own, foreign = pause("0123456789ab"), pause("ba9876543210")
    end_lingering("0123456789ab")
    assert own.wait(5) == -9
    assert foreign.poll() is None


def test_what_watched_a_command_in_a_container_goes_and_what_watches_a_container_stays(pause):
    container = pause("0123456789ab", "conmon")
    command = pause("0123456789ab", "conmon", "--exec-process-spec", "spec.json")
    end_lingering("0123456789ab")
    assert command.wait(5) == -9
    assert container.poll() is None


def test_it_stays_while_a_service_of_the_run_lives(pause):
    own = pause("0123456789ab")
    end_lingering("0123456789ab", {1})
    assert own.poll() is None


def test_commands_go_to_the_users_store_and_a_clean_up_to_the_runs():
    set_here = {"CONTAINERS_STORAGE_CONF": "/here", "STORAGE_DRIVER": "vfs", "HOME": "/root", "OTHER": "1"}
    of_commands = users_environment("0123456789ab", set_here)
    assert of_commands.items() >= {("CONTAINERS_STORAGE_CONF", "/here"), ("STORAGE_DRIVER", "vfs")}
    journalled = {"endpoint": "unix:///x", "CONTAINERS_CONF": "/there"}
    assert its_store(journalled, set_here) == {"HOME": "/root", "OTHER": "1", "CONTAINERS_CONF": "/there"}


@pytest.mark.parametrize(
    ("image", "on_loopback"),
    [
        ("127.0.0.1:5000/a:1", True),
        ("localhost/a", True),
        ("[::1]:5000/a", True),
        ("127.example.com/a", False),
        ("registry.example:5000/127.0.0.1/a", False),
        ("localhost.example.com/a", False),
    ],
)
def test_tls_is_left_out_on_the_loopback_alone(image, on_loopback):
    assert is_on_loopback(image) is on_loopback


LATE = """#!{python}
import socket, sys, time
with socket.socket(socket.AF_UNIX) as late:
    late.bind(sys.argv[-1].removeprefix("unix://"))
    time.sleep(0.3)
    late.listen()
    time.sleep(60)
"""


def test_a_service_is_up_once_it_takes_connections_and_not_when_its_socket_is_there(tmp_path):
    podman = tmp_path / "podman"
    podman.write_text(LATE.format(python=sys.executable))
    podman.chmod(0o755)
    service = Service(podman, tmp_path / "socket", Path("/runc"), Settings(new_run_id(), tmp_path, tmp_path))
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "socket"))
    finally:
        service.close()


def test_a_service_that_ends_at_once_is_said_with_its_last_words(tmp_path):
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\necho no cgroups >&2\nexit 125\n")
    podman.chmod(0o755)
    with pytest.raises(BackendError, match="did not come up: no cgroups"):
        Service(podman, tmp_path / "socket", Path("/runc"), Settings(new_run_id(), tmp_path, tmp_path))
