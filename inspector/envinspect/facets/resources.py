"""Says what this process may really use, and why: the `resources` block of the answer.

Every value has a `…_because`; null is "not known here", never nothing and never unlimited. Limits come from files, so
that a capture can tell them; only the disk is asked of the live system.
"""

from __future__ import annotations

import math
from typing import Any

from envinspect.facets.control_groups import ControlGroups, Limit, whole
from envinspect.facts import Facts
from envinspect.model import ABSENT, Denied, Found
from envinspect.sources.status import parse_status

Block = dict[str, Any]
_NOT_RECORDED = "not known of a system that is not running here"


def resources_block(facts: Facts) -> Block:
    """Return CPUs, memory, swap, processes, open files, disk and huge pages. Bytes where the name says so."""
    groups = ControlGroups(facts)
    block: Block = {}
    block |= _cpus(facts, groups)
    block |= _memory(facts, groups)
    block |= _processes(facts, groups)
    block |= _disk(facts)
    block |= _huge_pages(facts)
    block["unreadable"] = sorted(set(groups.unreadable))
    return block


def _cpus(facts: Facts, groups: ControlGroups) -> Block:
    """Affinity and cpuset bound which CPUs, the quota bounds how much of their time; the smaller one counts."""
    online = count_cpus(facts.str_or("/sys/devices/system/cpu/online"))
    allowed_list = parse_status(facts.str_or("/proc/self/status")).get("Cpus_allowed_list", "")
    allowed, allowed_because = count_cpus(allowed_list), f"Cpus_allowed_list {allowed_list} in /proc/self/status"
    if allowed is None and facts.running is not None:
        allowed, allowed_because = facts.running.cpus_allowed()
    if allowed is not None and online is not None and allowed > online:
        # The mask may name CPUs that are offline or do not exist; sched_getaffinity(2), and so nproc, leaves them out.
        allowed, allowed_because = online, "all that are online (/sys/devices/system/cpu/online)"
    quota = groups.cpu_quota()
    cpus: float | None = allowed
    because = allowed_because if allowed is not None else _NOT_RECORDED
    if allowed is not None and allowed_list:
        because += _cpuset_says(groups, allowed_list)
    if quota is not None and (allowed is None or quota.value < allowed):
        cpus, because = quota.value, quota.because
    return {
        "cpus": _short(cpus),
        "cpus_because": because,
        "cpus_online": online,
        "cpus_allowed": allowed,
        "cpu_quota": _short(quota.value) if quota else None,
        "cpu_quota_because": quota.because if quota else "no level of the control groups sets one",
        "jvm_cpus": jvm_cpus(allowed, quota),
        "go_cpus": go_cpus(allowed, quota),
    }


def jvm_cpus(allowed: int | None, quota: Limit | None) -> int | None:
    """Return what a JVM takes for availableProcessors(): the quota rounded up, at most the allowed CPUs.

    Reference: https://github.com/openjdk/jdk/blob/master/src/hotspot/os/linux/cgroupSubsystem_linux.cpp
    """
    if allowed is None:
        return None
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota.value)))


def go_cpus(allowed: int | None, quota: Limit | None) -> int | None:
    """Return what Go since 1.25 takes for GOMAXPROCS: as the JVM, but never less than 2 because of a quota.

    Reference: https://go.dev/doc/go1.25#container-aware-gomaxprocs
    """
    if allowed is None:
        return None
    return allowed if quota is None else min(allowed, max(2, math.ceil(quota.value)))


def _cpuset_says(groups: ControlGroups, allowed_list: str) -> str:
    """Say which of the two that could have set the mask it was, where that can be told."""
    version, folders = groups.levels("cpuset")
    if not folders:
        return ""
    name = "cpuset.effective_cpus" if version == 1 else "cpuset.cpus.effective"
    effective = groups.text(f"{folders[0]}/{name}")
    if not effective:
        return ""
    return ", as the cpuset has it" if effective == allowed_list else f"; the cpuset would allow {effective}"


def count_cpus(text: str) -> int | None:
    """Return how many CPUs a list such as `0-3,8` names (docs.kernel.org/admin-guide/cputopology); None if none."""
    total = 0
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal()) or max(len(first), len(last)) > 7 or int(last) < int(first):
            return None
        total += int(last) - int(first) + 1
    return total


def _memory(facts: Facts, groups: ControlGroups) -> Block:
    meminfo = parse_status(facts.str_or("/proc/meminfo"))
    total, available = _kibibytes(meminfo.get("MemTotal")), _kibibytes(meminfo.get("MemAvailable"))
    swap = _kibibytes(meminfo.get("SwapTotal"))
    because = "MemTotal in /proc/meminfo" if total is not None else _NOT_RECORDED
    available_because = "MemAvailable in /proc/meminfo" if available is not None else _NOT_RECORDED
    limit = groups.tightest("memory", "memory.limit_in_bytes", "memory.max", whole)
    memory = total
    if limit is not None and (total is None or limit.value < total):
        memory, because = int(limit.value), limit.because
        left = _left_under(groups, limit)
        if left is not None and (available is None or left < available):
            available, available_because = (
                left,
                f"limit less use, without file cache, in {limit.source.rpartition('/')[0]}",
            )
    swap_allowed, swap_because = _swap(groups, swap, limit)
    return {
        "memory_bytes": memory,
        "memory_because": because,
        "memory_available_bytes": available,
        "memory_available_because": available_because,
        "memory_machine_bytes": total,
        "swap_bytes": swap_allowed,
        "swap_because": swap_because,
    }


def _left_under(groups: ControlGroups, limit: Limit) -> int | None:
    """Return what is left below a memory limit, inactive file cache counted as free, as `docker stats` counts it."""
    folder = limit.source.rpartition("/")[0]
    v1 = limit.source.endswith("limit_in_bytes")
    used = whole(groups.text(f"{folder}/{'memory.usage_in_bytes' if v1 else 'memory.current'}"))
    if used is None:
        return None
    cache = 0.0
    for line in groups.text(f"{folder}/memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == ("total_inactive_file" if v1 else "inactive_file"):
            cache = whole(value.strip()) or 0.0
    return max(0, int(limit.value - max(0.0, used - cache)))


def _swap(groups: ControlGroups, total: int | None, memory: Limit | None) -> tuple[int | None, str]:
    """v2 limits swap by itself; v1 limits memory and swap together."""
    if total is None:
        return None, _NOT_RECORDED
    both = groups.tightest("memory", "memory.memsw.limit_in_bytes", "memory.swap.max", whole)
    if both is None:
        return total, "SwapTotal in /proc/meminfo"
    allowed = int(both.value)
    if both.source.endswith("memsw.limit_in_bytes"):
        allowed = max(0, allowed - int(memory.value if memory is not None else 0))
    return (allowed, both.because) if allowed < total else (total, "SwapTotal in /proc/meminfo")


def _processes(facts: Facts, groups: ControlGroups) -> Block:
    kernel = whole(facts.str_or("/proc/sys/kernel/threads-max"))
    limit = groups.tightest("pids", "pids.max", "pids.max", whole)
    pids, because = (None, _NOT_RECORDED) if kernel is None else (int(kernel), "/proc/sys/kernel/threads-max")
    if limit is not None and (pids is None or limit.value < pids):
        pids, because = int(limit.value), limit.because
    soft, hard = _rlimit(facts, "Max open files")
    user_soft, _ = _rlimit(facts, "Max processes")
    return {
        "pids": pids,
        "pids_because": because,
        "user_processes": user_soft,
        "user_processes_because": "RLIMIT_NPROC in /proc/self/limits; root is exempt",
        "open_files": soft,
        "open_files_hard": hard,
        "open_files_because": "RLIMIT_NOFILE in /proc/self/limits" if soft is not None else _NOT_RECORDED,
    }


def _rlimit(facts: Facts, name: str) -> tuple[int | None, int | None]:
    """Return the soft and hard limit of a row of /proc/self/limits; None where it is unlimited or not there."""
    for line in facts.str_or("/proc/self/limits").splitlines():
        if line.startswith(name):
            soft, hard, *_ = [*line.removeprefix(name).split(), "", ""]
            return _integer(whole(soft)), _integer(whole(hard))
    return None, None


def _disk(facts: Facts) -> Block:
    """Ask for the file system of the working folder, which a quota may bound further without telling."""
    block: Block = {"disk_bytes": None, "disk_available_bytes": None, "disk_because": _NOT_RECORDED}
    found = facts.running.disk() if facts.running is not None else ABSENT
    if isinstance(found, Found):
        total, available = found.value.total_bytes, found.value.available_bytes
        because = "statvfs(2) of the working folder"
        return {"disk_bytes": total, "disk_available_bytes": available, "disk_because": because}
    if isinstance(found, Denied):
        return block | {"disk_because": f"statvfs(2) of the working folder: {found.error}"}
    return block


def _huge_pages(facts: Facts) -> Block:
    meminfo = parse_status(facts.str_or("/proc/meminfo"))
    return {
        "huge_pages": _integer(whole(meminfo.get("HugePages_Total", ""))),
        "huge_pages_free": _integer(whole(meminfo.get("HugePages_Free", ""))),
        "huge_page_bytes": _kibibytes(meminfo.get("Hugepagesize")),
        "huge_pages_because": "HugePages_Total in /proc/meminfo" if meminfo else _NOT_RECORDED,
    }


def _kibibytes(value: str | None) -> int | None:
    number = whole((value or "").removesuffix("kB").strip())
    return None if number is None else int(number) * 1024


def _integer(number: float | None) -> int | None:
    return None if number is None else int(number)


def _short(number: float | None) -> float | int | None:
    """Return whole CPUs without a point."""
    if number is None:
        return None
    return int(number) if number == int(number) else round(number, 3)
