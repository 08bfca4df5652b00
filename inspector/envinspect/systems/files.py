"""The one door to files: reads paths of the live machine, of a mounted root filesystem, or of a capture.

Everything comes back as one of the three answers (`envinspect.model.Reading`); nothing raises for what a path holds.
"""

from __future__ import annotations

import os
import stat as stat_bits
from errno import EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, ESRCH, errorcode

from envinspect.model import ABSENT, Denied, Found, Reading, Refusal
from envinspect.model.facts import Stat

READ_LIMIT_BYTES = 4 << 20
"""More than any file that is asked for holds; a longer one is read up to here."""
LISTING_LIMIT = 65_536
LINKS_LIMIT = 40
"""As the kernel's own MAXSYMLINKS (include/linux/namei.h)."""

_ABSENT_ERRORS = frozenset({ENOENT, ENOTDIR, ESRCH, ENAMETOOLONG})


def refused(error: OSError) -> Refusal:
    """Return the answer that an error stands for: absent where nothing is there, else denied with the errno's name."""
    if error.errno in _ABSENT_ERRORS:
        return ABSENT
    return Denied(errorcode.get(error.errno or 0, "EIO"))


def read_descriptor(descriptor: int) -> bytes:
    """Read up to the limit; proc files come in pieces, so one short read is not the end."""
    pieces: list[bytes] = []
    left = READ_LIMIT_BYTES
    while left > 0:
        piece = os.read(descriptor, min(left, 65_536))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


class LiveRoot:
    """The machine this process runs on."""

    def read(self, path: str) -> Reading[bytes]:
        """Return a regular file's bytes; never blocks on a FIFO or opens a device."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            return refused(error)
        try:
            if not stat_bits.S_ISREG(os.fstat(descriptor).st_mode):
                return Denied("ENOTSUP")
            return Found(read_descriptor(descriptor))
        except OSError as error:
            return refused(error)
        finally:
            os.close(descriptor)

    def link(self, path: str) -> Reading[str]:
        """Return a link's text."""
        try:
            return Found(os.readlink(path))  # noqa: PTH115 - as for stat: no pathlib
        except OSError as error:
            if error.errno == EINVAL:
                return ABSENT  # there, but no link
            refusal = refused(error)
            return refusal if not isinstance(refusal, Found) else ABSENT

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        """Return a folder's names, sorted."""
        try:
            names: list[str] = []
            with os.scandir(path) as entries:
                for entry in entries:
                    names.append(entry.name)
                    if len(names) >= LISTING_LIMIT:
                        break
            return Found(tuple(sorted(names)))
        except OSError as error:
            return refused(error)

    def stat(self, path: str) -> Reading[Stat]:
        """Return dev, inode, mode and size."""
        try:
            found = os.stat(path)  # noqa: PTH116 - pathlib costs more to import than the whole inspection
        except OSError as error:
            return refused(error)
        return Found(Stat(found.st_dev, found.st_ino, found.st_mode, found.st_size))
