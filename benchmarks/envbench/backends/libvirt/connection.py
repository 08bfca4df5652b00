"""A connection to libvirt: opened late, silent, its errors turned into words with a remedy."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from envbench.errors import BackendError

MISSING = "libvirt-python is not installed"
INSTALL = "pip install 'envinspect[libvirt]' (after apt install libvirt-dev gcc)"

START_DAEMONS = "systemctl start libvirtd (without systemd: virtlogd -d && libvirtd -d)"


class NoDaemonError(BackendError):
    """Libvirt's daemon is not there, or not any more."""


def load_libvirt() -> ModuleType:
    """Return the libvirt module, made silent: it would print each error to stderr by itself. Raises BackendError.

    Its own log goes there too, with the machine's name, unless the user has LIBVIRT_LOG_OUTPUTS set; it is read when
    the module is first imported (libvirt.org/logging.html).
    """
    try:
        with _default_variable("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null"):
            import libvirt
    except ImportError as error:
        raise BackendError(MISSING, remedy=INSTALL) from error
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    return libvirt  # type: ignore[no-any-return]


@contextmanager
def _default_variable(name: str, value: str) -> Iterator[None]:
    """Have a variable in the environment in the block, unless it is there; programs started later do not get it."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def default_uri() -> str:
    """Return the connection to use unasked: LIBVIRT_DEFAULT_URI, the system's daemon for root, else the user's own."""
    return os.environ.get("LIBVIRT_DEFAULT_URI") or ("qemu:///system" if os.geteuid() == 0 else "qemu:///session")


def refuse_remote(uri: str) -> None:
    """Raise BackendError for a connection to another machine: its URI names a host (libvirt.org/uri.html)."""
    host = urlsplit(uri).hostname
    if host:
        raise BackendError(
            f"{uri} is on another machine, {host}: it has none of our files, and its network would be timed",
            remedy="unset LIBVIRT_DEFAULT_URI, a --libvirt-uri of this machine, or --allow-remote",
        )


def open_connection(uri: str) -> Any:
    """Return an open connection. Raises BackendError with the remedy where there is no daemon or no permission."""
    libvirt = load_libvirt()
    with translated(libvirt, f"libvirt {uri}"):
        return embedded_driver().open(uri) if is_embedded(uri) else libvirt.open(uri)


@contextmanager
def connected(uri: str) -> Iterator[Any]:
    """Yield a connection of the block's own. Raises BackendError for libvirt's errors inside the block."""
    libvirt = load_libvirt()
    connection = open_connection(uri)
    try:
        with translated(libvirt, f"libvirt {uri}"):
            yield connection
    finally:
        hang_up(connection, uri)


def hang_up(connection: Any, uri: str) -> None:
    """Close a connection, also where its daemon has ended; an embedded driver's stays open."""
    if not is_embedded(uri):
        with suppress(load_libvirt().libvirtError):
            connection.close()


def require_daemon(connection: Any, uri: str) -> None:
    """Raise NoDaemonError where the daemon behind a connection is dead, even if there is another one by now."""
    libvirt = load_libvirt()
    with translated(libvirt, f"libvirt {uri}"):
        connection.getLibVersion()


def ask_monitor(domain: Any, uri: str, command: str, arguments: Mapping[str, Any]) -> Any:
    """Return the answer of a domain's QEMU to one command of its protocol (libvirt, virDomainQemuMonitorCommand).

    Raises BackendError with libvirt's words or QEMU's.
    """
    import libvirt_qemu

    with translated(load_libvirt(), f"libvirt {uri}"):
        said = libvirt_qemu.qemuMonitorCommand(domain, json.dumps({"execute": command, "arguments": arguments}), 0)
    answer = json.loads(said)
    if "error" in answer:
        raise BackendError(f"QEMU: {answer['error'].get('desc', 'refused')}")
    return answer["return"]


def is_embedded(uri: str) -> bool:
    """Return whether the driver runs inside this process (libvirt, drvqemu: embedded driver)."""
    return "///embed" in uri


@contextmanager
def translated(libvirt: ModuleType, what: str) -> Iterator[None]:
    """Turn libvirt's errors inside the block into BackendError with the remedy for their kind."""
    try:
        yield
    except libvirt.libvirtError as error:
        message = " ".join((error.get_error_message() or str(error)).split())
        kind, remedy = kind_and_remedy(libvirt, error.get_error_code(), message)
        raise kind(f"{what}: {message}", remedy=remedy) from error


_NO_PERMISSION = "sudo usermod -aG libvirt $USER and log in again, or --libvirt-uri qemu:///session"
_UNREADABLE = "make the file readable for the user that libvirt runs QEMU as, or --backend qemu"
_OTHER_URI = "a URI of the QEMU driver: qemu:///system, qemu:///session or qemu:///embed?root=DIR"
_INSTALL_QEMU = "apt install qemu-system-x86 (Arm: qemu-system-arm)"

_KINDS: tuple[tuple[str, str, type[BackendError], str], ...] = (
    ("VIR_ERR_AUTH_FAILED", "", BackendError, _NO_PERMISSION),
    ("VIR_ERR_AUTH_CANCELLED", "", BackendError, _NO_PERMISSION),
    ("VIR_ERR_AUTH_UNAVAILABLE", "", BackendError, _NO_PERMISSION),
    ("VIR_ERR_SYSTEM_ERROR", "sock': permission denied", BackendError, _NO_PERMISSION),
    ("", "permission denied", BackendError, _UNREADABLE),
    ("VIR_ERR_SYSTEM_ERROR", "failed to connect socket", NoDaemonError, START_DAEMONS),
    ("VIR_ERR_SYSTEM_ERROR", "end of file while reading data", NoDaemonError, START_DAEMONS),
    ("VIR_ERR_SYSTEM_ERROR", "cannot write data", NoDaemonError, START_DAEMONS),
    ("VIR_ERR_INTERNAL_ERROR", "client socket is closed", NoDaemonError, START_DAEMONS),
    ("VIR_ERR_NO_CONNECT", "", BackendError, _OTHER_URI),
    ("", "kvm", BackendError, "--accel tcg, or a /dev/kvm that works (see envbench doctor)"),
    ("", "emulator", BackendError, _INSTALL_QEMU),
    ("", "binary", BackendError, _INSTALL_QEMU),
)
"""libvirt's error code ("" for any; virErrorNumber) and words of its message in lower case → kind of error, remedy.

The first row that fits wins.
"""


def kind_and_remedy(libvirt: ModuleType, code: int, message: str) -> tuple[type[BackendError], str]:
    """Return what an error of libvirt's is, and what a person can do about it."""
    for name, words, kind, remedy in _KINDS:
        if (not name or getattr(libvirt, name) == code) and words in message.lower():
            return kind, remedy
    return BackendError, "the domain's log in libvirt's log folder, or --backend qemu"


def qemu_ids(connection: Any) -> tuple[tuple[str, ...], int | None, int | None]:
    """Return the security models that confine domains, and user and group id as which QEMU runs (None: not told)."""
    host = ET.fromstring(connection.getCapabilities())  # noqa: S314 -- the engine's own words
    models: list[str] = []
    user = group = None
    for security in host.iter("secmodel"):
        model = security.findtext("model", "none")
        if model != "none":
            models.append(model)
        label = security.findtext("baselabel[@type='qemu']", "") if model == "dac" else ""
        numbers = [part.lstrip("+") for part in label.split(":")]
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):
            user, group = int(numbers[0]), int(numbers[1])
    return tuple(models), user, group


class EmbeddedDriver:
    """libvirt's driver inside this process, with the event loop through which it talks to QEMU.

    Each opening of a URI registers the driver once more, and soon there are too many. So its connections stay open.
    """

    def __init__(self) -> None:
        self._libvirt = load_libvirt()
        self._connections: dict[str, Any] = {}
        self._libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=self._run, name="libvirt-events", daemon=True).start()

    def open(self, uri: str) -> Any:
        """Return the connection to this URI. Raises libvirtError."""
        if uri not in self._connections:
            self._connections[uri] = self._libvirt.open(uri)
        return self._connections[uri]

    def _run(self) -> None:
        while True:
            self._libvirt.virEventRunDefaultImpl()


@cache
def embedded_driver() -> EmbeddedDriver:
    """Return the one driver of this process: libvirt has one event loop a process, which cannot be ended."""
    return EmbeddedDriver()
