"""What a disk holds is told without mounting it: real filesystems, made here by their own tools, of known content."""

import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from uuid import UUID

import pytest

from envbench.errors import BackendError
from envbench.experiments.size import disk_contents as disk_contents_module
from envbench.experiments.size.contents import items_of
from envbench.experiments.size.disk_contents import disk_contents
from envbench.payload.bootable import BOOT_FIRST_SECTOR, LINUX, SECTOR_BYTES, partition_table

TOOLS = ("mke2fs", "debugfs", "blkid", "partx", "mformat", "mcopy", "qemu-img")
pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS),
    reason="no tools for disk images; try: apt-get install e2fsprogs mtools qemu-utils",
)
MIB = 1 << 20
FILES = {
    "etc/os-release": 20,
    "usr/bin/dpkg": 3000,
    "usr/lib/systemd/systemd": 5000,
    "usr/lib/x86_64-linux-gnu/libc.so.6": 7000,
    "usr/lib/modules/6.1/kernel/a b.ko": 9000,
    "usr/share/a folder/with/four/levels": 11,
}


def run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An ext4 filesystem of 16 MiB with these files, a link and a second name for one of them."""
    tree = tmp_path / "tree"
    for name, size_bytes in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"x" * size_bytes)
    (tree / "usr/bin/second-name").hardlink_to(tree / "usr/bin/dpkg")
    (tree / "usr/bin/link").symlink_to("dpkg")
    image = tmp_path / "root.img"
    run("mke2fs", "-q", "-t", "ext4", "-d", tree, image, "16M")
    return image


@pytest.fixture
def partitioned(tmp_path: Path, root: Path) -> Path:
    """A disk with a boot partition (FAT), that root, and a partition without a filesystem."""
    boot, disk = tmp_path / "boot.img", tmp_path / "disk.img"
    run("mformat", "-i", boot, "-C", "-T", 4096, "-h", 255, "-s", 63, "-H", BOOT_FIRST_SECTOR, "::")
    run("mmd", "-i", boot, "::/EFI")
    for name, size_bytes in {"vmlinuz": 4000, "initrd": 600, "EFI/BOOTX64.EFI": 50}.items():
        (tmp_path / "file").write_bytes(b"k" * size_bytes)
        run("mcopy", "-i", boot, tmp_path / "file", f"::/{name}")
    places = (
        (BOOT_FIRST_SECTOR, 4096, boot),
        (BOOT_FIRST_SECTOR + 4096, 16 * MIB // SECTOR_BYTES, root),
        (BOOT_FIRST_SECTOR + 4096 + 16 * MIB // SECTOR_BYTES, 2048, None),
    )
    with disk.open("wb") as file:
        file.write(partition_table(b"", [(0, LINUX, first, count) for first, count, _ in places]))
        for first, _, content in places:
            file.seek(first * SECTOR_BYTES)
            file.write(content.read_bytes() if content else bytes(MIB))
    return disk


def test_a_filesystem_that_fills_the_disk_is_listed_and_hard_links_count_once(root: Path, tmp_path: Path):
    found = disk_contents(root, tmp_path, "run")
    names = {path.replace("second-name", "dpkg"): size for path, size in found.files}
    assert names == FILES
    assert len(found.files) == len(FILES)
    assert found.unread == ()


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_partitioned_disk_is_itemised_and_what_cannot_be_read_is_named(partitioned: Path, form: str, tmp_path: Path):
    disk = partitioned
    if form == "qcow2":
        disk = tmp_path / "disk.qcow2"
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", partitioned, disk)
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    found = disk_contents(disk, work_dir, "run")
    items = items_of(found.files)
    assert {name: size for name, size in items.items() if size} == {
        "kernel": 4000,
        "initramfs": 600,
        "boot": 50,
        "package_manager": 3000,
        "init": 5000,
        "libraries": 7000,
        "modules": 9000,
        "other": 31,
    }
    assert len(found.unread) == 1
    assert found.unread[0].startswith("partition 3: an unknown kind")
    assert not (work_dir / "disk-view").exists()


def test_a_disk_with_nothing_on_it_is_refused_in_one_line(tmp_path: Path):
    empty = tmp_path / "empty.img"
    empty.write_bytes(bytes(MIB))
    with pytest.raises(BackendError, match="neither a partition table nor a filesystem"):
        disk_contents(empty, tmp_path, "run")


def test_a_copy_that_does_not_fit_is_not_begun(partitioned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk = tmp_path / "disk.qcow2"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", partitioned, disk)
    monkeypatch.setattr(disk_contents_module, "SPARE_BYTES", 1 << 60)
    with pytest.raises(BackendError, match="not so much room") as caught:
        disk_contents(disk, tmp_path, "run")
    assert caught.value.remedy.startswith("TMPDIR")
    assert not (tmp_path / "disk-view").exists()


def guid_table(disk: Path, sectors: int, parts: list[tuple[str, int, int]]) -> None:
    """Write a GPT (UEFI specification 2.10 §5.3) of (type, first sector, number of sectors) into a new disk."""
    entries = b"".join(
        struct.pack("<16s16sQQQ72s", UUID(type_).bytes_le, bytes([number]) * 16, first, first + count - 1, 0, b"")
        for number, (type_, first, count) in enumerate(parts, 1)
    ).ljust(128 * 128, b"\0")
    fields = (1, sectors - 1, 34, sectors - 34, bytes(16), 2, 128, 128, zlib.crc32(entries))
    header = b"EFI PART" + struct.pack("<IIIIQQQQ16sQIII", 0x10000, 92, 0, 0, *fields)
    header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
    protective = bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff" * 3, 1, sectors - 1)
    with disk.open("wb") as file:
        file.truncate(sectors * SECTOR_BYTES)
        file.write(protective.ljust(510, b"\0") + b"\x55\xaa" + header.ljust(SECTOR_BYTES, b"\0") + entries)


def test_a_boot_loaders_partition_holds_no_files_and_is_no_part_that_could_not_be_read(root: Path, tmp_path: Path):
    disk, linux = tmp_path / "cloud.img", "0fc63daf-8483-4772-8e79-3d69d8477de4"
    first, count = 4096, 16 * MIB // SECTOR_BYTES
    loader, unknown = (disk_contents_module.TYPES_WITHOUT_FILES[0], 2048, 2048), (linux, first + count, 2048)
    guid_table(disk, first + count + 8192, [loader, (linux, first, count), unknown])
    with disk.open("r+b") as file:
        file.seek(first * SECTOR_BYTES)
        file.write(root.read_bytes())
    found = disk_contents(disk, tmp_path, "run")
    assert sum(size_bytes for _, size_bytes in found.files) == sum(FILES.values())
    assert [each.partition(":")[0] for each in found.unread] == ["partition 3"]
