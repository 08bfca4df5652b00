"""Reads a captured system's files out of a folder or a .tar.gz: in memory, within fixed bounds, and never outside it.

A capture is untrusted input. Nothing is unpacked to disk; only plain files, folders and links that stay
inside are taken.
"""

from __future__ import annotations

import os
import stat as stat_bits
from errno import ELOOP
from typing import TYPE_CHECKING

from envinspect.model import Record
from envinspect.model.errors import CaptureError, UsageError
from envinspect.model.errors import printable as shown
from envinspect.systems.files import LINKS_LIMIT, READ_LIMIT_BYTES

if TYPE_CHECKING:
    from gzip import GzipFile
    from tarfile import TarFile, TarInfo

MEMBERS_LIMIT = 20_000
"""Captures hold some hundred files; the limit bounds the time that a hostile one takes."""
TOTAL_LIMIT_BYTES = 64 << 20
HEADER_LIMIT_BYTES = 256 << 10
"""What one member's headers may take (long names, pax records), so that no header can fill the memory."""
DEPTH_LIMIT = 64
NAME_LIMIT = 4096
SYMLINKS_LIMIT = 256
SYMLINK_LIMIT = 256
"""Characters in a link's text; with the number of links this bounds the time that following them takes."""
ROOT = "root"
"""The folder of a capture that stands for the inspected system's `/` (contract 1)."""


class Entry(Record):
    """One file (`data`), link (`target`) or folder (neither) of a capture."""

    data: bytes | None = None
    target: str | None = None


class Tree(Record):
    """Everything in a capture by its path relative to it, "" being the capture itself; folders list their names."""

    entries: dict[str, Entry]
    children: dict[str, list[str]]

    def locate(self, path: str, *, follow_last: bool = True) -> str | None:
        """Return where the inspected system's `path` lies in the capture, links followed; None where nothing is there.

        `..` stops at the system's root, as in a chroot. Raises OSError (ELOOP) where links go round.
        """
        pending = [part for part in reversed(path.split("/")) if part]
        at: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part == ".":
                continue
            if part == "..":
                del at[-1:]
                continue
            entry = self.entries.get("/".join([ROOT, *at, part]))
            if entry is None:
                return None
            if entry.target is None or (not pending and not follow_last):
                at.append(part)
                continue
            links += 1
            if links > LINKS_LIMIT:
                raise OSError(ELOOP, "links go round")
            pending.extend(name for name in reversed(entry.target.split("/")) if name)
        place = "/".join([ROOT, *at])
        return place if place in self.entries else None


def read_tree(path: str) -> Tree:
    """Return the files of the capture at `path`, a folder or a (compressed) tar archive.

    Raises UsageError where nothing is there, CaptureError for anything that a capture may not hold.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - no pathlib in the inspector
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise UsageError(f"{shown(path)}: {problem}", remedy="what `envinspect capture` wrote") from error
    if not stat_bits.S_ISDIR(mode) and not stat_bits.S_ISREG(mode):
        raise CaptureError(f"{shown(path)}: neither a folder nor an archive")
    tree = Tree({"": Entry()}, {"": []})
    if stat_bits.S_ISDIR(mode):
        _walk(tree, path)
    else:
        _unpack(tree, path)
    _check_links(tree, path)
    return tree


def _add(tree: Tree, where: str, name: str, entry: Entry) -> None:
    """Enter a member under its checked name, and the folders above it."""
    if len(tree.entries) >= MEMBERS_LIMIT:
        raise CaptureError(f"{shown(where)}: more than {MEMBERS_LIMIT} files: not a capture")
    parts = name.split("/")
    if len(name) > NAME_LIMIT or len(parts) > DEPTH_LIMIT:
        raise CaptureError(f"{shown(where)}: {shown(name, 60)}: the name is too long or too deep")
    if name.startswith("/") or ".." in parts:
        raise CaptureError(f"{shown(where)}: {shown(name)} leads out of the capture")
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in name):
        raise CaptureError(f"{shown(where)}: {shown(name)}: control characters in a file name")
    parts = [part for part in parts if part not in {"", "."}]
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        known = tree.entries.get(folder)
        if known is None:
            _enter(tree, folder, Entry())
        elif known != Entry():
            raise CaptureError(f"{shown(where)}: {shown(name)} lies under {shown(folder)}, which is no folder")
    path = "/".join(parts)
    if path not in tree.entries:
        _enter(tree, path, entry)
    elif tree.entries[path] != entry:
        raise CaptureError(f"{shown(where)}: {shown(path)} is there twice")


def _enter(tree: Tree, path: str, entry: Entry) -> None:
    folder, _, name = path.rpartition("/")
    tree.entries[path] = entry
    tree.children[folder].append(name)
    if entry == Entry():
        tree.children[path] = []


def _check_links(tree: Tree, where: str) -> None:
    """Refuse links that lead out (absolute, or with more `..` than folders above them) and links that go round."""
    links = [(path, entry.target) for path, entry in tree.entries.items() if entry.target is not None]
    if len(links) > SYMLINKS_LIMIT:
        raise CaptureError(f"{shown(where)}: more than {SYMLINKS_LIMIT} symbolic links: not a capture")
    for path, target in links:
        depth = path.count("/") - 1
        if not path.startswith(f"{ROOT}/") or target.startswith("/") or len(target) > SYMLINK_LIMIT:
            raise CaptureError(f"{shown(where)}: the link {shown(path)} leads out of the capture")
        for part in target.split("/"):
            depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
            if depth < 0:
                raise CaptureError(f"{shown(where)}: the link {shown(path)} leads out of the capture")
        try:
            tree.locate(path.removeprefix(ROOT))
        except OSError as error:
            raise CaptureError(f"{shown(where)}: the link {shown(path)} goes round in a circle") from error


def _walk(tree: Tree, where: str) -> None:
    """Read a folder; no link is followed."""
    total = 0
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(f"{where}/{folder}") as found:
                for item in found:
                    name = f"{folder}/{item.name}".lstrip("/")
                    entry = _from_disk(item, where, name)
                    total += len(entry.data or b"")
                    if total > TOTAL_LIMIT_BYTES:
                        raise CaptureError(f"{shown(where)}: more than {TOTAL_LIMIT_BYTES >> 20} MiB: not a capture")
                    _add(tree, where, name, entry)
                    if entry == Entry():
                        pending.append(name)
        except OSError as error:
            raise CaptureError(
                f"{shown(where)}/{shown(folder)}: {error.strerror}", remedy="as a user who may read it"
            ) from error


def _from_disk(item: os.DirEntry[str], where: str, name: str) -> Entry:
    if item.is_symlink():
        return Entry(target=os.readlink(item.path))  # noqa: PTH115 - no pathlib in the inspector
    if item.is_dir(follow_symlinks=False):
        return Entry()
    if not item.is_file(follow_symlinks=False):
        raise CaptureError(f"{shown(where)}: {shown(name)} is a device, a socket or a FIFO")
    descriptor = os.open(item.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(READ_LIMIT_BYTES + 1)
    if len(data) > READ_LIMIT_BYTES:
        raise CaptureError(f"{shown(where)}: {shown(name)} is larger than {READ_LIMIT_BYTES >> 20} MiB")
    return Entry(data=data)


class _Metered:
    """A decompressed stream that ends in an error after `allowance` more bytes: bombs go off here, in a small box."""

    def __init__(self, source: GzipFile, where: str) -> None:
        self._source = source
        self._where = where
        self._total = 0
        self.allowance = 0

    def read(self, size: int) -> bytes:
        piece = self._source.read(min(size, self.allowance + 1))
        self.allowance -= len(piece)
        self._total += len(piece)
        if self.allowance < 0 or self._total > TOTAL_LIMIT_BYTES:
            raise CaptureError(f"{shown(self._where)}: unpacks to more than a capture may hold")
        return piece


def _unpack(tree: Tree, where: str) -> None:
    """Read an archive as a stream, member by member."""
    import gzip  # noqa: PLC0415 - only archives pay for it
    import tarfile  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    try:
        with gzip.open(where, "rb") as source:
            stream = _Metered(source, where)
            stream.allowance = HEADER_LIMIT_BYTES
            with tarfile.open(fileobj=stream, mode="r|", bufsize=tarfile.BLOCKSIZE) as archive:  # type: ignore[call-overload]  # needs read() only
                for count, member in enumerate(archive):
                    if count > MEMBERS_LIMIT:
                        raise CaptureError(f"{shown(where)}: more than {MEMBERS_LIMIT} files: not a capture")
                    _add(tree, where, member.name, _from_member(archive, member, stream, where))
                    stream.allowance = HEADER_LIMIT_BYTES
            stream.allowance = HEADER_LIMIT_BYTES
            while stream.read(65_536):
                """Read to the end: only there does gzip's checksum tell whether the archive is whole."""
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError, OverflowError) as error:
        raise CaptureError(f"{shown(where)}: not a whole .tar.gz ({shown(str(error), 80)})") from error


def _from_member(archive: TarFile, member: TarInfo, stream: _Metered, where: str) -> Entry:
    if member.isdir():
        return Entry()
    if member.issym():
        return Entry(target=member.linkname)
    if not member.isreg() or member.issparse():
        raise CaptureError(f"{shown(where)}: {shown(member.name)} is a device, a FIFO, a hard link or a sparse file")
    if member.size > READ_LIMIT_BYTES:
        raise CaptureError(f"{shown(where)}: {shown(member.name)} is larger than {READ_LIMIT_BYTES >> 20} MiB")
    stream.allowance = member.size + HEADER_LIMIT_BYTES
    file = archive.extractfile(member)
    data = file.read() if file is not None else b""
    if len(data) != member.size:
        raise EOFError("it ends in the middle of a file")
    return Entry(data=data)
