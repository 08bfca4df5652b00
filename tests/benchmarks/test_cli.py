"""A wrong word gets the nearest right one, and a command that makes no sense here says so before it does anything."""

from pathlib import Path

import pytest

from envbench.backends.wsl import wsl_version
from envbench.cli import main


@pytest.mark.parametrize(("word", "meant"), [("strtup", "startup"), ("memry", "memory"), ("doctr", "doctor")])
def test_a_misspelt_command_gets_the_nearest_name(word: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 2
    assert f"Did you mean {meant}?" in capsys.readouterr().err


def test_a_word_like_no_command_gets_no_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2
    assert "Did you mean" not in capsys.readouterr().err


@pytest.mark.applies(wsl_version() is None, "not within WSL")
def test_wsl_ends_with_3_at_once_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["wsl"]) == 3
    assert capsys.readouterr().err.startswith("envbench: this is not a WSL distribution; try: ")
    assert list(tmp_path.iterdir()) == []
