"""What a run makes is written down before it is made: the journal, by which a killed run can be cleaned up after.

One file a run, of JSON lines, in the user's state folder (XDG Base Directory Specification: $XDG_STATE_HOME). Its
first line says who owns it: process id, that process's start time (proc(5), /proc/pid/stat field 22) and the boot's
id, so that neither a process id used again nor a reboot can make a dead owner look alive.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from envbench.traces.procfs import process_start_ticks

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

    `backend` is the backend whose module knows how to remove it ("" for what the operating system removes).
    """

    number: int
    kind: Kind
    name: str
    backend: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def boot_id() -> str:
    """Return the id of this boot of the kernel (random(4)), "" where it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


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
