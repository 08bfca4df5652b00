"""Two servers on the loopback whose answers go through a `Link`: a relay before a registry, and one of plain files."""

import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import BinaryIO, cast

from envbench.experiments.deploy.link import Link

LOOPBACK = "127.0.0.1"


@contextmanager
def relayed(port: int, link: Link) -> Iterator[int]:
    """Give the port at which the server at `port` can be reached through the link, for the length of the block.

    What the server answers is counted and held back, headers and all; what it is asked is neither.
    """

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection((LOOPBACK, port)) as server:
                asking = threading.Thread(target=_copy, args=(self.request, server, None), daemon=True)
                asking.start()
                _copy(server, self.request, link)
                asking.join()

    with _serving(Relay) as own_port:
        yield own_port


def _copy(source: socket.socket, target: socket.socket, link: Link | None) -> None:
    """Copy until the source has ended, then tell the target so."""
    try:
        while chunk := source.recv(1 << 18 if link is None else link.chunk_bytes):
            if link is not None:
                link.let_pass(len(chunk))
            target.sendall(chunk)
    except OSError:
        pass  # One side has gone: the other is told below.
    for end in (target, source):
        with suppress(OSError):
            end.shutdown(socket.SHUT_WR if end is target else socket.SHUT_RD)


@contextmanager
def files_served(files: Mapping[str, Path], link: Link) -> Iterator[int]:
    """Give the port of an HTTP server that has these files by name, for the length of the block; others are 404.

    Its answers go through the link, headers and all.
    """

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            super().setup()
            self.wfile = cast("BinaryIO", _Through(self.wfile, link))  # type: ignore[assignment]

        def do_GET(self) -> None:
            path = files.get(self.path.removeprefix("/"))
            if path is None:
                self.send_error(404)
                return
            with path.open("rb") as file:
                self.send_response(200)
                self.send_header("Content-Length", str(path.stat().st_size))
                self.end_headers()
                while chunk := file.read(link.chunk_bytes):
                    self.wfile.write(chunk)

        def log_message(self, *_words: object) -> None:
            """Say nothing: what passes is counted."""

    with _serving(Handler) as own_port:
        yield own_port


class _Through:
    """A stream whose bytes go through a link."""

    def __init__(self, target: object, link: Link) -> None:
        self._target, self._link = cast("BinaryIO", target), link

    def write(self, data: bytes) -> int:
        self._link.let_pass(len(data))
        return self._target.write(data)

    def flush(self) -> None:
        self._target.flush()

    def close(self) -> None:
        self._target.close()

    @property
    def closed(self) -> bool:
        return self._target.closed


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that has gone shows at the client."""


@contextmanager
def _serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    with _Server((LOOPBACK, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
