"""Host CPU time that one start costs: the instance, its helpers, what started it, its engine's daemons.

Sums what the kernel charged (nanoseconds) and never estimates; where an engine's processes may not be read, it says
None.
"""

import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path

from envbench.backend import Backend, Instance
from envbench.surroundings.clock import NS_PER_S, NS_PER_US
from envbench.traces.procfs import children_cpu_ticks

_CPUCLOCK_SCHED = 2
"""include/linux/posix-timers_types.h: a process's CPU clock is (~pid << 3) | 2, as clock_getcpuclockid(3) makes it."""


def process_cpu_ns(pid: int) -> int | None:
    """Return the CPU time of a process with all its threads, dead ones too; None where there is no such process."""
    try:
        return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return None


def cgroup_cpu_ns(cgroup: Path) -> int | None:
    """Return the CPU time charged to a cgroup since it was made (v2: cpu.stat, v1: cpuacct.usage); None if unreadable.

    On v1 the path is that of the memory controller; the same path under cpuacct is read.
    """
    try:
        stat = (cgroup / "cpu.stat").read_text("ascii")
        usage = next((line.split()[1] for line in stat.splitlines() if line.startswith("usage_usec ")), None)
        if usage is not None:
            return int(usage) * NS_PER_US
    except OSError:
        pass
    try:
        root = Path("/sys/fs/cgroup")
        below = Path(*cgroup.relative_to(root).parts[1:])
        return int((root / "cpuacct" / below / "cpuacct.usage").read_text("ascii"))
    except (OSError, ValueError):
        return None


class CpuMeter:
    """Takes an engine's CPU clocks before a start and all clocks at its end; `charged_ns` is None if one is missing."""

    charged_ns: int | None = None

    def __init__(self, backend: Backend) -> None:
        self._engine = backend.engine_processes()
        self._before_ns: int | None = None

    def begin(self) -> None:
        """Take the clocks just before the request."""
        self._before_ns = None if self._engine is None else _engine_and_children_ns(self._engine)

    def end(self, instance: Instance) -> None:
        """Take the clocks just after ready."""
        if self._engine is None:
            return
        after_ns = _engine_and_children_ns(self._engine)
        own_ns = _instance_ns(instance)
        if self._before_ns is not None and after_ns is not None and own_ns is not None:
            self.charged_ns = after_ns - self._before_ns + own_ns


def _engine_and_children_ns(pids: Iterable[int]) -> int | None:
    """Return daemons' CPU time with that of the helpers they waited for, and of our own children that have ended."""
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total_ns = int((ended.ru_utime + ended.ru_stime) * NS_PER_S)
    for pid in pids:
        own_ns, helpers = process_cpu_ns(pid), children_cpu_ticks(pid)
        if own_ns is None or helpers is None:
            return None
        total_ns += own_ns + helpers * NS_PER_S // ticks_per_s
    return total_ns


def _instance_ns(instance: Instance) -> int | None:
    # A cgroup without a CPU account (libvirt's on a v1 hierarchy may have none) leaves the processes' own clocks.
    cgroup = instance.cgroup()
    in_cgroup: set[int] = set()
    total_ns = 0
    if cgroup is not None and (charged := cgroup_cpu_ns(cgroup)) is not None:
        total_ns += charged
        in_cgroup = _members(cgroup)
    pids = instance.processes()
    for pid in pids:
        if pid not in in_cgroup:
            total_ns += process_cpu_ns(pid) or 0  # One that has just ended was charged to its parent, who is counted.
            total_ns += (children_cpu_ticks(pid) or 0) * NS_PER_S // os.sysconf("SC_CLK_TCK")
    return total_ns if pids else None


def _members(cgroup: Path) -> set[int]:
    try:
        return {int(pid) for pid in (cgroup / "cgroup.procs").read_text("ascii").split()}
    except OSError:
        return set()
