"""Makes a userland a disk that boots as an installed machine does: firmware, boot loader, kernel, systemd.

One image for both firmwares: a boot partition (FAT) with SYSLINUX for a BIOS and systemd-boot for UEFI, then the root
filesystem. Only files are written; nothing is mounted and no root is needed.
"""

import hashlib
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from envbench.errors import BackendError
from envbench.payload.kernel import GuestKernel
from envbench.payload.userland import disk_initrd, locked, root_disk

SECTOR_BYTES = 512
BOOT_FIRST_SECTOR = 2048
"""Partitions begin at 1 MiB, where every partitioning tool of today puts the first."""
BOOT_SECTORS = 64 * 2048
ROOT_FIRST_SECTOR = BOOT_FIRST_SECTOR + BOOT_SECTORS
ROOT_WORDS = "envbench_root=/dev/vda2"
"""Where the initramfs finds the root: a word that the kernel does not know becomes part of init's environment."""

EFI_SYSTEM, LINUX = 0xEF, 0x83
ACTIVE = 0x80

SYSLINUX_CONFIG = "DEFAULT linux\nPROMPT 0\nLABEL linux\n  LINUX /vmlinuz\n  INITRD /initrd\n  APPEND {words}\n"
SYSTEMD_BOOT_CONFIG = "timeout 0\ndefault linux.conf\n"
SYSTEMD_BOOT_ENTRY = "title linux\nlinux /vmlinuz\ninitrd /initrd\noptions {words}\n"


@dataclass(frozen=True, slots=True)
class Loaders:
    """The boot loaders' files: SYSLINUX's boot sector of the disk, and systemd-boot."""

    boot_sector: Path
    systemd_boot: Path


def find_loaders() -> Loaders:
    """Return the installed boot loaders. Raises BackendError, with the packages, where one or a tool is missing."""
    found = Loaders(Path("/usr/lib/syslinux/mbr/mbr.bin"), Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi"))
    missing = [str(path) for path in (found.boot_sector, found.systemd_boot) if not path.exists()]
    missing += [name for name in ("syslinux", "mformat", "mmd", "mcopy") if shutil.which(name) is None]
    if missing:
        raise BackendError(
            f"no boot loader for a whole system's disk: {', '.join(missing)} missing",
            remedy="apt install syslinux syslinux-common systemd-boot-efi mtools, or --boot kernel",
        )
    return found


def bootable_disk(cache_dir: Path, userland: str, kernel: GuestKernel, words: str) -> Path:
    """Return the bootable image of a userland with this kernel and command line, made on the first call.

    Raises BackendError where the kernel has no modules, a loader is missing or a tool fails.
    """
    if kernel.modules is None:
        raise BackendError(f"{kernel.path} comes without modules for a disk", remedy="envbench fetch kernel")
    loaders = find_loaders()
    root = root_disk(cache_dir, userland, kernel.modules)
    words = f"{words} {ROOT_WORDS}"
    initrd = disk_initrd(kernel.modules)
    key = hashlib.sha256(b"\0".join((kernel.sha256.encode(), words.encode(), initrd))).hexdigest()[:12]
    disk = root.parent / f"boot-{key}.img"
    with locked(root.parent):
        if not disk.exists():
            with tempfile.TemporaryDirectory(prefix=".boot-", dir=root.parent) as scratch:
                folder = Path(scratch)
                boot = _boot_partition(folder, loaders, kernel.path, initrd, words)
                made = folder / "disk.img"
                _join(made, loaders.boot_sector, boot, root)
                made.rename(disk)
    return disk


def partition_table(boot_sector: bytes, partitions: Sequence[tuple[int, int, int, int]]) -> bytes:
    """Return the disk's first sector: boot code and up to four partitions (flag, type, first sector, sectors).

    Cylinder, head and sector are given as the highest numbers: nothing reads them any more.
    """
    entries = b"".join(
        struct.pack("<B3sB3sII", flag, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", first, count)
        for flag, kind, first, count in partitions
    )
    return boot_sector[:440].ljust(446, b"\0") + entries.ljust(64, b"\0") + b"\x55\xaa"


def put_file(disk: Path, source: Path, inside: str) -> None:
    """Write a file, and the folder that it lies in, into the root filesystem of such a disk; it is root's.

    Raises BackendError where it is not there then: debugfs(8) ends with 0 whatever happens.
    """
    place = f"{disk}?offset={ROOT_FIRST_SECTOR * SECTOR_BYTES}"
    for words in (f"mkdir {Path(inside).parent}", f'write "{source}" {inside}'):
        _run(["debugfs", "-w", "-R", words, place])
    if _run(["debugfs", "-R", f"cat {inside}", place]) != source.read_text("utf-8"):
        raise BackendError(f"{source.name} could not be written into {disk.name}", remedy="apt install e2fsprogs")


def _boot_partition(folder: Path, loaders: Loaders, kernel: Path, initrd: bytes, words: str) -> Path:
    image = folder / "boot.img"
    # -H: the sectors before the partition, which a FAT's boot sector must know.
    _run(["mformat", "-i", image, "-C", "-T", BOOT_SECTORS, "-h", 255, "-s", 63, "-H", BOOT_FIRST_SECTOR, "::"])
    _run(["mmd", "-i", image, "::/EFI", "::/EFI/BOOT", "::/loader", "::/loader/entries"])
    files: Mapping[str, bytes] = {
        "vmlinuz": kernel.read_bytes(),
        "initrd": initrd,
        "syslinux.cfg": SYSLINUX_CONFIG.format(words=words).encode(),
        "EFI/BOOT/BOOTX64.EFI": loaders.systemd_boot.read_bytes(),
        "loader/loader.conf": SYSTEMD_BOOT_CONFIG.encode(),
        "loader/entries/linux.conf": SYSTEMD_BOOT_ENTRY.format(words=words).encode(),
    }
    for name, data in files.items():
        source = folder / "file"
        source.write_bytes(data)
        _run(["mcopy", "-i", image, source, f"::/{name}"])
    _run(["syslinux", "--install", image])
    return image


def _join(disk: Path, boot_sector: Path, boot: Path, root: Path) -> None:
    """Write the disk: first sector, boot partition, root filesystem; holes stay holes."""
    partitions = (
        (ACTIVE, EFI_SYSTEM, BOOT_FIRST_SECTOR, BOOT_SECTORS),
        (0, LINUX, ROOT_FIRST_SECTOR, root.stat().st_size // SECTOR_BYTES),
    )
    disk.write_bytes(partition_table(boot_sector.read_bytes(), partitions))
    for part, first in ((boot, BOOT_FIRST_SECTOR), (root, ROOT_FIRST_SECTOR)):
        _run(["dd", f"if={part}", f"of={disk}", "bs=1M", f"seek={first // 2048}", "conv=sparse,notrunc", "status=none"])
    with disk.open("r+b") as file:
        file.truncate(ROOT_FIRST_SECTOR * SECTOR_BYTES + root.stat().st_size)


def _run(command: Sequence[object]) -> str:
    """Return what a tool said. Raises BackendError where it cannot be started or fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise BackendError(f"{words[0]}: {error.strerror}", remedy="apt install syslinux mtools e2fsprogs") from error
    if done.returncode != 0:
        said = " ".join((done.stderr.strip() or done.stdout.strip() or "no message").split())
        raise BackendError(f"{words[0]} failed: {said}", remedy="--boot kernel")
    return done.stdout
