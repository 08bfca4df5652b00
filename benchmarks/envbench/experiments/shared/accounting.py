"""What processes, cgroups and the machine cost, read from the kernel's own accounts (proc(5), cgroups(7)).

A process that has gone in the meantime adds nothing; a file that may not be read raises OSError, because missing is not
0.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
KIB = 1024


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Memory of processes in bytes: proportional, unique and resident set size (proc_pid_smaps(5))."""

    pss: int = 0
    uss: int = 0
    rss: int = 0

    def __add__(self, other: "ProcessMemory") -> "ProcessMemory":
        return ProcessMemory(self.pss + other.pss, self.uss + other.uss, self.rss + other.rss)


def parse_rollup(text: str) -> ProcessMemory:
    """Return what a smaps_rollup file says. Raises ValueError where it has no Pss line (a kernel thread's is empty)."""
    kib = _kib_fields(text)
    if "Pss" not in kib:
        raise ValueError("no Pss in smaps_rollup")
    uss = kib.get("Private_Clean", 0) + kib.get("Private_Dirty", 0)
    return ProcessMemory(kib["Pss"] * KIB, uss * KIB, kib.get("Rss", 0) * KIB)


def process_memory(pids: Iterable[int], proc: Path = PROC) -> ProcessMemory:
    """Return the memory of these processes together. Raises PermissionError where one may not be looked at."""
    total = ProcessMemory()
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            total += parse_rollup((proc / str(pid) / "smaps_rollup").read_text("ascii"))
    return total


@dataclass(frozen=True, slots=True)
class CgroupMemory:
    """Charge of a cgroup in bytes: with all page cache, less the inactive of it, and the highest."""

    usage: int
    working_set: int
    peak: int | None


def cgroup_memory(path: Path) -> CgroupMemory:
    """Return the memory charge of this cgroup directory, of version 2 or of version 1's memory controller.

    Less the inactive page cache is what `docker stats` shows (its CLI's calculateMemUsageUnixNoCache). Raises OSError
    where the directory has no memory controller.
    """
    is_v2 = (path / "memory.current").exists()
    usage = int((path / ("memory.current" if is_v2 else "memory.usage_in_bytes")).read_text("ascii"))
    stat = dict(line.split() for line in (path / "memory.stat").read_text("ascii").splitlines())
    inactive = int(stat.get("inactive_file" if is_v2 else "total_inactive_file", 0))
    peak = None
    with contextlib.suppress(OSError, ValueError):
        peak = int((path / ("memory.peak" if is_v2 else "memory.max_usage_in_bytes")).read_text("ascii"))
    return CgroupMemory(usage, usage - inactive if inactive < usage else usage, peak)


def cgroup_processes(path: Path) -> set[int]:
    """Return the processes in this cgroup and the cgroups below it."""
    found: set[int] = set()
    for file in (path / "cgroup.procs", *path.glob("**/cgroup.procs")):
        with contextlib.suppress(OSError):
            found.update(int(word) for word in file.read_text("ascii").split())
    return found


def cpu_ns(pids: Iterable[int], proc: Path = PROC) -> dict[tuple[int, int], int]:
    """Return the CPU time of every thread of these processes, in nanoseconds (schedstat's first word)."""
    return {key: int(text.split()[0]) for key, text in _thread_files(pids, "schedstat", proc)}


def wakeups(pids: Iterable[int], proc: Path = PROC) -> dict[tuple[int, int], int]:
    """Return how often every thread of these processes gave up its CPU to wait, since it began."""
    found = {}
    for key, text in _thread_files(pids, "status", proc):
        for line in text.splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                found[key] = int(line.split()[1])
    return found


def growth(before: dict[tuple[int, int], int], after: dict[tuple[int, int], int]) -> int:
    """Return by how much counters of threads grew together; a thread that began in between counts from 0."""
    return sum(value - before.get(key, 0) for key, value in after.items())


def mapped_guest(pids: Iterable[int], proc: Path = PROC) -> tuple[int, int]:
    """Return size and resident size of the largest mapping of these processes: a machine monitor's guest memory.

    (0, 0) where nothing could be read.
    """
    largest = (0, 0)
    for pid in pids:
        with contextlib.suppress(OSError):
            for block in (proc / str(pid) / "smaps").read_text("utf-8", errors="replace").split("VmFlags:"):
                kib = _kib_fields(block)
                if "Size" in kib and not block.lstrip().startswith("["):
                    largest = max(largest, (kib["Size"] * KIB, kib.get("Rss", 0) * KIB))
    return largest


def available_bytes(proc: Path = PROC) -> int:
    """Return the machine's MemAvailable."""
    return _kib_fields((proc / "meminfo").read_text("ascii"))["MemAvailable"] * KIB


def total_bytes(proc: Path = PROC) -> int:
    """Return the machine's MemTotal."""
    return _kib_fields((proc / "meminfo").read_text("ascii"))["MemTotal"] * KIB


def memory_pressure(proc: Path = PROC) -> float | None:
    """Return the share of the last 10 s in which some task waited for memory (PSI), None without PSI."""
    try:
        line = (proc / "pressure/memory").read_text("ascii").splitlines()[0]
    except OSError:
        return None
    return float(line.split("avg10=")[1].split()[0]) / 100


def _thread_files(pids: Iterable[int], name: str, proc: Path) -> Iterator[tuple[tuple[int, int], str]]:
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for thread in (proc / str(pid) / "task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    yield (pid, int(thread.name)), (thread / name).read_text("ascii", errors="replace")


def _kib_fields(text: str) -> dict[str, int]:
    """Return the "Name: 123 kB" lines of a file of /proc."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0])
    return found
