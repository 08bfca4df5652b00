"""A socket is looked at by connecting to it, as the user who asks; who may use it decides what helps."""

import grp
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from envbench.backends.shared.sockets import group_of_socket, socket_problem
from envbench.errors.causes import Cause

NOBODY = 65534
ASK = f"""
import os, sys
from pathlib import Path
from envbench.backends.shared.sockets import socket_problem
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
found = socket_problem(Path(sys.argv[1]), "docker")
print(found and found.cause, "|", found and found.remedy)
"""


@pytest.fixture
def path() -> Iterator[Path]:
    """The path of a socket that somebody listens on, in a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        Path(folder).chmod(0o755)
        made = Path(folder, "socket")
        listener.bind(str(made))
        listener.listen()
        yield made


def asked_as_nobody(path: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    done = subprocess.run([sys.executable, "-c", ASK, str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_socket_that_takes_a_connection_is_no_problem(path: Path) -> None:
    assert socket_problem(path, "docker") is None


def test_a_file_that_is_no_socket_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = socket_problem(tmp_path / "file", "docker")
    assert found is not None
    assert (found.cause, found.reason) == (Cause.ABSENT, f"{tmp_path}/file is no socket")
    below = socket_problem(tmp_path / "file/below", "containerd")
    assert below is not None
    assert below.cause is Cause.ABSENT
    assert below.remedy.startswith("start containerd")


def test_a_socket_of_roots_alone_is_not_mended_by_joining_a_group(path: Path) -> None:
    path.chmod(0o600)
    assert asked_as_nobody(path) == "permission | run it as root (sudo)"
    path.parent.chmod(0o700)
    assert asked_as_nobody(path) == "permission | run it as root (sudo)"


def test_a_socket_of_a_group_names_that_group(path: Path) -> None:
    path.chmod(0o660)
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    group = next(one for one in grp.getgrall() if one.gr_gid not in {0, NOBODY})
    os.chown(path, 0, group.gr_gid)
    assert group_of_socket(path) == group.gr_name
    assert f"usermod -aG {group.gr_name} $USER" in asked_as_nobody(path)
