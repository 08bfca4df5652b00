"""The two servers behind a link: every byte of an answer is counted, and held back where a bandwidth says so."""

import socket
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from envbench.errors import BackendError
from envbench.experiments.deploy.guest_files import fetch_files
from envbench.experiments.deploy.link import Link
from envbench.experiments.deploy.served import files_served, relayed


def test_a_file_arrives_whole_and_is_counted_with_its_headers(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 4000)
    link = Link()
    with files_served({"disk": source}, link) as port:
        found = fetch_files(port, ("disk",), tmp_path)
    assert found["disk"].read_bytes() == source.read_bytes()
    assert 0 < link.passed_bytes - source.stat().st_size < 500, "headers alone come on top"


def test_a_file_that_is_not_served_is_an_error(tmp_path: Path) -> None:
    with files_served({}, Link()) as port, pytest.raises(BackendError, match="answers 404 to disk"):
        fetch_files(port, ("disk",), tmp_path)


def test_a_bandwidth_holds_back_what_is_sent(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(400_000))
    with files_served({"disk": source}, Link(1e6)) as port:
        begun_s = time.monotonic()
        fetch_files(port, ("disk",), tmp_path)
        assert time.monotonic() - begun_s > 0.35


def test_a_server_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with files_served({}, Link()) as port:
        pass
    with pytest.raises(BackendError, match="fetching disk"):
        fetch_files(port, ("disk",), tmp_path)


def test_a_relay_counts_answers_and_no_questions(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(300_000))
    behind, before = Link(), Link()
    with files_served({"disk": source}, behind) as port, relayed(port, before) as own_port:
        for _ in range(2):
            asked = HTTPConnection("127.0.0.1", own_port, timeout=10)
            asked.request("GET", "/disk", headers={"X-Long": "x" * 1000})
            assert len(asked.getresponse().read()) == 300_000
            asked.close()
    assert before.passed_bytes == behind.passed_bytes > 600_000


def test_a_relay_takes_several_connections_at_once_and_ends_with_its_block() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server, 2), daemon=True).start()
        with relayed(server.getsockname()[1], Link()) as port:
            ends = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(2)]
            for number, end in enumerate(ends):
                end.sendall(b"%d" % number)
            assert [end.recv(1) for end in ends] == [b"0", b"1"]
            for end in ends:
                end.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def _echo(server: socket.socket, count: int) -> None:
    taken = [server.accept()[0] for _ in range(count)]
    for one in taken:
        one.sendall(one.recv(1))
        one.close()
