"""Starts a VMM that dies with its parent, and waits for its end without polling."""

import ctypes
import math
import os
import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from envbench.backends.shared.child import signal_group
from envbench.settings import RUN_ENVIRONMENT
from envbench.surroundings.clock import NS_PER_MS, monotonic_ns

PR_SET_PDEATHSIG = 1
"""prctl(2); linux/prctl.h. The signal comes when the *thread* that forked ends, so a VMM belongs to one thread."""

# Looked up once, here: the child between fork and exec must not load anything.
_prctl = ctypes.CDLL(None, use_errno=True).prctl


class VmmProcess:
    """A VMM started so that it is killed when this process ends, however that ends.

    It carries the run's id in its environment, and keeps its own temporary files (what is written to a scratch disk)
    beside its log: killed, it leaves them. It has a session of its own, so that Ctrl-C reaches only the harness, which
    then ends it in order. The program on the PATH may be a script that starts the VMM and waits for it: what ends the
    one ends the other. What it says itself goes to `log`. Raises OSError where it cannot be started.
    """

    def __init__(self, argv: Sequence[str], run_id: str, log: Path) -> None:
        parent = os.getpid()

        def die_with_parent() -> None:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            # A parent that ended before the prctl sends no signal any more.
            if os.getppid() != parent:
                os._exit(1)

        with log.open("wb") as output:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, RUN_ENVIRONMENT: run_id, "TMPDIR": str(log.parent)},
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 -- two system calls, no lock and no import before exec
            )
        # Valid even if it has ended already: a child stays a zombie until it is collected.
        self._pidfd = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Return its exit status (negative: the signal), None while it runs."""
        if self._process.returncode is None and wait_readable(self._pidfd, 0):
            self._collect()
        return self._process.returncode

    def wait(self, deadline_ns: int, *descriptors: int) -> set[int] | None:
        """Wait for its end or for one of these descriptors: return those that are ready, None once it has ended.

        An empty set means that `deadline_ns` has passed. Where both are so, the descriptors come first.
        """
        ready = wait_readable(self._pidfd, deadline_ns, *descriptors)
        if ready == {self._pidfd}:
            self._collect()
            return None
        return ready - {self._pidfd}

    def terminate(self) -> None:
        """Ask it to end, and what it has started (SIGTERM)."""
        if self.status is None:
            signal_group(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, with what it has started, and collect it; safe to call twice."""
        if self._process.returncode is None:
            self._collect()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _collect(self) -> None:
        signal_group(self.pid, signal.SIGKILL)
        self._process.wait()


def wait_readable(descriptor: int, deadline_ns: int, *others: int) -> set[int]:
    """Wait until one of these descriptors is readable or hung up; return those that are, none after the deadline."""
    poll = select.poll()
    for one in (descriptor, *others):
        poll.register(one, select.POLLIN)
    left_ms = max(0, math.ceil((deadline_ns - monotonic_ns()) / NS_PER_MS))
    return {found for found, _ in poll.poll(left_ms)}
