"""What machines take the payload as: initramfs archives and the floor guest's boot sector, byte by byte."""

import gzip
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbench.payload.entries import Entry
from envbench.payload.floor import DISK_BYTES, floor_disk, floor_sector
from envbench.payload.initramfs import cpio, start_segment, write_initramfs

ENTRIES = (
    Entry("bin", stat.S_IFDIR | 0o755, b""),
    Entry("bin/busybox", stat.S_IFREG | 0o755, b"\x7fELF..."),
    Entry("bin/sh", stat.S_IFLNK | 0o777, b"busybox"),
)


def parse(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Read a newc archive as the kernel's buffer-format document describes it."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while archive[at:].strip(b"\0"):
        header = archive[at : at + 110]
        assert header[:6] == b"070701"
        fields = [int(header[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)]
        mode, uid, gid, mtime, size, name_size = (fields[i] for i in (1, 2, 3, 5, 6, 11))
        assert (uid, gid, mtime) == (0, 0, 0)
        name = archive[at + 110 : at + 110 + name_size]
        assert name.endswith(b"\0")
        begin = -(-(at + 110 + name_size) // 4) * 4
        found[name[:-1].decode()] = (mode, archive[begin : begin + size])
        at = -(-(begin + size) // 4) * 4
    return found


def test_an_archive_holds_its_entries_and_ends_with_the_trailer() -> None:
    found = parse(cpio(ENTRIES))
    assert list(found) == ["bin", "bin/busybox", "bin/sh", "TRAILER!!!"]
    assert found["bin/sh"] == (stat.S_IFLNK | 0o777, b"busybox")
    assert found["bin/busybox"] == (stat.S_IFREG | 0o755, b"\x7fELF...")


@given(st.lists(st.tuples(st.text("abc/é", min_size=1), st.binary(max_size=30)), max_size=6))
def test_any_names_and_contents_come_back(files: list[tuple[str, bytes]]) -> None:
    archive = cpio(Entry(name, stat.S_IFREG | 0o644, content) for name, content in files)
    assert len(archive) % 4 == 0
    wanted = {name: (stat.S_IFREG | 0o644, content) for name, content in files}
    assert parse(archive) == {**wanted, "TRAILER!!!": (0, b"")}


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio; try: apt-get install cpio")
def test_cpio_itself_reads_the_archive() -> None:
    listed = subprocess.run(["cpio", "-t"], input=cpio(ENTRIES), capture_output=True, check=True)
    assert listed.stdout.decode().split() == ["bin", "bin/busybox", "bin/sh"]


def test_archives_follow_each_other_and_compress_to_the_same_bytes(tmp_path: Path) -> None:
    segment = start_segment(("/envbench/ready", "n"), stay=True)
    write_initramfs(tmp_path / "plain", cpio(ENTRIES), segment)
    write_initramfs(tmp_path / "small", cpio(ENTRIES), segment, compress=True)
    plain = (tmp_path / "plain").read_bytes()
    assert gzip.decompress((tmp_path / "small").read_bytes()) == plain
    assert parse(plain)["envbench/start"][1] == b"set -- /envbench/ready n\nstay=1\n"
    write_initramfs(tmp_path / "again", cpio(ENTRIES), segment, compress=True)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "small").read_bytes()


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12), min_size=1))
def test_any_argv_reaches_the_shell_as_it_is(argv: list[str]) -> None:
    line = parse(start_segment(argv, stay=False))["envbench/start"][1].decode()
    script = line + 'for word in "$@"; do printf "%s\\0" "$word"; done'
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == argv


@pytest.mark.parametrize("stay", [True, False])
def test_a_floor_sector_is_bootable_and_says_its_line(stay: bool) -> None:
    sector = floor_sector("0123456789abcdef", stay=stay)
    assert len(sector) == 512
    assert sector[510:] == b"\x55\xaa"
    # mov si, 0x7C27 points right behind the code, at the text.
    assert sector[5:8] == b"\xbe\x27\x7c"
    assert sector[0x27:].startswith(b"ENVBENCH-READY 0123456789abcdef realtime_ns= uptime_s=\r\n\0")
    assert (b"\xe6\x64" in sector) is not stay
    assert len(floor_disk("n", stay=stay)) == DISK_BYTES


def test_floor_jumps_land_on_instructions() -> None:
    sector = floor_sector("n", stay=False)

    def target(at: int) -> int:
        return at + 2 + int.from_bytes(sector[at + 1 : at + 2], signed=True)

    assert (sector[0x0C], target(0x0C)) == (0x74, 0x20)  # jz done
    assert (sector[0x16], target(0x16)) == (0x74, 0x13)  # jz wait
    assert (sector[0x1E], target(0x1E)) == (0xEB, 0x09)  # jmp next
    assert (sector[0x25], target(0x25)) == (0xEB, 0x24)  # jmp halt


def test_a_nonce_too_long_for_a_sector_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        floor_sector("x" * 500, stay=False)
