"""Finds the limits that control groups set this process, v1 and v2, on every level that can be seen from here.

A limit of any ancestor binds as well, so every folder from the process's own up to the mount's root is asked
(https://docs.kernel.org/admin-guide/cgroup-v2.html, "Top-down Constraint").
"""

from __future__ import annotations

from collections.abc import Callable

from envinspect.facts import Facts
from envinspect.model import Denied, Found, Record
from envinspect.sources.cgroups import Membership, parse_cgroup
from envinspect.sources.mounts import Mount, parse_mountinfo, parse_mounts

LEVELS_LIMIT = 64
UNLIMITED_BYTES = 1 << 60
"""cgroup v1 says "no limit" with the largest multiple of the page size; no machine has an exbibyte."""


class Limit(Record):
    """The tightest limit found: its value, and the file and text that set it."""

    value: float
    source: str
    text: str

    @property
    def because(self) -> str:
        """The limit in words."""
        return f"{self.text} in {self.source}"


class ControlGroups:
    """Where this process stands in the hierarchies. `unreadable` collects the files that were denied on the way."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._memberships = parse_cgroup(facts.str_or("/proc/self/cgroup"))
        mounts = facts.text("/proc/self/mountinfo")
        if isinstance(mounts, Found):
            self._mounts = parse_mountinfo(mounts.value)
        else:
            self._mounts = parse_mounts(facts.str_or("/proc/mounts"))
        self.unreadable: list[str] = []

    def levels(self, controller: str) -> tuple[int, tuple[str, ...]]:
        """Return the version (0: none) and the folders that a controller's limits stand in, the process's own first."""
        for membership in self._memberships:
            if controller in membership.controllers.split(","):
                found = self._folders(membership, lambda mount: _is_v1(mount, controller))
                if found:
                    return 1, found
        for membership in self._memberships:
            if membership.hierarchy == 0:
                found = self._folders(membership, lambda mount: mount.fstype == "cgroup2")
                if found:
                    return 2, found
        return 0, ()

    def _folders(self, membership: Membership, fits: Callable[[Mount], bool]) -> tuple[str, ...]:
        mount = next((mount for mount in self._mounts if fits(mount)), None)
        if mount is None:
            return ()
        parts = [part for part in _below(membership.path, mount.root).split("/") if part][:LEVELS_LIMIT]
        return tuple("/".join([mount.target.rstrip("/"), *parts[:depth]]) for depth in range(len(parts), -1, -1))

    def text(self, path: str) -> str:
        """Return a control file's text, "" where there is none; a denied one is remembered."""
        reading = self._facts.text(path)
        if isinstance(reading, Denied):
            self.unreadable.append(f"{path} ({reading.error})")
        return reading.value if isinstance(reading, Found) else ""

    def tightest(self, controller: str, v1: str, v2: str, value: Callable[[str], float | None]) -> Limit | None:
        """Return the smallest value of a control file on any level, None where no level sets one."""
        version, folders = self.levels(controller)
        best: Limit | None = None
        for folder in folders:
            path = f"{folder}/{v1 if version == 1 else v2}"
            text = self.text(path)
            found = value(text) if text else None
            if found is not None and (best is None or found < best.value):
                best = Limit(found, path, text)
        return best

    def cpu_quota(self) -> Limit | None:
        """Return the CPU time per time that the scheduler grants, in CPUs (docs.kernel.org/scheduler/sched-bwc)."""
        version, folders = self.levels("cpu")
        if version != 1:
            return self.tightest("cpu", "", "cpu.max", _ratio)
        best: Limit | None = None
        for folder in folders:
            quota = self.text(f"{folder}/cpu.cfs_quota_us")
            period = self.text(f"{folder}/cpu.cfs_period_us") if quota not in {"", "-1"} else ""
            found = _ratio(f"{quota} {period}")
            if found is not None and (best is None or found < best.value):
                best = Limit(found, f"{folder}/cpu.cfs_quota_us", f"{quota}/{period}")
        return best


def _is_v1(mount: Mount, controller: str) -> bool:
    return mount.fstype == "cgroup" and controller in mount.options.split(",")


def _below(path: str, root: str) -> str:
    """Return a membership's path relative to what its mount shows; "" where that begins elsewhere (`/../other`)."""
    if root in {"", "/"}:
        return "" if "/../" in f"{path}/" else path
    return path[len(root) :] if path == root or path.startswith(f"{root}/") else ""


def _ratio(text: str) -> float | None:
    quota, _, period = text.partition(" ")
    if not quota.isdecimal() or not period.isdecimal() or max(len(quota), len(period)) > 18 or int(period) == 0:
        return None
    return int(quota) / int(period)


def whole(text: str) -> float | None:
    """Return a limit that is a whole number; None for `max`, for cgroup v1's unlimited, and for anything else."""
    if not text.isdecimal() or len(text) > 20 or int(text) >= UNLIMITED_BYTES:
        return None
    return int(text)
