"""What namespaces, root, ids and mounts add up to, whoever made them: isolated as containers are, or not, or open."""

from __future__ import annotations

from envinspect.model import Denied, Kind, Record, Strength, Unknown
from envinspect.model.facts import Facts
from envinspect.probes.mounts import is_inherited, is_moved, on_whole_disk
from envinspect.probes.namespaces import namespaces
from envinspect.probes.roots import FIRST_MOUNTINFO, SAME, around_root, first_is_outside, root_place
from envinspect.probes.sandboxes import sandbox_evidence
from envinspect.probes.wsl import probe_wsl
from envinspect.sources.mounts import MountTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MANY_IDS = 1000
"""A container's range of ids; `unshare --map-root-user` and sandboxes map one."""

WITHOUT_NAMESPACES = {"proot", "fakechroot"}
"""Sandboxes that trace a program or are loaded into it; they make no namespace."""

ID_MAP = "/proc/self/uid_map"
"""How user ids here are numbered outside (man 7 user_namespaces)."""


class Isolation(Record):
    """How far it goes. `strength` None: nothing speaks for a container; HINT: it may be one, or may not.

    `doubt` is the rule by which a chroot or a sandbox accounts for all of it, "" for none.
    """

    strength: Strength | None
    observed: str
    doubt: str = ""


NONE = Isolation(None, "")


def isolation(facts: Facts) -> Isolation:
    """Say whether this process is isolated as containers are: processes, names and root of its own.

    One namespace alone is `unshare`, a private PID namespace over the host's root a build tool's sandbox.
    """
    seen = facts.derived(namespaces)
    table = facts.derived(around_root)
    names = len(seen.others & {"uts", "ipc", "cgroup", "net"})
    masked = masks_proc(table)
    doubt = _doubt(facts, names)
    if "pid" not in seen.others:
        return _without_processes(facts, table, names, doubt)
    if not masked and (not names or _is_wsls_own(facts)):
        return NONE
    spelled = f"{seen.spell()} namespace"
    if masked and (names or is_moved(table.root)):
        return Isolation(Strength.STRONG, f"{spelled}, parts of /proc masked as OCI runtimes do", doubt)
    if is_moved(table.root) and not _shares_everything_else(facts, table):
        return Isolation(Strength.STRONG, f"{spelled}, a root of its own", doubt)
    if _is_service(table) or doubt == "sandbox-namespaces":
        return NONE
    return _over_a_disk(facts, table, names, Isolation(Strength.HINT, spelled, doubt))


def _without_processes(facts: Facts, table: MountTable, names: int, doubt: str) -> Isolation:
    """Judge a place that sees the host's processes, or where that is not known."""
    seen = facts.derived(namespaces)
    if not masks_proc(table) or not is_moved(table.root):
        return NONE
    if "pid" not in seen.initial:
        return Isolation(Strength.STRONG, "a root of its own, parts of /proc masked as OCI runtimes do", doubt)
    if "mnt" in seen.others and names >= 2:
        return Isolation(Strength.STRONG, f"{seen.spell()} namespace, a root of its own, parts of /proc masked", doubt)
    return NONE


def _over_a_disk(facts: Facts, table: MountTable, names: int, hint: Isolation) -> Isolation:
    """Judge processes of one's own over a root that is a disk's, or whoever's mounts these are."""
    fits = _fits_a_container(facts)
    if _shares_everything_else(facts, table):
        return hint if fits else NONE
    if names >= 2 and shifted_ids(facts):
        return hint.replace(
            strength=Strength.STRONG, observed=f"{hint.observed}, user ids shifted as container managers do"
        )
    if names >= 2 and "cgroup" in facts.derived(namespaces).others and _mounts_own_cgroups(table):
        return hint.replace(
            strength=Strength.STRONG, observed=f"{hint.observed}, its own control groups mounted afresh"
        )
    return hint if names >= 2 and (fits or not on_whole_disk(table.root)) else NONE


def _fits_a_container(facts: Facts) -> bool:
    """Say whether the namespaces are those that every container has: processes, host name and one more.

    Portage and systemd's Private… leave the host's name; WSL gives each distribution all but network and cgroup.
    """
    seen = facts.derived(namespaces)
    if "uts" not in seen.others or not seen.others & {"ipc", "net", "cgroup"}:
        return False
    return not _in_wsl(facts) or {"net", "cgroup"} <= seen.others


def _in_wsl(facts: Facts) -> bool:
    return any(piece.strength > Strength.HINT for piece in probe_wsl(facts))


def _is_wsls_own(facts: Facts) -> bool:
    """Say whether these are the namespaces of WSL's own distributions; its system distribution's root is an overlay."""
    return not facts.derived(namespaces).others & {"net", "cgroup"} and _in_wsl(facts)


def _shares_everything_else(facts: Facts, table: MountTable) -> bool:
    """Say whether the mounts are those of whoever unshared the namespaces: what /proc shows, or lies below it."""
    if facts.str_or("/proc/2/comm") == "kthreadd" and facts.derived(root_place).state == SAME:
        return True
    return is_inherited(table)


def shifted_ids(facts: Facts) -> tuple[tuple[int, int, int], ...]:
    """Return the ranges of many user ids that are others outside, as (inside, outside, count)."""
    if "user" not in facts.derived(namespaces).others:
        return ()
    ranges: list[tuple[int, int, int]] = []
    for line in facts.str_or(ID_MAP).splitlines()[:32]:
        numbers = line.split()
        if len(numbers) == 3 and all(number.isdecimal() and len(number) < 12 for number in numbers):
            inside, outside, count = map(int, numbers)
            if inside != outside and count >= MANY_IDS:
                ranges.append((inside, outside, count))
    return tuple(ranges)


def _mounts_own_cgroups(table: MountTable) -> bool:
    """Say whether a cgroup file system begins at this cgroup namespace's root (man 7 cgroup_namespaces).

    A mount that was there before shows that it begins above, /../..
    """
    return any(
        mount.fstype in {"cgroup", "cgroup2"} and mount.root == "/" and mount.target.startswith("/sys/fs/cgroup")
        for mount in table.mounts
    )


def _is_service(table: MountTable) -> bool:
    """Say whether systemd made the mounts for one of its services."""
    return any(
        mount.target == "/run/systemd/incoming"
        or "/systemd/propagate/" in mount.root
        or "/systemd/inaccessible/" in mount.root
        for mount in table.mounts
    )


def _doubt(facts: Facts, names: int) -> str:
    """Return what accounts for root and namespaces together, if PID 1 is not outside of it.

    A chroot accounts for the root, not for processes, names and network of one's own; nor does what only translates a
    program's calls (PRoot, fakechroot).
    """
    if _is_sandboxs_own(facts):
        return "" if facts.derived(first_is_outside) else "sandbox-namespaces"
    return "chroot-root" if names < 2 else ""


def _is_sandboxs_own(facts: Facts) -> bool:
    """Say whether a sandbox is here that makes namespaces."""
    sandboxes = {piece.id for piece in facts.derived(sandbox_evidence) if piece.strength > Strength.HINT}
    return bool(sandboxes - WITHOUT_NAMESPACES)


def masks_proc(table: MountTable) -> bool:
    """Say whether parts of /proc are hidden or made read-only the way the OCI runtimes do by default.

    Reference: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#masked-paths
    """
    hidden = readonly = False
    for mount in table.mounts:
        if mount.target in {"/proc/kcore", "/proc/keys", "/proc/timer_list"}:
            hidden = hidden or mount.root == "/null"  # systemd's services hide these too, behind a file of its own
        elif mount.target in {"/proc/sysrq-trigger", "/proc/irq", "/proc/bus"} and mount.fstype == "proc":
            readonly = True
    return hidden and readonly


def probe_isolation(facts: Facts) -> Iterator[Unknown]:
    """Say where what was read fits a container and fits none."""
    found = facts.derived(isolation)
    if found.strength is Strength.HINT:
        yield Unknown(
            "/proc/self/ns", "ambiguous", "whether a container manager made these namespaces", shows=(Kind.CONTAINER,)
        )
    first = facts.text(FIRST_MOUNTINFO)
    if isinstance(first, Denied) and first.refused and _is_sandboxs_own(facts):
        told = "whether a container is around the sandbox"
        yield Unknown(FIRST_MOUNTINFO, first.error, told, shows=(Kind.CONTAINER,))
