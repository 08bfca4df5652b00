"""Nothing left behind: a journal that is written before a thing is made, and a reaper for what a killed run left.

A journal is one file a run, of JSON lines, in the user's state folder (XDG Base Directory Specification:
$XDG_STATE_HOME). Its first line says who owns it: process id, that process's start time (proc(5), /proc/pid/stat
field 22) and the boot's id, so that neither a process id used again nor a reboot can make a dead owner look alive.
The reaper takes only what the journals of dead owners list, and each thing only once it is seen to carry the run's
id.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from time import sleep
from typing import Any, Protocol, cast

from envbench.backends import BACKENDS
from envbench.errors import EnvbenchError
from envbench.plan import RUN_ENVIRONMENT

SCHEMA = "envbench-journal/1"


class Kind(StrEnum):
    """What kinds of things a run can leave on a machine."""

    CONTAINER = "container"
    IMAGE = "image"
    DOMAIN = "domain"
    NETWORK = "network"
    VOLUME = "volume"
    PROCESS = "process"
    CGROUP = "cgroup"
    MOUNT = "mount"
    FOLDER = "folder"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Owner:
    """The process a journal belongs to, told apart from any later one with the same id."""

    pid: int
    start_ticks: int
    boot_id: str

    def is_alive(self) -> bool:
        """Return whether that very process still runs on this very boot."""
        return self.boot_id == boot_id() and process_start_ticks(self.pid) == self.start_ticks


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was made, or was about to be: `name` is its path, process id or name in the engine.

    `backend` is the rung whose module knows how to remove it ("" for what the operating system removes).
    """

    number: int
    kind: Kind
    name: str
    backend: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


class ReapingModule(Protocol):
    """What a backend's module offers where it journals containers, images, networks, volumes or domains."""

    def reap(self, entry: Entry, run_id: str) -> bool:
        """Remove this thing if it is there and carries the run's id; return whether it was there.

        Raises EnvbenchError where it cannot be looked at or removed (the engine is down): the journal then keeps it.
        """
        ...


def boot_id() -> str:
    """Return the id of this boot of the kernel (random(4)), "" where it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def process_start_ticks(pid: int) -> int | None:
    """Return when this process started, in clock ticks since boot (proc(5), stat field 22), None where there is none.

    A zombie counts as none: it has ended, and only its parent has not looked.
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in "ZX" else int(after_name[19])


def state_dir() -> Path:
    """Return the folder of the journals; made on first use by `Journal`."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "envbench"


class Journal:
    """The write-ahead list of one run. `intend` reaches the disk before it returns; `forget` after the thing is gone.

    Raises OSError from the constructor and `intend` where the state folder cannot be written.
    """

    def __init__(self, run_id: str, folder: Path | None = None) -> None:
        self.run_id = run_id
        self._open: dict[int, Entry] = {}
        self._next = 1
        parent = folder or state_dir()
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = parent / f"{run_id}.jsonl"
        self._file = self.path.open("a", encoding="utf-8")
        pid = os.getpid()
        self._write(
            {
                "schema": SCHEMA,
                "run_id": run_id,
                "pid": pid,
                "start_ticks": process_start_ticks(pid),
                "boot_id": boot_id(),
            }
        )

    def intend(self, kind: Kind, name: str, backend: str = "", **facts: str) -> int:
        """Note a thing that is about to be made; return the number with which to `forget` it."""
        number = self._next
        self._next += 1
        self._open[number] = Entry(number, kind, name, backend, facts)
        self._write({"made": number, "kind": kind, "name": name, "backend": backend, "facts": facts})
        return number

    def forget(self, number: int) -> None:
        """Note that a thing is gone; safe to call twice."""
        if self._open.pop(number, None) is not None:
            self._write({"gone": number})

    @contextlib.contextmanager
    def holding(self, kind: Kind, name: str, backend: str = "", **facts: str) -> Iterator[None]:
        """Note a thing for the length of a with block, whose end has removed it unless it raised."""
        number = self.intend(kind, name, backend, **facts)
        yield
        self.forget(number)

    def entries(self) -> tuple[Entry, ...]:
        """Return what has been made and is not yet gone, in order."""
        return tuple(self._open.values())

    def close(self) -> None:
        """Close the journal, and remove its file where nothing is left to reap; safe to call twice."""
        if not self._file.closed:
            self._file.close()
            if not self._open:
                self.path.unlink(missing_ok=True)

    def _write(self, record: Mapping[str, Any]) -> None:
        if self._file.closed:
            return
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        os.fdatasync(self._file.fileno())


@dataclass(frozen=True, slots=True)
class Leftover:
    """A journal that was found: whose it is and what it lists as still there."""

    path: Path
    run_id: str
    owner: Owner
    entries: tuple[Entry, ...]


def read_journal(path: Path) -> Leftover | None:
    """Return what a journal says, None where it is not one (or was cut before its first line was whole)."""
    lines = path.read_text("utf-8", errors="replace").splitlines()
    records: list[dict[str, Any]] = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            break  # The last line of a killed run may be cut; what it was to say had not been made yet.
    if not records or records[0].get("schema") != SCHEMA:
        return None
    first = records[0]
    open_entries: dict[int, Entry] = {}
    for record in records[1:]:
        if "gone" in record:
            open_entries.pop(record["gone"], None)
        elif "made" in record:
            number = record["made"]
            open_entries[number] = Entry(
                number, Kind(record["kind"]), record["name"], record["backend"], record["facts"]
            )
    owner = Owner(first["pid"], first["start_ticks"] or 0, first["boot_id"])
    return Leftover(path, first["run_id"], owner, tuple(open_entries.values()))


def leftovers(folder: Path | None = None) -> tuple[Leftover, ...]:
    """Return the journals whose owner is dead."""
    found = (read_journal(path) for path in sorted((folder or state_dir()).glob("*.jsonl")))
    return tuple(journal for journal in found if journal is not None and not journal.owner.is_alive())


@dataclass(frozen=True, slots=True)
class Reaped:
    """What `reap` did with one thing: `error` is "" where it is gone now."""

    run_id: str
    entry: Entry
    was_there: bool
    error: str = ""


def reap(folder: Path | None = None) -> tuple[Reaped, ...]:
    """Remove what killed runs left, newest first; keep a journal whose things could not all be removed.

    Processes go first: every process that carries a dead run's id in its environment or is listed with its start time.
    """
    done: list[Reaped] = []
    for journal in leftovers(folder):
        results = [
            *_reap_marked_processes(journal.run_id),
            *(_reap_entry(entry, journal.run_id) for entry in sorted(journal.entries, key=_reap_order)),
        ]
        done.extend(results)
        if not any(result.error for result in results):
            journal.path.unlink(missing_ok=True)
    return tuple(done)


def reap_entries(entries: Iterable[Entry], run_id: str) -> tuple[Reaped, ...]:
    """Remove these things of a run, whoever owns them; for the end of a run, which clears up after itself."""
    return tuple(_reap_entry(entry, run_id) for entry in sorted(entries, key=_reap_order))


def marked_processes(run_id: str) -> tuple[int, ...]:
    """Return the processes, other than this one, that carry the run's id in their environment."""
    marker = f"{RUN_ENVIRONMENT}={run_id}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if marker in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return tuple(found)


def end_process(pid: int, start_ticks: int | None = None, wait_s: float = 5.0) -> bool:
    """Kill this process if it is (still) the one that started then; return whether it was there.

    Raises EnvbenchError where it does not end in `wait_s` or may not be killed. A pidfd (pidfd_open(2)) makes sure
    that no other process is hit.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        started = process_start_ticks(pid)
        if started is None or (start_ticks is not None and started != start_ticks):
            return False
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            raise EnvbenchError(
                f"process {pid} may not be ended: {error.strerror}; run envbench clean as its owner"
            ) from error
    finally:
        os.close(descriptor)
    for _ in range(int(wait_s / 0.02)):
        if process_start_ticks(pid) != started:
            return True
        sleep(0.02)
    raise EnvbenchError(
        f"process {pid} was killed and has not ended in {wait_s:g} s; look at its state in /proc/{pid}/stat"
    )


_ORDER = (
    Kind.PROCESS,
    Kind.DOMAIN,
    Kind.CONTAINER,
    Kind.NETWORK,
    Kind.VOLUME,
    Kind.IMAGE,
    Kind.MOUNT,
    Kind.CGROUP,
    Kind.FILE,
    Kind.FOLDER,
)


def _reap_order(entry: Entry) -> tuple[int, int]:
    return _ORDER.index(entry.kind), -entry.number


def _reap_marked_processes(run_id: str) -> Iterator[Reaped]:
    for pid in marked_processes(run_id):
        entry = Entry(0, Kind.PROCESS, str(pid))
        try:
            yield Reaped(run_id, entry, end_process(pid))
        except EnvbenchError as error:
            yield Reaped(run_id, entry, was_there=True, error=str(error))


def _reap_entry(entry: Entry, run_id: str) -> Reaped:
    try:
        if entry.backend:
            module = cast("ReapingModule", import_module(BACKENDS[entry.backend].partition(":")[0]))
            return Reaped(run_id, entry, module.reap(entry, run_id))
        return Reaped(run_id, entry, _REMOVERS[entry.kind](entry, run_id))
    except (EnvbenchError, OSError, KeyError, ImportError) as error:
        return Reaped(run_id, entry, was_there=True, error=str(error) or type(error).__name__)


def _own_path(entry: Entry, run_id: str) -> Path:
    """Return the entry's path once it is seen to be absolute, straight and to carry the run's id."""
    path = Path(entry.name)
    if not path.is_absolute() or ".." in path.parts or run_id not in entry.name:
        raise EnvbenchError(
            f"{entry.name}: the journal lists it, but it does not carry the run's id {run_id}; left alone"
        )
    return path


def _remove_process(entry: Entry, run_id: str) -> bool:  # noqa: ARG001 -- the start time is the proof
    return end_process(int(entry.name), int(entry.facts["start_ticks"]))


def remove_cgroup(path: Path) -> bool:
    """Kill what is in this cgroup and remove it with its children; return whether it was there (cgroups(7))."""
    if not path.is_dir():
        return False
    if not _on_cgroup_filesystem(path):
        # A runtime that took a plain folder for a hierarchy left it; the ids in its cgroup.procs are mere text.
        shutil.rmtree(path)
        return True
    for folder in sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True):
        _empty_cgroup(folder)
    _empty_cgroup(path)
    return True


def _empty_cgroup(path: Path) -> None:
    for _ in range(50):
        for pid in (path / "cgroup.procs").read_text("ascii").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            sleep(0.02)  # A killed process leaves its cgroup only when it has been torn down.
        else:
            return
    raise EnvbenchError(f"{path}: still has processes; look at {path}/cgroup.procs")


def _mounts() -> tuple[tuple[Path, str], ...]:
    """Return (mount point, filesystem type) of every mount, in the kernel's order (proc(5), mountinfo)."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ()
    return tuple(
        (Path(line.split(" ")[4].replace("\\040", " ")), line.partition(" - ")[2].split(" ")[0]) for line in lines
    )


def _on_cgroup_filesystem(path: Path) -> bool:
    """Return whether this path lies on a cgroup hierarchy, whatever its name looks like."""
    above = [
        (len(point.parts), place, kind) for place, (point, kind) in enumerate(_mounts()) if path.is_relative_to(point)
    ]
    return bool(above) and max(above)[2] in {"cgroup", "cgroup2"}


def mounts_under(path: Path) -> tuple[Path, ...]:
    """Return the mount points at or below this path, deepest first."""
    points = (point for point, _kind in _mounts())
    return tuple(
        sorted((point for point in points if point.is_relative_to(path)), key=lambda p: len(p.parts), reverse=True)
    )


def unmount_under(path: Path) -> bool:
    """Unmount all that is mounted at or below this path; return whether there was any. Raises EnvbenchError."""
    points = mounts_under(path)
    for point in points:
        done = subprocess.run(["umount", "--lazy", "--", point], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise EnvbenchError(f"{point}: cannot be unmounted: {done.stderr.strip()}")
    return bool(points)


def remove_folder(path: Path) -> bool:
    """Remove this folder and all in it, mounts first (never through them); return whether it was there."""
    unmount_under(path)
    if not path.is_dir():
        return False
    shutil.rmtree(path)
    return True


def _remove_file(entry: Entry, run_id: str) -> bool:
    path = _own_path(entry, run_id)
    was_there = path.exists() or path.is_symlink()
    path.unlink(missing_ok=True)
    return was_there


_REMOVERS: Mapping[Kind, Callable[[Entry, str], bool]] = {
    Kind.PROCESS: _remove_process,
    Kind.CGROUP: lambda entry, run_id: remove_cgroup(_own_path(entry, run_id)),
    Kind.MOUNT: lambda entry, run_id: unmount_under(_own_path(entry, run_id)),
    Kind.FOLDER: lambda entry, run_id: remove_folder(_own_path(entry, run_id)),
    Kind.FILE: _remove_file,
}
