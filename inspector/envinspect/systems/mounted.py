"""Reads a plain root filesystem below a folder (a mounted image, another container's root): links stay inside it.

Every step of a path is opened relative to the last one and never through a link: nothing outside the folder is reached.
The machine itself is not asked: CPUID, environment and uname of such a root are not recorded.
"""

from __future__ import annotations

import os
import stat as stat_bits
from errno import EACCES, ELOOP, EPERM, errorcode
from itertools import islice

from envinspect.model import ABSENT, NOT_RECORDED, Denied, Found, Reading
from envinspect.model.errors import UsageError
from envinspect.model.errors import printable as shown
from envinspect.model.facts import Facts, Stat, Uname
from envinspect.systems.cpuid import RecordedCpuid
from envinspect.systems.files import LINKS_LIMIT, LISTING_LIMIT, read_descriptor, refused

_SELF = ("/proc/self", "/proc/thread-self")
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC if hasattr(os, "O_PATH") else os.O_RDONLY


class MountedRoot:
    """The files below a folder. `/proc/self` there is that system's PID 1, not this process."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def read(self, path: str) -> Reading[bytes]:
        """Return a regular file's bytes."""
        try:
            parent, name = self._walk(path, follow_last=True)
        except OSError as error:
            return refused(error)
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            try:
                if not stat_bits.S_ISREG(os.fstat(descriptor).st_mode):
                    return Denied("ENOTSUP")
                return Found(read_descriptor(descriptor))
            finally:
                os.close(descriptor)
        except OSError as error:
            return refused(error)
        finally:
            os.close(parent)

    def link(self, path: str) -> Reading[str]:
        """Return a link's text."""
        try:
            parent, name = self._walk(path, follow_last=False)
            try:
                return Found(os.readlink(name, dir_fd=parent))
            finally:
                os.close(parent)
        except OSError as error:
            return ABSENT if error.errno not in {EACCES, EPERM, ELOOP} else Denied(errorcode[error.errno])

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        """Return a folder's names, sorted."""
        try:
            parent, name = self._walk(path, follow_last=True)
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            finally:
                os.close(parent)
            try:
                with os.scandir(descriptor) as entries:
                    return Found(tuple(sorted(entry.name for entry in islice(entries, LISTING_LIMIT))))
            finally:
                os.close(descriptor)
        except OSError as error:
            return refused(error)

    def stat(self, path: str) -> Reading[Stat]:
        """Return the identity of what is at a path."""
        try:
            parent, name = self._walk(path, follow_last=True)
            try:
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            finally:
                os.close(parent)
        except OSError as error:
            return refused(error)
        return Found(Stat(found.st_dev, found.st_ino, found.st_mode, found.st_size))

    def _walk(self, path: str, *, follow_last: bool) -> tuple[int, str]:
        """Return an open folder and the name in it that `path` means; `.` for the root itself. Raises OSError."""
        pending = [part for part in reversed(_not_self(path).split("/")) if part not in {"", "."}]
        held = [os.open(self._folder, _FOLDER & ~os.O_NOFOLLOW)]
        links = 0
        try:
            while pending:
                part = pending.pop()
                if part == "..":
                    _rise(held, max(1, len(held) - 1))
                    continue
                mode = os.stat(part, dir_fd=held[-1], follow_symlinks=False).st_mode
                if stat_bits.S_ISLNK(mode) and (pending or follow_last):
                    links += 1
                    if links > LINKS_LIMIT:
                        raise OSError(ELOOP, "too many links")
                    target = os.readlink(part, dir_fd=held[-1])
                    _rise(held, 1 if target.startswith("/") else len(held))
                    pending.extend(name for name in reversed(target.split("/")) if name not in {"", "."})
                elif pending:
                    held.append(os.open(part, _FOLDER, dir_fd=held[-1]))
                else:
                    return held.pop(), part
            return held.pop(), "."
        finally:
            _rise(held, 0)


def _not_self(path: str) -> str:
    for prefix in _SELF:
        if path == prefix or path.startswith(f"{prefix}/"):
            return f"/proc/1{path.removeprefix(prefix)}"
    return path


def _rise(held: list[int], depth: int) -> None:
    """Close folders until `depth` are open; the root, which is the first, only for depth 0."""
    while len(held) > depth and (len(held) > 1 or depth == 0):
        os.close(held.pop())


def _nothing(_name: str) -> Reading[str]:
    return NOT_RECORDED


def mounted_facts(folder: str) -> Facts:
    """Return the facts of the root filesystem below `folder`. Raises UsageError where no such folder can be opened."""
    try:
        os.close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{shown(folder)}: {problem}", remedy="a folder that holds a root filesystem") from error
    root = MountedRoot(folder)
    facts = Facts(root, RecordedCpuid({}), uname=Uname(), euid=None, environ=_nothing)
    # Whatever runs has a /proc; an image has an empty folder for one, or none.
    facts.at_rest = root.listing("/proc") in {ABSENT, Found(())}
    return facts
