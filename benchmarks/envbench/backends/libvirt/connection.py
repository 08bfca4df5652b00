"""A connection to libvirt: opened late, silent, its errors turned into words with a remedy."""

import errno
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from queue import Empty, Queue
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from envbench.errors import BackendError
from envbench.errors.causes import Cause, cause_of_errno, remedy_for

INSTALL = remedy_for(Cause.NOT_INSTALLED, "libvirt")
ANSWER_DEADLINE_S = 10.0
"""Longest wait for a daemon to take up a connection: libvirt itself waits for ever."""


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
        raise BackendError("libvirt-python is not installed", remedy=INSTALL, cause=Cause.NOT_INSTALLED) from error
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
    try:
        host = urlsplit(uri).hostname
    except ValueError as error:
        cause = Cause.CONFIGURATION
        raise BackendError(f"{uri} is no URI: {error}", remedy=remedy_for(cause, "libvirt"), cause=cause) from error
    if host:
        raise BackendError(
            f"{uri} is on another machine, {host}: it has none of our files, and its network would be timed",
            remedy="unset LIBVIRT_DEFAULT_URI, a --libvirt-uri of this machine, or --allow-remote",
        )


def open_connection(uri: str) -> Any:
    """Return an open connection. Raises BackendError with the remedy where there is no daemon or no permission."""
    libvirt = load_libvirt()
    with translated(libvirt, uri, opening=True):
        return embedded_driver().open(uri) if is_embedded(uri) else _opened(libvirt, uri)


def _opened(libvirt: ModuleType, uri: str) -> Any:
    """Return a connection. Raises libvirtError, and BackendError where nobody answers.

    The call cannot be given up: where nobody ever answers, its thread ends with this process.
    """
    done: Queue[Any] = Queue()

    def call() -> None:
        try:
            done.put(libvirt.open(uri))
        except libvirt.libvirtError as error:
            done.put(error)

    threading.Thread(target=call, name="libvirt-open", daemon=True).start()
    try:
        found = done.get(timeout=ANSWER_DEADLINE_S)
    except Empty:
        remedy = remedy_for(Cause.NO_ANSWER, place_of(uri))
        raise BackendError(
            f"libvirt {uri}: the daemon does not answer in time", remedy=remedy, cause=Cause.NO_ANSWER
        ) from None
    if isinstance(found, libvirt.libvirtError):
        raise found
    return found


@contextmanager
def connected(uri: str) -> Iterator[Any]:
    """Yield a connection of the block's own. Raises BackendError for libvirt's errors inside the block."""
    libvirt = load_libvirt()
    connection = open_connection(uri)
    try:
        with translated(libvirt, uri):
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
    with translated(libvirt, uri):
        connection.getLibVersion()


def require_qemu(connection: Any, uri: str) -> None:
    """Raise BackendError where a connection's driver is not QEMU's: libvirt has others, for containers, Xen, tests."""
    driver = connection.getType()
    if driver != "QEMU":
        remedy = remedy_for(Cause.CONFIGURATION, "libvirt")
        raise BackendError(
            f"libvirt {uri} is the driver {driver}, and QEMU's is timed", remedy=remedy, cause=Cause.CONFIGURATION
        )


def is_out_of_sight(connection: Any, path: Path) -> bool:
    """Return whether a daemon says that a file of this machine is not there. It opens it as if it were a saved domain.

    What else it says of the file (it is none, may not be read) is no proof. libvirt, virDomainSaveImageGetXMLDesc.
    """
    libvirt = load_libvirt()
    try:
        connection.saveImageGetXMLDesc(os.fspath(path))
    except libvirt.libvirtError as error:
        return bool(error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() == errno.ENOENT)
    return False


def ask_monitor(domain: Any, uri: str, command: str, arguments: Mapping[str, Any]) -> Any:
    """Return the answer of a domain's QEMU to one command of its protocol (libvirt, virDomainQemuMonitorCommand).

    Raises BackendError with libvirt's words or QEMU's.
    """
    import libvirt_qemu

    with translated(load_libvirt(), uri):
        said = libvirt_qemu.qemuMonitorCommand(domain, json.dumps({"execute": command, "arguments": arguments}), 0)
    answer = json.loads(said)
    if "error" in answer:
        raise BackendError(f"QEMU: {answer['error'].get('desc', 'refused')}")
    return answer["return"]


def is_embedded(uri: str) -> bool:
    """Return whether the driver runs inside this process (libvirt, drvqemu: embedded driver)."""
    return "///embed" in uri


@contextmanager
def translated(libvirt: ModuleType, uri: str = "", *, what: str = "", opening: bool = False) -> Iterator[None]:
    """Turn libvirt's errors inside the block into BackendError with their cause and its remedy.

    The message begins with `what`, else with the URI.
    """
    try:
        yield
    except libvirt.libvirtError as error:
        numbers = ErrorNumbers(error.get_error_code(), error.get_error_domain(), error.get_int1())
        cause = cause_of(libvirt, numbers, uri, opening=opening)
        own_files = not opening and cause is Cause.PERMISSION and not is_of_connection(libvirt, numbers)
        message = " ".join((error.get_error_message() or str(error)).split())
        kind = NoDaemonError if cause in {Cause.ABSENT, Cause.REFUSED} else BackendError
        remedy = remedy_for(cause, "file of a machine" if own_files else place_of(uri)) or _otherwise(libvirt, numbers)
        raise kind(f"{what or f'libvirt {uri}'}: {message}", remedy=remedy, cause=cause) from error


class ErrorNumbers(NamedTuple):
    """What libvirt says of an error in numbers (libvirt, virterror.h)."""

    code: int
    domain: int
    """Which part of libvirt it comes from."""
    number: int
    """The kernel's errno for VIR_ERR_SYSTEM_ERROR, where there was one; else -1 or anything."""


def is_of_connection(libvirt: ModuleType, error: ErrorNumbers) -> bool:
    """Return whether an error is one of the way to the daemon, and not of what the daemon was asked."""
    names = ("RPC", "REMOTE", "AUTH", "POLKIT", "DBUS")
    return error.domain in {getattr(libvirt, f"VIR_FROM_{name}") for name in names}


def cause_of(libvirt: ModuleType, error: ErrorNumbers, uri: str, *, opening: bool) -> Cause | None:
    """Return why libvirt could not be asked, None for what QEMU or a domain is to blame for."""
    of_connection, by_number = is_of_connection(libvirt, error), None
    if error.code == libvirt.VIR_ERR_SYSTEM_ERROR:
        by_number = cause_of_errno(error.number)
    refusals = {getattr(libvirt, f"VIR_ERR_AUTH_{name}") for name in ("FAILED", "CANCELLED", "UNAVAILABLE")}
    if error.code in refusals or error.domain in {libvirt.VIR_FROM_POLKIT, libvirt.VIR_FROM_DBUS}:
        return Cause.PERMISSION  # Without the system's bus the daemon cannot ask polkit, and refuses.
    if error.code == libvirt.VIR_ERR_NO_CONNECT or (opening and not of_connection and by_number is None):
        return Cause.CONFIGURATION
    if error.code == libvirt.VIR_ERR_OPERATION_DENIED:
        return Cause.CONFIGURATION  # The socket for those who only look (libvirt-sock-ro).
    if of_connection and error.code == libvirt.VIR_ERR_INVALID_ARG:
        return Cause.CONFIGURATION
    if not of_connection:
        return by_number if by_number is Cause.PERMISSION else None
    return _cause_on_the_way(libvirt, error, uri, by_number, opening=opening)


def _cause_on_the_way(
    libvirt: ModuleType, error: ErrorNumbers, uri: str, by_number: Cause | None, *, opening: bool
) -> Cause | None:
    parts = urlsplit(uri)
    if opening and parts.scheme.endswith("+tls") and by_number in {Cause.ABSENT, Cause.PERMISSION}:
        return Cause.CERTIFICATES
    if opening and parts.hostname and error.code == libvirt.VIR_ERR_SYSTEM_ERROR and error.number < 0:
        return Cause.UNKNOWN_HOST
    if by_number is None and error.code in {libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR}:
        return Cause.REFUSED  # A connection that was open has ended.
    return by_number


def place_of(uri: str) -> str:
    """Return a URI's place in the table of remedies: another's socket or machine is not this machine's own daemon."""
    parts = urlsplit(uri)
    if is_embedded(uri):
        return "libvirt embedded"
    if parts.path == "/session":
        return "libvirt session"
    is_chosen = parts.hostname or parts.query or "+" in parts.scheme
    return "libvirt elsewhere" if is_chosen else "libvirt"


def _otherwise(libvirt: ModuleType, error: ErrorNumbers) -> str:
    if error.code == libvirt.VIR_ERR_CONFIG_UNSUPPORTED:
        return "what virsh domcapabilities lists (--accel tcg does without KVM), or --backend qemu"
    return "mend what QEMU or libvirt says there (its QEMU's user must be able to read the files), or --backend qemu"


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
