"""One container of an engine that offers the Docker Engine API, from attach to removal.

The start call runs in a thread of its own, because the first byte of output can come before the call returns.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbench.backend import Mark, MarkCallback
from envbench.backends.shared.engine_calls import engine_errors, remove_container
from envbench.errors import BackendError, StartTimeoutError
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.procfs import cgroup_of, descendants_of, shim_of

if TYPE_CHECKING:
    from docker.api.client import APIClient

STOP_GRACE_S = 10
_FRAME_HEADER_BYTES = 8


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
    """One container of an engine. Its start call may still be under way when the output already comes.

    `forget` takes it off the journal, once it is gone. `own_process` returns the process id that the engine told if
    it proves to be this container's, None for a stranger's (`procfs.instance_process`). `deadline_s` is how long each
    call of its start may take; `check` is the command that tells inside whether it is ready, () where that is seen from
    outside.
    """

    def __init__(
        self,
        api: "APIClient",
        identity: str,
        name: str,
        forget: Callable[[], None],
        own_process: Callable[[int], int | None],
        deadline_s: float,
        check: tuple[str, ...] = (),
    ) -> None:
        self._api = api
        self._id = identity
        self._name = name
        self._forget = forget
        self._own_process = own_process
        self._deadline_s = deadline_s
        self._check = check
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
        with engine_errors("attaching", self._deadline_s):
            self._socket = self._api.attach_socket(self._id, params={"stdout": 1, "stderr": 1, "stream": 1, "logs": 0})
        os.set_blocking(self._socket.fileno(), False)

    def begin(self, mark: MarkCallback) -> None:
        """Ask the engine to start it; STARTED is marked when the call returns."""

        def call() -> None:
            try:
                with engine_errors("starting", self._deadline_s):
                    self._api.start(self._id)
                mark(Mark.STARTED)
            except BaseException as error:  # noqa: BLE001 -- carried over to the thread that waits
                self._start_error = error
                self._end_output()

        self._starter = threading.Thread(target=call, name=f"start {self._name}", daemon=True)
        self._starter.start()

    def wait_started(self, deadline_ns: int) -> None:
        """Wait for the start call to return. Raises StartTimeoutError after the deadline, BackendError as the call."""
        if self._starter is not None:
            self._starter.join(max(0.0, (deadline_ns - monotonic_ns()) / NS_PER_S))
            if self._starter.is_alive():
                raise StartTimeoutError(f"{self._name}: the engine's start call has not returned")
        if self._start_error is not None:
            raise BackendError(str(self._start_error))

    def output_fileno(self) -> int:
        """Return the attached socket. Raises BackendError once it is closed."""
        if self._socket is None:
            raise BackendError(f"{self._name} is not attached")
        return int(self._socket.fileno())

    def decode(self, chunk: bytes) -> bytes:
        """Return the chunk without the engine's frame headers."""
        return self._frames.feed(chunk)

    def processes(self) -> tuple[int, ...]:
        """Return process 1 of the container, what stems from it, and its shim, once the start call has returned.

        () where the process that the engine names does not prove to be this container's.
        """
        pid = self._host_pid()
        return () if pid is None else (pid, *descendants_of(pid), *shim_of(pid, self._id))

    def cgroup(self) -> Path | None:
        """Return the container's cgroup."""
        pid = self._host_pid()
        return None if pid is None else cgroup_of(pid)

    def inspected(self) -> dict[str, Any]:
        """Return what the engine says of it (Docker Engine API, ContainerInspect). Raises BackendError."""
        with engine_errors("inspecting"):
            return dict(self._api.inspect_container(self._id))

    def failed_check(self) -> str:
        """Run its check inside once it is started; return "" where that ended with 0, else how it ended.

        Docker Engine API, ContainerExec, ExecStart, ExecInspect. Raises BackendError where the engine cannot run it.
        """
        self.wait_started(monotonic_ns() + int(self._deadline_s * NS_PER_S))
        with engine_errors("running its check"):
            identity = self._api.exec_create(self._id, list(self._check))["Id"]
            said = self._api.exec_start(identity)
            found = self._api.exec_inspect(identity)
        if found["ExitCode"] == 0 and not found.get("Running"):
            return ""
        words = " ".join(said.decode("utf-8", errors="replace").split())[-200:]
        return f"exit code {found['ExitCode']}" + (f", {words}" if words else "")

    def console_tail(self) -> str:
        """Return why it did not start, or how it ended."""
        if self._starter is not None:
            self._starter.join(1.0)
        if self._start_error is not None:
            return str(self._start_error)
        with contextlib.suppress(BackendError):
            state = self.inspected()["State"]
            return f"container {state['Status']}, exit code {state['ExitCode']} {state['Error']}".strip()
        return ""

    def stop(self, deadline_ns: int) -> None:
        """Have the engine send SIGTERM and wait for the end (SIGKILL after 10 s, which no healthy payload needs)."""
        self.wait_started(deadline_ns)
        with engine_errors("stopping"):
            self._api.stop(self._id, timeout=STOP_GRACE_S)

    def remove(self, deadline_ns: int) -> None:
        """Have the engine remove it, its writable layer and its anonymous volumes."""
        with engine_errors("removing"):
            self._api.remove_container(self._id, v=True)
        self._close()
        self._forget()

    def destroy(self) -> None:
        """Remove it by force; where the engine cannot be reached the journal keeps it for the reaper."""
        self._close()
        with contextlib.suppress(BackendError):
            remove_container(self._api, self._id)
            self._forget()

    def _host_pid(self) -> int | None:
        if self._pid is None:
            self.wait_started(monotonic_ns() + STOP_GRACE_S * NS_PER_S)
            with contextlib.suppress(BackendError):
                self._pid = self._own_process(int(self.inspected()["State"]["Pid"]))
        return self._pid

    def _end_output(self) -> None:
        """Let whoever reads the output see its end."""
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
