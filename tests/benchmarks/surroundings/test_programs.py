"""What is looked up is what is run: one absolute path on the user's PATH, which children get too."""

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from envbench.backend import Workload
from envbench.backends.shared.bundle import bundle_config
from envbench.backends.shared.child import environment, run_command
from envbench.errors import BackendError
from envbench.errors.causes import Cause
from envbench.surroundings.programs import USUAL_PATH, answer_of, find_program, require_program, users_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a program that says by which path it was started, and which PATH it got."""
    program = tmp_path / "bin/sayer"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$0 $PATH"\n')
    program.chmod(0o755)
    return program.parent


def test_the_first_on_the_path_is_found_and_run_with_the_same_path(folder, monkeypatch):
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    found = find_program("sayer")
    assert found == folder / "sayer"
    assert run_command((found,), "run", "asking") == f"{found} {os.environ['PATH']}\n"


def test_a_relative_entry_of_the_path_gives_an_absolute_path(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("PATH", "bin")
    found = find_program("sayer")
    monkeypatch.chdir("/")
    assert found == folder / "sayer"


def test_what_may_not_be_executed_is_not_there(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    (folder / "sayer").chmod(0o644)
    assert find_program("sayer") is None
    with pytest.raises(BackendError, match="no sayer on the PATH") as caught:
        require_program("sayer", "apt install sayer")
    assert caught.value.remedy == "apt install sayer"


def test_without_a_path_the_usual_one_is_searched_and_handed_on(monkeypatch):
    monkeypatch.delenv("PATH")
    assert find_program("sh") is not None
    assert users_path() == environment("run")["PATH"] == USUAL_PATH


def test_a_container_gets_the_usual_path_and_not_the_users(settings, monkeypatch):
    monkeypatch.setenv("PATH", "/home/somebody/bin")
    config = bundle_config(Path("tree"), ("/x",), Workload("nonce"), replace(settings), "")
    assert f"PATH={USUAL_PATH}" in config["process"]["env"]


@pytest.mark.parametrize(
    ("script", "said", "cause"),
    [
        ("#!/bin/sh\nexec sleep 60", "sayer did not end within 0.2 s", Cause.NO_ANSWER),
        ("#!/bin/sh\necho no library >&2; exit 127", "sayer ended with 127: no library", None),
        ("#!/nowhere/sh", "sayer does not run: No such file or directory", None),
    ],
)
def test_a_program_that_says_nothing_of_itself_is_reported_in_our_words(folder, script, said, cause):
    """A busy machine is no broken package: what helps is another thing, and no exception of Python's is shown."""
    (folder / "sayer").write_text(f"{script}\n")
    within_s = 0.2 if cause else 60
    with pytest.raises(BackendError) as caught:
        answer_of((folder / "sayer",), "apt install --reinstall sayer", within_s)
    assert str(caught.value).endswith(said)
    assert caught.value.cause == cause
    assert caught.value.remedy.endswith("apt install --reinstall sayer")
    assert caught.value.remedy.startswith("wait") == (cause is Cause.NO_ANSWER)


def test_what_a_program_says_of_itself_is_returned(folder):
    assert answer_of((folder / "sayer",), "").startswith(bytes(folder / "sayer"))


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/dev/null"), "mknod -m 666 /dev/null c 1 3"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "sayer"), "apt install sayer"),
    ],
)
def test_what_keeps_a_program_from_starting_is_what_is_mended(error, helps, monkeypatch):
    def refused(*_words, **_more):
        raise error

    monkeypatch.setattr(subprocess, "run", refused)
    with pytest.raises(BackendError) as told:
        answer_of(("sayer",), "apt install sayer")
    assert helps in told.value.remedy
