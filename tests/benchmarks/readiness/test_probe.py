"""Ready by an answer: what counts as one, how soon it is seen, and what does not keep the probe from seeing it."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from envbench.errors import BackendError, StartTimeoutError
from envbench.readiness.output import OutputReader, marker_for
from envbench.readiness.probe import free_port, is_answer, wait_answer
from envbench.settings.condition import HttpReady, PortReady, TcpReady
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc\n"
READY = HttpReady(80, with_nonce=True)


@pytest.mark.parametrize(
    ("received", "wanted", "answers"),
    [
        (OK, READY, True),
        (OK, HttpReady(80), True),
        (OK[:12], HttpReady(80), False),
        (OK[:17], HttpReady(80), True),
        (OK.replace(b"abc", b"xyz"), READY, False),
        (OK.replace(b"200 OK", b"503 No"), HttpReady(80), False),
        (OK.replace(b"200 OK", b"204 No"), HttpReady(80, status=204), True),
        (b"HTTP/1.1 200 OK\r\nX: abc\r\n\r\n", READY, False),
        (b"SSH-2.0-OpenSSH\r\n", HttpReady(80), False),
        (b"", HttpReady(80), False),
    ],
)
def test_an_answer_has_the_status_and_the_nonce_in_its_body(received: bytes, wanted: HttpReady, answers: bool) -> None:
    assert is_answer(received, wanted, "abc") is answers


@pytest.fixture
def instance() -> Iterator[SimpleNamespace]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield SimpleNamespace(
        output_fileno=lambda: reader, decode=lambda chunk: chunk, console_tail=lambda: "its console", writer=writer
    )
    for one in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(one)


def wait(instance: SimpleNamespace, port: int, deadline_s: float = 10.0, wanted: PortReady = READY):
    reader = OutputReader(marker_for("abc"))
    return wait_answer(instance, reader, wanted, port, "abc", monotonic_ns() + int(deadline_s * NS_PER_S))


def serve(port: int, delay_s: float, handle: Callable[[socket.socket], None]) -> threading.Thread:
    def run() -> None:
        time.sleep(delay_s)
        with socket.create_server(("127.0.0.1", port)) as server:
            server.settimeout(10)
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        handle(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def answer(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(OK)


def test_the_first_answer_ends_the_wait_and_the_gap_is_known(instance) -> None:
    port = free_port()
    begun_ns = monotonic_ns()
    serve(port, 0.2, answer)
    found = wait(instance, port)
    assert found.ready_ns - begun_ns >= 0.2 * NS_PER_S
    assert found.gap_ns >= READY.interval_s * NS_PER_S


def test_connections_that_are_taken_and_closed_are_no_answer(instance) -> None:
    """So does Docker's proxy as long as nothing listens inside."""
    port, taken = free_port(), []

    def refuse_then_answer(connection: socket.socket) -> None:
        taken.append(connection)
        if len(taken) > 5:
            answer(connection)

    serve(port, 0.0, refuse_then_answer)
    wait(instance, port)
    assert len(taken) >= 6


def test_a_connection_that_is_never_answered_keeps_no_other_back(instance) -> None:
    """So does QEMU's user network as long as the guest has no address."""
    port, held = free_port(), []

    def hold_then_answer(connection: socket.socket) -> None:
        held.append(connection.dup())
        if len(held) > 2:
            answer(connection)

    serve(port, 0.0, hold_then_answer)
    wait(instance, port)
    assert len(held) >= 3
    for one in held:
        one.close()


def test_a_connection_that_is_taken_and_kept_shows_nothing_where_the_first_byte_is_wanted(instance) -> None:
    """Docker's proxy and QEMU's user network take it although nothing listens inside."""
    port, held = free_port(), []
    serve(port, 0.0, lambda connection: held.append(connection.dup()))
    with pytest.raises(StartTimeoutError, match="no first byte from tcp:22"):
        wait(instance, port, deadline_s=1.0, wanted=TcpReady(22))
    assert held
    for one in held:
        one.close()


def test_the_first_byte_of_a_service_that_speaks_by_itself_ends_the_wait(instance) -> None:
    port = free_port()
    serve(port, 0.0, lambda connection: connection.sendall(b"SSH-2.0-x\r\n"))
    assert wait(instance, port, wanted=TcpReady(22)).ready_ns


def test_without_an_answer_the_wait_ends_with_the_last_words(instance) -> None:
    os.write(instance.writer, b"starting up\n")
    with pytest.raises(StartTimeoutError, match=r"no answer 200 to http:80/ within .*starting up"):
        wait(instance, free_port(), deadline_s=0.2)


def test_an_instance_that_ends_is_not_waited_for(instance) -> None:
    os.close(instance.writer)
    with pytest.raises(BackendError, match=r"it ended before it answered.*its console"):
        wait(instance, free_port())
