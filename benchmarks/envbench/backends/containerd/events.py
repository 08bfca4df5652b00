"""Learns from containerd's events when a task has started: `ctr task start` prints nothing until the task ends."""

import contextlib
import json
import os
import threading
from collections.abc import Sequence

from envbench.backend import Mark, MarkCallback
from envbench.backends.shared.child import Child, environment, output_pipe


class StartEvents:
    """One `ctr events` for a whole run; it sees the run's own namespace only.

    Raises BackendError from the constructor where ctr cannot be started. If the events end early, later starts have no
    STARTED mark.
    """

    def __init__(self, command: Sequence[str], namespace: str, run_id: str) -> None:
        self._waiting: dict[str, MarkCallback] = {}
        reader, writer = output_pipe()
        try:
            words = (*command, "events", f'namespace=="{namespace}",topic=="/tasks/start"')
            self._child = Child(words, environment(run_id), writer)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        os.set_blocking(reader, True)
        self._listener = threading.Thread(target=self._listen, args=(reader,), name="containerd-events", daemon=True)
        self._listener.start()

    def expect(self, name: str, mark: MarkCallback) -> None:
        """Have `mark` called with STARTED once this container's task has started."""
        self._waiting[name] = mark

    def close(self) -> None:
        """End ctr; safe to call twice."""
        self._child.kill()
        self._listener.join()

    def _listen(self, reader: int) -> None:
        with os.fdopen(reader, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                # Some other output of ctr, or a task that nobody waits for.
                with contextlib.suppress(ValueError, KeyError):
                    self._waiting.pop(json.loads(line[line.index("{") :])["container_id"])(Mark.STARTED)
