"""The payload tree: the same bytes whoever builds it, the ready line first, commands that report their end."""

import errno
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from envbench.backend import Workload
from envbench.errors import BackendError
from envbench.payload.busybox import find_busybox, static_elf_problem
from envbench.payload.entries import entries
from envbench.payload.scripts import READY_SCRIPT
from envbench.payload.tree import APPLETS, build_tree, describe_tree, tree_of_run
from envbench.payload.words import argv_for
from envbench.settings import Settings

needs_busybox = pytest.mark.skipif(
    shutil.which("busybox") is None, reason="no busybox; try: apt-get install busybox-static"
)


def elf(*, machine: int = 62, interpreter: bool = False, bits: int = 2, order: int = 1) -> bytes:
    """Return the least ELF header with one program header."""
    header = bytearray(64 + 56)
    header[:6] = b"\x7fELF" + bytes([bits, order])
    struct.pack_into("<H", header, 18, machine)
    struct.pack_into("<Q", header, 32, 64)
    struct.pack_into("<HH", header, 54, 56, 1)
    struct.pack_into("<I", header, 64, 3 if interpreter else 1)
    return bytes(header)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (elf(), None),
        (elf(interpreter=True), "linked dynamically"),
        (elf(machine=183), "another architecture"),
        (b"#!/bin/sh\n", "not an ELF"),
        (b"", "not an ELF"),
        (elf()[:100], "truncated"),
    ],
)
def test_only_a_static_program_of_this_architecture_will_do(data: bytes, problem: str | None) -> None:
    found = static_elf_problem(data, "x86_64")
    assert found is None if problem is None else problem in (found or "")


def test_without_busybox_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    with pytest.raises(BackendError) as caught:
        find_busybox()
    assert "apt install busybox-static" in caught.value.remedy


@needs_busybox
def test_the_same_tree_whatever_the_umask_and_the_day(tmp_path: Path) -> None:
    first = build_tree(tmp_path / "first")
    before = os.umask(0o077)
    try:
        second = build_tree(tmp_path / "second")
    finally:
        os.umask(before)
    assert first.digest == second.digest
    assert first.size_bytes == second.size_bytes > first.busybox.path.stat().st_size
    assert all(found.lstat().st_mtime == 0 for found in second.path.rglob("*"))
    (second.path / "etc/passwd").write_text("other\n")
    assert describe_tree(second.path, "minimal", second.busybox).digest != first.digest


@needs_busybox
def test_every_link_leads_to_an_applet_that_busybox_has(tmp_path: Path) -> None:
    tree = build_tree(tmp_path / "tree")
    known = subprocess.run([tree.path / "bin/busybox", "--list"], capture_output=True, text=True, check=True)
    assert set(APPLETS) <= set(known.stdout.split())
    assert {entry.path for entry in entries(tree.path)} >= {"init", "envbench/ready", "bin/sh", "proc", "dev"}


@needs_busybox
def test_a_taken_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(BackendError, match="not empty"):
        build_tree(tmp_path)
    assert (tmp_path / "mine").read_text() == "precious"


def say(tmp_path: Path, workload: Workload) -> list[str]:
    """Return what the ready script prints for this workload, run by BusyBox on this machine."""
    script = tmp_path / "ready"
    script.write_text(READY_SCRIPT)
    argv = ["busybox", "sh", str(script), *argv_for(workload)[1:]]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20)
    assert done.stderr == ""
    return done.stdout.splitlines()


@needs_busybox
def test_the_ready_line_is_the_first_and_carries_nonce_and_clocks(tmp_path: Path) -> None:
    (line,) = say(tmp_path, Workload("n0nce"))
    word, nonce, realtime, uptime = line.split(" ")
    assert (word, nonce) == ("ENVBENCH-READY", "n0nce")
    assert len(realtime.removeprefix("realtime_ns=")) == 19
    assert realtime.endswith("000")
    assert float(uptime.removeprefix("uptime_s=")) > 0


@needs_busybox
def test_facts_follow_the_ready_line_when_asked_for(tmp_path: Path) -> None:
    ready, *facts = say(tmp_path, Workload("n0nce", argv=("/envbench/ready", "facts")))
    assert ready.startswith("ENVBENCH-READY n0nce ")
    assert f"ENVBENCH-FACT kernel_release={os.uname().release}" in facts
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert f"ENVBENCH-FACT boot_id={boot_id}" in facts
    assert facts[-1] == "ENVBENCH-FACT end=1"


@needs_busybox
def test_another_program_runs_behind_the_ready_line_and_its_status_is_told(tmp_path: Path) -> None:
    lines = say(tmp_path, Workload("n0nce", argv=("busybox", "sh", "-c", "echo 'two  words'; exit 7")))
    assert lines[0].startswith("ENVBENCH-READY n0nce ")
    assert lines[1:] == ["two  words", "ENVBENCH-EXIT n0nce status=7"]


def test_the_argv_says_all_that_the_script_needs() -> None:
    assert argv_for(Workload("n")) == ("/envbench/ready", "n")
    assert argv_for(Workload("n", keep_running=True)) == ("/envbench/ready", "n", "idle")
    assert argv_for(Workload("n", argv=("/envbench/ready", "facts"))) == ("/envbench/ready", "n", "facts")
    assert argv_for(Workload("n", argv=("/bin/uname", "-a"))) == ("/envbench/ready", "n", "--", "/bin/uname", "-a")


@needs_busybox
def test_half_a_tree_is_never_taken_for_the_runs(tmp_path, monkeypatch):
    settings = Settings("0123456789ab", tmp_path, tmp_path)

    def break_off(*_words):
        raise OSError(errno.EFBIG, "File too large")

    with monkeypatch.context() as broken:
        broken.setattr(shutil, "copyfile", break_off)
        for _ in range(2):
            with pytest.raises(BackendError, match="File too large"):
                tree_of_run(settings)
    assert (tree_of_run(settings).path / "bin/busybox").stat().st_size > 0
