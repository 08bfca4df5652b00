"""A lock that says "my owner is alive": the kernel drops it with the process, whatever ends it (flock(2)).

It belongs to the open file, which is closed on exec, so that no program that the owner starts can keep it.
"""

import errno
import fcntl
from pathlib import Path

from envbench.traces.mounts import filesystem_of

_OWN_FILESYSTEMS = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "jfs", "reiserfs", "tmpfs", "ramfs", "overlay"}
)
"""Filesystems that one kernel has for itself, so that it sees every lock; a network's or a guest's share is none."""


def take_lock(descriptor: int) -> bool | None:
    """Lock this open file for as long as it is open; return whether that was possible.

    False: somebody else holds the lock. None: its filesystem knows no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def on_own_filesystem(path: Path) -> bool:
    """Return whether nobody but this machine can have this file open."""
    return filesystem_of(path) in _OWN_FILESYSTEMS
