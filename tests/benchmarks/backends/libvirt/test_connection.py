"""Where libvirt is asked: as its own programs are led, and never on another machine unasked."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from envbench.backends.libvirt import connection
from envbench.backends.libvirt.connection import (
    ErrorNumbers,
    NoDaemonError,
    cause_of,
    default_uri,
    open_connection,
    place_of,
    refuse_remote,
    require_qemu,
)
from envbench.errors import BackendError
from envbench.errors.causes import Cause


def test_the_users_variable_leads_as_it_leads_virsh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu:///embed?root=/x")
    assert default_uri() == "qemu:///embed?root=/x"
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI")
    assert default_uri() in {"qemu:///system", "qemu:///session"}


@pytest.mark.parametrize(
    "uri", ["qemu:///system", "qemu:///session", "qemu+unix:///system?socket=/x", "qemu:///embed?root=/x"]
)
def test_this_machines_connections_are_taken(uri: str) -> None:
    refuse_remote(uri)


@pytest.mark.parametrize("uri", ["qemu+ssh://me@far/system", "qemu+tls://far:16514/system", "qemu://far/system"])
def test_another_machines_connection_is_refused_with_its_name(uri: str) -> None:
    with pytest.raises(BackendError, match="another machine, far") as error:
        refuse_remote(uri)
    assert "--allow-remote" in error.value.remedy


def test_what_is_no_uri_is_a_configuration() -> None:
    with pytest.raises(BackendError, match="is no URI") as error:
        refuse_remote("qemu+ssh://[far/system")
    assert error.value.cause is Cause.CONFIGURATION


def test_a_socket_for_those_who_only_look_is_a_configuration() -> None:
    numbers = ErrorNumbers(LIBVIRT.VIR_ERR_OPERATION_DENIED, 0, -1)
    assert cause_of(LIBVIRT, numbers, "qemu:///system", opening=False) is Cause.CONFIGURATION


def test_another_driver_is_refused_with_what_helps() -> None:
    require_qemu(SimpleNamespace(getType=lambda: "QEMU"), "qemu:///system")
    with pytest.raises(BackendError, match="lxc:///system is the driver LXC") as error:
        require_qemu(SimpleNamespace(getType=lambda: "LXC"), "lxc:///system")
    assert error.value.cause is Cause.CONFIGURATION
    assert "qemu:///system" in error.value.remedy


LIBVIRT = SimpleNamespace(
    VIR_ERR_INTERNAL_ERROR=1,
    VIR_ERR_NO_CONNECT=5,
    VIR_ERR_INVALID_ARG=8,
    VIR_ERR_OPERATION_DENIED=29,
    VIR_ERR_SYSTEM_ERROR=38,
    VIR_ERR_AUTH_FAILED=45,
    VIR_ERR_AUTH_CANCELLED=79,
    VIR_ERR_AUTH_UNAVAILABLE=80,
    VIR_FROM_RPC=7,
    VIR_FROM_REMOTE=13,
    VIR_FROM_AUTH=46,
    VIR_FROM_DBUS=47,
    VIR_FROM_POLKIT=60,
)
"""The numbers of libvirt's virterror.h, so that this needs no libvirt."""


@pytest.mark.parametrize(
    ("code", "domain", "number", "opening", "cause"),
    [
        pytest.param(38, 7, 2, True, Cause.ABSENT, id="Failed to connect socket: No such file or directory"),
        pytest.param(38, 7, 13, True, Cause.PERMISSION, id="Failed to connect socket: Permission denied"),
        pytest.param(38, 7, 5, False, Cause.REFUSED, id="End of file while reading data: Input/output error"),
        pytest.param(38, 7, 32, False, Cause.REFUSED, id="Cannot write data: Broken pipe"),
        pytest.param(1, 7, -1, False, Cause.REFUSED, id="internal error: client socket is closed"),
        pytest.param(45, 46, -1, True, Cause.PERMISSION, id="authentication failed: access denied by policy"),
        pytest.param(1, 47, -1, True, Cause.PERMISSION, id="Unable to get system bus connection"),
        pytest.param(5, 0, -1, True, Cause.CONFIGURATION, id="no connection driver available for foo:///"),
        pytest.param(1, 0, -1, True, Cause.CONFIGURATION, id="unexpected qemu URI path '/foo'"),
        pytest.param(67, 10, -1, False, None, id="Emulator does not support virt type 'kvm'"),
        pytest.param(1, 10, -1, False, None, id="process exited while connecting to monitor"),
        pytest.param(38, 10, 13, False, Cause.PERMISSION, id="Could not open '/home/me/disk': Permission denied"),
        pytest.param(38, 10, 2, False, None, id="Could not open '/home/me/disk': No such file or directory"),
    ],
)
def test_an_error_is_told_by_its_numbers(
    code: int, domain: int, number: int, opening: bool, cause: Cause | None
) -> None:
    error = ErrorNumbers(code, domain, number)
    assert cause_of(LIBVIRT, error, "qemu:///system", opening=opening) is cause  # type: ignore[arg-type]


@contextmanager
def listening(path: Path) -> Iterator[None]:
    """Have a socket on which nobody ever answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield


def why(uri: str) -> BackendError:
    pytest.importorskip("libvirt")
    with pytest.raises(BackendError) as error:
        open_connection(uri)
    return error.value


@pytest.mark.parametrize(
    ("uri", "cause", "helps"),
    [
        ("qemu+unix:///system?socket={folder}/none", Cause.ABSENT, "unset LIBVIRT_DEFAULT_URI"),
        ("qemu+unix:///system?socket={folder}/stale", Cause.REFUSED, "unset LIBVIRT_DEFAULT_URI"),
        ("qemu+tcp://127.0.0.1:1/system", Cause.REFUSED, "unset LIBVIRT_DEFAULT_URI"),
        ("qemu+tcp://no-such-host.invalid/system", Cause.UNKNOWN_HOST, "host name"),
        ("qemu+tls://127.0.0.1:1/system?pkipath={folder}", Cause.CERTIFICATES, "tlscerts"),
        ("qemu+nonsense:///system", Cause.CONFIGURATION, "qemu:///system"),
        ("nonsense:///x", Cause.CONFIGURATION, "qemu:///system"),
        ("nonsense", Cause.CONFIGURATION, "qemu:///system"),
    ],
)
def test_each_cause_has_its_own_remedy_whatever_libvirts_words_are(
    uri: str, cause: Cause, helps: str, tmp_path: Path
) -> None:
    with listening(tmp_path / "stale"):
        pass
    error = why(uri.format(folder=tmp_path))
    assert error.cause is cause
    assert helps in error.remedy
    assert isinstance(error, NoDaemonError) is (cause in {Cause.ABSENT, Cause.REFUSED})


def test_a_daemon_that_never_answers_is_given_up_and_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a dead daemon left is removed; of a silent one nothing is touched."""
    monkeypatch.setattr(connection, "ANSWER_DEADLINE_S", 0.5)
    with listening(tmp_path / "silent"):
        error = why(f"qemu+unix:///system?socket={tmp_path}/silent")
    assert error.cause is Cause.NO_ANSWER
    assert not isinstance(error, NoDaemonError)


AS_NOBODY = """
import os, sys
from envbench.backends.libvirt.connection import load_libvirt, open_connection
from envbench.errors import BackendError
load_libvirt()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    open_connection(sys.argv[1])
except BackendError as error:
    print(error.cause, "|", error.remedy)
"""


def test_a_socket_that_this_user_may_not_use_is_a_matter_of_permission(tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with listening(tmp_path / "closed"):
        (tmp_path / "closed").chmod(0o600)
        uri = f"qemu+unix:///system?socket={tmp_path}/closed"
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, uri], capture_output=True, text=True, check=True)
    assert done.stdout == "permission | run it as root (sudo)\n"


WITHOUT_MODULE = """
import sys
sys.modules["libvirt"] = None
from envbench.backends.libvirt.connection import load_libvirt
from envbench.errors import BackendError
try:
    load_libvirt()
except BackendError as error:
    print(error.cause, "|", error.remedy)
"""


def test_without_its_module_it_is_not_installed() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_MODULE], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("not installed | pip install 'envinspect[libvirt]'")


@pytest.mark.parametrize("uri", ["qemu+ssh:///system", "qemu:///system?mode=direct", "qemu+unix:///system?socket=/x"])
def test_a_way_that_the_user_chose_is_not_mended_by_starting_the_usual_daemon(uri: str) -> None:
    assert place_of(uri) == "libvirt elsewhere"
    assert place_of("qemu:///system") == "libvirt"
