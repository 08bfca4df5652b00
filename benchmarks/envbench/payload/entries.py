"""A tree's entries, as every archive format needs them."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree as every archive format needs it: always owned by root, dated 0, never a device.

    `content` is the file's bytes or the link's target; empty for a folder.
    """

    path: str
    mode: int
    content: bytes


def entries(path: Path) -> Iterator[Entry]:
    """Yield a tree's folders, files and links, sorted by path, parents first; the root itself is left out."""
    for found in sorted(path.rglob("*")):
        mode = found.lstat().st_mode
        name = found.relative_to(path).as_posix()
        if stat.S_ISLNK(mode):
            yield Entry(name, stat.S_IFLNK | 0o777, os.fsencode(found.readlink()))
        elif stat.S_ISREG(mode):
            yield Entry(name, mode, found.read_bytes())
        elif stat.S_ISDIR(mode):
            yield Entry(name, mode, b"")
