"""envinspect-wire/1: how an answer travels: as lines of ASCII, so that terminals, CRLF, banners do no harm.

    envinspect-wire/1 begin ROUND base64
    CmEvLi8uIHN5c3RlbQpMaW51eCA2...
    envinspect-wire/1 end ROUND CHARACTERS

Between the two lines stands the payload (`answers` says what it holds) in base64, or in hexadecimal digits where no
base64 is to be had. CHARACTERS counts the lines between, line breaks among them (the last one's not): an answer without
its end, or of another length, is not whole. Whatever else stands before, between or behind the rounds is not ours.
"""

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from envinspect.model.errors import CaptureError

SCHEMA = "envinspect-wire/1"
FROM_ITS_NODE = "ask from its node: envinspect --pid PID"
WIRE_LIMIT_BYTES = 96 << 20
"""Of one place's answers together: base64 of what a capture may hold (64 MiB), and some."""
LINE_LIMIT_BYTES = 65_536
"""No line of ours is nearly as long; of a longer one only the beginning is looked at."""
_BEGIN = re.compile(rf"{SCHEMA} begin (\d{{1,4}}) (base64|hex)?\s*")
_END = re.compile(rf"{SCHEMA} end (\d{{1,4}}) (\d{{1,10}})\s*")
_BODY = {"base64": re.compile(r"[A-Za-z0-9+/]+={0,2}"), "hex": re.compile(r"[0-9A-Fa-f ]+")}


class Round(NamedTuple):
    """One whole answer: the round's number, and the payload."""

    number: int
    payload: bytes


class Reader:
    """Takes text as it comes, in pieces of any length, and gives out the rounds that have become whole.

    `begun` says that an answer has begun; `last_words` is the last line that was no part of one, which is where a
    command that failed says why. Raises CaptureError for what no collector writes.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._rest = b""
        self._taken = 0
        self._number = 0
        self._encoding = ""
        self._body: list[str] | None = None
        self.begun = False
        self.last_words = ""

    def feed(self, piece: bytes) -> Iterator[Round]:
        """Take some bytes; return the rounds that end in them."""
        self._taken += len(piece)
        if self._taken > WIRE_LIMIT_BYTES:
            raise CaptureError(f"{self._where}: the answer does not end: more than {WIRE_LIMIT_BYTES >> 20} MiB came")
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest[:LINE_LIMIT_BYTES]
        for line in lines:
            yield from self._line(line)

    def close(self) -> Iterator[Round]:
        """Say that nothing more comes. Raises CaptureError in the middle of an answer."""
        rest, self._rest = self._rest, b""
        yield from self._line(rest)
        if self._body is not None:
            raise CaptureError(f"{self._where}: the answer was cut short")

    def _line(self, raw: bytes) -> Iterator[Round]:
        line = raw.decode("ascii", "replace").rstrip("\r")
        begin = _BEGIN.fullmatch(line)
        if begin is not None:
            self._begin(int(begin[1]), begin[2] or "")
        elif self._body is None:
            self.last_words = line.strip() or self.last_words
        else:
            end = _END.fullmatch(line)
            if end is None:
                if _BODY[self._encoding].fullmatch(line):
                    self._body.append(line)
                return
            yield self._whole(int(end[1]), int(end[2]))

    def _begin(self, number: int, encoding: str) -> None:
        if not encoding:
            raise CaptureError(
                f"{self._where}: there is no base64, od or hexdump in there to answer with", remedy=FROM_ITS_NODE
            )
        if self._body is not None:
            raise CaptureError(f"{self._where}: the answer was cut short, another one began")
        self._number, self._encoding, self._body, self.begun = number, encoding, [], True

    def _whole(self, number: int, characters: int) -> Round:
        body, self._body = self._body or [], None
        count = sum(map(len, body)) + max(0, len(body) - 1)
        if number != self._number or count != characters:
            raise CaptureError(f"{self._where}: {characters} characters were sent and {count} came: garbled on the way")
        text = "".join(body)
        try:
            payload = binascii.a2b_base64(text) if self._encoding == "base64" else bytes.fromhex(text)
        except ValueError as error:
            raise CaptureError(f"{self._where}: the answer is no {self._encoding}: garbled on the way") from error
        return Round(number, payload)


def read_rounds(data: bytes, where: str) -> list[Round]:
    """Return all rounds of a recorded answer. Raises CaptureError where there is none, or one is not whole."""
    reader = Reader(where)
    found = [*reader.feed(data), *reader.close()]
    if not found:
        raise CaptureError(f"{where}: no line says {SCHEMA} end: the answer was cut short, or it is none")
    return found
