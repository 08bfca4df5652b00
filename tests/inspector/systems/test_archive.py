"""Hostile captures are refused with one line and exit code 2, in bounded time and memory, and touch nothing outside."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from envinspect.cli.commands import run
from envinspect.model import ABSENT, Denied, Found
from envinspect.model.errors import CaptureError, EnvinspectError, UsageError
from envinspect.systems import archive
from envinspect.systems.captured import read_capture

FACTS = json.dumps({"schema": "envinspect-capture/1"}).encode()


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, len(data)
    return info, data


def make_archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], facts: bytes | None = FACTS) -> str:
    with tarfile.open(path, "w:gz") as out:
        for info, data in ((member("facts.json", facts),) if facts is not None else ()) + members:
            out.addfile(info, io.BytesIO(data))
    return str(path)


def refusal(path: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line with which the command refuses a capture."""
    assert run(["--from", path]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.isprintable() or err.rstrip("\n").isprintable()
    return err


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (member("../evil", b"x"), "leads out"),
        (member("root/../../evil", b"x"), "leads out"),
        (member("/etc/evil", b"x"), "leads out"),
        (member("root/etc/link", kind=tarfile.SYMTYPE, target="/etc/passwd"), "leads out"),
        (member("root/etc/link", kind=tarfile.SYMTYPE, target="../../../etc/passwd"), "leads out"),
        (member("facts2", kind=tarfile.SYMTYPE, target="root"), "leads out"),
        (member("root/loop", kind=tarfile.SYMTYPE, target="loop"), "circle"),
        (member("root/hard", kind=tarfile.LNKTYPE, target="/etc/passwd"), "hard link"),
        (member("root/dev/null", kind=tarfile.CHRTYPE), "device"),
        (member("root/dev/sda", kind=tarfile.BLKTYPE), "device"),
        (member("root/pipe", kind=tarfile.FIFOTYPE), "FIFO"),
        (member("root/\x1b]0;pwned\x07", b"x"), "control characters"),
        (member("root/a\nb", b"x"), "control characters"),
        (member("root/" + "d/" * 100 + "f", b"x"), "too deep"),
        (member("root/" + "n" * 5000, b"x"), "too long"),
        (member("facts.json/below", b"x"), "no folder"),
        (member("facts.json", b"{}"), "there twice"),
        (member("root/big", b"\0" * (archive.READ_LIMIT_BYTES + 1)), "larger than"),
    ],
)
def test_a_bad_member_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: tuple[tarfile.TarInfo, bytes], says: str
) -> None:
    assert says in refusal(make_archive(tmp_path / "bad.tar.gz", bad), capsys)


def test_a_link_pair_that_leads_out_in_two_steps_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    path = make_archive(
        tmp_path / "two.tar.gz",
        member("root/a/b/up", kind=tarfile.SYMTYPE, target=".."),
        member("root/a/b/out", kind=tarfile.SYMTYPE, target="up/../secret"),
    )
    assert read_capture(path).bytes("/a/b/out") is ABSENT


def test_a_link_inside_is_followed(tmp_path: Path) -> None:
    path = make_archive(
        tmp_path / "inside.tar.gz",
        member("root/usr/lib/os-release", b"ID=debian\n"),
        member("root/etc/os-release", kind=tarfile.SYMTYPE, target="../usr/lib/os-release"),
    )
    facts = read_capture(path)
    assert facts.text("/etc/os-release") == Found("ID=debian")
    assert facts.link("/etc/os-release") == Found("../usr/lib/os-release")


def test_a_bomb_of_zeros_is_refused_in_a_small_box(tmp_path: Path) -> None:
    """A file of a gigabyte: refused by a process that may not have half of that, at the file's header."""
    path = tmp_path / "bomb.tar.gz"
    info = tarfile.TarInfo("root/zeros")
    info.size = 1 << 30
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(info.tobuf())
        for _ in range(1 << 2):
            out.write(bytes(1 << 24))
    assert "larger than" in in_a_box(path)


def test_a_bomb_in_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pax.tar.gz"
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 1 << 27
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(header.tobuf())
        for _ in range(1 << 3):
            out.write(bytes(1 << 24))
    assert "unpacks to more" in in_a_box(path)


def test_many_small_files_that_are_too_much_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chunk = b"\0" * archive.READ_LIMIT_BYTES
    members = [member(f"root/{number}", chunk) for number in range(20)]
    assert "unpacks to more" in refusal(make_archive(tmp_path / "sum.tar.gz", *members), capsys)


def test_chained_long_names_do_not_exhaust_the_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chain.tar.gz"
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    with gzip.open(path, "wb") as out:
        for _ in range(3000):
            out.write(header.tobuf() + b"x".ljust(512, b"\0"))
    refusal(str(path), capsys)


def test_a_million_files_are_refused_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archive, "MEMBERS_LIMIT", 2000)
    path = tmp_path / "million.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        for number in range(archive.MEMBERS_LIMIT + 10):
            out.write(tarfile.TarInfo(f"root/{number}").tobuf())
    assert "more than 2000 files" in refusal(str(path), capsys)


def test_the_same_file_a_million_times_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archive, "MEMBERS_LIMIT", 2000)
    path = tmp_path / "same.tar.gz"
    block = tarfile.TarInfo("root/same").tobuf()
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(block * (archive.MEMBERS_LIMIT + 10))
    assert "more than 2000 files" in refusal(str(path), capsys)


@pytest.mark.parametrize("keep", [10, 100, -30, -8, -1])
def test_a_truncated_archive_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], keep: int) -> None:
    whole = Path(make_archive(tmp_path / "whole.tar.gz", member("root/a", os.urandom(2000)))).read_bytes()
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(whole[:keep])
    assert "try: `envinspect capture NAME.tar.gz` on that machine" in refusal(str(path), capsys)


def test_a_flipped_bit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = bytearray(Path(make_archive(tmp_path / "whole.tar.gz", member("root/a", b"data" * 500))).read_bytes())
    whole[-6] ^= 1
    path = tmp_path / "flipped.tar.gz"
    path.write_bytes(whole)
    refusal(str(path), capsys)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (None, "no facts.json"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "object was expected"),
        (b'"text"', "object was expected"),
        (b"{}", "schema is None"),
        (b'{"schema": "envinspect-capture/2"}', "envinspect-capture/2"),
        (b'{"schema": "\\u001b[31m"}', "schema is"),
        (b'{"schema": "envinspect-capture/1", "environ": []}', "an object was expected"),
        (b'{"schema": "envinspect-capture/1", "environ": {"a": 1}}', "a string was expected"),
        (b'{"schema": "envinspect-capture/1", "links": {"/a": null}}', "a string was expected"),
        (b'{"schema": "envinspect-capture/1", "listings": {"/a": "b"}}', "a list was expected"),
        (b'{"schema": "envinspect-capture/1", "listings": {"/a": [1]}}', "a string was expected"),
        (b'{"schema": "envinspect-capture/1", "stat": {"/": {"dev": "1"}}}', "a whole number"),
        (b'{"schema": "envinspect-capture/1", "stat": {"/": {"dev": -1}}}', "a whole number"),
        (b'{"schema": "envinspect-capture/1", "cpuid": {"eax": [1, 2, 3, 4]}}', "not a leaf"),
        (b'{"schema": "envinspect-capture/1", "cpuid": {"0x1": [1, 2, 3]}}', "eax, ebx, ecx, edx"),
        (b'{"schema": "envinspect-capture/1", "cpuid": {"0x1": [1, 2, 3, 4294967296]}}', "a whole number"),
        (b'{"schema": "envinspect-capture/1", "cpuid": {"0x1": [1, 2, 3, true]}}', "a whole number"),
        (b'{"schema": "envinspect-capture/1", "euid": "root"}', "a whole number"),
        (b'{"schema": "envinspect-capture/1", "uname": 3}', "an object was expected"),
        (b'{"schema": "envinspect-capture/1", "denied": {"/a": 13}}', "a string was expected"),
        (b'{"schema": "envinspect-capture/1", "euid": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_bad_facts_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], facts: bytes | None, says: str
) -> None:
    assert says in refusal(make_archive(tmp_path / "facts.tar.gz", member("root/a"), facts=facts), capsys)
    folder = tmp_path / "folder"
    (folder / "root").mkdir(parents=True)
    if facts is not None:
        (folder / "facts.json").write_bytes(facts)
    assert says in refusal(str(folder), capsys)


def folder_with(tmp_path: Path) -> Path:
    folder = tmp_path / "capture"
    (folder / "root").mkdir(parents=True)
    (folder / "facts.json").write_bytes(FACTS)
    return folder


def test_a_folder_with_links_out_devices_or_odd_names_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = {
        "link": lambda path: path.symlink_to("/etc/passwd"),
        "up": lambda path: path.symlink_to("../../../etc/passwd"),
        "loop": lambda path: path.symlink_to("loop"),
        "pipe": os.mkfifo,
        "\x1b[2Jname": lambda path: path.write_text(""),
        "big": lambda path: path.write_bytes(bytes(archive.READ_LIMIT_BYTES + 1)),
    }
    for name, make in odd.items():
        folder = folder_with(tmp_path / f"{len(name)}{name[:1].isalpha()}{name[-1]}")
        make(folder / "root" / name)
        refusal(str(folder), capsys)


def test_what_is_no_capture_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = tmp_path / "text"
    text.write_text("hello")
    for path in (str(pipe), str(text), str(tmp_path / "nothing"), "/dev/zero", "bad\0name", str(tmp_path)):
        refusal(path, capsys)


def test_a_folder_that_is_larger_than_any_capture_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archive, "MEMBERS_LIMIT", 50)
    folder = folder_with(tmp_path)
    for number in range(60):
        (folder / "root" / str(number)).touch()
    assert "more than 50 files" in refusal(str(folder), capsys)
    monkeypatch.setattr(archive, "MEMBERS_LIMIT", 500)
    monkeypatch.setattr(archive, "TOTAL_LIMIT_BYTES", 1000)
    (folder / "root" / "data").write_bytes(bytes(2000))
    assert "MiB" in refusal(str(folder), capsys)


def test_a_hostile_text_never_reaches_the_terminal_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;pwned\x07\x9b31m\u202egpj"
    facts = {"schema": "envinspect-capture/1", "uname": {"release": evil}, "denied": {f"/{evil}": evil}, "cpuid": {}}
    folder = tmp_path / "evil"
    dmi = folder / "root/sys/class/dmi/id"
    dmi.mkdir(parents=True)
    (folder / "facts.json").write_text(json.dumps(facts))
    (dmi / "sys_vendor").write_text("QEMU" + evil)
    (dmi / "product_name").write_text("VirtualBox" + evil)
    (folder / "root/etc").mkdir()
    (folder / "root/etc/os-release").write_text(f"PRETTY_NAME={evil}\nID={evil}")
    (folder / "root/proc/self").mkdir(parents=True)
    (folder / "root/proc/self/cgroup").write_text(f"0::/docker/{evil}\n")
    forms = (["--brief"], ["--explain"], ["--json"], [], ["--why-not", "docker"], ["--format", "virt-what"])
    for form in (*forms, *([sub] for sub in ("resources", "isolation", "capabilities"))):
        run([*form, "--from", str(folder)])
        out, err = capsys.readouterr()
        raw = {character for character in out + err if not character.isprintable() and character != "\n"}
        assert raw == set(), form


def test_the_live_machine_is_never_read_for_a_capture(tmp_path: Path) -> None:
    """An empty capture knows nothing: no CPUID, no environment, no kernel, whatever this machine has."""
    folder = folder_with(tmp_path)
    facts = read_capture(str(folder))
    assert isinstance(facts.cpuid(1), Denied)
    assert isinstance(facts.environ("PATH"), Denied)
    assert facts.bytes("/proc/self/status") is ABSENT
    assert facts.link("/proc/self/ns/pid") == Denied("not-recorded")
    assert (facts.uname.release, facts.euid) == ("", None)


def test_errors_say_which_kind_they_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_capture(str(tmp_path / "nothing"))
    with pytest.raises(CaptureError):
        read_capture(str(tmp_path))
    assert CaptureError.exit_code == UsageError.exit_code == 2
    assert issubclass(CaptureError, EnvinspectError)


def _cut_short(folder: Path, whole: Path) -> None:
    folder.write_bytes(whole.read_bytes()[:200])


def _of_another_schema(folder: Path, _: Path) -> None:
    folder.mkdir()
    (folder / "facts.json").write_text('{"schema": "envinspect-capture/9", "tool": "envinspect 9.1"}')


def _no_json(folder: Path, _: Path) -> None:
    folder.mkdir()
    (folder / "facts.json").write_text("{")


def _no_facts(folder: Path, _: Path) -> None:
    (folder / "etc").mkdir(parents=True)


def _a_device(folder: Path, _: Path) -> None:
    folder.mkdir()
    (folder / "facts.json").write_text('{"schema": "envinspect-capture/1"}')
    os.mkfifo(folder / "pipe")


def _a_wire_cut_short(folder: Path, _: Path) -> None:
    folder.write_text("envinspect-wire/1 begin 1 base64\nQUJD\n")


@pytest.mark.parametrize(
    ("spoil", "remedy"),
    [
        (_cut_short, "envinspect capture NAME.tar.gz"),
        (_of_another_schema, "the envinspect that wrote it"),
        (_no_json, "envinspect capture NAME.tar.gz"),
        (_no_facts, "--root"),
        (_a_device, "envinspect capture NAME.tar.gz"),
        (_a_wire_cut_short, "collect.sh"),
    ],
)
def test_each_refusal_says_what_helps(tmp_path: Path, spoil: Callable[[Path, Path], None], remedy: str) -> None:
    whole = tmp_path / "whole.tar.gz"
    assert run(["capture", str(whole)]) == 0
    spoil(tmp_path / "bad", whole)
    with pytest.raises(CaptureError) as refused:
        read_capture(str(tmp_path / "bad"))
    assert remedy in refused.value.remedy


def test_what_helps_does_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each remedy followed to the letter: a new capture, the collector once more, --root for a plain folder."""
    assert run(["capture", str(tmp_path / "NAME.tar.gz")]) == 0
    assert run(["--from", str(tmp_path / "NAME.tar.gz"), "--brief"]) in {0, 3}
    capsys.readouterr()
    assert run(["collector"]) == 0
    (tmp_path / "collect.sh").write_text(capsys.readouterr().out)
    answer = subprocess.run(["sh", tmp_path / "collect.sh"], capture_output=True, check=True, timeout=120)
    (tmp_path / "FILE").write_bytes(answer.stdout)
    assert run(["--from", str(tmp_path / "FILE"), "--brief"]) in {0, 3}
    (tmp_path / "plain/etc").mkdir(parents=True)
    assert run(["--root", str(tmp_path / "plain"), "--brief"]) == 3


def in_a_box(path: Path) -> str:
    """Return what the command says of a capture when it may have no more than 200 MiB of address space."""

    def box() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))

    done = subprocess.run(
        [sys.executable, "-m", "envinspect", "--from", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=box,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr
