"""Finds the limits that control groups set this process, v1 and v2, on every level that can be seen from here.

A limit of any ancestor binds as well, so every level from the process's own group up is asked
(https://docs.kernel.org/admin-guide/cgroup-v2.html, "Top-down Constraint"). A hierarchy may be mounted several times,
and a mount may show a part of it: each level is read where it can be seen. Where the own group cannot be seen, that is
an answer of its own, and never "no limit".
"""

from __future__ import annotations

from envinspect.model import Denied, Found, IntEnum, Record
from envinspect.model.errors import counted
from envinspect.model.facts import Facts
from envinspect.sources.cgroups import Membership, parse_cgroup
from envinspect.sources.mounts import Mount, mount_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Value = Callable[[str], "float | None"]

LEVELS_LIMIT = 64
UNLIMITED_BYTES = 1 << 60
"""cgroup v1 says "no limit" with the largest multiple of the page size; no machine has an exbibyte."""
DIGITS_LIMIT = 64
OF_EVERY_GROUP = ("cgroup.procs", "cgroup.controllers", "tasks")
"""Files by which a folder is a group that can be seen, whatever controllers it has (the last is only v1's)."""
_CONTROLLERS = "/proc/cgroups"
UP = ".."
LXCFS = "fuse.lxcfs"
_LXCFS_FOLDER = "/cgroup/"


class State(IntEnum):
    """What is known of one limit."""

    SET = 1
    """A level that can be seen sets it."""
    NONE_VISIBLE = 2
    """The own group and those above it were read as far as they can be seen, and none of them sets it."""
    NOT_VISIBLE = 3
    """The own group, or a level above it that is there, could not be read: a limit may well bind."""

    @property
    def word(self) -> str:
        """The state as the JSON answer spells it."""
        return self.name.lower().replace("_", "-")


class Limit(Record):
    """The tightest limit found: its value, and the file and text that set it."""

    value: float
    source: str
    text: str

    @property
    def because(self) -> str:
        """The limit in words."""
        return f"{self.text} in {self.source}"


class Levels(Record):
    """Where the limits of one controller stand.

    `version` is 0 where no hierarchy has the controller. `folders` are the levels that can be seen, the process's own
    first. `hidden` says why the own group is not among them, and is "" where it is. `whole` is true where the levels
    reach up to the root of the hierarchy, so that none is out of sight. `unused` says why nothing can set a limit at
    all, and is "" where something can.
    """

    version: int
    folders: tuple[str, ...]
    hidden: str
    whole: bool
    unused: str = ""


class Finding(Record):
    """One limit as far as it can be told: its state, the tightest value (None where none was found), and why."""

    state: State
    limit: Limit | None
    levels: int
    because: str

    def to_dict(self) -> dict[str, object]:
        """Return the finding as the JSON answer spells it."""
        value = None if self.limit is None else self.limit.value
        if value is not None and value == int(value):
            value = int(value)
        return {"state": self.state.word, "value": value, "levels": self.levels, "because": self.because}


class ControlGroups:
    """Where this process stands in the hierarchies. `unreadable` collects the files that were denied on the way."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._memberships = parse_cgroup(facts.str_or("/proc/self/cgroup"))
        self._membership_denied = isinstance(facts.text("/proc/self/cgroup"), Denied)
        # Of several mounts on one place the last hides the others.
        last = {mount.target: mount for mount in facts.derived(mount_table).mounts}
        self._mounts = tuple(map(_as_hierarchy, last.values()))
        self.unreadable: list[str] = []

    def levels(self, controller: str) -> Levels:
        """Return the levels of a controller's hierarchy, the process's own first."""
        for membership in self._memberships:
            if controller in membership.controllers.split(","):
                mounts = [mount for mount in self._mounts if _is_v1(mount, controller)]
                return self._levels(1, membership, mounts)
        for membership in self._memberships:
            if membership.hierarchy == 0:
                mounts = [mount for mount in self._mounts if mount.fstype == "cgroup2"]
                return self._levels(2, membership, mounts)
        why = "/proc/self/cgroup cannot be read" if self._membership_denied else "/proc/self/cgroup names no group"
        unused = self._unused(controller)
        return Levels(0, (), "" if unused else why, bool(unused), unused)

    def _unused(self, controller: str) -> str:
        """Say that no hierarchy has a controller, "" where that is not told.

        The kernel lists the hierarchy of each (man 7 cgroups): 0 is version 2's, which would stand among the groups of
        this process if it were in use, and also that of a controller that was switched off at boot.
        """
        for line in self._facts.str_or(_CONTROLLERS).splitlines() if self._memberships else ():
            name, hierarchy, *_ = [*line.split(), "", ""]
            if name == controller and hierarchy == "0":
                return f"none: no hierarchy has the controller {name} ({_CONTROLLERS})"
        return ""

    def _levels(self, version: int, membership: Membership, mounts: Sequence[Mount]) -> Levels:
        if not mounts:
            return Levels(version, (), f"cgroup v{version} is not mounted here", whole=False)
        own, *above = _ancestors(membership.path, mounts)
        folder = _folder(own, mounts)
        visible = [found for level in above if (found := _folder(level, mounts)) is not None]
        if folder is None:
            roots = ", ".join(f"{mount.root} at {mount.target}" for mount in mounts[:3])
            why = f"the own group {membership.path} is not in what is mounted ({roots})"
            seen = self._container_group(membership, mounts) or tuple(visible)
            return Levels(version, seen, why, whole=False)
        namespaced = self._facts.link("/proc/self/ns/cgroup")
        initial = not isinstance(namespaced, Found) or namespaced.value == "cgroup:[4026531835]"
        to_the_top = initial and UP not in own and _folder((), mounts) is not None
        # lxcfs shows the levels above a container's own as empty folders.
        to_the_top = to_the_top and all(mount.fstype != LXCFS for mount in mounts)
        return Levels(version, (folder, *visible)[:LEVELS_LIMIT], "", to_the_top)

    def _container_group(self, membership: Membership, mounts: Sequence[Mount]) -> tuple[str, ...]:
        """Return the folder of the group that a container was given, where the process itself was moved elsewhere.

        An engine mounts just that group at the usual place; the JDK reads it in this case as well
        (https://github.com/openjdk/jdk/pull/21808). A mount that shows what lies above the own namespace is never it.
        """
        others = {other.path for other in self._memberships if other is not membership}
        for mount in mounts:
            if UP not in mount.root.split("/") and (_is_usual(mount) or mount.root in others):
                return (mount.target,)
        return ()

    def text(self, path: str) -> str:
        """Return a control file's text, "" where there is none; a denied one is remembered."""
        reading = self._facts.text(path)
        if isinstance(reading, Denied):
            self.unreadable.append(f"{path} ({reading.error})")
        return reading.value if isinstance(reading, Found) else ""

    def find(self, controller: str, v1: str, v2: str, value: Value, *, v1_whole: str = "") -> Finding:
        """Return the smallest value of a control file (`v1` or `v2` by the version, "" where it has none) on any level.

        `value` reads a file's text and returns None for "no limit". `v1_whole` is the line of the own group's
        memory.stat that says what binds with regard to the whole hierarchy: levels out of sight included, and levels
        above left out where memory.use_hierarchy is off (docs.kernel.org/admin-guide/cgroup-v1/memory, 5.2 and 6).
        """
        levels = self.levels(controller)
        name = v1 if levels.version == 1 else v2
        if not name:
            return Finding(State.NONE_VISIBLE, None, 0, f"cgroup v{levels.version} has no {v1 or v2}")
        read = [self._read(folder, name, value) for folder in levels.folders]
        if levels.version == 1 and v1_whole and levels.folders:
            stat = f"{levels.folders[0]}/memory.stat"
            reading, told = self._facts.text(stat), row(self.text(stat), v1_whole)
            found = value(told)
            if told:
                levels = levels.replace(whole=True)
                read = [one for one in read if one.limit is None or (found is not None and one.limit.value >= found)]
            if found is not None:
                # Last: of equal limits the level's own file is named.
                read.append(_Level(0, Limit(found, stat, f"{found:.0f} with regard to all groups above"), ""))
            elif isinstance(reading, Denied) and not levels.whole:
                read.append(_Level(0, None, f"{stat} ({reading.error})"))
        return _finding(levels, read)

    def _read(self, folder: str, name: str, value: Value) -> _Level:
        path = f"{folder}/{name}"
        reading = self._facts.text(path)
        if isinstance(reading, Found):
            text, found = reading.value, value(reading.value)
            unread = "" if found is not None or says_unlimited(text) else f"{path} says {text[:40]!r}"
            return _Level(1, None if found is None else Limit(found, path, text), unread)
        if isinstance(reading, Denied) and reading.refused:
            self.unreadable.append(f"{path} ({reading.error})")
            return _Level(0, None, f"{path} ({reading.error})")
        # A group that lacks the file, as the root of a hierarchy does, sets no such limit.
        return _Level(int(any(self._facts.exists(f"{folder}/{file}") for file in OF_EVERY_GROUP)), None, "")

    def cpu_quota(self) -> Finding:
        """Return the CPU time per time that the scheduler grants, in CPUs (docs.kernel.org/scheduler/sched-bwc)."""
        levels = self.levels("cpu")
        if levels.version != 1:
            return self.find("cpu", "", "cpu.max", ratio)
        return _finding(levels, [self._v1_quota(folder) for folder in levels.folders])

    def own_and_outermost_cpu_quota(self) -> tuple[float | None, float | None]:
        """Return the quota of the own group and that of the outermost level with one, in CPUs.

        None where there is none, or where the own group cannot be seen.
        """
        levels = self.levels("cpu")
        limits = [self._quota(levels.version, folder).limit for folder in (() if levels.hidden else levels.folders)]
        found = [None if limit is None else limit.value for limit in limits]
        return next(iter(found), None), next((value for value in reversed(found) if value is not None), None)

    def _quota(self, version: int, folder: str) -> _Level:
        return self._v1_quota(folder) if version == 1 else self._read(folder, "cpu.max", ratio)

    def _v1_quota(self, folder: str) -> _Level:
        quota = self._read(folder, "cpu.cfs_quota_us", whole)
        if quota.limit is None:
            return quota
        if not quota.limit.value:
            return quota.replace(limit=None)  # no quota can be 0; a kernel of Red Hat's shows the unset one so (RHEL 6)
        period = self.text(f"{folder}/cpu.cfs_period_us")
        found = ratio(f"{quota.limit.text} {period}")
        if found is None:
            return quota.replace(limit=None, denied=f"{folder}/cpu.cfs_period_us does not say of how long a period")
        return quota.replace(limit=Limit(found, quota.limit.source, f"{quota.limit.text}/{period}"))


class _Level(Record):
    """One level as it was read: 1 where it could be seen, its limit, and the file that was denied or not understood."""

    seen: int
    limit: Limit | None
    denied: str


def _finding(levels: Levels, read: Sequence[_Level]) -> Finding:
    """Return what the levels add up to: the tightest limit, and whether any that binds may be out of sight."""
    best = min((one.limit for one in read if one.limit is not None), key=lambda limit: limit.value, default=None)
    seen = sum(one.seen for one in read)
    denied = [one.denied for one in read if one.denied]
    count = counted(seen, "level")
    if levels.hidden:
        why = f"limits of its control group cannot be seen from here: {levels.hidden}"
        if best is not None:
            why = f"{best.because}, the group that is mounted; {why}"
        return Finding(State.NOT_VISIBLE, best, seen, why)
    if best is not None:
        return Finding(State.SET, best, seen, best.because)
    if denied:
        why = f"limits of its control group cannot be seen from here: {denied[0]}"
        return Finding(State.NOT_VISIBLE, None, seen, why)
    if not seen and not levels.unused:
        where = levels.folders[0] if levels.folders else "the control groups"
        why = f"limits of its control group cannot be seen from here: nothing of it is in {where}"
        return Finding(State.NOT_VISIBLE, None, 0, why)
    if levels.whole:
        why = levels.unused or f"none on its {count}, all of them seen"
        return Finding(State.NONE_VISIBLE, None, seen, why)
    return Finding(State.NONE_VISIBLE, None, seen, f"none on the {count} that can be seen from here")


def _is_v1(mount: Mount, controller: str) -> bool:
    return mount.fstype in {"cgroup", LXCFS} and controller in mount.options.split(",")


def _as_hierarchy(mount: Mount) -> Mount:
    """Return a mount of lxcfs that shows a hierarchy of version 1 in the form of the kernel's own mounts.

    Before cgroup namespaces lxcfs served /cgroup/CONTROLLERS from its root, and LXC bound these folders into
    containers (https://github.com/lxc/lxcfs, share/lxc.mount.hook).
    """
    if mount.fstype != LXCFS or not mount.root.startswith(_LXCFS_FOLDER):
        return mount
    controllers, _, below = mount.root[len(_LXCFS_FOLDER) :].partition("/")
    return mount.replace(root=f"/{below}", options=controllers)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part and part != ".")[:LEVELS_LIMIT]


def _ancestors(path: str, mounts: Sequence[Mount]) -> Iterator[tuple[str, ...]]:
    """Yield a group's own path and those of all groups above it, as parts.

    Above the root of the own namespace (cgroup_namespaces(7)) only mounts made outside it tell anything: the kernel
    writes their roots as `/..`, `/../..`.
    """
    parts = _parts(path)
    named = len(parts) - parts.count(UP)
    for count in range(len(parts), len(parts) - named - 1, -1):
        yield parts[:count]
    ups = len(parts) - named
    deepest = max((_parts(mount.root).count(UP) for mount in mounts), default=0)
    for count in range(ups + 1, deepest + 1):
        yield (UP,) * count


def _folder(level: tuple[str, ...], mounts: Sequence[Mount]) -> str | None:
    """Return where a level can be seen: in the mount whose root is the longest prefix of its path; None for nowhere."""
    best: tuple[int, bool, str] | None = None
    for mount in mounts:
        root = _parts(mount.root)
        below = level[len(root) :]
        if level[: len(root)] != root or UP in below:
            continue
        found = len(root), _is_usual(mount), "/".join([mount.target.rstrip("/"), *below])
        if best is None or found[:2] > best[:2]:
            best = found
    return None if best is None else best[2]


def _is_usual(mount: Mount) -> bool:
    """Say whether this is where a system mounts its own hierarchy, and not a copy of it for an agent."""
    return mount.target == "/sys/fs/cgroup" or mount.target.startswith("/sys/fs/cgroup/")


def row(text: str, key: str) -> str:
    """Return the value of a `key value` line, "" where there is none."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return value.strip()
    return ""


def ratio(text: str) -> float | None:
    """Return `quota period` as CPUs; None for `max` and for anything that is no such pair."""
    quota, _, period = text.partition(" ")
    found, of = _number(quota), _number(period)
    return None if found is None or not of else found / of


def whole(text: str) -> float | None:
    """Return a limit that is a whole number; None for `max`, for cgroup v1's unlimited, and for anything else."""
    found = _number(text)
    return None if found is None or found >= UNLIMITED_BYTES else found


def says_unlimited(text: str) -> bool:
    """Say whether a control file's text means that there is no limit: `max`, v1's -1, or v1's largest number."""
    first = text.partition(" ")[0]
    return first in {"max", "-1"} or (_number(first) or 0) >= UNLIMITED_BYTES


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= DIGITS_LIMIT else None
