"""What a terminal gets: colour only where it is wanted, no character that its encoding cannot hold."""

from __future__ import annotations

import os

from envinspect.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


class Palette(Record):
    """The escape sequences of each kind of text; all empty without colour."""

    strong: str = ""
    good: str = ""
    warn: str = ""
    dim: str = ""
    end: str = ""


PLAIN = Palette()
COLOURED = Palette("\033[1m", "\033[32m", "\033[33m", "\033[2m", "\033[0m")


def palette_for(stream: TextIO | None) -> Palette:
    """Return colours where the stream is a terminal that takes them, and nobody asked for none (https://no-color.org)."""
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return PLAIN
    return COLOURED


def encodable(text: str, stream: TextIO) -> str:
    """Return text that the stream's encoding can hold; ASCII stands for box-drawing characters that it lacks."""
    encoding = stream.encoding or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        for fancy, simple in _ASCII.items():
            text = text.replace(fancy, simple)
        return text.encode("ascii", "backslashreplace").decode("ascii")
    return text


_ASCII = {"└─": "`-", "├─": "|-", "│": "|", "…": "...", "·": "-", "→": "->"}
