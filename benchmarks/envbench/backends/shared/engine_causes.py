"""Why Docker's library cannot ask an engine, as a cause: what it raises, the address, the library itself."""

import socket
import ssl
from importlib.util import find_spec
from urllib.parse import urlsplit

from envbench.backend import Unusable
from envbench.backends.shared.docker_place import DockerPlace
from envbench.errors.causes import Cause, cause_of_errno, remedy_for
from envbench.traces.daemons import CONNECT_DEADLINE_S

_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
"""Reasons of OpenSSL's for an answer that is no TLS (openssl/sslerr.h); which one depends on its version."""


def sdk_problem() -> Unusable | None:
    """Return why the Docker SDK cannot be used, None where it can: a file of that name may stand in its place."""
    found = find_spec("docker")
    if found is None:
        remedy = remedy_for(Cause.NOT_INSTALLED, "docker")
        return Unusable("the Docker SDK is not installed", remedy, Cause.NOT_INSTALLED)
    try:
        import docker.api.client
        import docker.errors  # noqa: F401 -- of what may stand in its place neither is a part
    except Exception as error:  # noqa: BLE001 -- what stands there may do anything
        where = found.origin or ", ".join(found.submodule_search_locations or ())
        remedy = remedy_for(Cause.NOT_INSTALLED, "docker in another's place")
        return Unusable(f"{where} is not the Docker SDK: {error}", remedy, Cause.NOT_INSTALLED)
    return None


def address_problem(place: DockerPlace) -> Unusable | None:
    """Return why an address is none that Docker's library can ask, None where it is one."""
    from docker.errors import DockerException
    from docker.utils import parse_host

    endpoint, why = place.endpoint, "it names no socket and no host"
    try:
        scheme, _, rest = endpoint.partition("://")
        if scheme.strip() == "npipe":
            why = "such a pipe is one of Windows"
        elif rest:
            parse_host(endpoint)
            if scheme == "ssh" and find_spec("paramiko") is None:
                words = "for an engine over ssh the module paramiko is missing"
                remedy = remedy_for(Cause.NOT_INSTALLED, "docker over ssh")
                return Unusable(f"{endpoint}: {words}", remedy, Cause.NOT_INSTALLED)
            return None
    except (DockerException, ValueError) as error:
        why = str(error)
    chosen, remedy = place.chosen_by, remedy_for(Cause.CONFIGURATION, "docker", undo=place.undo)
    return Unusable(f"{endpoint} ({chosen}) is no address of an engine: {why}", remedy, Cause.CONFIGURATION)


def cause_of(error: BaseException | None) -> Cause | None:
    """Return why an engine could not be asked: the SDK and its HTTP library wrap what went wrong several times."""
    from docker.errors import TLSParameterError
    from requests.exceptions import Timeout

    while error is not None:
        if isinstance(error, Timeout):
            return Cause.NO_ANSWER
        if isinstance(error, ssl.SSLError):
            return Cause.TLS_UNWANTED if error.reason in _NOT_TLS else Cause.CERTIFICATES
        if isinstance(error, TLSParameterError):
            return Cause.CERTIFICATES
        if isinstance(error, socket.gaierror):
            return Cause.UNKNOWN_HOST
        if isinstance(error, OSError) and (cause := cause_of_errno(error.errno)):
            return cause
        error = error.__cause__ or error.__context__
    return None


def speaks_tls(endpoint: str) -> bool:
    """Return whether somebody begins to speak TLS at an address tcp://HOST:PORT, whatever the certificate."""
    parts = urlsplit(endpoint)
    if parts.scheme not in {"tcp", "http"} or not parts.hostname:
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((parts.hostname, parts.port or 2375), CONNECT_DEADLINE_S) as plain:
            context.wrap_socket(plain).close()
    except ssl.SSLError as error:
        return error.reason not in _NOT_TLS
    except OSError:
        return False
    return True
