"""What is asked of /proc about processes (proc(5)): start, parents, children, cgroups, names, runs. None: gone."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from envbench.settings import RUN_ENVIRONMENT

CGROUP_ROOT = Path("/sys/fs/cgroup")


def _stat_fields(pid: int | str) -> list[str] | None:
    """Return the fields of /proc/pid/stat from the state (field 3) on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _processes() -> Iterator[str]:
    """Yield the ids of all processes as text; a Path for each would cost ten times as much."""
    return (name for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208


def process_start_ticks(pid: int) -> int | None:
    """Return when this process started, in clock ticks since boot (proc(5), stat field 22), None where there is none.

    A zombie counts as none: it has ended, and only its parent has not looked.
    """
    return start_ticks_of(str(pid))


def start_ticks_of(name: str) -> int | None:
    """Return what `process_start_ticks` does of a folder of /proc: a process id, or "self"."""
    fields = _stat_fields(name)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def pids_started_at(ticks: int) -> tuple[int, ...]:
    """Return the processes that started at this moment, in clock ticks since boot, whatever their ids are elsewhere."""
    return tuple(int(pid) for pid in _processes() if start_ticks_of(pid) == ticks)


def parent_of(pid: int) -> int | None:
    """Return the parent's process id."""
    fields = _stat_fields(pid)
    return None if fields is None else int(fields[1])


def shim_of(pid: int, word: str) -> tuple[int, ...]:
    """Return the process that holds this one: its parent, if `word` (the instance's id) is in its command line.

    () where there is none, or where the shim has ended and another process, a daemon even, has taken it over.
    """
    parent = parent_of(pid)
    return (parent,) if parent is not None and word in command_line(parent) else ()


def command_line(pid: int) -> str:
    """Return the words of a process, joined by blanks (proc_pid_cmdline(5)); "" where there is none."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode("utf-8", errors="replace") for word in words).strip()


def carries_run(pid: int, run_id: str) -> bool:
    """Return whether a process has the run's id in its environment; False where that may not be read."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{RUN_ENVIRONMENT}={run_id}".encode() in variables


def instance_process(pid: int, run_id: str, *words: str) -> int | None:
    """Return a process id that an engine told, if the process proves to be the instance's; None if it does not.

    An engine counts in its own PID namespace (pid_namespaces(7)): in Docker inside a container, in a machine of its
    own or behind a remote socket the same number is another process here, a stranger's perhaps. The proof is one of
    `words` (the nonce of its ready line, its id in the engine) in its command line, in its shim's or in its cgroup: a
    program may write over its own command line and environment, as nginx does. Without words it is the run's id in its
    environment.
    """
    if not words:
        return pid if carries_run(pid, run_id) else None
    said = f"{command_line(pid)} {_cgroup_lines(pid)}"
    return pid if any(word in said or shim_of(pid, word) for word in words) else None


def _cgroup_lines(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cgroup").read_text("utf-8", errors="replace")
    except OSError:
        return ""


def children_cpu_ticks(pid: int) -> int | None:
    """Return CPU time, in clock ticks, of the children that this process has waited for, theirs included."""
    fields = _stat_fields(pid)
    return None if fields is None else int(fields[13]) + int(fields[14])


def children_of(pid: int) -> tuple[int, ...]:
    """Return the ids of the children of a process, () where it is gone.

    The kernel keeps them by the thread that started them (proc_pid_children(5)), and any thread of a Go program may.
    """
    found: list[int] = []
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/task") as threads:
        for thread in threads:
            # One that ended meanwhile: its children are another's of the process now.
            with contextlib.suppress(OSError):
                found += map(int, Path(thread.path, "children").read_text("ascii").split())
    return tuple(found)


def descendants_of(pid: int) -> tuple[int, ...]:
    """Return the ids of all that stem from a process, parents first."""
    found: list[int] = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return tuple(found)


def pids_named(*names: str) -> tuple[int, ...]:
    """Return the ids of processes whose name (comm, cut at 15 characters) is one of these."""
    wanted = {name[:15] for name in names}
    found = []
    for pid in _processes():
        with contextlib.suppress(OSError):
            if Path("/proc", pid, "comm").read_text("utf-8", errors="replace").rstrip("\n") in wanted:
                found.append(int(pid))
    return tuple(found)


def counts_our_processes() -> bool:
    """Return whether /proc shows the process ids that this process uses, and not another PID namespace's (proc(5))."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115 -- what it says is no path
    except OSError:
        return False


def marked_processes(run_id: str) -> tuple[int, ...]:
    """Return the processes, other than this one, that have the run's id in their environment.

    () where /proc counts otherwise than we do: the same number is a stranger here.
    """
    if not counts_our_processes():
        return ()
    return tuple(pid for pid in map(int, _processes()) if pid != os.getpid() and carries_run(pid, run_id))


def processes_of(name: str) -> tuple[int, ...]:
    """Return the QEMU processes whose command line names this guest (libvirt: -name guest=NAME,…)."""
    return _processes_saying(f"guest={name},".encode())


def processes_with_words(*words: str) -> tuple[int, ...]:
    """Return the processes whose command line has these words next to each other, as whole words."""
    return _processes_saying(b"\0" + b"\0".join(word.encode() for word in words) + b"\0")


def _processes_saying(wanted: bytes) -> tuple[int, ...]:
    """Return the processes whose command line, words ended by zero bytes (proc_pid_cmdline(5)), holds this."""
    found = []
    for pid in _processes():
        with contextlib.suppress(OSError):
            if wanted in Path("/proc", pid, "cmdline").read_bytes():
                found.append(int(pid))
    return tuple(found)


def cgroup_of(pid: int) -> Path | None:
    """Return the cgroup directory of a process: the unified one on v2, that of the memory controller on v1.

    None where it is the root cgroup or our own: then it says nothing about this process alone.
    """
    path = _cgroup_path(str(pid))
    return None if path is None or path in (_cgroup_path("self"), CGROUP_ROOT, CGROUP_ROOT / "memory") else path


def _cgroup_path(pid: str) -> Path | None:
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    unified: Path | None = None
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return CGROUP_ROOT / "memory" / path.lstrip("/")
        if number == "0":
            unified = CGROUP_ROOT / path.lstrip("/")
    return unified if (CGROUP_ROOT / "cgroup.controllers").exists() else None
