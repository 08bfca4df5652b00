"""What a signal does to a run: it says at once that it ends, and cleans up. A signal that was ignored stays so."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from envbench.errors import InterruptedRunError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]
_Handler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def uninterrupted(say: Say) -> Iterator[None]:
    """Have SIGINT, SIGTERM and SIGHUP wait for the end of the block, which clears up, and say at once that they do."""
    with _answering(lambda _number, _frame: None, say):
        yield


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into InterruptedRunError; later ones change nothing."""
    seen: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) == 1:
            raise interruption(number)

    def interruption(number: int) -> InterruptedRunError:
        return InterruptedRunError(f"interrupted by {signal.Signals(number).name}; partial results are kept")

    with _handling(handle):
        try:
            yield
        except Exception as error:
            # A library that was interrupted half-way (while it was imported, say) fails in words of its own.
            if seen:
                raise interruption(seen[0]) from error
            raise
        if seen:  # Python drops what is raised while an object is being finalised.
            raise interruption(seen[0])


@contextlib.contextmanager
def _handling(handle: _Handler) -> Iterator[None]:
    """Handle these signals in the block, those left out that were ignored when the program was started (nohup(1)).

    SIGTERM, where it was ignored, gets a handler that does nothing: children would inherit that it is ignored, and are
    ended by it (execve(2) takes handlers away and leaves what is ignored).
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ignored = {number for number, handler in before.items() if handler in (signal.SIG_IGN, _do_nothing)}
    for number in SIGNALS:
        if number not in ignored:
            signal.signal(number, handle)
        elif number == signal.SIGTERM:
            signal.signal(number, _do_nothing)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _answering(handle: _Handler, say: Say) -> Iterator[None]:
    """Handle these signals, and say at each that it was heard, whatever the program is waiting for.

    A handler of Python's runs between two of its own instructions; a library that waits in C holds it up for as long as
    it likes. The byte that the interpreter writes for each signal (signal.set_wakeup_fd) wakes a thread at once.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    heard = {number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}

    def listen() -> None:
        while (byte := os.read(reader, 1)) != b"\0":
            if byte and byte[0] in heard:
                with contextlib.suppress(OSError, ValueError):  # The reading end is closed already.
                    say(f"{signal.Signals(byte[0]).name}: cleaning up …")

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    listener.start()
    try:
        with _handling(handle):
            yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(writer, b"\0")
        listener.join()
        os.close(reader)
        os.close(writer)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal that is to be ignored."""
