"""What to ask first: everything that would be asked if everything were there.

The questions come from the probes themselves, run against a place where each path exists. A folder there holds one
name, `*`, so a probe that looks at each device builds a pattern, which the shell on the target expands; a process there
is in the control group `/~`, which the collector expands to the group and all above it. So no list of files is kept,
and most places need no second round.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from envinspect.model import ABSENT, NOT_RECORDED, Found, Reading
from envinspect.model.facts import Facts, Registers, Stat, Uname
from envinspect.systems.collector.script import DAEMON, USER, Question

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")

_SOME_USER = 0xFFFF_FFFE
"""An imagined user's number; in a path it stands for that of the user there."""
_SOME_DAEMON = 0xFFFF_FFFD
"""An imagined process's number; in a path it stands for that of Docker's daemon there."""
_STATUS = {
    "/proc/self/status": b"Cpus_allowed_list:\t0\n",
    "/run/docker.pid": b"%d" % _SOME_DAEMON,
    f"/proc/{_SOME_DAEMON}/comm": b"dockerd\n",
}
_UNIFIED = _STATUS | {
    "/proc/self/cgroup": b"0::/~\n",
    "/proc/self/mountinfo": b"1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "/sys/hypervisor/type": b"xen\n",
}
_FIRST_INTERFACE = 0x4000_0000
"""Hyper-V's interface stands there, another one's 0x100 behind it (linux: arch/x86/include/asm/cpuid/api.h)."""
_KVM = Registers(_FIRST_INTERFACE | 0xFF, 0x4B4D_564B, 0x564B_4D56, 0x4D)
_HYPER_V = Registers(_FIRST_INTERFACE | 0xFF, 0x7263_694D, 0x666F_736F, 0x7648_2074)


def _legacy(*hierarchies: str) -> dict[str, bytes]:
    """Return the files of a place with cgroup v1, where each hierarchy has the controllers that its name lists."""
    groups = (f"{number}:{name}:/~\n" for number, name in enumerate(hierarchies, 1))
    mounts = (
        f"{number} 1 0:1 / /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}\n"
        for number, name in enumerate(hierarchies, 1)
    )
    return _STATUS | {
        "/proc/self/cgroup": "".join(groups).encode(), "/proc/self/mountinfo": "".join(mounts).encode()
    }  # fmt: skip


_ALONE = _legacy("cpu", "cpuacct", "cpuset", "memory", "pids")
_JOINED = _legacy("cpu,cpuacct", "cpuset", "memory", "pids")
"""As systemd mounts them (systemd: src/core/mount-setup.c, mount_cgroup_controllers)."""
_PLACES: tuple[tuple[str, dict[str, bytes], Registers], ...] = (
    *((has, texts, _KVM) for texts in (_UNIFIED, _ALONE, _JOINED) for has in ("RLDS", "LDS", "LD")),
    ("RLDS", _UNIFIED, _HYPER_V),
    *((has, {}, _KVM) for has in ("D", "S", "")),
)
"""What places have (letters as in a question), the files whose bytes matter, and the hypervisor that CPUID names."""


class FirstRound(NamedTuple):
    """All that is to be asked at once."""

    questions: frozenset[Question]
    variables: frozenset[str]
    leaves: frozenset[tuple[int, int]]


class _Imagined:
    """Files of a place that has everything of the kinds named in `has` (letters as in a question), and nothing else."""

    def __init__(self, has: str, files: dict[str, bytes]) -> None:
        self._has = has
        self._files = files
        self.asked: set[Question] = set()

    def read(self, path: str) -> Reading[bytes]:
        return self._answer("R", path, self._files.get(path, b""))

    def link(self, path: str) -> Reading[str]:
        return self._answer("L", path, f"{path.rpartition('/')[2]}:[1]")

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        return self._answer("D", path, ("*",))

    def stat(self, path: str) -> Reading[Stat]:
        return self._answer("S", path, Stat(1, 1, 0o100644))

    def _answer(self, kind: str, path: str, there: V) -> Reading[V]:
        named = path.replace(f"/{_SOME_USER}/", f"/{USER}/").replace(f"/{_SOME_DAEMON}/", f"/{DAEMON}/")
        self.asked.add(Question(kind, named))
        return Found(there) if kind in self._has or path in self._files else ABSENT


class _ImaginedCpu:
    """A virtual machine's CPU with two hypervisor interfaces: a known one that has all it can have, and another."""

    def __init__(self, known: Registers) -> None:
        self._known = known
        self.asked: set[tuple[int, int]] = set()

    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:
        if leaf & ~0xFF == _FIRST_INTERFACE + 0x200:
            return NOT_RECORDED
        self.asked.add((leaf, subleaf))
        return Found(self._known if leaf == _FIRST_INTERFACE else Registers(leaf | 0xFF, 0xFFFF_FFFF, 1 << 31, 0))


@cache
def first_round(ask: Callable[[Facts], None]) -> FirstRound:
    """Return what `ask` would ask of places where everything, nothing, or some of it is there.

    Worked out once a process for each `ask`: it is the same for each place.
    """
    questions: set[Question] = set()
    variables: set[str] = set()
    leaves: set[tuple[int, int]] = set()
    for has, texts, hypervisor in _PLACES:
        files, cpu = _Imagined(has, texts), _ImaginedCpu(hypervisor)
        uname = Uname("Linux", "", "", "x86_64")
        facts = Facts(files, cpu, uname=uname, euid=_SOME_USER, environ=lambda _: ABSENT)
        ask(facts)
        questions |= files.asked
        variables |= set(facts.variables)
        leaves |= cpu.asked
    return FirstRound(frozenset(questions), frozenset(variables), frozenset(leaves))
