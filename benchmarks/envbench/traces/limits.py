"""What an instance got, as the kernel says it: the limits of its cgroup, its network, whether its root is read-only."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from envbench.records.phases import counted
from envbench.traces.procfs import CGROUP_ROOT, command_line

Number = TypeVar("Number", int, float)

NO_LIMIT = 1 << 62
"""Version 1 says no limit as the largest number of bytes in whole pages."""
LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")
"""Of version 2 and 1 (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst)."""
INITS = frozenset({"docker-init", "podman-init", "init", "tini", "tini-static", "catatonit", "dumb-init"})
"""Programs that engines put before a container's own: Docker as /sbin/docker-init, Podman as /run/podman-init (before
4.9 /dev/init), and the names of those that can be configured in their place."""
ROUNDING_BYTES = 65536
"""The kernel counts a limit in pages, the largest of which have this size."""
CPU_SLACK = 0.01
"""CPUs that a quota may differ by: engines round it to whole microseconds."""


def memory_limit_bytes(cgroup: Path) -> int | None:
    """Return the memory limit of this cgroup; None where it has none, or no memory controller.

    Raises OSError where it may not be read.
    """
    for name in LIMIT_FILES:
        try:
            text = (cgroup / name).read_text("ascii").strip()
        except FileNotFoundError:
            continue
        return int(text) if text.isdigit() else None
    return None


def cpu_limit(cgroup: Path, root: Path = CGROUP_ROOT) -> float | None:
    """Return how many CPUs this cgroup may use, by its quota; None where it has none, or no CPU controller.

    On version 1 `cgroup` is the memory controller's; the same path below the CPU controller is read. Raises OSError
    where it may not be read.
    """
    try:
        quota, period = (cgroup / "cpu.max").read_text("ascii").split()
    except FileNotFoundError:
        below = Path(*cgroup.relative_to(root).parts[1:])
        for controller in ("cpu", "cpu,cpuacct"):
            folder = root / controller / below
            if (folder / "cpu.cfs_quota_us").exists():
                quota = (folder / "cpu.cfs_quota_us").read_text("ascii").strip()
                period = (folder / "cpu.cfs_period_us").read_text("ascii").strip()
                break
        else:
            return None
    return int(quota) / int(period) if quota.isdigit() else None


def interfaces(pid: int, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Return the network interfaces that a process sees (proc_pid_net(5), dev). Raises OSError where it is gone."""
    lines = (proc / str(pid) / "net/dev").read_text("utf-8", errors="replace").splitlines()[2:]
    return tuple(line.partition(":")[0].strip() for line in lines)


def root_is_read_only(pid: int, proc: Path = Path("/proc")) -> bool:
    """Return whether a process's root is mounted read-only (proc_pid_mountinfo(5)). Raises OSError where it is gone."""
    lines = (proc / str(pid) / "mountinfo").read_text("utf-8", errors="replace").splitlines()
    options = [line.split()[5].split(",") for line in lines if line.split()[4] == "/"]
    return bool(options) and "ro" in options[-1]


def is_inside(pid: int) -> bool:
    """Return whether a process sees other mounts than we do (mount_namespaces(7)). Raises OSError where it is gone."""
    return Path(f"/proc/{pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()


def differences(asked: Mapping[str, str], pid: int | None, cgroup: Path | None) -> tuple[str, ...]:
    """Return what an instance got that its variant does not say, a phrase each; () where all is as asked.

    `asked` has the keys of `container_variants`, `pid` is a process inside, None where none is known: its network and
    root are not looked at then. Raises OSError where the kernel does not say.
    """
    return tuple(_differences(asked, pid, cgroup))


def _nearest(cgroup: Path | None, limit: Callable[[Path], Number | None]) -> Number | None:
    """Return the limit of the nearest level that has one: crun keeps processes one level below their limits."""
    level = cgroup
    while level is not None and level not in (CGROUP_ROOT, Path("/")):
        found = limit(level)
        if found is not None and found < NO_LIMIT:
            return found
        level = level.parent
    return None


def _differences(asked: Mapping[str, str], pid: int | None, cgroup: Path | None) -> Iterator[str]:
    if "memory" in asked:
        wanted_bytes, found_bytes = int(asked["memory"]), _nearest(cgroup, memory_limit_bytes)
        if found_bytes is None or not wanted_bytes - ROUNDING_BYTES < found_bytes <= wanted_bytes:
            yield f"{wanted_bytes} bytes of memory asked for, and its cgroup's limit is {_shown(found_bytes)}"
    if "cpus" in asked:
        wanted, found = float(asked["cpus"]), _nearest(cgroup, cpu_limit)
        if found is None or abs(found - wanted) > CPU_SLACK:
            yield f"{counted(wanted, 'CPU')} asked for, and its cgroup's limit is {_shown(found)}"
    if pid is None:
        return
    if "init" in asked and Path(command_line(pid).partition(" ")[0]).name not in INITS:
        yield "an init was asked for, and inside process 1 is not one"
    if asked.get("network") == "bridge" and not set(interfaces(pid)) - {"lo"}:
        yield "a bridge was asked for, and inside there is no interface but lo"
    if "readonly" in asked and not root_is_read_only(pid):
        yield "a read-only root was asked for, and it can be written to"


def _shown(limit: float | None) -> str:
    return "none" if limit is None else str(limit)
