"""A capture answers as the system did; what is captured is what was asked; nothing half-written is left."""

from __future__ import annotations

import errno
import json
import os
import tarfile
from datetime import datetime, timezone
from pathlib import Path

import pytest

from envinspect.capture import write as capture
from envinspect.capture.every_question import ask_everything
from envinspect.capture.redaction import Redaction
from envinspect.capture.write import write_capture
from envinspect.cli.commands import run
from envinspect.facets.resources import resources_block
from envinspect.inspection import inspect
from envinspect.model import ABSENT, NOT_RECORDED, Denied, Found, Reading
from envinspect.model.errors import CaptureError
from envinspect.model.facts import Facts, Observer, Registers, Stat, Uname
from envinspect.render import render
from envinspect.systems.captured import read_capture
from envinspect.systems.live import live_facts

WHEN = datetime(2026, 11, 20, 12, 0, 0, tzinfo=timezone.utc)


class Machine:
    """A machine of which every question has a known answer."""

    live = True

    def read(self, path: str) -> Reading[bytes]:
        return {"/a": Found(b"\0\xff text"), "/secret": Denied("EACCES")}.get(path, ABSENT)

    def link(self, path: str) -> Reading[str]:
        return Found("pid:[1]") if path == "/ns" else ABSENT

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        return Found(("kvm", "null")) if path == "/dev" else Denied("EACCES") if path == "/closed" else ABSENT

    def stat(self, path: str) -> Reading[Stat]:
        return Found(Stat(7, 8, 0o100644, 9)) if path in {"/a", "/secret"} else ABSENT

    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:
        return Found(Registers(leaf % 2**32, subleaf, 2**32 - 1, 0))


def asked() -> Facts:
    machine = Machine()
    variables = {"container": "lxc"}
    facts = Facts(
        machine,
        machine,
        uname=Uname("Linux", "6.1", "#1", "x86_64"),
        euid=1000,
        environ=lambda name: Found(variables[name]) if name in variables else ABSENT,
    )
    for path in ("/a", "/secret", "/missing"):
        facts.bytes(path)
        facts.stat(path)
    for path in ("/ns", "/missing"):
        facts.link(path)
    for path in ("/dev", "/closed", "/missing"):
        facts.listing(path)
    facts.cpuid(1)
    facts.cpuid(0xB, 2)
    facts.environ("container")
    facts.environ("MISSING")
    return facts


@pytest.mark.parametrize("name", ["capture", "capture.tar.gz", "capture.tgz"])
def test_every_answer_comes_back(tmp_path: Path, name: str) -> None:
    facts = asked()
    out = str(tmp_path / name)
    write_capture(facts, out, tool="test", captured_at=WHEN, redaction=None)
    again = read_capture(out)
    assert {path: again.bytes(path) for path in facts.files} == facts.files
    assert {path: again.stat(path) for path in facts.stats} == facts.stats
    assert {path: again.link(path) for path in facts.links} == facts.links
    assert {path: again.listing(path) for path in facts.listings} == facts.listings
    assert {key: again.cpuid(*key) for key in facts.leaves} == facts.leaves
    assert {key: again.environ(key) for key in facts.variables} == facts.variables
    assert (again.uname, again.euid) == (facts.uname, facts.euid)
    assert again.cpuid(2) == Denied("not-recorded")


def test_the_format_is_contract_1(tmp_path: Path) -> None:
    out = tmp_path / "capture"
    write_capture(asked(), str(out), tool="envinspect 0.1.0", captured_at=WHEN, redaction=None)
    document = json.loads((out / "facts.json").read_text())
    assert document == {
        "schema": "envinspect-capture/1",
        "tool": "envinspect 0.1.0",
        "captured_at": "2026-11-20T12:00:00Z",
        "uname": {"sysname": "Linux", "release": "6.1", "version": "#1", "machine": "x86_64"},
        "euid": 1000,
        "environ": {"container": "lxc"},
        "cpuid": {"0x00000001": [1, 0, 4294967295, 0], "0x0000000b/2": [11, 2, 4294967295, 0]},
        "links": {"/ns": "pid:[1]"},
        "listings": {"/dev": ["kvm", "null"]},
        "stat": {path: {"dev": 7, "ino": 8, "mode": 0o100644, "size": 9} for path in ("/a", "/secret")},
        "denied": {"/secret": "EACCES", "/closed": "EACCES"},
        "asked": ["/a", "/closed", "/dev", "/missing", "/ns", "/secret"],
    }
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == ["facts.json", "root/a"]
    assert (out / "root/a").read_bytes() == b"\0\xff text"


@pytest.mark.parametrize("redaction", [None, Redaction(("some-host",))])
def test_this_machine_answers_the_same_from_its_capture(tmp_path: Path, redaction: Redaction | None) -> None:
    facts = live_facts()
    ask_everything(facts)
    live = inspect(facts)
    out = str(tmp_path / "this.tar.gz")
    write_capture(facts, out, tool="test", captured_at=WHEN, redaction=redaction)
    again = inspect(read_capture(out))
    assert [(layer.kind, layer.id, layer.confidence, layer.details) for layer in again.stack.layers] == [
        (layer.kind, layer.id, layer.confidence, layer.details) for layer in live.stack.layers
    ]
    assert [mark.id for mark in again.stack.roles] == [mark.id for mark in live.stack.roles]
    assert again.stack.determined == live.stack.determined
    assert [(piece.id, piece.source) for piece in again.stack.evidence] == [
        (piece.id, piece.source) for piece in live.stack.evidence
    ]
    mine, theirs = resources_block(facts), resources_block(again.facts)
    # Only the running system tells its disk, and its mask by the call that answers first.
    same = [key for key in mine if not key.startswith("disk") and key != "cpus_because"]
    assert {key: mine[key] for key in same} == {key: theirs[key] for key in same}


def test_an_existing_name_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "there"
    out.write_text("mine")
    with pytest.raises(CaptureError, match="there already"):
        write_capture(asked(), str(out), tool="test", captured_at=WHEN, redaction=None)
    assert out.read_text() == "mine"


def test_an_empty_name_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CaptureError, match="needs a name"):
        write_capture(asked(), "", tool="test", captured_at=WHEN, redaction=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["capture", "capture.tar.gz"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    monkeypatch.setattr(capture.os, "rename", full)
    with pytest.raises(CaptureError, match="No space left on device; nothing was written") as refused:
        write_capture(asked(), str(tmp_path / name), tool="test", captured_at=WHEN, redaction=None)
    assert "has room" in refused.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["capture", str(tmp_path / "no" / "such" / "capture")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_writes_what_from_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "here.tar.gz")
    assert run(["capture", out]) == 0
    live, replayed = run(["--brief"]), run(["--brief", "--from", out])
    lines = capsys.readouterr().out.splitlines()
    assert live == replayed
    assert lines[0] == lines[1]


def test_a_capture_of_a_capture_is_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_capture(asked(), str(first), tool="test", captured_at=WHEN, redaction=None)
    facts = read_capture(str(first))
    original = asked()
    for table, ask in (
        (original.files, facts.bytes), (original.links, facts.link), (original.listings, facts.listing),
        (original.stats, facts.stat), (original.variables, facts.environ),
    ):  # fmt: skip
        for question in table:
            ask(question)
    for key in original.leaves:
        facts.cpuid(*key)
    write_capture(facts, str(second), tool="test", captured_at=WHEN, redaction=None)
    assert (second / "facts.json").read_text() == (first / "facts.json").read_text()


def test_a_path_that_was_never_asked_is_not_recorded_and_never_absent(tmp_path: Path) -> None:
    out = str(tmp_path / "capture")
    write_capture(asked(), out, tool="test", captured_at=WHEN, redaction=None)
    again = read_capture(out)
    for ask in (again.bytes, again.link, again.listing, again.stat):
        assert ask("/missing") == ABSENT
        assert ask("/never/asked") == NOT_RECORDED
    assert again.bytes("/secret") == Denied("EACCES")
    # What it is told of a capture that it has no record of is not asked either, when it is captured again.
    once_more = str(tmp_path / "again")
    write_capture(again, once_more, tool="test", captured_at=WHEN, redaction=None)
    assert read_capture(once_more).bytes("/never/asked") == NOT_RECORDED
    assert read_capture(once_more).bytes("/missing") == ABSENT


def test_a_capture_without_the_list_asked_for_everything(tmp_path: Path) -> None:
    out = tmp_path / "capture"
    write_capture(asked(), str(out), tool="test", captured_at=WHEN, redaction=None)
    document = json.loads((out / "facts.json").read_text("utf-8"))
    assert document.pop("asked") == ["/a", "/closed", "/dev", "/missing", "/ns", "/secret"]
    (out / "facts.json").write_text(json.dumps(document), "utf-8")
    assert read_capture(str(out)).bytes("/never/asked") == ABSENT


def test_how_a_system_was_looked_at_is_kept_and_said_where_it_was_not_natively(tmp_path: Path) -> None:
    facts = asked()
    for number, observer in enumerate(
        (Observer("sh", "none"), Observer("sh", "device"), Observer("pid", "instruction"))
    ):
        facts.observer = observer
        out = str(tmp_path / str(number))
        write_capture(facts, out, tool="test", captured_at=WHEN, redaction=None)
        again = read_capture(out)
        assert again.observer == observer
        assert inspect(again).to_json()["observer"] == observer.to_dict()
        said = render("text", inspect(again)).text
        assert ("CPUID, so" in said) == (observer.cpuid == "none")
        assert "disk space" in said
        assert "disk space" in render("explain", inspect(again)).text


def test_a_native_capture_answers_as_the_machine_does(tmp_path: Path) -> None:
    out = tmp_path / "capture"
    facts = live_facts()
    ask_everything(facts)
    write_capture(facts, str(out), tool="test", captured_at=WHEN, redaction=None)
    assert json.loads((out / "facts.json").read_text("utf-8"))["observer"]["how"] == "native"
    again = read_capture(str(out))
    assert again.observer is None
    assert inspect(again).to_json() == inspect(facts).to_json()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("asked", {"/a": 1}),
        ("asked", [1]),
        ("observer", "sh"),
        ("observer", {"how": "telepathy", "cpuid": "none"}),
        ("observer", {"how": "sh"}),
        ("observer", {"how": "sh", "cpuid": ["none"]}),
    ],
)
def test_what_is_no_list_of_paths_and_no_observer_is_refused(tmp_path: Path, key: str, value: object) -> None:
    out = tmp_path / "capture"
    write_capture(asked(), str(out), tool="test", captured_at=WHEN, redaction=None)
    document = json.loads((out / "facts.json").read_text("utf-8")) | {key: value}
    (out / "facts.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(CaptureError, match=key):
        read_capture(str(out))
