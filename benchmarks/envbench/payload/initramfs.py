"""Writes trees as initramfs archives: the "newc" cpio format of the kernel's driver-api/early-userspace/buffer-format.

Deterministic: entries in the tree's order, owner root, date 0. The kernel unpacks archives that follow each other, each
at an offset that is a multiple of four, so what differs between two starts (nonce, argv) is a small archive behind the
tree's.
"""

import gzip
import shlex
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from envbench.payload.entries import Entry
from envbench.payload.words import START

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"


def cpio(entries: Iterable[Entry]) -> bytes:
    """Return a whole newc archive of these entries, padded to a multiple of four bytes."""
    archive = bytearray()
    for number, entry in enumerate(entries, start=1):
        _append(archive, number, entry.path, entry.mode, entry.content)
    _append(archive, 0, _TRAILER, 0, b"")
    return bytes(archive)


def start_line(argv: Sequence[str], *, stay: bool) -> bytes:
    """Return the shell words that tell a machine what to run; `stay` makes it wait for "stop" afterwards."""
    return (f"set -- {shlex.join(argv)}\n" + ("stay=1\n" if stay else "")).encode()


def start_segment(argv: Sequence[str], *, stay: bool) -> bytes:
    """Return the archive that brings the start line to /init of a minimal tree."""
    path = START.lstrip("/")
    folder = path.rpartition("/")[0]
    return cpio(
        (Entry(folder, stat.S_IFDIR | 0o755, b""), Entry(path, stat.S_IFREG | 0o644, start_line(argv, stay=stay)))
    )


def write_initramfs(target: Path, *archives: bytes, compress: bool = False) -> None:
    """Write these archives one behind the other; compressed for transport, plain for starts (unpacking costs time)."""
    data = b"".join(archives)
    target.write_bytes(gzip.compress(data, mtime=0) if compress else data)


def _append(archive: bytearray, number: int, path: str, mode: int, content: bytes) -> None:
    name = path.encode() + b"\0"
    is_folder = stat.S_ISDIR(mode)
    # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    fields = (number, mode, 0, 0, 2 if is_folder else 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    archive += (_MAGIC + "".join(f"{field:08X}" for field in fields)).encode() + name
    archive += bytes(-len(archive) % 4)
    archive += content
    archive += bytes(-len(archive) % 4)
