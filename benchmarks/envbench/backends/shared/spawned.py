"""What backends share whose payload is a child of the harness: spawned, its output a pipe, asked to end by a signal."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from envbench.backend import Backend, MarkCallback, Workload
from envbench.backends.shared.child import Child, environment, spawn
from envbench.backends.shared.piped import PipedInstance
from envbench.errors import BackendError
from envbench.payload.tree import tree_of_run
from envbench.settings import Settings
from envbench.surroundings.clock import monotonic_ns
from envbench.traces.journal import Journal
from envbench.traces.procfs import descendants_of


class SpawnedInstance(PipedInstance):
    """A child of the harness whose output is a pipe."""

    def __init__(self, name: str, child: Child, output: int) -> None:
        super().__init__(name, output)
        self._child = child

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
        self.close_output()

    def _ask_to_end(self) -> None:
        self._child.send(signal.SIGTERM)


class SpawningBackend(Backend):
    """A backend that spawns the run's tree in one way and has nothing to clear up; a subclass says by which command."""

    instance: ClassVar[type[SpawnedInstance]] = SpawnedInstance

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._tree = settings.work_dir / "tree"

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Build the run's tree."""
        self._tree = tree_of_run(self._settings).path

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> SpawnedInstance:
        """Spawn the command; the spawn returns once its program has been executed."""
        name = self._settings.next_name(self.name)
        child, reader = spawn(self.command(workload), self.environ(), mark)
        return self.instance(name, child, reader)

    def command(self, workload: Workload) -> Sequence[str | Path]:
        """Return the words that run the workload."""
        raise NotImplementedError

    def environ(self) -> Mapping[str, str]:
        """Return the command's whole environment."""
        return environment(self._settings.run_id)

    def close(self) -> None:
        """Nothing is held."""
