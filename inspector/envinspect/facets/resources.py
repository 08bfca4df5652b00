"""Says what this process may really use, and why: the `resources` block of the answer.

Every value has a `…_because`; null is "not known here", never nothing and never unlimited. Limits come from files, so
that a capture can tell them; only the own CPU mask and the disk are asked of the live system. The block `limits` says
of each limit whether it is set, set by none of the levels that can be seen, or cannot be seen from here.
"""

from __future__ import annotations

from envinspect.facets.control_groups import UNLIMITED_BYTES, ControlGroups, Finding, Limit, State, row, whole
from envinspect.facets.runtimes import Quotas, runtimes
from envinspect.model import ABSENT, Denied, Found
from envinspect.model.facts import Facts
from envinspect.sources.mounts import kernels_own
from envinspect.sources.process import own_status, parse_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Block = dict[str, Any]

_ONLINE = "/sys/devices/system/cpu/online"
_MEMINFO = "/proc/meminfo"
_LIMITS = "/proc/self/limits"
_STATUS = "/proc/self/status"
_KERNELS_OWN = ("/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max")
"""What bounds the number of processes and threads beside control groups; of numbers there are no more than the last
says, since Linux 6.14 in this PID namespace (man 5 proc_sys_kernel)."""
_MASK_DIGITS_LIMIT = 2048
"""8192 CPUs, the most that Linux knows (arch/x86/Kconfig, NR_CPUS)."""


def resources_block(facts: Facts) -> Block:
    """Return CPUs, memory, swap, processes, open files, disk and huge pages. Bytes where the name says so."""
    groups = ControlGroups(facts)
    block: Block = {}
    block |= _cpus(facts, groups)
    block |= _memory(facts, groups)
    block |= _processes(facts, groups)
    block |= _disk(facts)
    block |= _huge_pages(facts)
    block["limits"] = {key.removesuffix("_limit"): block.pop(key) for key in list(block) if key.endswith("_limit")}
    block["unreadable"] = sorted(set(groups.unreadable))
    return block


def _why_unknown(facts: Facts, path: str, key: str = "") -> str:
    """Say what happened to a file that a value was to come from."""
    reading = facts.text(path)
    if isinstance(reading, Denied):
        return f"{path}: {reading.error}" if reading.refused else f"{path} was not recorded"
    if isinstance(reading, Found):
        said = parse_status(reading.value).get(key, "")
        if said:
            return f"{path} says {key} {said[:40]}, which nothing has"
        return f"{path} has no {key}" if key else f"{path} is empty or not understood"
    return f"{path} is not there"


def _cpus(facts: Facts, groups: ControlGroups) -> Block:
    """Affinity, cpuset and what is online bound which CPUs, the quota bounds how much of their time."""
    machine = kernels_own(facts, _ONLINE)
    online = cpu_set(facts.str_or(_ONLINE)) if machine else None
    allowed, because = _allowed(facts, groups, online)
    found = groups.cpu_quota()
    quota = found.limit
    cpus: float | None = allowed
    if quota is not None and (allowed is None or quota.value < allowed):
        cpus, because = quota.value, quota.because
    elif found.state is State.NOT_VISIBLE:
        because += f"; {found.because}"
    own, outermost = groups.own_and_outermost_cpu_quota()
    quotas = Quotas(None if quota is None else quota.value, own, outermost)
    read_by = runtimes(allowed, quotas, groups.levels("cpu"))
    counts = {one["id"]: one["cpus"] for one in read_by}
    return {
        "cpus": _short(cpus),
        "cpus_because": because,
        "cpus_online": None if online is None else len(online),
        "cpus_allowed": allowed,
        "cpu_quota": _short(quota.value) if quota else None,
        "cpu_quota_because": found.because,
        "jvm_cpus": counts["jvm"],
        "go_cpus": counts["go"],
        "runtimes": read_by,
        "cpu_limit": found.to_dict(),
    }


def _allowed(facts: Facts, groups: ControlGroups, online: frozenset[int] | None) -> tuple[int | None, str]:
    """Return how many CPUs the process may run on, and why: its mask, of that what the cpuset has and what is online.

    sched_getaffinity(2), and so nproc, leaves out CPUs that are offline or do not exist; the mask in a file does not.
    """
    if facts.running is not None:
        asked, source = facts.running.cpus_allowed()
        if asked is not None:
            return asked, source
    mask, because = _mask(facts.derived(own_status))
    cpuset, source = _cpuset(groups)
    if mask is None:
        mask, because = cpuset, f"{source}; {_why_unknown(facts, _STATUS, 'Cpus_allowed_list')}"
        if mask is None:
            return None, _why_unknown(facts, _STATUS, "Cpus_allowed_list")
    elif cpuset is not None and mask & cpuset:
        because += ", as the cpuset has it" if mask == cpuset else f", of which {source} has {len(mask & cpuset)}"
        mask &= cpuset
    # Numbers that have nothing in common were counted anew by somebody: they say nothing of this mask.
    if online is not None and mask & online and not mask <= online:
        mask &= online
        because += f", of which {len(mask)} are online ({_ONLINE})"
    return len(mask), because


def _mask(status: dict[str, str]) -> tuple[frozenset[int] | None, str]:
    """Return the CPUs that /proc/self/status allows, and the line that says so: the list, or the mask (man 5 proc)."""
    listed, digits = status.get("Cpus_allowed_list", ""), status.get("Cpus_allowed", "").replace(",", "")
    if listed or not digits:
        return cpu_set(listed), f"Cpus_allowed_list {listed} in {_STATUS}"
    if len(digits) > _MASK_DIGITS_LIMIT or not all(digit in "0123456789abcdef" for digit in digits):
        return None, ""
    bits = int(digits, 16)
    return frozenset(cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1), f"Cpus_allowed {digits} in {_STATUS}"


def _cpuset(groups: ControlGroups) -> tuple[frozenset[int] | None, str]:
    """Return the CPUs that the nearest group with a cpuset has, and the file that says so; None where none is told.

    A group without the controller has what the group above it has; older kernels tell only what was asked for.
    """
    levels = groups.levels("cpuset")
    names = ("cpuset.effective_cpus" if levels.version == 1 else "cpuset.cpus.effective", "cpuset.cpus")
    for folder in () if levels.hidden else levels.folders:
        for name in names:
            found = cpu_set(groups.text(f"{folder}/{name}"))
            if found is not None:
                return found, f"{folder}/{name}"
    return None, ""


def cpu_set(text: str) -> frozenset[int] | None:
    """Return the CPUs that a list such as `0-3,8` names (docs.kernel.org/admin-guide/cputopology).

    None for what is no such list, an empty text among it.
    """
    numbers: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal()) or max(len(first), len(last)) > 5 or int(last) < int(first):
            return None
        numbers.update(range(int(first), int(last) + 1))
    return frozenset(numbers)


def _memory(facts: Facts, groups: ControlGroups) -> Block:
    """Return what memory there is and the tightest bound on it: control groups, memory.high, the process's own."""
    meminfo = parse_status(facts.str_or(_MEMINFO))
    own = kernels_own(facts, _MEMINFO)
    total, available = _kibibytes(meminfo.get("MemTotal")), _kibibytes(meminfo.get("MemAvailable"))
    memory, because = total, _why_unknown(facts, _MEMINFO, "MemTotal")
    if total is not None:
        because = "MemTotal in /proc/meminfo" + ("" if own else ", which is the container's own there")
    available_because = f"MemAvailable in {_MEMINFO}"
    if available is None:
        available_because = _why_unknown(facts, _MEMINFO, "MemAvailable")
    if total == 0:
        # lxcfs says so where it cannot read the container's group (https://github.com/lxc/lxcfs/issues/389).
        memory = total = available = None
        because = available_because = f"{_MEMINFO} says 0 kB, which nothing that runs has"
    hard = groups.find("memory", "memory.limit_in_bytes", "memory.max", whole, v1_whole="hierarchical_memory_limit")
    high = groups.find("memory", "", "memory.high", whole)
    space = _rlimit_found(facts, "Max address space", "RLIMIT_AS")
    data = _rlimit_found(facts, "Max data size", "RLIMIT_DATA")
    bounds = [found.limit for found in (hard, high, space, data) if found.limit is not None]
    best = min(bounds, key=lambda limit: limit.value, default=None)
    if best is not None and (total is None or best.value < total):
        memory, because = int(best.value), best.because
    elif hard.state is State.NOT_VISIBLE:
        because += f"; {hard.because}"
    for limit in (hard.limit, high.limit):
        left = None if limit is None else _left_under(groups, limit)
        if left is not None and (available is None or left < available):
            folder = limit.source.rpartition("/")[0] if limit is not None else ""
            available, available_because = left, f"limit less use, without file cache, in {folder}"
    if memory is not None and available is not None and available > memory:
        available, available_because = memory, f"no more than the tightest limit: {because}"
    swap_allowed, swap_because, swap = _swap(facts, groups, _kibibytes(meminfo.get("SwapTotal")), hard.limit)
    return {
        "memory_bytes": memory,
        "memory_because": because,
        "memory_available_bytes": available,
        "memory_available_because": available_because,
        "memory_machine_bytes": total if own else None,
        "memory_high_bytes": None if high.limit is None else int(high.limit.value),
        "memory_high_because": high.because if groups.levels("memory").version == 2 else "cgroup v2 alone has it",
        "address_space_bytes": None if space.limit is None else int(space.limit.value),
        "address_space_because": space.because,
        "data_segment_bytes": None if data.limit is None else int(data.limit.value),
        "data_segment_because": data.because,
        "swap_bytes": swap_allowed,
        "swap_because": swap_because,
        "memory_limit": hard.to_dict(),
        "memory_high_limit": high.to_dict(),
        "swap_limit": swap.to_dict(),
        "address_space_limit": space.to_dict(),
        "data_segment_limit": data.to_dict(),
    }


def _left_under(groups: ControlGroups, limit: Limit) -> int | None:
    """Return what is left below a memory limit, inactive file cache counted as free, as `docker stats` counts it."""
    folder, _, name = limit.source.rpartition("/")
    v1 = name in {"memory.limit_in_bytes", "memory.stat"}
    used = whole(groups.text(f"{folder}/{'memory.usage_in_bytes' if v1 else 'memory.current'}"))
    if used is None:
        return None
    stat = groups.text(f"{folder}/memory.stat")
    cache = whole(row(stat, "total_inactive_file" if v1 else "inactive_file")) or 0.0
    return max(0, int(limit.value - max(0.0, used - cache)))


def _swap(
    facts: Facts, groups: ControlGroups, total: int | None, memory: Limit | None
) -> tuple[int | None, str, Finding]:
    """v2 limits swap by itself; v1 limits memory and swap together."""
    found = groups.find(
        "memory", "memory.memsw.limit_in_bytes", "memory.swap.max", whole, v1_whole="hierarchical_memsw_limit"
    )
    if total is None:
        return None, _why_unknown(facts, _MEMINFO, "SwapTotal"), found
    because = f"SwapTotal in {_MEMINFO}"
    both = found.limit
    if both is None:
        return total, because + (f"; {found.because}" if found.state is State.NOT_VISIBLE else ""), found
    allowed = int(both.value)
    if not both.source.endswith("memory.swap.max"):
        allowed = max(0, allowed - int(memory.value if memory is not None else 0))
    return (allowed, both.because, found) if allowed < total else (total, because, found)


def _processes(facts: Facts, groups: ControlGroups) -> Block:
    found = groups.find("pids", "pids.max", "pids.max", whole)
    limit = found.limit
    pids, because = None, _why_unknown(facts, _KERNELS_OWN[0])
    for path in _KERNELS_OWN:
        kernel = _integer(whole(facts.str_or(path)))
        if kernel is not None and (pids is None or kernel < pids):
            pids, because = kernel, path
    if limit is not None and (pids is None or limit.value < pids):
        pids, because = int(limit.value), limit.because
    elif found.state is State.NOT_VISIBLE:
        because += f"; {found.because}"
    soft, hard = _rlimit(facts, "Max open files")
    files = _rlimit_found(facts, "Max open files", "RLIMIT_NOFILE")
    user = _rlimit_found(facts, "Max processes", "RLIMIT_NPROC")
    return {
        "pids": pids,
        "pids_because": because,
        "user_processes": _integer(None if user.limit is None else user.limit.value),
        "user_processes_because": f"{user.because}; root is exempt",
        "open_files": soft,
        "open_files_hard": hard,
        "open_files_because": files.because,
        "pids_limit": found.to_dict(),
        "open_files_limit": files.to_dict(),
        "user_processes_limit": user.to_dict(),
    }


def _rlimit_row(facts: Facts, name: str) -> tuple[str, str]:
    """Return the soft and hard limit of a row of /proc/self/limits (man 5 proc) as they stand, "" where it is not."""
    for line in facts.str_or(_LIMITS).splitlines():
        if line.startswith(name):
            soft, hard, *_ = [*line.removeprefix(name).split(), "", ""]
            return soft, hard
    return "", ""


def _rlimit(facts: Facts, name: str) -> tuple[int | None, int | None]:
    """Return the soft and hard limit of a row; None where it is unlimited or not there."""
    soft, hard = _rlimit_row(facts, name)
    return _integer(whole(soft)), _integer(whole(hard))


def _rlimit_found(facts: Facts, row: str, name: str) -> Finding:
    """Return a limit of the process itself (getrlimit(2)) in the words of the limits of its groups."""
    soft, _ = _rlimit_row(facts, row)
    if not soft:
        return Finding(State.NOT_VISIBLE, None, 0, _why_unknown(facts, _LIMITS, row))
    value = whole(soft)
    if value is None:
        return Finding(State.NONE_VISIBLE, None, 1, f"{name} in {_LIMITS} is {soft}")
    return Finding(State.SET, Limit(value, _LIMITS, f"{name} {soft}"), 1, f"{name} in {_LIMITS}")


def _disk(facts: Facts) -> Block:
    """Ask for the file system of the working folder, which a quota may bound further without telling."""
    because = "statvfs(2) of the working folder"
    found = facts.running.disk() if facts.running is not None else ABSENT
    if isinstance(found, Found):
        total, available = found.value.total_bytes, found.value.available_bytes
        return {"disk_bytes": total, "disk_available_bytes": available, "disk_because": because}
    why = f"{because}: {found.error}" if isinstance(found, Denied) else f"{because} is asked of a running system only"
    return {"disk_bytes": None, "disk_available_bytes": None, "disk_because": why}


def _huge_pages(facts: Facts) -> Block:
    meminfo = parse_status(facts.str_or(_MEMINFO))
    count = _integer(whole(meminfo.get("HugePages_Total", "")))
    because = f"HugePages_Total in {_MEMINFO}"
    return {
        "huge_pages": count,
        "huge_pages_free": _integer(whole(meminfo.get("HugePages_Free", ""))),
        "huge_page_bytes": _kibibytes(meminfo.get("Hugepagesize")),
        "huge_pages_because": because if count is not None else _why_unknown(facts, _MEMINFO, "HugePages_Total"),
    }


def _kibibytes(value: str | None) -> int | None:
    number = whole((value or "").removesuffix("kB").strip())
    # lxcfs 2.0.6 wrote cgroup v1's "no limit" there, in kB (https://github.com/lxc/lxcfs/issues/170).
    return None if number is None or number * 1024 >= UNLIMITED_BYTES else int(number) * 1024


def _integer(number: float | None) -> int | None:
    return None if number is None else int(number)


def _short(number: float | None) -> float | int | None:
    """Return whole CPUs without a point."""
    if number is None:
        return None
    return int(number) if number == int(number) else round(number, 3)
