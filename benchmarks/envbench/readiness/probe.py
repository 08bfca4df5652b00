"""Finds out from outside whether an instance is ready: by what answers at its port, as a readiness probe does.

As long as attempts are refused, the next begins a few milliseconds after the one before. What forwards a port may take
a connection long before anything inside can answer it (QEMU's user network does), and lets it wait then: so another one
begins beside it now and then, and not so often that they would slow down what they wait for.
"""

import errno
import select
import socket
from dataclasses import dataclass
from typing import cast

from envbench.backend import Instance, Workload
from envbench.errors import StartTimeoutError
from envbench.readiness.exec_probe import Checked, wait_inside
from envbench.readiness.output import Answered, OutputReader, hear, last_words, wait_ready
from envbench.settings.condition import HttpReady, InsideReady, PortReady, Ready
from envbench.surroundings.clock import NS_PER_MS, NS_PER_S, monotonic_ns

BESIDE_S = 0.25
"""Another attempt begins so long after one that is neither refused nor answered."""
ATTEMPT_S = 5.0
"""How long an attempt may wait for its answer before it is given up."""
ANSWER_BYTES = 65536
"""As much of an answer is looked at."""


@dataclass(slots=True)
class _Attempt:
    socket: socket.socket
    begun_ns: int
    gap_ns: int
    is_connected: bool = False
    answer: bytes = b""


def free_port() -> int:
    """Return a TCP port of the loopback that nothing listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ports_for(ready: Ready | None) -> tuple[tuple[int, int], ...]:
    """Return the ports that a start needs so that `ready` can be asked for: one of the host's for it, or none."""
    return ((free_port(), ready.port),) if isinstance(ready, PortReady) else ()


def wait_until_ready(
    instance: Instance, reader: OutputReader, ready: Ready | None, workload: Workload, deadline_ns: int
) -> Answered:
    """Wait until an instance is ready: by its answer at the workload's port, by its check, else by a line that it says.

    Raises StartTimeoutError after the deadline and BackendError where the instance's output ends before.
    """
    if isinstance(ready, InsideReady):
        return wait_inside(cast("Checked", instance), reader, ready, deadline_ns)
    if not isinstance(ready, PortReady):
        return Answered(wait_ready(instance, reader, deadline_ns), None)
    (port, _), *_ = workload.ports
    return wait_answer(instance, reader, ready, port, workload.nonce, deadline_ns)


def is_answer(received: bytes, wanted: HttpReady, nonce: str) -> bool:
    """Return whether the bytes of an HTTP answer so far have the wanted status and, where asked for, the nonce.

    RFC 9112, 4: status-line = HTTP-version SP status-code SP …
    """
    status_line, ended, rest = received.partition(b"\r\n")
    words = status_line.split(b" ", 2)
    if not ended or len(words) < 2 or not words[0].startswith(b"HTTP/") or words[1] != str(wanted.status).encode():
        return False
    return not wanted.with_nonce or nonce.encode() in rest.partition(b"\r\n\r\n")[2]


def wait_answer(
    instance: Instance, reader: OutputReader, wanted: PortReady, port: int, nonce: str, deadline_ns: int
) -> Answered:
    """Ask at this port of the loopback until the wanted answer comes; what the instance says is read meanwhile.

    Raises StartTimeoutError after the deadline and BackendError where the instance's output ends before.
    """
    probe = _Probe(wanted, port, nonce)
    begun_ns = monotonic_ns()
    try:
        while True:
            now_ns = monotonic_ns()
            if now_ns >= deadline_ns:
                waited_s = (now_ns - begun_ns) / NS_PER_S
                raise StartTimeoutError(f"no {wanted} within {waited_s:.1f} s; {last_words(instance, reader)}")
            probe.begin(now_ns)
            answered = probe.look(instance, reader)
            if answered is not None:
                return answered
    finally:
        probe.close()


class _Probe:
    """The attempts that are under way, by their descriptors."""

    def __init__(self, wanted: PortReady, port: int, nonce: str) -> None:
        self._wanted = wanted
        self._port = port
        self._nonce = nonce
        self._attempts: dict[int, _Attempt] = {}
        self._last_begun_ns = 0
        self._newest = -1
        """The descriptor of the attempt that began last, -1 once it has been refused."""
        self._interval_ns = int(wanted.interval_s * NS_PER_S)
        self._poller = select.poll()
        path = wanted.path if isinstance(wanted, HttpReady) else ""
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        self._request = request.encode("ascii") if path else b""

    def begin(self, now_ns: int) -> None:
        """Begin an attempt if it is time for one, and give up those that have waited long enough."""
        for one in [one for one in self._attempts.values() if now_ns - one.begun_ns > ATTEMPT_S * NS_PER_S]:
            self._drop(one)
        if now_ns < self._due_ns():
            return
        gap_ns = now_ns - self._last_begun_ns
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        is_first, self._last_begun_ns = not self._last_begun_ns, now_ns
        if made.connect_ex(("127.0.0.1", self._port)) not in (0, errno.EINPROGRESS):
            made.close()
            return
        self._newest = made.fileno()
        self._attempts[made.fileno()] = _Attempt(made, now_ns, 0 if is_first else gap_ns)
        self._poller.register(made.fileno(), select.POLLOUT)

    def look(self, instance: Instance, reader: OutputReader) -> Answered | None:
        """Wait until the next attempt is due and take what comes until then; return the wanted answer, if it came."""
        output = instance.output_fileno()
        self._poller.register(output, select.POLLIN)
        events = self._poller.poll(max(0.0, (self._due_ns() - monotonic_ns()) / NS_PER_MS))
        at_ns = monotonic_ns()
        self._poller.unregister(output)
        for descriptor, _ in events:
            if descriptor == output:
                hear(instance, reader, output, at_ns)
            elif self._advance(self._attempts[descriptor]):
                return Answered(at_ns, self._attempts[descriptor].gap_ns)
        return None

    def close(self) -> None:
        """Close all attempts."""
        for one in tuple(self._attempts.values()):
            self._drop(one)

    def _due_ns(self) -> int:
        """Return when the next attempt is to begin."""
        waits = self._newest >= 0
        return self._last_begun_ns + (int(BESIDE_S * NS_PER_S) if waits else self._interval_ns)

    def _advance(self, one: _Attempt) -> bool:
        """Go on with an attempt that can; return whether what was wanted is there."""
        try:
            if not one.is_connected:
                one.socket.getpeername()  # An error where the connection was refused.
                one.is_connected = True
                if self._request:
                    one.socket.send(self._request)
                self._poller.modify(one.socket.fileno(), select.POLLIN)
                return False
            chunk = one.socket.recv(ANSWER_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        one.answer += chunk
        if isinstance(self._wanted, HttpReady):
            is_there = is_answer(one.answer, self._wanted, self._nonce)
        else:
            is_there = bool(chunk)
        if not is_there and (not chunk or len(one.answer) > ANSWER_BYTES):
            self._drop(one)
        return is_there

    def _drop(self, one: _Attempt) -> None:
        descriptor = one.socket.fileno()
        self._newest = -1 if descriptor == self._newest else self._newest
        self._poller.unregister(descriptor)
        del self._attempts[descriptor]
        one.socket.close()
