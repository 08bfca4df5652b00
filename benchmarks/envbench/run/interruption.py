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
def uninterrupted(say: Say, *, to_the_end: bool = False) -> Iterator[None]:
    """Have SIGINT, SIGTERM and SIGHUP wait for the end of the block, which clears up, and say at once that they do.

    `to_the_end` is True where the program ends with the block: they stay ignored, for there is nothing left to end.
    Outside the main thread, which alone handles signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _answering(lambda _number, _frame: None, say, to_the_end=to_the_end):
        yield


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Have signals wait for the end of the block: what is made in it is known to whoever has to remove it.

    The block is to be short. Outside the main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before: dict[int, object] = {number: signal.getsignal(number) for number in SIGNALS}
    with _handling(lambda number, _frame: came.append(number)):
        yield
    for number in came:
        handler = before[number]
        if callable(handler):
            handler(number, None)
        else:
            signal.raise_signal(number)


@contextlib.contextmanager
def interruptible(kept: str = "") -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into InterruptedRunError; later ones change nothing.

    `kept` is what the error says of the results. Outside the main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) == 1:
            raise interruption(number)

    def interruption(number: int) -> InterruptedRunError:
        name = signal.Signals(number).name
        return InterruptedRunError(f"interrupted by {name}; {kept}" if kept else f"interrupted by {name}")

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
def _handling(handle: _Handler, *, to_the_end: bool = False) -> Iterator[None]:
    """Handle these signals in the block, those left out that were ignored when the program was started (nohup(1)).

    Afterwards they do what they did before, or nothing where the program ends (`to_the_end`).

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
            signal.signal(number, signal.SIG_IGN if to_the_end else handler)


@contextlib.contextmanager
def _answering(handle: _Handler, say: Say, *, to_the_end: bool) -> Iterator[None]:
    """Handle these signals, and say at each that it was heard, whatever the program is waiting for.

    A handler of Python's runs between two of its own instructions; a library that waits in C holds it up for as long as
    it likes. The byte that the interpreter writes for each signal (signal.set_wakeup_fd) wakes a thread at once.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    heard = {number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, _do_nothing)}

    def listen() -> None:
        while (byte := os.read(reader, 1)) != b"\0":
            if byte and byte[0] in heard:
                with contextlib.suppress(OSError, ValueError):  # The reading end is closed already.
                    say(f"{signal.Signals(byte[0]).name}: cleaning up …")

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    with contextlib.suppress(RuntimeError):  # No more threads here: then a signal is answered when Python gets to it.
        listener.start()
    try:
        with _handling(handle, to_the_end=to_the_end):
            yield
    finally:
        signal.set_wakeup_fd(before)
        if listener.ident is not None:
            os.write(writer, b"\0")
            listener.join()
        os.close(reader)
        os.close(writer)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal that is to be ignored."""
