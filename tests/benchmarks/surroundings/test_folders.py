"""Where envbench keeps things: the user's folders, and one of this user's own where there is no home to write to."""

import os
import tempfile
from pathlib import Path

import pytest

from envbench.errors import UsageError
from envbench.surroundings.folders import cache_folder, make_private, state_folders


@pytest.fixture
def fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place for temporary files, with no variable set that names a folder."""
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def test_the_users_folders_come_first_and_the_fallback_is_looked_into_too(tmp_path, monkeypatch, fallback):
    monkeypatch.setenv("HOME", str(tmp_path))
    own = fallback / f"envbench-state-of-{os.geteuid()}"
    assert state_folders() == (tmp_path / ".local/state/envbench", own)
    assert cache_folder() == tmp_path / ".cache/envbench"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert state_folders()[0] == tmp_path / "state/envbench"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_folders()[0] == tmp_path / ".local/state/envbench"


@pytest.mark.parametrize("home", ["/dev/null", "/dev/null/below"])
def test_a_home_that_cannot_be_written_gives_way_to_a_folder_of_this_users_own(home, monkeypatch, fallback):
    monkeypatch.setenv("HOME", home)
    assert state_folders()[0] == fallback / f"envbench-state-of-{os.geteuid()}"
    assert cache_folder().parent == fallback


def test_a_home_that_is_not_there_is_not_made(tmp_path, monkeypatch, fallback):
    """Users who are to have no home have one that is not there: root could make it, and did."""
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    assert state_folders() == (fallback / f"envbench-state-of-{os.geteuid()}",)
    assert cache_folder().parent == fallback


def test_a_user_whom_the_system_does_not_know_and_who_has_no_home(monkeypatch, fallback):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("Could not determine home")))
    assert state_folders() == (fallback / f"envbench-state-of-{os.geteuid()}",)


def test_a_folder_that_somebody_else_made_there_is_refused(monkeypatch, fallback):
    folder = fallback / "envbench-state-of-me"
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError, match="another user"):
        make_private(folder)


@pytest.mark.parametrize("home", [".", "home/me"])
def test_a_home_that_is_another_folder_wherever_a_command_is_run_keeps_no_journal(home, monkeypatch, fallback):
    monkeypatch.setenv("HOME", home)
    assert state_folders() == (fallback / f"envbench-state-of-{os.geteuid()}",)


def test_a_home_that_may_not_be_looked_into_gives_way(monkeypatch, fallback):
    def denied(path: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setenv("HOME", "/root")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Path, "stat", denied)
        meanwhile.setattr(os, "access", lambda path, _mode: not str(path).startswith("/root"))
        assert state_folders()[0] == fallback / f"envbench-state-of-{os.geteuid()}"
    monkeypatch.setenv("XDG_STATE_HOME", "/tmp/" + "a" * 300)
    assert state_folders()[0] == Path("/tmp", "a" * 300, "envbench"), "which is said where it is made"


def test_without_any_place_for_temporary_files_the_way_out_is_told(monkeypatch):
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(UsageError, match="no folder for temporary files") as error:
        state_folders()
    assert "TMPDIR" in error.value.remedy
