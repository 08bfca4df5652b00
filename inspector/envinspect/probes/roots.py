"""Where the root of this process lies: at PID 1's root, elsewhere in its mounts, or in mounts that PID 1 has not.

/proc/1/mountinfo may be read by anyone, and a mount's id is unique on the whole machine: so a root tells the same to
every user (linux: fs/proc_namespace.c, fs/mount.h).
"""

from __future__ import annotations

from envinspect.model import Found, Record
from envinspect.model.facts import Facts
from envinspect.probes.cgroup import beyond_first
from envinspect.probes.mounts import on_whole_disk
from envinspect.probes.namespaces import namespaces
from envinspect.sources.mounts import MOUNTINFO, Mount, MountTable, mount_table, parse_mountinfo, root_of

FIRST_MOUNTINFO = "/proc/1/mountinfo"

UNKNOWN, SAME, ELSEWHERE, OWN, NO_MOUNT = "unknown", "same", "elsewhere", "own", "no-mount"


class Place(Record):
    """Where / is. `state` is one of the words above: OWN is a mount that PID 1 has not; NO_MOUNT no mount at all."""

    state: str
    observed: str = ""

    @property
    def changed(self) -> bool:
        """True where / is certainly not PID 1's."""
        return self.state in {ELSEWHERE, OWN, NO_MOUNT}


def root_place(facts: Facts) -> Place:
    """Compare the mount on / with the mounts that PID 1 sees."""
    own, first = facts.bytes(MOUNTINFO), facts.bytes(FIRST_MOUNTINFO)
    table = facts.derived(mount_table)
    if not isinstance(own, Found) or not table.mounts:
        return Place(UNKNOWN)
    if table.root is None:
        return Place(NO_MOUNT, "no mount on /")
    if not isinstance(first, Found):
        return Place(SAME if _is_one_folder(facts) else UNKNOWN)
    if own.value == first.value:
        return Place(SAME)
    return _against(table.root, facts.derived(first_table))


def _is_one_folder(facts: Facts) -> bool:
    """Say whether / and PID 1's root are one folder, by their identities, which root alone may read."""
    own, first = facts.stat("/"), facts.stat("/proc/1/root/.")
    if not isinstance(own, Found) or not isinstance(first, Found):
        return False
    return own.value.ino != 0 and own.value.place == first.value.place


def _against(root: Mount, first: MountTable) -> Place:
    places = [mount.target for mount in first.mounts if mount.id == root.id]
    if places:
        if "/" in places:
            return Place(SAME)
        return Place(ELSEWHERE, f"/ is the mount that PID 1 has on {places[0]}")
    if first.root is None:
        return Place(UNKNOWN)
    if (root.device, root.root) == (first.root.device, first.root.root):
        return Place(SAME)
    return Place(
        OWN, f"/ is {root.fstype} {root.root} on {root.device}, PID 1's is {first.root.root} on {first.root.device}"
    )


def stands_on_hidden_mount(facts: Facts) -> bool:
    """Say whether / lies on a mount that is out of sight, in the mounts that the host booted with.

    What a system boots from lies on the first mount of all, the kernel's rootfs (linux: fs/namespace.c,
    init_mount_tree); so does no root that chroot(2) was called for.
    """
    table = facts.derived(mount_table)
    if table.root is None or "mnt" not in facts.derived(namespaces).initial:
        return False
    return table.root.parent > 1 and table.root.parent not in {mount.id for mount in table.mounts}


def is_left_over(facts: Facts) -> bool:
    """Say whether only the control group of this process is a container's: `nsenter -t 1 -a` leaves it as it was.

    The rest is the host's, or that of a PID 1 of a container, in which this one's was started: mounts of one table are
    of one mount namespace, and every container engine makes one.
    """
    own, first = facts.bytes(MOUNTINFO), facts.bytes(FIRST_MOUNTINFO)
    with_first = isinstance(own, Found) and isinstance(first, Found) and own.value == first.value
    return _is_the_host(facts) or (with_first and beyond_first(facts))


def _is_the_host(facts: Facts) -> bool:
    """Say whether namespaces and root are the host's.

    Where its namespace is not named (`nsenter -t 1 -m -u -i -n -p`), that stays as well: then the mounts
    have to be those that the host booted with.
    """
    seen = facts.derived(namespaces)
    if not seen.on_host or not seen.initial & {"uts", "ipc"} or "net" in seen.others:
        return False
    if "cgroup" in seen.others and "mnt" not in seen.initial:
        return False
    state, root = facts.derived(root_place).state, facts.derived(mount_table).root
    if state == UNKNOWN:  # a container's mounts are its own, whatever else it shares
        return "mnt" in seen.initial if root is None else on_whole_disk(root)
    return state == SAME


def first_table(facts: Facts) -> MountTable:
    """Return PID 1's mounts; empty where they cannot be read."""
    text, own = facts.str_or(FIRST_MOUNTINFO), facts.derived(mount_table)
    same = own.source == MOUNTINFO and text == facts.str_or(MOUNTINFO)  # mostly: then it is parsed already
    mounts = own.mounts if same else parse_mountinfo(text)
    return MountTable(FIRST_MOUNTINFO, mounts, root_of(mounts))


def around_root(facts: Facts) -> MountTable:
    """Return the mounts of the container around a changed root: PID 1's, where PID 1 is a container's; else the own.

    A chroot or a sandbox inside a container accounts for this process's root, not for the container's.
    """
    return facts.derived(first_table) if facts.derived(first_is_outside) else facts.derived(mount_table)


def first_is_outside(facts: Facts) -> bool:
    """Say whether a container's PID 1 has another root or other mounts: what gave this process its own came later.

    Without its mounts that cannot be told, and is not said.
    """
    root, first = facts.derived(mount_table).root, facts.derived(first_table)
    if "pid" not in facts.derived(namespaces).others or not first.mounts:
        return False
    return facts.derived(root_place).changed or (root is not None and root.id not in {each.id for each in first.mounts})
