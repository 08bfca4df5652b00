"""Repairs unusual surroundings before anything else runs: closed descriptors, a current folder that hides libraries.

The module imports nothing heavy: it has to come before all that opens files or looks for modules.
"""

import codecs
import io
import os
import sys
from pathlib import Path


def make_usable() -> None:
    """Open what is closed of the standard streams, and look for modules in no folder that happens to be the current."""
    open_standard_streams()
    show_any_character()
    forget_current_folder()


def open_standard_streams() -> None:
    """Put /dev/null where descriptor 0, 1 or 2 is closed: else the next file opened would be written what people read.

    Python has no stream object for a closed one (sys.stdout is None then).
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest free number, which is this one.
            os.set_inheritable(number, True)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def forget_current_folder() -> None:
    """Take the current folder from the path of modules where `python -m` put it: a folder docker/ in it is no library.

    PYTHONPATH stays: what it names was meant.
    """
    try:
        current = Path.cwd()
    except OSError:  # It has been removed: nothing can be found in there.
        return
    if sys.path and sys.path[0] in ("", str(current)) and not Path(__file__).is_relative_to(current / "envbench"):
        del sys.path[0]


def show_any_character() -> None:
    """Have what the streams' encoding does not know shown as a question mark, and a file's odd name as it is.

    Python would else refuse to write the whole text.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "backslashreplace"):
            is_utf8 = codecs.lookup(stream.encoding).name == "utf-8"
            stream.reconfigure(errors="surrogateescape" if is_utf8 else "replace")


def end_streams() -> None:
    """Write out what is still held for the standard streams; where nobody reads it any more, give it up in silence.

    Python would else say so at its end and turn the exit code into 120 (Python, signal: note on SIGPIPE).
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
