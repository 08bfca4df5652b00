"""Repairs unusual surroundings before anything else runs: closed descriptors, a current folder that hides libraries.

The module imports nothing heavy: it has to come before all that opens files or looks for modules.
"""

import os
import sys
from pathlib import Path


def make_usable() -> None:
    """Open what is closed of the standard streams, and look for modules in no folder that happens to be the current."""
    open_standard_streams()
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
    started_by_name = sys.path and sys.path[0] in ("", str(Path.cwd()))
    if started_by_name and not Path(__file__).is_relative_to(Path.cwd() / "envbench"):
        del sys.path[0]


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
