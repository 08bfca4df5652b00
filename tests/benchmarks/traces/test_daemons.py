"""Who listens on a socket: asked of sockets of the test's own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from envbench.traces.daemons import _holder, daemon_of, endpoint_socket, spellings

LISTEN = """
import socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    print("listens", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def listening(tmp_path):
    """A socket with the process that listens on it."""
    path = tmp_path / "engine.sock"
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "listens\n"
        yield path, process.pid
        process.stdin.close()


def test_the_daemon_is_who_listens(listening):
    path, pid = listening
    assert daemon_of(path) == pid != os.getpid()


def test_where_process_1_opened_the_socket_it_is_who_holds_it(listening):
    path, pid = listening
    assert _holder(path) == pid


def test_nobody_listens(tmp_path):
    assert daemon_of(tmp_path / "none.sock") is None
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    assert daemon_of(left) is None
    assert _holder(left) is None


def test_only_a_unix_address_has_a_path():
    assert str(endpoint_socket("unix:///run/docker.sock")) == "/run/docker.sock"
    assert endpoint_socket("tcp://127.0.0.1:2375") is None


def test_a_socket_below_run_is_known_below_var_run_too(tmp_path):
    both = {"/run/docker/containerd.sock", "/var/run/docker/containerd.sock"}
    assert spellings(Path("/run/docker/containerd.sock")) == both == spellings(Path("/var/run/docker/containerd.sock"))
    link, real = tmp_path / "link.sock", tmp_path / "real.sock"
    link.symlink_to(real)
    assert spellings(link) == {str(link), str(real)}
