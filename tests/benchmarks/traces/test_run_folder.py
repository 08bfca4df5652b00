"""A run's folder lies where TMPDIR says, and has a path that every engine can take."""

import re
import tempfile
from pathlib import Path

import pytest

from envbench.run.reaper import clear_away
from envbench.settings import new_run_id
from envbench.traces.journal import Journal
from envbench.traces.mounts import mounts_under
from envbench.traces.run_folder import make_run_folder

RUN = new_run_id()
"""Another one in each process of the tests: what carries it is ended by whoever reaps this run."""


@pytest.fixture
def journal(tmp_path: Path):
    made = Journal(RUN, tmp_path / "state")
    yield made
    made.close()


@pytest.mark.parametrize("name", ["with blank", "a:b", "a,b", 'quote\'d "x"', "Ümläut", "a#b?c%d", "long" * 25])
def test_whatever_tmpdir_is_called_the_path_is_plain_and_short(name, tmp_path, journal, monkeypatch):
    place = tmp_path / name
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    folder = make_run_folder(journal, f"envbench-{RUN}")
    assert folder.real == place / f"envbench-{RUN}"
    assert folder.real.stat().st_mode & 0o777 == 0o700
    assert re.fullmatch(r"[A-Za-z0-9/._-]{1,60}", str(folder.path))
    (folder.path / "file").write_text("x")
    assert (folder.real / "file").read_text() == "x"
    assert mounts_under(folder.path) == ()
    folder.remove()
    folder.remove()
    assert not folder.path.is_symlink()
    assert list(place.iterdir()) == []
    assert journal.entries() == ()


def test_what_a_killed_run_left_of_both_goes_by_its_journal(tmp_path, journal, monkeypatch):
    place = tmp_path / "with blank"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    folder = make_run_folder(journal, f"envbench-{RUN}")
    (folder.path / "file").write_text("x")
    assert clear_away(journal) == ()
    assert not folder.path.is_symlink()
    assert list(place.iterdir()) == []


def test_a_plain_place_needs_no_link(journal, monkeypatch, tmp_path):
    monkeypatch.setattr("envbench.traces.run_folder._PLAIN", re.compile(".*"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = make_run_folder(journal, f"envbench-{RUN}")
    assert folder.path == folder.real
    folder.remove()
