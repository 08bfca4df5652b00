"""What a disk image holds, filesystem by filesystem: partx, blkid, debugfs and mtools look into it, nothing is mounted.

A disk that is not raw is written out as a raw one in the run's folder first; holes stay holes.
"""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from envbench.backends.shared.child import run_command
from envbench.backends.vm.guest import disk_format
from envbench.errors import BackendError, CommandError
from envbench.experiments.size.contents import tree_files

SECTOR_BYTES = 512
"""Unit of the starts in a partition table, as partx(8) gives them."""
SPARE_BYTES = 256 << 20
"""What must stay free beside a copy of the disk."""
DEADLINE_S = 300.0
ROOT_INODE = 2
EXT, FAT = ("ext2", "ext3", "ext4"), ("vfat",)
NO_FILES = ("swap",)
TYPES_WITHOUT_FILES = (
    "21686148-6449-6e6f-744e-656564454649",  # BIOS boot: GRUB's second stage
    "9e1a2d38-c612-4316-aa26-8b49521e5a8b",  # PReP: the same on POWER
    "e3c9e316-0b5c-4db8-817d-f92df00215ae",  # reserved, by Windows
)
"""Kinds of GPT partitions that hold no filesystem (UEFI specification 2.10 §5.3.3, and GRUB's manual)."""
NO_FILESYSTEM = "none, by its type"
_ASKED = re.compile(r"debugfs:\s+ls -p <(\d+)>")
_ENTRY = re.compile(r"/(\d+)/(\d{2})\d{4}/\d+/\d+/(.+)/(\d*)/")
_FOLDER, _REGULAR = "04", "10"
_BOOT = re.compile(r"vmlinu|initr|grub2?/|loader/|syslinux|extlinux|ldlinux|EFI/", re.IGNORECASE)
_ROOT = re.compile(r"(etc|usr|bin)/")

Files = list[tuple[str, int]]
"""Path below the root, and length in bytes."""
BLKID_NOTHING = 2
"""Exit status of blkid(8) where it recognised nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """A filesystem's place in the disk in bytes, and what blkid(8) takes it for ("" where it does not know)."""

    name: str
    offset: int
    size: int
    kind: str


@dataclass(frozen=True, slots=True)
class DiskContents:
    """The files of all filesystems that could be read; `unread` names the others with the reason."""

    files: Files
    unread: tuple[str, ...]


def disk_contents(disk: Path, work_dir: Path, run_id: str) -> DiskContents:
    """List the files of a raw or qcow2 disk, partitioned or not: ext2, ext3, ext4 and FAT.

    Raises BackendError where the disk cannot be looked into at all, or where there is no room for a raw copy.
    """
    files: Files = []
    unread = []
    with raw_view(disk, work_dir, run_id) as raw:
        for part in parts_of(raw, run_id):
            try:
                files += _placed(_files_of(part, raw, work_dir, run_id))
            except BackendError as error:
                unread.append(f"{part.name}: {error}")
    return DiskContents(files, tuple(unread))


@contextmanager
def raw_view(disk: Path, work_dir: Path, run_id: str) -> Iterator[Path]:
    """Yield a raw disk with the same content, under a plain name in `work_dir`; it is gone afterwards."""
    raw = work_dir / "disk-view"
    kind = disk_format(disk)
    try:
        if kind == "raw":
            raw.symlink_to(disk.resolve())
        else:
            said = run_command(("qemu-img", "map", "--output", "json", "-f", kind, disk), run_id, "qemu-img map")
            needed = sum(extent["length"] for extent in json.loads(said) if extent["data"])
            if needed + SPARE_BYTES > shutil.disk_usage(work_dir).free:
                raise BackendError(
                    f"a raw copy of {disk.name} takes {needed >> 20} MiB, and {work_dir} has not so much room",
                    remedy="TMPDIR=FOLDER on a larger disk",
                )
            words = ("qemu-img", "convert", "-f", kind, "-O", "raw", disk, raw)
            run_command(words, run_id, "qemu-img convert", DEADLINE_S)
        yield raw
    finally:
        raw.unlink(missing_ok=True)


def parts_of(raw: Path, run_id: str) -> list[Part]:
    """Return the disk's partitions, or the one filesystem that fills it. Raises BackendError where it has neither."""
    size = raw.stat().st_size
    whole = _probe(raw, 0, size, run_id)
    if whole.get("TYPE"):
        return [Part("the whole disk", 0, size, whole["TYPE"])]
    if not whole.get("PTTYPE"):
        raise BackendError("neither a partition table nor a filesystem that blkid knows is on it")
    words = ("partx", "--raw", "--noheadings", "--bytes", "--output", "NR,START,SIZE,TYPE", raw)
    found = []
    for line in run_command(words, run_id, "partx").splitlines():
        number, first, length, *type_ = line.split()
        offset, size = int(first) * SECTOR_BYTES, int(length)
        kind = NO_FILESYSTEM if {*type_} & {*TYPES_WITHOUT_FILES} else _probe(raw, offset, size, run_id).get("TYPE", "")
        found.append(Part(f"partition {number}", offset, size, kind))
    return found


def _probe(raw: Path, offset: int, size: int, run_id: str) -> dict[str, str]:
    words = ("blkid", "--probe", "--output", "export", "--offset", str(offset), "--size", str(size), raw)
    try:
        said = run_command(words, run_id, "blkid")
    except CommandError as error:
        if error.exit_status == BLKID_NOTHING:
            return {}
        raise
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def _files_of(part: Part, raw: Path, work_dir: Path, run_id: str) -> Files:
    if part.kind in EXT:
        return ext_files(f"{raw}?offset={part.offset}", work_dir, run_id)
    if part.kind in FAT:
        return _fat_files(f"{raw}@@{part.offset}", work_dir, run_id)
    if part.kind in (*NO_FILES, NO_FILESYSTEM):
        return []
    raise BackendError(f"{part.kind or 'an unknown kind of content'} is not read")


def ext_files(device: str, work_dir: Path, run_id: str) -> Files:
    """List an ext2, ext3 or ext4 filesystem by debugfs(8), folder by folder; hard links count once.

    Raises BackendError without debugfs or for a filesystem that it cannot open.
    """
    files: Files = []
    seen, level = {ROOT_INODE}, {ROOT_INODE: ""}
    commands = work_dir / "debugfs-commands"
    while level:
        commands.write_text("".join(f"ls -p <{inode}>\n" for inode in level), "ascii")
        below, folder = {}, ""
        said = run_command(("debugfs", "-f", commands, device), run_id, "debugfs", DEADLINE_S)
        if not _ASKED.search(said):
            raise BackendError("debugfs lists nothing of it")
        for line in said.splitlines():
            if asked := _ASKED.fullmatch(line.strip()):
                folder = level.get(int(asked[1]), folder)
            elif (entry := _ENTRY.fullmatch(line)) and entry[3] not in (".", "..") and int(entry[1]) not in seen:
                seen.add(int(entry[1]))
                path = f"{folder}{entry[3]}"
                if entry[2] == _FOLDER:
                    below[int(entry[1])] = f"{path}/"
                elif entry[2] == _REGULAR:
                    files.append((path, int(entry[4] or 0)))
        level = below
    return files


def _fat_files(image: str, work_dir: Path, run_id: str) -> Files:
    """Copy a boot partition's files out and look at the copies, because mtools(1) prints no exact lengths."""
    folder = work_dir / "fat-files"
    folder.mkdir()
    try:
        run_command(("mcopy", "-s", "-n", "-i", image, "::*", folder), run_id, "mcopy", DEADLINE_S)
        return list(tree_files(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _placed(files: Files) -> Files:
    """Put a boot partition's files where a running system has them: under boot/."""
    paths = [path for path, _ in files]
    if any(map(_ROOT.match, paths)) or not any(map(_BOOT.match, paths)):
        return files
    return [(f"boot/{path}", size_bytes) for path, size_bytes in files]
