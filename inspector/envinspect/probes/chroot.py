"""chroot: the root of this process is not the root of its mount namespace."""

from collections.abc import Iterator

from envinspect.facts import Facts
from envinspect.model import Denied, Evidence, Found, Kind, Strength, Unknown
from envinspect.probes.mounts import chain_in, mount_table, on_whole_disk
from envinspect.probes.namespaces import namespaces

_STAT = "https://github.com/systemd/systemd/blob/main/src/basic/virt.c"
_MOUNTINFO = "https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html"


def probe_chroot(facts: Facts) -> Iterator[Evidence | Unknown]:
    """Compare / with the first process's root, and see whether / is a mount point, which a chroot's seldom is."""
    own, first = facts.stat("/"), facts.stat("/proc/1/root/.")
    table = facts.derived(mount_table)
    at_mount = table.root is not None
    known = isinstance(own, Found) and own.value.ino != 0  # 0: a captured tree that kept no identities
    if known and isinstance(own, Found) and isinstance(first, Found) and first.value.ino != 0:
        differs = (own.value.dev, own.value.ino) != (first.value.dev, first.value.ino)
        if differs and (_shares_mounts(facts) or not at_mount):
            observed = f"/ is inode {own.value.ino}, PID 1's root is inode {first.value.ino}"
            yield Evidence(Kind.CHROOT, "chroot", Strength.PROOF, "/proc/1/root", observed, _STAT)
        return
    if known and isinstance(own, Found) and table.mounts and not at_mount and table.source.endswith("mountinfo"):
        observed = f"no mount on /, which is inode {own.value.ino}"
        yield Evidence(Kind.CHROOT, "chroot", Strength.STRONG, table.source, observed, _MOUNTINFO)
    elif "mnt" in facts.derived(namespaces).initial and at_mount and _is_folder_of_disk(facts):
        root = table.root.root if table.root else ""
        observed = f"/ is {root} of its file system, in the host's own mount namespace"
        yield Evidence(Kind.CHROOT, "chroot", Strength.STRONG, table.source, observed, _MOUNTINFO)
    elif isinstance(first, Denied):
        yield Unknown("/proc/1/root", first.error, "whether this process is in a chroot")


def _shares_mounts(facts: Facts) -> bool:
    """Say whether the first process is of this process's mount namespace; with the host's PIDs it may be the host's."""
    own, first = facts.link("/proc/self/ns/mnt"), facts.link("/proc/1/ns/mnt")
    return isinstance(own, Found) and isinstance(first, Found) and own.value == first.value


def _is_folder_of_disk(facts: Facts) -> bool:
    root = facts.derived(mount_table).root
    return root is not None and root.root not in {"", "/"} and not on_whole_disk(root) and not chain_in(root.root)
