"""The lowest rung: the payload as a plain process of this machine, fork and exec of the tree's own BusyBox."""

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from envbench.backends.child import Child, environment, spawn
from envbench.backends.protocol import MarkCallback, Unusable, Usable, Workload
from envbench.clock import monotonic_ns
from envbench.errors import BackendError
from envbench.journal import Journal
from envbench.payload.busybox import find_busybox
from envbench.payload.tree import argv_for, tree_of_run
from envbench.plan import Settings
from envbench.procfs import descendants_of


class ProcessInstance:
    """A child of the harness whose output is a pipe. `payload_pid` is the process to ask to end."""

    def __init__(self, name: str, child: Child, output: int) -> None:
        self._name = name
        self._child = child
        self._output: int | None = output

    @property
    def name(self) -> str:
        """Name with the run's id."""
        return self._name

    @property
    def payload_pid(self) -> int:
        """Return the process that runs the payload."""
        return self._child.pid

    def output_fileno(self) -> int:
        """Return the read end of the pipe. Raises BackendError once it is destroyed."""
        if self._output is None:
            raise BackendError(f"{self._name} is gone")
        return self._output

    def decode(self, chunk: bytes) -> bytes:
        """Return the chunk: nothing frames a pipe."""
        return chunk

    def processes(self) -> tuple[int, ...]:
        """Return the child and all that stems from it."""
        return () if self._child.status is not None else (self._child.pid, *descendants_of(self._child.pid))

    def cgroup(self) -> Path | None:
        """Return None: it stays in the harness's own cgroup."""
        return None

    def console_tail(self) -> str:
        """Return how it ended, if it did."""
        if self._child.wait(monotonic_ns()):
            return f"it ended with {self._child.status}"
        return ""

    def stop(self, deadline_ns: int) -> None:
        """Send SIGTERM to the payload and wait for its end."""
        self._ask_to_end()
        if not self._child.wait(deadline_ns):
            raise BackendError(f"process {self._child.pid} has not ended after SIGTERM")

    def remove(self, deadline_ns: int) -> None:
        """Close the pipe: nothing else is left of a process that has been waited for."""
        self.destroy()

    def destroy(self) -> None:
        """Kill it with its group and close the pipe."""
        self._child.kill()
        if self._output is not None:
            os.close(self._output)
            self._output = None

    def _ask_to_end(self) -> None:
        self._child.send(signal.SIGTERM)


class ProcessBackend:
    """fork, exec, no walls: the floor that every other rung is compared with."""

    name: ClassVar[str] = "process"
    is_vm: ClassVar[bool] = False

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._tree = settings.work_dir / "tree"
        self._count = 0

    def check(self) -> Usable | Unusable:
        """Find out whether there is a payload: all that this rung needs."""
        try:
            busybox = find_busybox()
        except BackendError as error:
            return Unusable("no static busybox for the payload", str(error))
        return Usable({"busybox": busybox.version})

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return the one way there is."""
        return ({},)

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Build the run's tree."""
        self._tree = tree_of_run(self._settings).path

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> ProcessInstance:
        """Spawn the payload; the spawn returns once the program has been executed."""
        tree = self._tree
        busybox = tree / "bin/busybox"
        ready, *words = argv_for(workload)
        if "--" in words:
            at = words.index("--") + 1
            words[at] = os.fspath(_in_tree(tree, words[at]))
        self._count += 1
        name = f"envbench-{self._settings.run_id}-process-{self._count}"
        env = environment(self._settings.run_id, ENVBENCH_BUSYBOX=os.fspath(busybox))
        child, reader = spawn((busybox, "sh", _in_tree(tree, ready), *words), env, mark)
        return ProcessInstance(name, child, reader)

    def engine_processes(self) -> tuple[int, ...]:
        """Return nothing: no daemon stands behind a process."""
        return ()

    def close(self) -> None:
        """Nothing is held."""


def _in_tree(tree: Path, name: str) -> Path:
    """Return where a program of the tree lies on the host; a name that the tree has not is left as it is."""
    inside = tree / name.lstrip("/")
    with contextlib.suppress(OSError):
        if inside.is_symlink() or inside.exists():
            return inside
    return Path(name)
