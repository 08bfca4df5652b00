"""Single calls of the Docker Engine API: the client, removal of what carries a run's id, errors in one line."""

import contextlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from typing import TYPE_CHECKING, Any

from envbench.backends.shared.engine_causes import cause_of
from envbench.errors import BackendError, StartTimeoutError
from envbench.errors.causes import Cause, remedy_for
from envbench.settings import LABEL
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Entry, Kind

if TYPE_CHECKING:
    from docker.api.client import APIClient

SOCKET_URL = "http+docker://"
"""How the SDK's addresses begin where the engine listens on a socket file."""
SILENT = "the engine does not answer in time"
FETCHED = "fetched"
"""The journal's fact of an image that has, beside its name with the run's id, the user's name it was fetched by."""
REFUSED_PATIENCE_S = 2.0
"""How long an engine may refuse to remove a container that is ending."""
REMOVAL_PATIENCE_S = 60.0
"""How long a removal may take that goes on in the engine, because its caller was killed or waited in vain."""
INTERRUPTED_PATIENCE_S = 5.0
"""How long a create whose caller was killed may still go on in the engine."""

NO_LOGINS = Path(__file__).with_name("no_logins")
"""A folder whose config.json is empty, for the SDK; being a part of the package, it is never made nor left behind."""

_ENVIRONMENT_LOCK = Lock()
_deadline_s: ContextVar[float | None] = ContextVar("deadline_s", default=None)
"""Longest wait for an answer in the block that this thread is in, None: as long as its client waits."""
_whole: ContextVar[bool] = ContextVar("whole", default=False)
"""Whether the wait is for the whole answer, and not for each piece of it."""


@contextlib.contextmanager
def engine_errors(what: str, deadline_s: float | None = None) -> Iterator[None]:
    """Turn what the SDK and its HTTP library raise into BackendError: one line that begins with `what`.

    A call in the block waits so long for its answer, None: as long as its client does.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    before = _deadline_s.set(deadline_s)
    try:
        yield
    except APIError as error:
        raise BackendError(f"{what}: the engine refuses: {_words(error.explanation or error)}") from error
    except json.JSONDecodeError as error:
        raise BackendError(f"{what}: what answers is no engine: {_words(error)}", cause=Cause.BROKEN) from error
    except (DockerException, RequestException, OSError) as error:
        cause = cause_of(error)
        if cause is Cause.NO_ANSWER:
            raise StartTimeoutError(f"{what}: {SILENT}", remedy=remedy_for(cause), cause=cause) from error
        raise BackendError(f"{what}: {_words(error)}", cause=cause) from error
    finally:
        _deadline_s.reset(before)


@contextlib.contextmanager
def whole_answers() -> Iterator[None]:
    """Have the longest wait in the block be one for the whole answer: an engine may say a byte now and then, for ever.

    It costs a thread for each call, so that starts, which are timed, do without it.
    """
    before = _whole.set(True)
    try:
        yield
    finally:
        _whole.reset(before)


def _words(error: object) -> str:
    return " ".join(str(error).split())[:400]


def _answer_within(deadline_s: float, ask: Callable[[], Any]) -> Any:
    """Return the response that `ask` gives, read to its end. Raises requests' ReadTimeout where that takes longer.

    The thread that still waits is left behind: nothing but the engine's next byte can wake it, and it ends with that.
    """
    from requests.exceptions import ReadTimeout

    answer: futures.Future[Any] = futures.Future()
    deadline_ns = monotonic_ns() + int(deadline_s * NS_PER_S)

    def read() -> None:
        try:
            response, pieces = ask(), []
            for piece in response.iter_content(1 << 16):
                pieces.append(piece)
                if monotonic_ns() > deadline_ns:
                    response.close()
                    return
            response._content = b"".join(pieces)  # noqa: SLF001 -- what `content` keeps of a body that was read
            answer.set_result(response)
        except BaseException as error:  # noqa: BLE001 -- raised again by who asked
            answer.set_exception(error)

    Thread(target=read, daemon=True).start()
    futures.wait([answer], deadline_s)
    if not answer.done():
        raise ReadTimeout(f"no whole answer within {deadline_s:g} s")
    return answer.result()


def api_client(endpoint: str, timeout_s: int, certificates: Path | None = None) -> "APIClient":
    """Return a client whose API version is negotiated with the engine. Raises BackendError where it cannot connect.

    `certificates` is a folder with ca.pem, cert.pem and key.pem, for an engine that asks for them (TLS both ways).
    """
    from docker.api.client import APIClient
    from docker.tls import TLSConfig
    from docker.transport import UnixHTTPAdapter
    from requests import PreparedRequest
    from requests.utils import get_environ_proxies

    on_socket = endpoint.startswith("unix://")

    class OneSocket(UnixHTTPAdapter):
        """The SDK's own keeps its connections by URL, and so makes a new one for nearly each call about a container."""

        def get_connection(self, url: Any, proxies: Any = None) -> Any:
            return super().get_connection(SOCKET_URL, proxies)

    class Client(APIClient):
        """The SDK's client without what its HTTP session adds for the web, a tenth of our CPU time.

        An engine sets no cookies and leads nowhere else, and its certificates are its own: neither a bundle of the
        user's for the web (REQUESTS_CA_BUNDLE) nor a login (netrc) is meant for it. A socket file has no proxy.
        """

        def request(self, method: Any, url: Any, **asked: Any) -> Any:  # type: ignore[override]
            """Wait as long as the block says that this call is made in; the client's own wait is all threads'."""
            request, within_s = PreparedRequest(), _deadline_s.get()
            headers = {**self.headers, **(asked.get("headers") or {})}
            request.prepare(method, url, headers, **{part: asked.get(part) for part in ("data", "json", "params")})
            send = partial(
                self.get_adapter(url).send,
                request,
                timeout=asked.get("timeout") if within_s is None else within_s,
                verify=self.verify or False,
                cert=self.cert,
                proxies={} if on_socket else get_environ_proxies(url),
            )
            if asked.get("stream"):
                return send(stream=True)
            if _whole.get():
                return _answer_within(within_s or self.timeout, partial(send, stream=True))
            answer = send()
            _ = answer.content  # Once it is read, its connection is free for the next call.
            return answer

        def _retrieve_server_version(self) -> str:
            said: Any = self.version(api_version=False)
            version = said.get("ApiVersion") if isinstance(said, dict) else None
            if not isinstance(version, str) or not re.fullmatch(r"[0-9]+(\.[0-9]+)+", version):
                words = f"engine at {endpoint}: the version of its API is {version!r}, which is no number"
                raise BackendError(
                    words, remedy=remedy_for(Cause.BROKEN, "docker", endpoint=endpoint), cause=Cause.BROKEN
                )
            return version

    with engine_errors(f"engine at {endpoint}"), whole_answers(), _without_users_configuration():
        tls = certificates is not None and TLSConfig(
            client_cert=(str(certificates / "cert.pem"), str(certificates / "key.pem")),
            ca_cert=str(certificates / "ca.pem"),
            verify=True,
        )
        client = Client(base_url=endpoint, version="auto", timeout=timeout_s, tls=tls)
    if on_socket:
        client.mount(SOCKET_URL, OneSocket(endpoint.replace("unix://", "http+unix://", 1), timeout_s))
    return client


@contextlib.contextmanager
def _without_users_configuration() -> Iterator[None]:
    """Have the SDK read an empty configuration in the block.

    The user's own holds logins, which are not needed, and the SDK raises all kinds of errors at one of an unexpected
    form.
    """
    with _ENVIRONMENT_LOCK:
        before = os.environ.get("DOCKER_CONFIG")
        os.environ["DOCKER_CONFIG"] = os.fspath(NO_LOGINS)
        try:
            yield
        finally:
            if before is None:
                del os.environ["DOCKER_CONFIG"]
            else:
                os.environ["DOCKER_CONFIG"] = before


def shows_file(api: "APIClient", identity: str, path: str, content: bytes) -> bool:
    """Return whether a container, started or not, holds a file with this content at this path inside.

    True also where the engine does not tell: only what is seen to be another is another. Docker Engine API,
    ContainerArchive. Raises BackendError where the engine cannot be asked.
    """
    from docker.errors import APIError, NotFound

    with engine_errors("looking into a container"):
        try:
            chunks, _ = api.get_archive(identity, path)
            packed = io.BytesIO(b"".join(chunks))
        except NotFound:
            return False
        except APIError:
            return True
    with tarfile.open(fileobj=packed) as archive:
        found = archive.extractfile(archive.getmembers()[0])
        return found is not None and found.read() == content


def _removed(what: str, call: Callable[[], object]) -> bool:
    """Make a call that removes something; return whether it was there. Raises BackendError."""
    from docker.errors import NotFound

    with engine_errors(f"removing {what}"):
        try:
            call()
        except NotFound:
            return False
    return True


def remove_container(api: "APIClient", identity: str) -> bool:
    """Kill and remove a container; return whether it was there. Raises BackendError.

    A container that ends at this very moment can be killed no more, and Podman then refuses to remove it ("container
    state improper"): what is refused is asked again for a moment. One whose removal has begun is asked again until it
    is gone: Docker refuses a second one ("already in progress").
    """
    from docker.errors import APIError

    begun_ns, refused = monotonic_ns(), False
    while True:
        try:
            return _removed(identity, lambda: api.remove_container(identity, force=True, v=True)) or refused
        except BackendError as error:
            if not isinstance(error.__cause__, APIError):
                raise
            patience_s = REMOVAL_PATIENCE_S if _is_being_removed(api, identity) else REFUSED_PATIENCE_S
            if monotonic_ns() - begun_ns >= patience_s * NS_PER_S:
                raise
        refused = True
        sleep(0.05)


def _is_being_removed(api: "APIClient", identity: str) -> bool:
    """Return whether a container is there and on its way out (Docker Engine API, ContainerState.Status)."""
    from docker.errors import NotFound

    with engine_errors(f"inspecting {identity}"):
        try:
            return bool(api.inspect_container(identity)["State"]["Status"] == "removing")
        except NotFound:
            return False


def remove_labelled_container(api: "APIClient", identity: str, run_id: str) -> bool:
    """Kill and remove a container that carries the run's label; return whether there was one. Raises BackendError."""
    from docker.errors import NotFound

    with engine_errors(f"inspecting {identity}"):
        try:
            labels = api.inspect_container(identity)["Config"]["Labels"] or {}
        except NotFound:
            return False
    return labels.get(LABEL) == run_id and remove_container(api, identity)


def remove_when_it_appears(api: "APIClient", identity: str, run_id: str, patience_s: float) -> bool:
    """Remove a labelled container, waiting so long for it: an engine goes on with a create whose caller was killed.

    Returns whether there was one. Raises BackendError where the engine cannot be asked.
    """
    deadline_ns = monotonic_ns() + int(patience_s * NS_PER_S)
    while not remove_labelled_container(api, identity, run_id):
        if monotonic_ns() >= deadline_ns:
            return False
        sleep(0.2)
    return True


def inspected_image(api: "APIClient", name: str) -> Mapping[str, Any] | None:
    """Return what the engine says of an image, None where it has none of that name. Raises BackendError."""
    from docker.errors import NotFound

    with engine_errors(f"looking for image {name}"):
        try:
            found: Mapping[str, Any] = api.inspect_image(name)  # type: ignore[no-untyped-call]
        except NotFound:
            return None
    return found


def remove_image(api: "APIClient", name: str) -> bool:
    """Remove an image; return whether it was there. Raises BackendError."""
    return _removed(f"image {name}", lambda: api.remove_image(name, force=True))


def _remove_fetched(api: "APIClient", entry: Entry) -> None:
    """Remove the user's name of an image that a run fetched, while that is still the image that the run named."""
    users_name = entry.facts.get(FETCHED)
    if users_name is not None:
        ours, theirs = (inspected_image(api, name) for name in (entry.name, users_name))
        if ours and theirs and ours["Id"] == theirs["Id"]:
            remove_image(api, users_name)


def reap_by_api(api: "APIClient", entry: Entry, run_id: str) -> bool:
    """Remove a journalled container, image or volume of this run; return whether it was there. Raises BackendError."""
    if entry.kind is Kind.IMAGE:
        _remove_fetched(api, entry)
        return remove_image(api, entry.name)
    if entry.kind is Kind.VOLUME:
        return _removed(f"volume {entry.name}", lambda: api.remove_volume(entry.name))
    return remove_when_it_appears(api, entry.name, run_id, INTERRUPTED_PATIENCE_S)
