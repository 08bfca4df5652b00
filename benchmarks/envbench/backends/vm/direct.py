"""Runs one guest with QEMU itself: start, wait until the VMM is up, end."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from envbench.backend import Mark, MarkCallback
from envbench.backends.vm.emulator import Emulator
from envbench.backends.vm.guest import Guest, qemu_argv
from envbench.backends.vm.process import VmmProcess
from envbench.backends.vm.serial import Console, SerialListener, first_words, log_tail, said_last
from envbench.errors import BackendError, StartTimeoutError


@dataclass(slots=True)
class DirectMachine:
    """A running QEMU, its guest's console and its own log."""

    process: VmmProcess
    console: Console
    log: Path

    def tail(self) -> str:
        """Return what the guest, and QEMU itself, said last."""
        return said_last(self.console, log_tail(self.log))

    def wait_for_end(self, deadline_ns: int) -> bool:
        """Wait for QEMU's end, reading what the guest says meanwhile; False after the deadline."""
        heard: tuple[int, ...] = (self.console.fileno(),)
        while (ready := self.process.wait(deadline_ns, *heard)) is not None:
            if not ready:
                return False
            if not self.console.drain():
                heard = ()
        return True

    def wait_until_heard(self, mark: Mark, deadline_ns: int) -> None:
        """Read until the guest has said a word of this moment.

        Raises StartTimeoutError after the deadline and BackendError where the line ends before, with the last words.
        """
        while not self.console.heard(mark):
            if self.process.wait(deadline_ns, self.console.fileno()) == set():
                raise StartTimeoutError(f"not ready in time; last words: {self.tail() or 'none'}")
            if not self.console.drain() and not self.console.heard(mark):
                raise BackendError(f"ended before it was ready; last words: {self.tail() or 'none'}")

    def destroy(self) -> None:
        """Kill QEMU, collect it and hang up; safe to call twice."""
        self.process.kill()
        self.console.close()


def start_direct(
    guest: Guest,
    emulator: Emulator,
    run_id: str,
    log: Path,
    mark: MarkCallback,
    deadline_ns: int,
    words: Mapping[Mark, tuple[bytes, ...]] | None = None,
) -> DirectMachine:
    """Start QEMU and return once it has opened the serial line; marks REQUESTED, STARTED and VMM_UP.

    `words` are further words of the guest that mean a moment.

    Raises BackendError where QEMU cannot be started or ends before that, StartTimeoutError after the deadline; nothing
    is left then.
    """
    argv = qemu_argv(guest, emulator)
    listener = SerialListener(guest.serial)
    try:
        mark(Mark.REQUESTED)
        process = VmmProcess(argv, run_id, log)
        mark(Mark.STARTED)
        try:
            _await_connection(listener, process, log, deadline_ns)
            mark(Mark.VMM_UP)
            console_words = first_words(speaks_first=guest.speaks_first) | dict(words or {})
            return DirectMachine(process, Console(listener.accept(), mark, console_words), log)
        except BaseException:
            process.kill()
            raise
    except OSError as error:
        raise BackendError(f"cannot start {emulator.path}: {error.strerror}") from error
    finally:
        listener.close()


def _await_connection(listener: SerialListener, process: VmmProcess, log: Path, deadline_ns: int) -> None:
    ready = process.wait(deadline_ns, listener.fileno())
    if ready:
        return
    said = log_tail(log) or "it said nothing"
    if ready is None:
        raise BackendError(f"QEMU ended at once with code {process.status}: {said}")
    raise StartTimeoutError(f"QEMU did not open its serial line in time: {said}")
