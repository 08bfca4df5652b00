"""The door to another process's place, from outside: no shell and no Python is needed in there.

Files come through `/proc/PID/root`, what the process knows of itself from its own folder in /proc, CPUID and uname from
this machine, whose kernel and CPU it shares. What it takes is the same user or CAP_SYS_PTRACE; a denial is an answer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envinspect.model import ABSENT, Denied, Found, Reading, Record
from envinspect.model.errors import UnreachableError, UsageError
from envinspect.model.facts import Facts, Observer, Registers, Stat, Uname, no_environ
from envinspect.sources.process import parse_status
from envinspect.systems.cpuid import live_cpuid
from envinspect.systems.files import LiveRoot
from envinspect.systems.mounted import MountedRoot
from envinspect.systems.own_view import own_control_groups

if TYPE_CHECKING:
    from collections.abc import Callable

_PF_KTHREAD = 0x0020_0000
RIGHTS = "run as the process's own user, or as root (CAP_SYS_PTRACE)"
_OWN = ("/proc/self/", "/proc/thread-self/")
_BY_NAMESPACE = frozenset({"cgroup", "mountinfo"})
"""What the kernel shows as seen from the reader's own cgroup namespace."""


class ProcessRoot:
    """The files that a process sees. `/proc/self` is the process; all else lies below its root."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._machine = LiveRoot()
        self._root = MountedRoot(f"/proc/{pid}/root")
        self._own = own_control_groups(pid)

    def read(self, path: str) -> Reading[bytes]:
        """Return a file's bytes."""
        own = self._in_own_folder(path)
        if own in _BY_NAMESPACE and self._own is not None:
            return self._own[own]
        return self._root.read(path) if own is None else self._machine.read(f"/proc/{self._pid}/{own}")

    def link(self, path: str) -> Reading[str]:
        """Return a link's text."""
        own = self._in_own_folder(path)
        return self._root.link(path) if own is None else self._machine.link(f"/proc/{self._pid}/{own}")

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        """Return a folder's names."""
        own = self._in_own_folder(path)
        return self._root.listing(path) if own is None else self._machine.listing(f"/proc/{self._pid}/{own}")

    def stat(self, path: str) -> Reading[Stat]:
        """Return what is at a path."""
        own = self._in_own_folder(path)
        return self._root.stat(path) if own is None else self._machine.stat(f"/proc/{self._pid}/{own}")

    @staticmethod
    def _in_own_folder(path: str) -> str | None:
        """Return what of the process's own folder a path means, None for any other path."""
        if path == "/proc/mounts":
            return "mounts"
        return next((path[len(prefix) :] for prefix in _OWN if path.startswith(prefix)), None)


class Node:
    """This machine as its processes share it: `facts` hold what was asked of it, its CPU among that, each once."""

    def __init__(self) -> None:
        here = os.uname()
        uname = Uname(here.sysname, here.release, here.version, here.machine)
        self.facts = Facts(LiveRoot(), live_cpuid(), uname=uname, euid=os.geteuid(), environ=no_environ)

    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:
        """Return a CPUID leaf's registers."""
        return self.facts.cpuid(leaf, subleaf)

    def facts_of(self, pid: int) -> Facts:
        """Return the questions to a process's place; what may not be looked at is denied."""
        variables = _variables(pid)
        facts = Facts(
            ProcessRoot(pid),
            self,
            uname=self.facts.uname,
            euid=_euid(pid),
            environ=lambda name: _variable(variables, name),
        )
        facts.subject, facts.observer = f"pid {pid}", Observer("pid", "instruction")
        return facts


def process_facts(pid: int, ask: Callable[[Facts], None]) -> Facts:
    """Return the facts of a process's place; all that `ask` asks for is read before the process may end.

    Raises UsageError where there is no such process, UnreachableError where it ends meanwhile or may not be looked at.
    """
    found = life(pid)
    if found is None:
        raise UsageError(f"--pid {pid}: no such process here")
    try:
        os.close(os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY))
    except OSError as error:
        if life(pid) == found:
            raise UnreachableError(f"--pid {pid}: its root: {error.strerror}", remedy=RIGHTS) from error
    facts = Node().facts_of(pid)
    ask(facts)
    if life(pid) != found:
        raise UnreachableError(f"--pid {pid}: the process ended while it was looked at", remedy="name one that goes on")
    return facts


class Life(Record):
    """When a process started, in clock ticks, so that a number used again is noticed, and whether it is the kernel's.

    Reference: man 5 proc_pid_stat, fields 3 (state), 9 (flags) and 22; PF_KTHREAD in linux: include/linux/sched.h.
    """

    born: str
    of_the_kernel: bool


def life(pid: int) -> Life | None:
    """Return what tells one process from the next with its number; None where it has ended, or never was."""
    reading = LiveRoot().read(f"/proc/{pid}/stat")
    if not isinstance(reading, Found):
        return None
    fields = reading.value.decode("utf-8", "replace").rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in {"Z", "X"} or not fields[6].isdecimal():
        return None
    return Life(fields[19], bool(int(fields[6]) & _PF_KTHREAD))


def _variables(pid: int) -> Reading[dict[str, str]]:
    reading = LiveRoot().read(f"/proc/{pid}/environ")
    if not isinstance(reading, Found):
        return reading
    pairs = (item.partition("=") for item in reading.value.decode("utf-8", "surrogateescape").split("\0"))
    return Found({name: value for name, equals, value in pairs if equals})


def _variable(variables: Reading[dict[str, str]], name: str) -> Reading[str]:
    if not isinstance(variables, Found):
        return variables if isinstance(variables, Denied) else ABSENT
    return Found(variables.value[name]) if name in variables.value else ABSENT


def _euid(pid: int) -> int | None:
    """Return the effective user as the process itself sees it: this machine's number, mapped back."""
    machine = LiveRoot()
    status, mapping = machine.read(f"/proc/{pid}/status"), machine.read(f"/proc/{pid}/uid_map")
    if not isinstance(status, Found):
        return None
    ids = parse_status(status.value.decode("utf-8", "replace")).get("Uid", "").split()
    if len(ids) < 2 or not ids[1].isdecimal():
        return None
    outside = int(ids[1])
    for line in mapping.value.decode("ascii", "replace").splitlines() if isinstance(mapping, Found) else ():
        numbers = [int(number) for number in line.split() if number.isdecimal()]
        if len(numbers) == 3 and numbers[1] <= outside < numbers[1] + numbers[2]:
            return numbers[0] + outside - numbers[1]
    return outside
