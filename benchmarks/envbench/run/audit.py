"""The proof of a clean end: what the run was seen to make, and what of that is still there when it is over.

It does not rely on what the engines report: it looks for processes by id and start time, for cgroups by path, for
mounts, sockets and files by the run's id in their name. Engines are asked for containers and domains with the run's
label.
"""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from time import sleep

from envbench.backend import Backend, Instance
from envbench.backends import BACKENDS, load
from envbench.errors import EnvbenchError
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.surroundings.programs import find_program
from envbench.traces.mounts import mounts_under
from envbench.traces.procfs import command_line, marked_processes, process_start_ticks

GRACE_S = 3.0
"""What an engine clears up behind itself (a monitor's clean-up command, a cgroup) may end a little after its answer."""
REMEMBERED_MAX = 1000
"""Above so many processes and cgroups those that are gone are forgotten: a long run needs no more memory."""


class Witness:
    """Notes the processes and cgroups of instances while they run; reports at the end which of them are left."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._processes: set[tuple[int, int]] = set()
        self._cgroups: set[Path] = set()
        self._backends: dict[str, Backend] = {}
        self._instances = 0
        self._forgotten = {"processes": 0, "cgroups": 0}

    def watch(self, name: str, backend: Backend) -> None:
        """Ask this backend too at the end."""
        self._backends[name] = backend

    def note(self, instance: Instance) -> None:
        """Note an instance's processes and cgroup while it runs."""
        self._instances += 1
        for pid in instance.processes():
            started = process_start_ticks(pid)
            if started is not None:
                self._processes.add((pid, started))
        cgroup = instance.cgroup()
        if cgroup is not None:
            self._cgroups.add(cgroup)
        if len(self._processes) + len(self._cgroups) > REMEMBERED_MAX:
            self._forget_what_is_gone()

    def checked(self) -> dict[str, int]:
        """Return how much was looked at."""
        return {
            "instances": self._instances,
            "processes": len(self._processes) + self._forgotten["processes"],
            "cgroups": len(self._cgroups) + self._forgotten["cgroups"],
        }

    def left(self, grace_s: float = GRACE_S) -> tuple[str, ...]:
        """Return what is still there after `grace_s` seconds at most, one line each; () is a clean end."""
        deadline_ns = monotonic_ns() + int(grace_s * NS_PER_S)
        while (found := self._found()) and monotonic_ns() < deadline_ns:
            sleep(0.1)
        return found

    def _forget_what_is_gone(self) -> None:
        processes = {(pid, started) for pid, started in self._processes if process_start_ticks(pid) == started}
        cgroups = {path for path in self._cgroups if path.exists()}
        self._forgotten["processes"] += len(self._processes) - len(processes)
        self._forgotten["cgroups"] += len(self._cgroups) - len(cgroups)
        self._processes, self._cgroups = processes, cgroups

    def _found(self) -> tuple[str, ...]:
        found = [f"process {pid}" for pid, started in sorted(self._processes) if process_start_ticks(pid) == started]
        marked = marked_processes(self._run_id)
        found += [f"process {pid} (carries the run's id): {command_line(pid)[:80] or 'gone'}" for pid in marked]
        found += [f"cgroup {path}" for path in sorted(self._cgroups) if path.exists()]
        found += [f"mount {path}" for path in mounts_under(Path("/")) if self._run_id in str(path)]
        found += [f"file {path}" for path in _files_of(self._run_id)]
        for name, backend in self._backends.items():
            with contextlib.suppress(EnvbenchError):
                found += [f"{name} {thing}" for thing in backend.remaining()]
        return tuple(dict.fromkeys(found))


def traces_of(run_id: str) -> tuple[str, ...]:
    """Return all that can be found of a run, whoever made it: for a run that this process did not see.

    Engines are asked through their own commands, where they are there.
    """
    backends = [load(name) for name in BACKENDS]
    pids = [*marked_processes(run_id), *(pid for one in backends for pid in one.leftover_processes(run_id))]
    found = [f"process {pid}: {command_line(pid)[:80] or 'gone'}" for pid in pids]
    found += [f"mount {path}" for path in mounts_under(Path("/")) if run_id in str(path)]
    found += [f"cgroup {path}" for path in _cgroups_of(run_id)]
    found += [
        f"file {path}" for path in _files_of(run_id, *(path for one in backends for path in one.leftover_folders))
    ]
    for backend in backends:
        for what, command in backend.leftover_commands.items():
            found += [f"{backend.name} {what} {name}" for name in _names_from(command) if run_id in name]
    return tuple(found)


def _names_from(command: tuple[str, ...]) -> list[str]:
    program = find_program(command[0])
    if program is None:
        return []
    try:
        done = subprocess.run((program, *command[1:]), capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split() if done.returncode == 0 else []


def _cgroups_of(run_id: str) -> list[Path]:
    found = []
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        found += [Path(folder, name) for name in names if run_id in name]
    return sorted(found)


def _files_of(run_id: str, *more: Path) -> list[Path]:
    """Return files and folders in the places for temporary ones, and in `more`, whose name carries the run's id."""
    usual = ("/tmp", "/run", "/var/tmp", "/dev/shm")  # noqa: S108
    places = dict.fromkeys((Path(tempfile.gettempdir()), *map(Path, usual), *more))
    found: list[Path] = []
    for place in places:
        with contextlib.suppress(OSError):
            found += place.glob(f"*{run_id}*")
    return sorted(found)
