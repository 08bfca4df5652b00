"""The door to this node's table of processes: which there are, and in which namespaces each is.

What an ordinary user may not look at is denied, process by process. Threads of the kernel are no processes of anybody,
and those that have ended are none any more.
"""

from __future__ import annotations

from envinspect.model import Denied, Found, Reading, Record
from envinspect.model.errors import UnreachableError
from envinspect.sources.mounts import parse_mountinfo
from envinspect.sources.process import INITIAL, namespace_number
from envinspect.systems.files import LiveRoot
from envinspect.systems.process import Life, life

KINDS = tuple(sorted(INITIAL))
_HIDING = frozenset({"1", "2", "4", "noaccess", "invisible", "ptraceable"})
"""Values of /proc's `hidepid` other than 0 (man 5 proc)."""


class Process(Record):
    """One process: its number, its life, its namespaces by kind, and its cgroup file as it is seen from here.

    A kind that this kernel does not have is left out.
    """

    pid: int
    life: Life
    namespaces: Reading[tuple[tuple[str, int], ...]]
    cgroup: str


def processes() -> tuple[Process, ...]:
    """Return the processes that this /proc shows, by number. Raises UnreachableError where it shows none."""
    machine = LiveRoot()
    names = machine.listing("/proc")
    pids = sorted(int(name) for name in names.value if name.isdecimal()) if isinstance(names, Found) else []
    if not pids:
        raise UnreachableError("/proc: no process can be seen here", remedy="a Linux machine with /proc mounted")
    found = []
    for pid in pids:
        known = life(pid)
        if known is not None and not known.of_the_kernel:
            group = machine.read(f"/proc/{pid}/cgroup")
            text = group.value.decode("utf-8", "replace") if isinstance(group, Found) else ""
            namespaces = _namespaces(machine, pid)
            if namespaces != Found(()) or life(pid) == known:
                found.append(Process(pid, known, namespaces, text))
    return tuple(found)


def hides_others() -> str:
    """Return the `hidepid` with which /proc is mounted, "" where it shows every process to everybody."""
    reading = LiveRoot().read("/proc/self/mountinfo")
    text = reading.value.decode("utf-8", "replace") if isinstance(reading, Found) else ""
    mounted = [mount for mount in parse_mountinfo(text) if mount.target == "/proc" and mount.fstype == "proc"]
    value = mounted[-1].option("hidepid") if mounted else ""
    return value if value in _HIDING else ""


def _namespaces(machine: LiveRoot, pid: int) -> Reading[tuple[tuple[str, int], ...]]:
    found: list[tuple[str, int]] = []
    for kind in KINDS:
        link = machine.link(f"/proc/{pid}/ns/{kind}")
        if isinstance(link, Denied):
            return link
        number = namespace_number(link.value) if isinstance(link, Found) else None
        if number is not None:
            found.append((kind, number))
    return Found(tuple(found))
