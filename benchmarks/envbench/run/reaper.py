"""Cleans up after killed runs: removes what the journals of dead owners list, and processes with a dead run's id.

Each thing goes only once it is seen to carry the run's id. A run whose owner is not proved dead here is left alone:
it may be live, in a container with its own process ids or on another machine with the same home.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from envbench.backends import BACKENDS, load
from envbench.errors import EnvbenchError, StartTimeoutError, one_line
from envbench.records.phases import counted
from envbench.traces.journal import Entry, Found, Journal, Kind, found_journals
from envbench.traces.owner import Standing, boot_id
from envbench.traces.procfs import marked_processes
from envbench.traces.removal import end_process, remove_cgroup, remove_folder, remove_handler, unmount_under


@dataclass(frozen=True, slots=True)
class Reaped:
    """What `reap` did with one thing: `error` is "" where it is gone now."""

    run_id: str
    entry: Entry
    was_there: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """A run that was left alone because its owner is not proved dead here, and what it lists; `host`: where it ran.

    `unreadable` is its journal's path where that cannot be read.
    """

    run_id: str
    host: str = ""
    count: int = 0
    unreadable: Path | None = None

    def __str__(self) -> str:
        if self.unreadable is not None:
            return f"run {self.run_id}: its journal {self.unreadable} cannot be read"
        where = f" ({self.host})" if self.host else ""
        what = f"lists {counted(self.count, 'thing')} that may still be there"
        return f"run {self.run_id} of another container or machine{where} {what}"

    @property
    def remedy(self) -> str:
        """What to try."""
        if self.unreadable is not None:
            written = "as the user and with the version of envbench that wrote it"
            return f"run `envbench clean` {written}, or, if all of that run is gone, rm {self.unreadable}"
        return f"run `envbench clean` there, or, if that place is gone for good, envbench clean --run {self.run_id}"


@dataclass(frozen=True, slots=True)
class Reaping:
    """What became of the journals that were found: things of dead runs, live runs, runs that are left alone."""

    done: tuple[Reaped, ...] = ()
    alive: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()

    @property
    def failed(self) -> tuple[Reaped, ...]:
        """What could not be removed."""
        return tuple(one for one in self.done if one.error)


def reap(folder: Path | None = None, *, run_id: str | None = None) -> Reaping:
    """Remove what killed runs left; keep a journal whose things could not all be removed.

    Processes go first: every process that carries a dead run's id in its environment or is listed with its start time.
    With `run_id` only that run's things go, without a proof that its owner is dead: whoever names the run vouches for
    that. A run that is seen to live is left alone all the same.
    """
    done: list[Reaped] = []
    alive: list[str] = []
    left: list[Left] = []
    for journal in found_journals(folder):
        if run_id not in (None, journal.run_id):
            continue
        if journal.standing is Standing.ALIVE:
            alive.append(journal.run_id)
        elif journal.standing is Standing.UNREADABLE:
            left.append(Left(journal.run_id, unreadable=journal.path))
        elif journal.standing is Standing.DEAD or run_id is not None:
            done += _reap_journal(journal)
        elif journal.entries:
            left.append(Left(journal.run_id, journal.owner.place.host, len(journal.entries)))
    return Reaping(tuple(done), tuple(alive), tuple(left))


def _reap_journal(journal: Found) -> list[Reaped]:
    # A process id means something in one PID namespace of one boot; elsewhere it is some other process's.
    same_ids = journal.standing is Standing.DEAD and journal.owner.place.boot_id == boot_id()
    entries = [one for one in journal.entries if same_ids or one.kind is not Kind.PROCESS]
    results = [*reap_marked_processes(journal.run_id), *reap_entries(entries, journal.run_id)]
    if not any(result.error for result in results):
        try:
            journal.path.unlink(missing_ok=True)
        except OSError as error:
            entry = Entry(0, Kind.FILE, str(journal.path))
            results.append(Reaped(journal.run_id, entry, was_there=True, error=one_line(error)))
    return results


def reap_entries(entries: Iterable[Entry], run_id: str) -> tuple[Reaped, ...]:
    """Remove these things of a run, whoever owns them; for the end of a run, which clears up after itself.

    An engine that does not answer is asked once, not once for each thing it holds: every question takes its deadline.
    """
    silent: set[str] = set()
    done = []
    for entry in sorted(entries, key=_reap_order):
        if entry.backend in silent:
            done.append(Reaped(run_id, entry, was_there=True, error="not looked for: its engine does not answer"))
            continue
        try:
            done.append(Reaped(run_id, entry, _remove(entry, run_id)))
        except (EnvbenchError, OSError, KeyError, ValueError, ImportError) as error:
            done.append(Reaped(run_id, entry, was_there=True, error=one_line(error)))
            if isinstance(error, StartTimeoutError):
                silent.add(entry.backend)
    return tuple(done)


def clear_away(journal: Journal) -> tuple[str, ...]:
    """Remove all that a run's own journal lists, and close it; return what could not be removed and why."""
    left = []
    for done in reap_entries(journal.entries(), journal.run_id):
        if done.error:
            left.append(f"{done.entry.kind} {done.entry.name}: {done.error}")
        else:
            journal.forget(done.entry.number)
    journal.close()
    return tuple(left)


_ORDER = (
    Kind.PROCESS,
    Kind.DOMAIN,
    Kind.CONTAINER,
    Kind.NETWORK,
    Kind.VOLUME,
    Kind.POOL,
    Kind.IMAGE,
    Kind.HANDLER,
    Kind.MOUNT,
    Kind.CGROUP,
    Kind.FILE,
    Kind.FOLDER,
)


def _reap_order(entry: Entry) -> tuple[int, int]:
    return _ORDER.index(entry.kind), -entry.number


def reap_marked_processes(run_id: str) -> Iterator[Reaped]:
    """End every process that carries this run's id in its environment, whether a journal lists it or not."""
    for pid in marked_processes(run_id):
        entry = Entry(0, Kind.PROCESS, str(pid))
        try:
            yield Reaped(run_id, entry, end_process(pid))
        except EnvbenchError as error:
            yield Reaped(run_id, entry, was_there=True, error=one_line(error))


def _remove(entry: Entry, run_id: str) -> bool:
    """Remove a thing with what knows how to; return whether it was there. Raises what those raise."""
    if not entry.backend:
        return _REMOVERS[entry.kind](entry, run_id)
    if entry.backend not in BACKENDS:
        raise EnvbenchError(f"this version of envbench has no backend {entry.backend}")
    _own_name(entry, run_id)
    return load(entry.backend).reap(entry, run_id)


def _own_name(entry: Entry, run_id: str) -> str:
    """Return the entry's name once it is seen to carry the run's id. Raises EnvbenchError."""
    if run_id not in entry.name:
        raise EnvbenchError(
            f"{entry.name}: the journal lists it, but it does not carry the run's id {run_id}; left alone"
        )
    return entry.name


def _own_path(entry: Entry, run_id: str) -> Path:
    """Return the entry's path once it is seen to carry the run's id and to lead nowhere else. Raises EnvbenchError."""
    path = Path(_own_name(entry, run_id))
    if not path.is_absolute() or ".." in path.parts:
        raise EnvbenchError(f"{entry.name}: the journal lists it, but it is no absolute, straight path; left alone")
    return path


def _remove_process(entry: Entry, run_id: str) -> bool:  # noqa: ARG001 -- the start time is the proof
    return end_process(int(entry.name), int(entry.facts["start_ticks"]))


def _remove_file(entry: Entry, run_id: str) -> bool:
    path = _own_path(entry, run_id)
    was_there = path.exists() or path.is_symlink()
    path.unlink(missing_ok=True)
    return was_there


_REMOVERS: Mapping[Kind, Callable[[Entry, str], bool]] = {
    Kind.PROCESS: _remove_process,
    Kind.CGROUP: lambda entry, run_id: remove_cgroup(_own_path(entry, run_id)),
    Kind.HANDLER: lambda entry, run_id: remove_handler(_own_path(entry, run_id)),
    Kind.MOUNT: lambda entry, run_id: unmount_under(_own_path(entry, run_id)),
    Kind.FOLDER: lambda entry, run_id: remove_folder(_own_path(entry, run_id)),
    Kind.FILE: _remove_file,
}
