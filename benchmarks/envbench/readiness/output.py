"""Finds the ready line in an instance's output: raw bytes in, moments and the payload's key=value words out.

Of a program of the user's own it is the first line that matches the user's regular expression.

The line may come in pieces, after floods of other output, or never; memory stays bounded whatever the payload says.
"""

import errno
import math
import os
import re
import select
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from envbench.errors import BackendError, StartTimeoutError
from envbench.payload.words import FACT_WORD, READY_WORD
from envbench.settings.condition import LogReady, Ready
from envbench.surroundings.clock import NS_PER_MS, NS_PER_S, monotonic_ns

LAST_FACT = "end"
"""The fact after which no more come."""

CHUNK_BYTES = 65536
TAIL_BYTES = 4096
LINE_BYTES = 4096
"""The payload's own lines are short; a longer one is not the payload's, and its rest is skipped."""
FACTS_MAX = 256


@dataclass(frozen=True, slots=True)
class Answered:
    """The moment at which it was seen to be ready, and how long before it the attempt before had begun."""

    ready_ns: int
    gap_ns: int | None
    """The probe's error: a service that was ready right after an attempt waits for the next one. None where the
    instance said by itself that it is ready."""


class Speaker(Protocol):
    """As much of an instance as reading its output needs."""

    def output_fileno(self) -> int:
        """Return the descriptor on which its output arrives."""
        ...

    def decode(self, chunk: bytes) -> bytes:
        """Return the payload's bytes in a chunk."""
        ...

    def console_tail(self) -> str:
        """Return what it said last, "" where nothing is known."""
        ...


class Reader(Protocol):
    """What makes sense of what is said."""

    def feed(self, chunk: bytes, at_ns: int) -> None:
        """Take the next bytes, which were read at `at_ns`."""
        ...

    def tail(self) -> str:
        """Return what came last, as text for a person."""
        ...


def marker_for(nonce: str) -> bytes:
    """Return the bytes whose first one means ready: our ready line with its nonce."""
    return READY_WORD + b" " + nonce.encode()


@dataclass(slots=True)
class OutputReader:
    """Takes chunks of output, notes when the marker's first byte was seen, and collects the payload's facts.

    `marker` is a text, or a regular expression that is searched for in each line. `ready_ns` is the clock's value that
    came with the chunk in which the marker begins, None until the whole marker is there. `ready_values` are the
    key=value words of the ready line, `facts` those of the lines after it.
    """

    marker: bytes | re.Pattern[str]
    ready_ns: int | None = None
    ready_values: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    _tail: bytes = b""
    _held: bytes = b""
    _held_times: list[tuple[int, int]] = field(default_factory=list)
    """(bytes, clock) of the chunks that `_held` came in, oldest first."""
    _is_cut: bool = False
    """Whether `_held` has lost the beginning of its line."""
    _line: bytes = b""

    def feed(self, chunk: bytes, at_ns: int) -> None:
        """Take the next bytes, which were read at `at_ns`."""
        self._tail = (self._tail + chunk)[-TAIL_BYTES:]
        if self.ready_ns is None:
            self._search(chunk, at_ns)
        else:
            self._read_lines(chunk)

    @property
    def line_complete(self) -> bool:
        """Whether the ready line has been read to its end (a line of the user's own has no values: always)."""
        return self.ready_ns is not None and (bool(self.ready_values) or isinstance(self.marker, re.Pattern))

    @property
    def wanted(self) -> str:
        """What is waited for, in words."""
        return "ready line" if isinstance(self.marker, bytes) else str(LogReady(self.marker.pattern))

    @property
    def facts_complete(self) -> bool:
        """Whether the payload has said all its facts."""
        return LAST_FACT in self.facts or len(self.facts) >= FACTS_MAX

    def tail(self) -> str:
        """Return the last bytes seen, as text for a person."""
        return self._tail.decode("utf-8", errors="replace")

    def _search(self, chunk: bytes, at_ns: int) -> None:
        held = self._held + chunk
        times = [*self._held_times, (len(chunk), at_ns)]
        at, keep = self._find(held)
        if at >= 0:
            self.ready_ns = _time_at(times, at)
            self._held = b""
            self._held_times = []
            self._read_lines(held[at:])
            return
        self._held = held[len(held) - keep :]
        self._held_times = _last_times(times, keep)

    def _find(self, held: bytes) -> tuple[int, int]:
        """Return where the marker begins, -1 where it is not there, and how many of the last bytes are to be kept."""
        if isinstance(self.marker, bytes):
            return held.find(self.marker), min(len(self.marker) - 1, len(held))
        *lines, rest = held.split(b"\n")
        begin = 0
        for line in lines:
            at = _match_at(self.marker, line.rstrip(b"\r"), skip=self._is_cut)
            if at >= 0:
                return begin + at, 0
            begin += len(line) + 1
            self._is_cut = False
        at = _match_at(self.marker, rest, skip=self._is_cut, is_ended=False)
        self._is_cut |= len(rest) > LINE_BYTES
        return begin + at if at >= 0 else -1, min(len(rest), LINE_BYTES)

    def _read_lines(self, chunk: bytes) -> None:
        *lines, rest = (self._line + chunk).split(b"\n")
        self._line = rest[:LINE_BYTES]
        for line in lines:
            self._read_line(line.rstrip(b"\r"))

    def _read_line(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace")
        if line.startswith(READY_WORD):
            words = (word.partition("=") for word in text.split()[2:])
            self.ready_values.update({key: value for key, separator, value in words if separator})
        elif line.startswith(FACT_WORD) and len(self.facts) < FACTS_MAX:
            key, _, value = text[len(FACT_WORD) :].partition("=")
            self.facts[key] = value


def reader_for(nonce: str, ready: Ready | None) -> OutputReader:
    """Return a reader that looks for the line that means ready: the user's own, else the payload's with this nonce."""
    return OutputReader(re.compile(ready.regex) if isinstance(ready, LogReady) else marker_for(nonce))


def _match_at(regex: re.Pattern[str], line: bytes, *, skip: bool, is_ended: bool = True) -> int:
    """Return at which byte of a line the first match begins, -1 without one. `skip`: its beginning has been lost.

    A line that has not ended is searched with a letter and with a space behind it as well: "started$" is no match in
    "started" as long as "started not" may come of it.
    """
    text = line.decode("utf-8", errors="surrogateescape")
    found = regex.search(text, int(skip))
    if found is None or not (is_ended or all(regex.search(text + more, int(skip)) for more in ("a", " "))):
        return -1
    return len(text[: found.start()].encode("utf-8", errors="surrogateescape"))


def _time_at(times: list[tuple[int, int]], offset: int) -> int:
    for length, at_ns in times:
        if offset < length:
            return at_ns
        offset -= length
    return times[-1][1]


def _last_times(times: list[tuple[int, int]], keep: int) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for length, at_ns in reversed(times):
        if keep <= 0:
            break
        kept.append((min(length, keep), at_ns))
        keep -= length
    return kept[::-1]


def read_until(speaker: Speaker, reader: Reader, is_done: Callable[[], bool], deadline_ns: int, wanted: str) -> bool:
    """Feed the reader from an instance's output until `is_done`; return whether that came before the output ended.

    Sleeps in poll(2) meanwhile, never spins. `deadline_ns` is a moment of the clock. `wanted` names in the error
    message what was waited for. Raises StartTimeoutError after the deadline, BackendError for what cannot be read.
    """
    descriptor = speaker.output_fileno()
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    begun_ns = monotonic_ns()
    while not is_done():
        left_ns = deadline_ns - monotonic_ns()
        if left_ns <= 0:
            waited_s = (monotonic_ns() - begun_ns) / NS_PER_S
            raise StartTimeoutError(f"no {wanted} within {waited_s:.1f} s; {last_words(speaker, reader)}")
        if not poller.poll(math.ceil(left_ns / NS_PER_MS)):
            continue
        chunk = read_chunk(descriptor)
        at_ns = monotonic_ns()
        if chunk is None:
            continue
        if not chunk:
            return False
        reader.feed(speaker.decode(chunk), at_ns)
    return True


def wait_ready(speaker: Speaker, reader: OutputReader, deadline_ns: int) -> int:
    """Read until the ready line has been seen and return the moment of its first byte.

    Raises as `read_until`, and BackendError where the output ends before.
    """
    read_until(speaker, reader, lambda: reader.ready_ns is not None, deadline_ns, reader.wanted)
    if reader.ready_ns is None:
        raise BackendError(f"it ended before {reader.wanted}; {last_words(speaker, reader)}")
    return reader.ready_ns


def hear(speaker: Speaker, reader: Reader, descriptor: int, at_ns: int) -> None:
    """Take what an instance says while it is asked from outside. Raises BackendError at the end of its output."""
    chunk = read_chunk(descriptor)
    if chunk == b"":
        raise BackendError(f"it ended before it answered; {last_words(speaker, reader)}")
    if chunk is not None:
        reader.feed(speaker.decode(chunk), at_ns)


def read_chunk(descriptor: int) -> bytes | None:
    """Return the next bytes, b"" at the end, None where there is nothing to read yet."""
    try:
        return os.read(descriptor, CHUNK_BYTES)
    except BlockingIOError:
        return None
    except OSError as error:
        # A pseudo-terminal gives EIO once its other end is closed, and a socket may be reset: both mean the end.
        if error.errno in (errno.EIO, errno.ECONNRESET):
            return b""
        raise BackendError(f"its output cannot be read: {error.strerror}") from error


def last_words(speaker: Speaker, reader: Reader) -> str:
    """Return the last lines that an instance said, for an error message."""
    said = (reader.tail() or speaker.console_tail()).strip()
    if not said:
        return "it said nothing"
    return f"its last words: {' | '.join(said.splitlines()[-3:])[-400:]}"
