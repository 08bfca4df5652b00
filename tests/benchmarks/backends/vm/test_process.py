"""The processes and lines behind a guest: a VMM dies with its parent, a console is bounded, KVM is doubted."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from envbench.backend import Mark
from envbench.backends.vm.accelerator import Accelerator, choose_accelerators
from envbench.backends.vm.kvm import canary_deadline_s, open_problem
from envbench.backends.vm.process import VmmProcess, wait_readable
from envbench.backends.vm.serial import TAIL_BYTES, Console, SerialListener, first_words, log_tail
from envbench.errors import BackendError
from envbench.settings import RUN_ENVIRONMENT
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.procfs import descendants_of


def soon(seconds: float = 5.0) -> int:
    return monotonic_ns() + int(seconds * NS_PER_S)


def test_a_vmm_carries_the_run_and_its_end_is_seen(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    script = f"echo run=${RUN_ENVIRONMENT} session=$$; read word < {go}; exit 3"
    process = VmmProcess(["/bin/sh", "-c", script], "abc", tmp_path / "log")
    assert process.status is None
    go.write_text("now\n")
    assert process.wait(soon()) is None
    assert process.status == 3
    assert log_tail(tmp_path / "log") == f"run=abc session={process.pid}"
    process.kill()
    process.kill()


def test_a_vmm_keeps_its_temporary_files_where_they_are_removed(tmp_path: Path) -> None:
    process = VmmProcess(["/bin/sh", "-c", 'echo "$TMPDIR"'], "abc", tmp_path / "log")
    assert process.wait(soon()) is None
    assert log_tail(tmp_path / "log") == str(tmp_path)
    process.kill()


def test_waiting_ends_at_the_deadline_or_with_a_descriptor(tmp_path: Path) -> None:
    process = VmmProcess(["/bin/sleep", "60"], "abc", tmp_path / "log")
    reader, writer = os.pipe()
    try:
        assert process.wait(soon(0.05), reader) == set()
        os.write(writer, b"x")
        assert process.wait(soon(), reader) == {reader}
        process.terminate()
        assert process.wait(soon()) is None
        assert process.status == -15
    finally:
        process.kill()
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("end", [VmmProcess.kill, VmmProcess.terminate])
def test_a_script_that_waits_for_its_vmm_ends_with_it(end: Callable[[VmmProcess], None], tmp_path: Path) -> None:
    process = VmmProcess(["/bin/sh", "-c", "/bin/sleep 60; exit 1"], "abc", tmp_path / "log")
    while not (children := descendants_of(process.pid)):
        time.sleep(0.01)
    behind = os.pidfd_open(children[0])
    try:
        end(process)
        assert process.wait(soon()) is None if process.status is None else True
        assert wait_readable(behind, soon()) == {behind}, "what the script started outlived it"
    finally:
        process.kill()
        os.close(behind)


def test_a_missing_program_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        VmmProcess(["/no/such/qemu"], "abc", tmp_path / "log")


def test_a_vmm_dies_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from envbench.backends.vm.process import VmmProcess\n"
        "print(VmmProcess(['/bin/sleep', '60'], 'abc', Path(sys.argv[1])).pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent:
        child = os.pidfd_open(int(parent.stdout.readline()))
        try:
            assert not wait_readable(child, soon(0.05)), "the VMM ended before its parent"
            parent.kill()
            assert wait_readable(child, soon()) == {child}, "the VMM outlived its parent"
        finally:
            os.close(child)


class Line:
    """Both ends of a serial line, and the moments that were reported, in order."""

    def __init__(self, *, speaks_first: bool = True) -> None:
        self.ours, self.guest = socket.socketpair()
        self.ours.setblocking(False)
        self.marks: list[Mark] = []
        self.console = Console(self.ours, self.marks.append, first_words(speaks_first=speaks_first))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.console.close()
        self.guest.close()


def test_the_first_byte_is_the_kernels_where_the_firmware_is_silent() -> None:
    with Line() as line:
        line.console.hear(b"e")
        assert line.marks == [Mark.KERNEL_UP]
        for piece in (b"arly console\r\nENVB", b"ENCH-I", b"NIT\r\n"):
            assert line.console.hear(piece) == piece
        line.console.hear(b"ENVBENCH-INIT again")
        assert line.marks == [Mark.KERNEL_UP, Mark.USERSPACE_UP]


def test_a_talking_firmware_is_not_taken_for_the_kernel() -> None:
    with Line(speaks_first=False) as line:
        line.console.hear(b"BdsDxe: loading Boot0001\r\n")
        assert line.marks == []
        line.console.hear(b"EFI stu")
        line.console.hear(b"b: Loaded initrd")
        assert line.marks == [Mark.KERNEL_UP]


def test_a_flood_is_read_to_the_end_and_only_its_tail_kept() -> None:
    with Line() as line:
        for _ in range(50):
            line.guest.setblocking(False)
            line.guest.send(b"x" * 1000 + b"\n")
            assert line.console.drain()
        line.guest.send(b"Kernel panic\x1b[0m - not syncing\n")
        line.guest.close()
        assert not line.console.drain()
        assert line.console.tail().endswith("Kernel panic[0m - not syncing")
        assert len(line.console.tail()) <= TAIL_BYTES
        assert sum(map(len, line.console._tail)) <= TAIL_BYTES + 65536


def test_a_line_can_be_said_even_when_nobody_listens() -> None:
    with Line() as line:
        line.console.say(b"stop")
        assert line.guest.recv(100) == b"stop\n"
        line.guest.close()
        line.console.say(b"stop")


def test_a_listener_hears_a_connect_and_leaves_no_file(tmp_path: Path) -> None:
    listener = SerialListener(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as guest:
        assert not wait_readable(listener.fileno(), soon(0.02))
        guest.connect(str(tmp_path / "s"))
        assert wait_readable(listener.fileno(), soon()) == {listener.fileno()}
        listener.accept().close()
    assert not (tmp_path / "s").exists()
    listener.close()


def test_a_path_too_long_for_a_socket_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot listen"):
        SerialListener(tmp_path / ("x" * 120))


def test_kvm_without_a_device_or_permission_has_its_remedy(tmp_path: Path) -> None:
    absent = open_problem(tmp_path / "kvm")
    assert absent is not None
    assert not absent.usable
    assert "modprobe" in absent.remedy
    (tmp_path / "not-kvm").touch()
    wrong = open_problem(tmp_path / "not-kvm")
    assert wrong is not None
    assert "makes no machine" in wrong.reason


def test_a_canary_must_not_be_slower_than_emulation() -> None:
    assert canary_deadline_s(0.15) == pytest.approx(0.8)
    assert canary_deadline_s(10.0) == pytest.approx(20.5)


@pytest.mark.parametrize(
    ("asked", "usable", "chosen"),
    [
        ((), True, ("kvm",)),
        ((), False, ("tcg",)),
        (("kvm",), False, ()),
        (("kvm", "tcg"), False, ("tcg",)),
        (("tcg", "kvm"), True, ("tcg", "kvm")),
    ],
)
def test_tcg_is_only_taken_for_kvm_where_nobody_asked(
    asked: tuple[str, ...], usable: bool, chosen: tuple[str, ...]
) -> None:
    assert choose_accelerators(asked, Accelerator(usable=usable, reason="because")) == chosen


def test_the_time_a_wait_takes_is_not_rounded_down() -> None:
    reader, writer = os.pipe()
    begun = time.monotonic()
    wait_readable(reader, soon(0.0301))
    assert time.monotonic() - begun >= 0.03
    os.close(reader)
    os.close(writer)
