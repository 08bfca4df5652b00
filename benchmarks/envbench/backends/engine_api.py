"""Containers through the Docker Engine API, which Docker and Podman both speak: one client, one order of calls.

create, attach, start, in that order and by the low-level client: the high-level `run` would pull a missing image
inside the timed region, and attaching after the start would lose bytes. The start call runs in a thread of its own,
for the first byte of output can come before the call returns.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any, ClassVar

from envbench.backends.protocol import Mark, MarkCallback, Workload
from envbench.clock import NS_PER_S, monotonic_ns
from envbench.errors import BackendError, StartTimeoutError
from envbench.journal import Entry, Journal, Kind
from envbench.payload.tree import argv_for
from envbench.plan import LABEL, RUN_ENVIRONMENT, Settings
from envbench.procfs import cgroup_of, parent_of

if TYPE_CHECKING:
    from docker.api.client import APIClient

PAYLOAD_MOUNT = "/envbench-payload"
"""Where the payload tree is seen inside an image of the user's own."""
STOP_GRACE_S = 10
INTERRUPTED_PATIENCE_S = 5.0
_STDOUT_AND_STDERR = (1, 2)
_FRAME_HEADER_BYTES = 8


@contextlib.contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Turn what the SDK and its HTTP library raise into BackendError: one line that begins with `what`."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout

    try:
        yield
    except APIError as error:
        raise BackendError(f"{what}: the engine refuses: {_words(error.explanation or error)}") from error
    except Timeout as error:
        raise StartTimeoutError(f"{what}: the engine does not answer: {_words(error)}") from error
    except (DockerException, RequestException, OSError) as error:
        raise BackendError(f"{what}: {_words(error)}") from error


def _words(error: object) -> str:
    return " ".join(str(error).split())[:400]


class Demultiplexer:
    """Takes the 8-byte frame headers out of an attach stream (Docker Engine API, ContainerAttach, "Stream format")."""

    def __init__(self) -> None:
        self._header = b""
        self._left = 0

    def feed(self, chunk: bytes) -> bytes:
        """Return the payload's bytes in this chunk; a frame may be split anywhere."""
        found = bytearray()
        while chunk:
            if self._left:
                found += chunk[: self._left]
                taken = min(self._left, len(chunk))
                self._left -= taken
                chunk = chunk[taken:]
                continue
            missing = _FRAME_HEADER_BYTES - len(self._header)
            self._header += chunk[:missing]
            chunk = chunk[missing:]
            if len(self._header) == _FRAME_HEADER_BYTES:
                self._left = int.from_bytes(self._header[4:], "big")
                self._header = b""
        return bytes(found)


class EngineInstance:
    """One container of an engine. Its start call may still be under way when the output already comes."""

    def __init__(self, backend: "EngineBackend", identity: str, name: str, journal_number: int) -> None:
        self._backend = backend
        self._id = identity
        self._name = name
        self._journal_number = journal_number
        self._socket: Any = None
        self._starter: threading.Thread | None = None
        self._start_error: BaseException | None = None
        self._frames = Demultiplexer()
        self._pid: int | None = None

    @property
    def name(self) -> str:
        """The container's name in the engine."""
        return self._name

    def attach(self) -> None:
        """Attach to the output; what the payload says from now on waits in the socket."""
        with engine_errors("attaching"):
            self._socket = self._backend.api.attach_socket(
                self._id, params={"stdout": 1, "stderr": 1, "stream": 1, "logs": 0}
            )
        os.set_blocking(self._socket.fileno(), False)

    def begin(self, mark: MarkCallback) -> None:
        """Ask the engine to start it; STARTED is marked when the call returns."""

        def call() -> None:
            try:
                with engine_errors("starting"):
                    self._backend.api.start(self._id)
                mark(Mark.STARTED)
            except BaseException as error:  # noqa: BLE001 -- carried over to the thread that waits
                self._start_error = error
                self._end_output()

        self._starter = threading.Thread(target=call, name=f"start {self._name}", daemon=True)
        self._starter.start()

    def output_fileno(self) -> int:
        """Return the attached socket. Raises BackendError once it is closed."""
        if self._socket is None:
            raise BackendError(f"{self._name} is not attached")
        return int(self._socket.fileno())

    def decode(self, chunk: bytes) -> bytes:
        """Return the chunk without the engine's frame headers."""
        return self._frames.feed(chunk)

    def processes(self) -> tuple[int, ...]:
        """Return process 1 of the container and the shim that holds it, once the start call has returned."""
        pid = self._host_pid()
        if pid is None:
            return ()
        shim = parent_of(pid)
        return (pid,) if shim in (None, 1) else (pid, shim or 1)

    def cgroup(self) -> Path | None:
        """Return the container's cgroup."""
        pid = self._host_pid()
        return None if pid is None else cgroup_of(pid)

    def console_tail(self) -> str:
        """Return why it did not start, or how it ended."""
        if self._starter is not None:
            self._starter.join(1.0)
        if self._start_error is not None:
            return str(self._start_error)
        with contextlib.suppress(BackendError), engine_errors("inspecting"):
            state = self._backend.api.inspect_container(self._id)["State"]
            return f"container {state['Status']}, exit code {state['ExitCode']} {state['Error']}".strip()
        return ""

    def stop(self, deadline_ns: int) -> None:
        """Have the engine send SIGTERM and wait for the end (SIGKILL after 10 s, which no healthy payload needs)."""
        self._wait_started(deadline_ns)
        with engine_errors("stopping"):
            self._backend.api.stop(self._id, timeout=STOP_GRACE_S)

    def remove(self, deadline_ns: int) -> None:
        """Have the engine remove it, its writable layer and its anonymous volumes."""
        with engine_errors("removing"):
            self._backend.api.remove_container(self._id, v=True)
        self._close()
        self._backend.journal.forget(self._journal_number)

    def destroy(self) -> None:
        """Remove it by force; where the engine cannot be reached the journal keeps it for the reaper."""
        self._close()
        with contextlib.suppress(BackendError):
            self._backend.remove_by_force(self._id)
            self._backend.journal.forget(self._journal_number)

    def _host_pid(self) -> int | None:
        if self._pid is None:
            self._wait_started(monotonic_ns() + STOP_GRACE_S * NS_PER_S)
            with contextlib.suppress(BackendError), engine_errors("inspecting"):
                self._pid = int(self._backend.api.inspect_container(self._id)["State"]["Pid"]) or None
        return self._pid

    def _wait_started(self, deadline_ns: int) -> None:
        if self._starter is not None:
            self._starter.join(max(0.0, (deadline_ns - monotonic_ns()) / NS_PER_S))
            if self._starter.is_alive():
                raise StartTimeoutError(f"{self._name}: the engine's start call has not returned")
        if self._start_error is not None:
            raise BackendError(str(self._start_error))

    def _end_output(self) -> None:
        """Let whoever reads the output see its end."""
        import socket

        if self._socket is not None:
            with contextlib.suppress(OSError):
                duplicate = socket.socket(fileno=os.dup(self._socket.fileno()))
                with duplicate:
                    duplicate.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        if self._socket is not None:
            # The SDK hands out a file on a hijacked connection and leaves the answer and the socket below it open. The
            # answer goes first, for it flushes what it stands on.
            held = (getattr(self._socket, "_response", None), getattr(self._socket, "_sock", None), self._socket)
            for one in held:
                if one is not None:
                    with contextlib.suppress(OSError, ValueError):
                        one.close()
            self._socket = None


class EngineBackend:
    """What Docker's and Podman's rungs share; a subclass says where the engine is."""

    name: ClassVar[str]
    is_vm: ClassVar[bool] = False
    image_prefix = "envbench-payload"

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.settings = settings
        self.journal = journal
        self._api: APIClient | None = None
        self._count = 0
        self._image: str | None = None
        self._image_number = 0
        self._lock = threading.Lock()

    @property
    def api(self) -> "APIClient":
        """Return the client. Raises BackendError before `check` or `prepare` connected it."""
        if self._api is None:
            self._api = self.connect()
        return self._api

    def connect(self) -> "APIClient":
        """Return a client of the engine. Raises BackendError."""
        raise NotImplementedError

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> EngineInstance:
        """Create, attach, start."""
        with self._lock:
            self._count += 1
            name = f"envbench-{self.settings.run_id}-{self.name}-{self._count}"
        api = self.api
        config = self._config(api, workload, variant)
        number = self.journal.intend(Kind.CONTAINER, name, self.name, endpoint=self.endpoint())
        identity = name
        try:
            mark(Mark.REQUESTED)
            with engine_errors("creating"):
                identity = api.create_container_from_config(config, name)["Id"]  # type: ignore[no-untyped-call]
            mark(Mark.CREATED)
            instance = EngineInstance(self, identity, name, number)
            try:
                instance.attach()
                mark(Mark.ATTACHED)
                instance.begin(mark)
            except BaseException:
                instance.destroy()
                raise
        except BackendError:
            self._forget_if_absent(identity, number)
            raise
        except BaseException:
            # Interrupted while the engine was at it: what was asked for may still come to be.
            self._forget_if_absent(identity, number, patience_s=INTERRUPTED_PATIENCE_S)
            raise
        return instance

    def endpoint(self) -> str:
        """Return the engine's address, for the journal."""
        raise NotImplementedError

    def remove_by_force(self, identity: str) -> None:
        """Kill and remove a container that may be gone already. Raises BackendError where the engine cannot do it."""
        remove_container(self.api, identity)

    def import_payload(self, layer: bytes) -> str:
        """Import the payload's tar as an image that carries the run's id; return its name.

        Two trees of one run (the payload, and the payload with tools) get two names.
        """
        run_id = self.settings.run_id
        # The id is in the repository's name and not the tag: Podman's import knows no tag and always makes "latest".
        repository = f"{self.image_prefix}-{hashlib.sha256(layer).hexdigest()[:12]}-{run_id}"
        image = f"{repository}:latest"
        self._image_number = self.journal.intend(Kind.IMAGE, image, self.name, endpoint=self.endpoint())
        with engine_errors("importing the payload image"):
            self.api.import_image_from_data(
                layer, repository=repository, tag="latest", changes=[f"LABEL {LABEL}={run_id}"]
            )
        self._image = image
        return image

    def require_image(self, image: str) -> None:
        """Raise BackendError unless the engine has this image already: nothing is ever pulled."""
        with engine_errors(f"image {image} is not there and is never pulled; load it first"):
            self.api.inspect_image(image)  # type: ignore[no-untyped-call]
        self._image = image

    def image(self) -> str:
        """Return the image that starts use. Raises BackendError before `prepare`."""
        if self._image is None:
            raise BackendError(f"{self.name}: no image has been prepared")
        return self._image

    def close(self) -> None:
        """Remove the imported image and close the client."""
        if self._api is not None and self._image is not None and self._image_number:
            with contextlib.suppress(BackendError):
                remove_image(self._api, self._image)
                self.journal.forget(self._image_number)
            self._image_number = 0
        if self._api is not None:
            self._api.close()
            self._api = None

    def _config(self, api: "APIClient", workload: Workload, variant: Mapping[str, str]) -> Any:
        settings = self.settings
        argv = list(argv_for(workload))
        binds: list[str] = []
        environ = {RUN_ENVIRONMENT: settings.run_id}
        if settings.image is not None:
            if settings.ready_pattern is not None:
                argv = []  # The image's own program, as its maker meant it.
            else:
                binds = [f"{settings.work_dir / 'tree'}:{PAYLOAD_MOUNT}:ro"]
                environ["ENVBENCH_BUSYBOX"] = f"{PAYLOAD_MOUNT}/bin/busybox"
                argv = [environ["ENVBENCH_BUSYBOX"], "sh", PAYLOAD_MOUNT + argv[0], *argv[1:]]
        host = api.create_host_config(
            network_mode=variant.get("network", workload.network),
            mem_limit=workload.memory_bytes,
            nano_cpus=None if workload.cpus is None else int(workload.cpus * 1_000_000_000),
            read_only=workload.read_only,
            init=workload.init or None,
            binds=binds,
            runtime=variant.get("runtime"),
            **self.host_options(),
        )
        return api.create_container_config(
            image=self.image(),
            entrypoint=argv[:1] or None,
            command=argv[1:],
            environment=environ,
            labels={LABEL: settings.run_id},
            host_config=host,
            stop_signal="SIGTERM",
        )

    def host_options(self) -> Mapping[str, Any]:
        """Return what this engine needs besides in a container's host configuration."""
        return {}

    def _forget_if_absent(self, identity: str, number: int, patience_s: float = 0.0) -> None:
        """Remove a container that a failed start may have made, waiting so long for it to appear, and forget it."""
        with contextlib.suppress(BackendError):
            # A name clash must not remove the other's container: only what carries this run's id goes.
            remove_when_it_appears(self.api, identity, self.settings.run_id, patience_s)
            self.journal.forget(number)


def remove_container(api: "APIClient", identity: str) -> bool:
    """Kill and remove a container; return whether it was there. Raises BackendError."""
    from docker.errors import NotFound

    with engine_errors(f"removing {identity}"):
        try:
            api.remove_container(identity, force=True, v=True)
        except NotFound:
            return False
    return True


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


def remove_image(api: "APIClient", name: str) -> bool:
    """Remove an image; return whether it was there. Raises BackendError."""
    from docker.errors import ImageNotFound

    with engine_errors(f"removing image {name}"):
        try:
            api.remove_image(name, force=True)
        except ImageNotFound:
            return False
    return True


def reap_by_api(api: "APIClient", entry: Entry, run_id: str) -> bool:
    """Remove a journalled container or image of this run; return whether it was there. Raises BackendError."""
    if run_id not in entry.name:
        raise BackendError(f"{entry.name} does not carry the run's id {run_id}; left alone")
    if entry.kind is Kind.IMAGE:
        return remove_image(api, entry.name)
    return remove_when_it_appears(api, entry.name, run_id, INTERRUPTED_PATIENCE_S)
