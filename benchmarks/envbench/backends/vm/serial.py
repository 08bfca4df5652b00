"""The serial line of a guest: a unix socket that listens before the VMM starts, so that no byte can be missed.

The moment at which the VMM connects is the mark VMM_UP. The end of what the guest printed is kept for error messages.
"""

import contextlib
import os
import re
import socket
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from envbench.backend import Mark, MarkCallback
from envbench.errors import BackendError
from envbench.payload.words import INIT_WORD

TAIL_BYTES = 8192
TAIL_LINES = 40

KERNEL_WORDS = (b"early console in", b"EFI stub:", b"Linux version")
"""The first words of a Linux kernel on a serial line: x86 setup code, EFI stub, and the kernel proper."""


def first_words(*, speaks_first: bool) -> dict[Mark, tuple[bytes, ...]]:
    """Return what on a guest's serial line means which moment.

    `speaks_first` is True where the first byte is the guest's own; else (UEFI writes to the line too, another kernel
    may be silent for long) only a kernel's own first words count.
    """
    return {Mark.KERNEL_UP: (b"",) if speaks_first else KERNEL_WORDS, Mark.USERSPACE_UP: (INIT_WORD,)}


_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\S+Z ")
"""How QEMU begins its messages with -msg timestamp=on."""


class SerialListener:
    """Listens at `path` for one VMM. Raises BackendError where the path cannot be bound (too long, or taken)."""

    def __init__(self, path: Path, mode: int = 0o600) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind(str(path))
            path.chmod(mode)
            self._socket.listen(1)
        except OSError as error:
            self._socket.close()
            raise BackendError(f"cannot listen at {path}: {error}", remedy="a shorter --output or TMPDIR") from error

    def fileno(self) -> int:
        """Return the listening descriptor: readable once the VMM has connected."""
        return self._socket.fileno()

    def accept(self) -> socket.socket:
        """Return the VMM's connection, non-blocking; the listener is closed."""
        connection, _ = self._socket.accept()
        connection.setblocking(False)
        self.close()
        return connection

    def close(self) -> None:
        """Stop listening and remove the socket's file; safe to call twice."""
        self._socket.close()
        self.path.unlink(missing_ok=True)


class Console:
    """One guest's serial line: keeps its tail, and reports each moment when one of its words is first heard."""

    def __init__(self, connection: socket.socket, mark: MarkCallback, words: Mapping[Mark, tuple[bytes, ...]]) -> None:
        self._connection = connection
        self._mark = mark
        self._waiting = dict(words)
        self._longest = max((len(word) for found in words.values() for word in found), default=0)
        self._window = b""
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0

    def fileno(self) -> int:
        """Return the descriptor on which the guest's bytes arrive."""
        return self._connection.fileno()

    def heard(self, mark: Mark) -> bool:
        """Return whether this moment's word has been heard."""
        return mark not in self._waiting

    def hear(self, chunk: bytes) -> bytes:
        """Take in a chunk that was read from `fileno`; return it unchanged."""
        self._keep(chunk)
        if self._waiting and chunk:
            self._window += chunk
            for mark in [m for m, words in self._waiting.items() if any(word in self._window for word in words)]:
                del self._waiting[mark]
                self._mark(mark)
            # A word may come in pieces: keep as much as the longest word's beginning.
            self._window = self._window[-self._longest :] if self._longest else b""
        return chunk

    def say(self, line: bytes) -> None:
        """Send a line to the guest; nothing happens where the line is gone or full."""
        with contextlib.suppress(OSError):
            self._connection.send(line + b"\n")

    def drain(self) -> bool:
        """Read and keep all that has arrived, so that a guest which says much never waits; False at the end."""
        try:
            while chunk := self._connection.recv(65536):
                self.hear(chunk)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def tail(self) -> str:
        """Return the last lines that were heard, printable, "" where there are none."""
        text = b"".join(self._tail)[-TAIL_BYTES:].decode("utf-8", errors="replace")
        lines = ("".join(c for c in line if c.isprintable()).rstrip() for line in text.splitlines())
        return "\n".join([line for line in lines if line][-TAIL_LINES:])

    def close(self) -> None:
        """Hang up; safe to call twice."""
        self._connection.close()

    def _keep(self, chunk: bytes) -> None:
        self._tail.append(chunk)
        self._tail_bytes += len(chunk)
        while self._tail_bytes - len(self._tail[0]) >= TAIL_BYTES:
            self._tail_bytes -= len(self._tail.popleft())


def log_tail(path: Path, lines: int = 3, *, stamped: bool = False) -> str:
    """Return the last lines of a VMM's own log in one line, "" where it said nothing.

    `stamped` leaves out lines without QEMU's time stamp: libvirt writes the command line into the same log.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES), os.SEEK_SET)
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    said = [line.strip() for line in text.splitlines() if line.strip() and (not stamped or _STAMP.match(line))]
    return " | ".join([_STAMP.sub("", line) for line in said][-lines:])


def said_last(console: Console, own_words: str) -> str:
    """Return what the guest said last, and then what the VMM said in its own log."""
    return "\n".join(part for part in (console.tail(), f"QEMU: {own_words}" if own_words else "") if part)
