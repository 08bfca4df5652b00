"""Finds out whether an instance is ready by a command that its engine runs inside until it ends with 0.

The engine answers when the command has ended, so another thread waits for it; the output is read meanwhile. A run takes
the engine some 0.1 s: the moment is known no better than from the run before to the end of this one.
"""

import contextlib
import math
import os
import select
import threading
from typing import Protocol

from envbench.backend import Instance
from envbench.errors import StartTimeoutError, foreseen, one_line
from envbench.readiness.output import Answered, OutputReader, hear, last_words
from envbench.settings.condition import InsideReady
from envbench.surroundings.clock import NS_PER_MS, NS_PER_S, monotonic_ns


class Checked(Instance, Protocol):
    """An instance whose engine can run the command that tells whether it is ready."""

    def failed_check(self) -> str:
        """Run it once; return "" where it ended with 0, else how it ended. Raises BackendError where it cannot run."""
        ...


def wait_inside(instance: Checked, reader: OutputReader, wanted: InsideReady, deadline_ns: int) -> Answered:
    """Run the instance's check until it ends with 0; what the instance says is read meanwhile.

    Raises StartTimeoutError after the deadline and BackendError where the instance's output ends before.
    """
    begun_ns = monotonic_ns()
    output, poller = instance.output_fileno(), select.poll()
    over, writer = os.pipe()
    checks = _Checks(instance, wanted.interval_s, writer)
    checks.start()
    poller.register(output, select.POLLIN)
    poller.register(over, select.POLLIN)
    try:
        while checks.answered is None:
            left_ns = deadline_ns - monotonic_ns()
            if left_ns <= 0:
                waited_s = (monotonic_ns() - begun_ns) / NS_PER_S
                words = f"no {wanted} within {waited_s:.1f} s; {checks.last}; {last_words(instance, reader)}"
                raise StartTimeoutError(words)
            for descriptor, _ in poller.poll(math.ceil(left_ns / NS_PER_MS)):
                if descriptor == output:
                    hear(instance, reader, output, monotonic_ns())
        return checks.answered
    finally:
        checks.is_over.set()
        os.close(over)


class _Checks(threading.Thread):
    """Runs the check until it ends with 0 or nobody waits any more; closes `writer` at its end, which wakes who waits.

    It is not waited for: a check that hangs ends when its instance is removed.
    """

    def __init__(self, instance: Checked, interval_s: float, writer: int) -> None:
        super().__init__(name=f"checks {instance.name}", daemon=True)
        self._instance, self._interval_s, self._writer = instance, interval_s, writer
        self.is_over = threading.Event()
        self.answered: Answered | None = None
        self.last = "its first check has not ended"

    def run(self) -> None:
        """Run checks; before the first of them it can have been ready at any moment since it was started."""
        before_ns = monotonic_ns()
        try:
            while not self.is_over.is_set():
                begun_ns = monotonic_ns()
                if self._is_ready():
                    ended_ns = monotonic_ns()
                    self.answered = Answered(ended_ns, ended_ns - before_ns)
                    return
                before_ns = begun_ns
                self.is_over.wait(self._interval_s)
        finally:
            with contextlib.suppress(OSError):
                os.close(self._writer)

    def _is_ready(self) -> bool:
        try:
            why_not = self._instance.failed_check()
        except Exception as error:  # noqa: BLE001 -- an engine refuses in many ways as long as a container comes up
            why_not = one_line(foreseen(error))
        self.last = f"its last check: {why_not}"
        return not why_not
