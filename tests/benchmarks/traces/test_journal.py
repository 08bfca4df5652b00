"""The journal is on the disk before a thing is made, and is locked for exactly as long as its owner lives."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from envbench.settings import new_run_id
from envbench.traces import journal as module
from envbench.traces.journal import Journal, Kind, found_journals, read_journal
from envbench.traces.lock import take_lock
from envbench.traces.owner import Standing, boot_id

RUN = new_run_id()
"""Another one in each process of the tests: what carries it is ended by whoever reaps this run."""

OWNER = """
import subprocess, sys, time
from pathlib import Path
from envbench.traces.journal import Journal, Kind
journal = Journal(sys.argv[1], Path(sys.argv[2]))
journal.intend(Kind.FOLDER, "/x/" + sys.argv[1])
child = subprocess.Popen(["sleep", "60"], close_fds=False, start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def standings(folder: Path) -> dict[str, Standing]:
    return {journal.run_id: journal.standing for journal in found_journals(folder)}


def read(path: Path):
    found = read_journal(path.read_text())
    assert found is not None
    return found


def test_a_thing_is_on_the_disk_before_it_is_made(tmp_path):
    journal = Journal(RUN, tmp_path)
    number = journal.intend(Kind.FOLDER, "/x/" + RUN, endpoint="unix:///a")
    assert [(entry.kind, entry.name, entry.facts) for entry in read(journal.path)[2]] == [
        (Kind.FOLDER, "/x/" + RUN, {"endpoint": "unix:///a"})
    ]
    journal.forget(number)
    journal.forget(number)
    assert read(journal.path)[2] == ()
    journal.close()
    assert not journal.path.exists(), "an empty journal is of no use to anyone"


def test_a_folder_on_a_full_disk_gives_way_to_the_next(tmp_path, monkeypatch):
    full, other = tmp_path / "full", tmp_path / "other"
    full.mkdir()
    (full / f"{RUN}.jsonl").symlink_to("/dev/full")
    monkeypatch.setattr(module, "state_folders", lambda: (full, other))
    journal = Journal(RUN)
    assert journal.path.parent == other
    assert list(full.iterdir()) == []
    journal.close()


def test_a_full_disk_is_named_before_a_thing_is_made_and_no_matter_afterwards(tmp_path, monkeypatch):
    journal = Journal(RUN, tmp_path)
    number = journal.intend(Kind.FOLDER, "/x/" + RUN)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(OSError, match=re.escape(str(journal.path))):
        journal.intend(Kind.FILE, "/y/" + RUN)
    journal.forget(number)
    monkeypatch.undo()
    journal.intend(Kind.FILE, "/z/" + RUN)
    assert [entry.name for entry in read(journal.path)[2]] == ["/x/" + RUN, "/z/" + RUN]
    journal.close()


def test_a_journal_with_open_things_outlives_its_run(tmp_path):
    journal = Journal(RUN, tmp_path)
    journal.intend(Kind.FILE, "/x/" + RUN)
    journal.close()
    assert journal.path.exists()


def test_the_lock_ends_with_the_owner_and_not_with_a_child_that_outlives_it(tmp_path):
    words = [sys.executable, "-c", OWNER, RUN, str(tmp_path)]
    owner = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    child = int(owner.stdout.readline())
    try:
        assert standings(tmp_path) == {RUN: Standing.ALIVE}
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        os.kill(child, 0)  # It lives.
        assert standings(tmp_path) == {RUN: Standing.DEAD}
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
        os.kill(child, signal.SIGKILL)


def test_a_locked_journal_is_a_living_runs_wherever_that_runs(tmp_path):
    path = tmp_path / f"{RUN}.jsonl"
    first = {"schema": "envbench-journal/1", "run_id": RUN, "pid": 1, "start_ticks": 1, "boot_id": "of another machine"}
    path.write_text(json.dumps(first) + "\n")
    assert standings(tmp_path) == {RUN: Standing.ELSEWHERE}
    with path.open("a") as file:
        assert take_lock(file.fileno())
        assert standings(tmp_path) == {RUN: Standing.ALIVE}


def test_two_never_clean_up_after_the_same_run(tmp_path):
    path = tmp_path / f"{RUN}.jsonl"
    first = {"schema": "envbench-journal/1", "run_id": RUN, "pid": 1, "start_ticks": 2**40, "boot_id": "before"}
    path.write_text(json.dumps(first) + "\n")
    for journal in found_journals(tmp_path):
        assert journal.standing is Standing.ELSEWHERE
        assert standings(tmp_path) == {RUN: Standing.ALIVE}, "whoever handles it holds its lock"
        journal.path.unlink()
    assert standings(tmp_path) == {}


@pytest.mark.parametrize("lost", ["machine_id", "pid_namespace", "temp_folder", "holds_lock"])
def test_a_journal_of_before_stays_readable(tmp_path, lost):
    journal = Journal(RUN, tmp_path)
    first, *_ = journal.path.read_text().splitlines()
    journal.close()
    record = {key: value for key, value in json.loads(first).items() if key != lost}
    run_id, owner, entries = read_journal(json.dumps(record) + "\n")
    assert (run_id, owner.pid, owner.place.boot_id, entries) == (RUN, os.getpid(), boot_id(), ())


@pytest.mark.parametrize("text", ["", "{}\n", "no json\n", '{"schema": "other"}\n', "[]\n", "7\n"])
def test_what_is_no_journal_is_left_alone(tmp_path, text):
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    assert standings(tmp_path) == {}
    assert path.exists()


def damaged(*lines: str) -> str:
    first = {"schema": "envbench-journal/1", "run_id": RUN, "pid": 1, "start_ticks": 1, "boot_id": "before"}
    return "".join(f"{line}\n" for line in (json.dumps(first), *lines))


LATER = json.dumps({"made": 1, "kind": "a later version's", "name": "x", "backend": "", "facts": {}})


@pytest.mark.parametrize(
    "text", [damaged(LATER), damaged("[1]", "3"), damaged('{"made": 1}'), damaged("", LATER), damaged("\0\0")]
)
def test_a_journal_that_is_damaged_or_a_later_versions_is_named_and_ends_nothing(tmp_path, text):
    (tmp_path / f"{RUN}.jsonl").write_text(text)
    (tmp_path / "later.jsonl").write_text('{"schema": "envbench-journal/2", "run_id": "later"}\n')
    assert standings(tmp_path) == {RUN: Standing.UNREADABLE, "later": Standing.UNREADABLE}


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.EROFS])
def test_a_journal_that_may_not_be_opened_is_named_and_ends_nothing(tmp_path, monkeypatch, code):
    (tmp_path / f"{RUN}.jsonl").write_text(damaged())

    def refused(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refused)
    assert standings(tmp_path) == {RUN: Standing.UNREADABLE}


def test_only_files_are_journals(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "link.jsonl").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert standings(tmp_path) == {}


def test_a_folder_that_can_no_longer_be_written_ends_no_run(tmp_path, monkeypatch):
    journal = Journal(RUN, tmp_path)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refused)
    journal.close()
    assert standings(tmp_path) == {RUN: Standing.ALIVE}, "this process runs; once it has ended, its journal is reaped"


def test_a_state_folder_that_cannot_be_written_is_an_error(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(OSError, match="file"):
        Journal(RUN, blocker / "state")


def test_a_home_that_only_looks_as_if_it_could_be_written_gives_way(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/none")  # Root is told that it may write there.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    journal = Journal(RUN)
    journal.intend(Kind.FILE, "/x/" + RUN)
    assert journal.path.is_relative_to(tmp_path)
    assert [found.run_id for found in found_journals()] == [RUN]
    journal.close()


def test_a_journal_that_is_written_to_can_be_read_at_any_moment(tmp_path):
    journal = Journal(RUN, tmp_path)
    begun = time.monotonic()
    while time.monotonic() - begun < 0.2:
        number = journal.intend(Kind.FILE, "/x/" + RUN)
        assert standings(tmp_path) == {RUN: Standing.ALIVE}
        journal.forget(number)
    journal.close()
