"""Whose a journal is: a live run's, one that is proved dead and can be cleaned up after here, or neither.

A process id says nothing by itself: containers count from 1 each, and a home on a network is seen by many machines.
So an owner is named by machine (machine-id(5)), boot (random(4)), PID namespace (pid_namespaces(7)) and the process's
start, and it holds a lock on its journal as long as it lives.
"""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from envbench.traces.procfs import counts_our_processes, pids_started_at, process_start_ticks, start_ticks_of

INITIAL_PID_NAMESPACE = "4026531836"
"""include/linux/proc_ns.h: PROC_PID_INIT_INO, the inode of the namespace that sees every process."""


class Standing(StrEnum):
    """What is known of a journal's owner."""

    ALIVE = "alive"
    DEAD = "dead"
    """It is proved to have ended, and what it made can be seen from here."""
    ELSEWHERE = "elsewhere"
    """Neither is proved here: it ran in another container or on another machine, or nothing tells where it ran."""
    UNREADABLE = "unreadable"
    """Its journal may not be read, or says what this version does not understand."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs; "" for what cannot be told."""

    boot_id: str
    machine_id: str = ""
    pid_namespace: str = ""
    """Inode of the namespace and start of its first process: inodes are used again as soon as a namespace is gone."""
    mount_namespace: str = ""
    host: str = ""
    """The machine's or container's own name: for people, never for a decision."""
    temp_folder: str = ""
    temp_identity: str = ""
    """Device and inode of that folder: whether a path means the same folder to somebody else."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a journal belongs to.

    `holds_lock` is whether it could lock the journal; `on_own_filesystem` whether that file lies on a filesystem of its
    machine alone, where nobody can fail to see the lock.
    """

    pid: int
    start_ticks: int
    place: Place
    holds_lock: bool = False
    on_own_filesystem: bool = False


def boot_id() -> str:
    """Return the id of this boot of the kernel (random(4)), "" where it cannot be read."""
    return _text("/proc/sys/kernel/random/boot_id")


def this_place(temp_folder: str) -> Place:
    """Return where this process runs."""
    return Place(
        boot_id=boot_id(),
        machine_id=_text("/etc/machine-id") or _text("/var/lib/dbus/machine-id"),
        pid_namespace=_pid_namespace(),
        mount_namespace=_link("/proc/self/ns/mnt"),
        host=os.uname().nodename,
        temp_folder=temp_folder,
        temp_identity=_identity(temp_folder),
    )


def this_process(temp_folder: str, *, holds_lock: bool, on_own_filesystem: bool) -> Owner:
    """Return this process as an owner."""
    return Owner(os.getpid(), start_ticks_of("self") or 0, this_place(temp_folder), holds_lock, on_own_filesystem)


def standing(owner: Owner, here: Place, *, is_locked: bool | None, on_own_filesystem: bool) -> Standing:
    """Return what can be said of an owner `here`, a place whose `temp_folder` is the owner's.

    `is_locked` is whether somebody holds the journal's lock, None where that cannot be found out; `on_own_filesystem`
    whether the journal lies, as seen from here, on a filesystem of this machine alone.
    """
    there = owner.place
    if is_locked:
        return Standing.ALIVE
    if there.boot_id and there.boot_id == here.boot_id:
        return _on_this_boot(owner, here)
    if there.boot_id and there.machine_id and there.machine_id == here.machine_id:
        # Of another boot, if the machine is one: clones share its id, and a guest may see its host's folder.
        provable = owner.holds_lock and owner.on_own_filesystem and is_locked is False and on_own_filesystem
        return Standing.DEAD if provable else Standing.ELSEWHERE
    return Standing.ELSEWHERE


def _on_this_boot(owner: Owner, here: Place) -> Standing:
    there = owner.place
    if not there.pid_namespace:
        # A journal of before namespaces were noted, or an owner without a /proc of its own: only who sees every process
        # can tell that none of them started then.
        if here.pid_namespace.partition("@")[0] != INITIAL_PID_NAMESPACE:
            return Standing.ELSEWHERE
        return Standing.ALIVE if pids_started_at(owner.start_ticks) else Standing.DEAD
    if there.pid_namespace != here.pid_namespace:
        return Standing.ELSEWHERE
    if process_start_ticks(owner.pid) == owner.start_ticks:
        return Standing.ALIVE
    same_paths = there.mount_namespace == here.mount_namespace or there.temp_identity == here.temp_identity
    return Standing.DEAD if same_paths else Standing.ELSEWHERE


def _pid_namespace() -> str:
    """Return this process's PID namespace, "" where the /proc that is mounted is another namespace's."""
    if not counts_our_processes():
        return ""
    inode = _link("/proc/self/ns/pid").removeprefix("pid:[").rstrip("]")
    first = start_ticks_of("1")
    return f"{inode}@{first}" if inode and first is not None else ""


def _identity(path: str) -> str:
    try:
        found = Path(path).stat()
    except OSError:
        return ""
    return f"{found.st_dev}:{found.st_ino}"


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 -- what it says is no path
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text("ascii", errors="replace").strip()
    except OSError:
        return ""
