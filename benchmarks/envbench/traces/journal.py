"""The journal: what a run makes is written down before it is made, so that a killed run can be cleaned up after.

One file a run, of JSON lines, in the user's state folder. Its first line says who owns it (`owner`); the owner holds a
lock on the file for as long as it lives (`lock`).
"""

import contextlib
import itertools
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Any

from envbench.surroundings.folders import make_private, state_folders
from envbench.traces.lock import on_own_filesystem, take_lock
from envbench.traces.owner import Owner, Place, Standing, standing, this_place, this_process

FORMAT = "envbench-journal/"
SCHEMA = f"{FORMAT}1"


class Kind(StrEnum):
    """What kinds of things a run can leave on a machine."""

    CONTAINER = "container"
    IMAGE = "image"
    DOMAIN = "domain"
    NETWORK = "network"
    VOLUME = "volume"
    POOL = "storage pool"
    PROCESS = "process"
    CGROUP = "cgroup"
    MOUNT = "mount"
    HANDLER = "binfmt handler"
    FOLDER = "folder"
    FILE = "file"


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


class Journal:
    """The write-ahead list of one run. `intend` reaches the disk before it returns; `forget` after the thing is gone.

    Raises OSError from the constructor and `intend` where the state folder cannot be written.
    """

    def __init__(self, run_id: str, folder: Path | None = None) -> None:
        self.run_id = run_id
        self._open: dict[int, Entry] = {}
        self._numbers = itertools.count(1)
        self.path, self._file = _begun(run_id, state_folders() if folder is None else (folder,))

    def intend(self, kind: Kind, name: str, backend: str = "", **facts: str) -> int:
        """Note a thing that is about to be made; return the number with which to `forget` it."""
        number = next(self._numbers)
        self._open[number] = Entry(number, kind, name, backend, facts)
        self._write({"made": number, "kind": kind, "name": name, "backend": backend, "facts": facts})
        return number

    def forget(self, number: int) -> None:
        """Note that a thing is gone; safe to call twice. On a full disk it stays listed, and a reaper finds nothing."""
        if self._open.pop(number, None) is not None:
            with contextlib.suppress(OSError):
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
        """Close the journal, and remove its file where nothing is left to reap; safe to call twice.

        In a folder that can no longer be written it stays, lists nothing, and goes with the next clean-up.
        """
        if not self._file.closed:
            if not self._open:
                with contextlib.suppress(OSError):
                    self.path.unlink(missing_ok=True)
            self._file.close()

    def _write(self, record: Mapping[str, Any]) -> None:
        if not self._file.closed:
            _append(self.path, self._file, record)


def _begun(run_id: str, folders: Sequence[Path]) -> tuple[Path, FileIO]:
    """Begin a journal in the first of these folders that takes its first line. Raises OSError."""
    for folder in folders[:-1]:
        with contextlib.suppress(OSError):
            return _begun(run_id, (folder,))
    make_private(folders[-1])
    path = folders[-1] / f"{run_id}.jsonl"
    file = path.open("ab", buffering=0)
    # Locked before the first line is written: a journal that names its owner and is not locked has lost that owner.
    locked = take_lock(file.fileno())
    if locked is False:
        file.close()
        raise FileExistsError(f"{path} is another run's")
    owner = this_process(tempfile.gettempdir(), holds_lock=locked is True, on_own_filesystem=on_own_filesystem(path))
    try:
        _append(path, file, {"schema": SCHEMA, "run_id": run_id, **_owner_record(owner)})
    except OSError:
        path.unlink(missing_ok=True)
        file.close()
        raise
    return path, file


def _append(path: Path, file: FileIO, record: Mapping[str, Any]) -> None:
    """Append a line that is on the disk when this returns. Raises OSError, with the file's name, where it is not."""
    line = (json.dumps(record) + "\n").encode()
    before_bytes = os.fstat(file.fileno()).st_size
    try:
        written = file.write(line) or 0
        while written < len(line):  # A disk with room for a part of it takes that part first.
            written += file.write(line[written:]) or 0
        os.fdatasync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):  # Half a line would hide those after it.
            os.ftruncate(file.fileno(), before_bytes)
        raise OSError(error.errno, error.strerror, str(path)) from error


@dataclass(frozen=True, slots=True)
class Found:
    """A journal that was found: whose it is, what is known of that owner, and what it lists as still there."""

    path: Path
    run_id: str
    owner: Owner
    standing: Standing
    entries: tuple[Entry, ...]


def found_journals(folder: Path | None = None) -> Iterator[Found]:
    """Yield the journals that lie in this folder (None: in all that this user's runs may have written to).

    While one is handled its lock is held, so that no two clean up after the same run. What is no journal is left out;
    one that cannot be read is UNREADABLE and lists nothing.
    """
    for parent in state_folders() if folder is None else (folder,):
        for path in _files_of_this_user(parent):
            with contextlib.suppress(FileNotFoundError), _opened(path) as descriptor:
                found = _unreadable(path) if descriptor is None else _found(path, descriptor)
                if found is not None:
                    yield found


def read_journal(text: str) -> tuple[str, Owner, tuple[Entry, ...]] | None:
    """Return a journal's run id, its owner and what is still there; None where the text is none or was cut early.

    Raises ValueError where it is one that was damaged, or that another version wrote and this one does not understand.
    """
    *lines, _cut = text.split("\n")  # The last line of a killed run may be cut: what it was to say was not made yet.
    try:
        first = json.loads(lines[0])
        schema = str(first["schema"])
    except (ValueError, LookupError, TypeError):
        return None
    if not schema.startswith(FORMAT):
        return None
    if schema != SCHEMA:
        raise ValueError(schema)
    try:
        return str(first["run_id"]), _owner_of(first), _still_open(map(json.loads, lines[1:]))
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error


def _still_open(records: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
    open_entries: dict[int, Entry] = {}
    for record in records:
        if "gone" in record:
            open_entries.pop(record["gone"], None)
        elif "made" in record:
            facts = {key: str(value) for key, value in record["facts"].items()}
            words = Kind(record["kind"]), str(record["name"]), str(record["backend"]), facts
            open_entries[record["made"]] = Entry(int(record["made"]), *words)
    return tuple(open_entries.values())


def _owner_record(owner: Owner) -> dict[str, Any]:
    return {**{key: value for key, value in asdict(owner).items() if key != "place"}, **asdict(owner.place)}


def _owner_of(first: Mapping[str, Any]) -> Owner:
    """Return the owner that a first line names; a journal of before may lack all but process, start and boot."""
    place = Place(**{one.name: first.get(one.name, "") for one in fields(Place)})
    holds_lock, on_own = first.get("holds_lock", False), first.get("on_own_filesystem", False)
    return Owner(first["pid"], first["start_ticks"] or 0, place, holds_lock, on_own)


def _files_of_this_user(folder: Path) -> tuple[Path, ...]:
    """Return the files that may be journals; () where the folder is another user's: its journals name what they like.

    Root may clean up in a home that it was given.
    """
    try:
        owner = folder.lstat().st_uid
        shared = folder.parent == Path(tempfile.gettempdir())
        if owner != os.geteuid() and (shared or os.geteuid() != 0):
            return ()
        return tuple(path for path in sorted(folder.glob("*.jsonl")) if stat.S_ISREG(path.lstat().st_mode))
    except OSError:
        return ()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """Open a file, for writing where that is allowed (NFS gives no lock else); None where it cannot be read."""
    descriptor = None
    for mode in (os.O_RDWR, os.O_RDONLY):
        try:
            descriptor = os.open(path, mode | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise
        except OSError:
            continue
        break
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _found(path: Path, descriptor: int) -> Found | None:
    got = take_lock(descriptor)
    if not os.fstat(descriptor).st_nlink:
        return None  # Its owner, or somebody else who cleans up, has just removed it.
    try:
        read = read_journal(path.read_text("utf-8", errors="replace"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError):
        return _unreadable(path)
    if read is None:
        return None
    run_id, owner, entries = read
    is_locked = None if got is None else not got
    here = this_place(owner.place.temp_folder)
    known = standing(owner, here, is_locked=is_locked, on_own_filesystem=on_own_filesystem(path))
    return Found(path, run_id, owner, known, entries)


def _unreadable(path: Path) -> Found:
    return Found(path, path.stem, Owner(0, 0, Place("")), Standing.UNREADABLE, ())
