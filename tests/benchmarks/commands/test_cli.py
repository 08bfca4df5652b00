"""A wrong word gets the nearest right one, and a command that makes no sense here says so before it does anything."""

from pathlib import Path

import pytest

from envbench.backends.wsl import wsl_version
from envbench.commands.cli import main
from envinspect.version import __version__


@pytest.mark.parametrize(("word", "meant"), [("strtup", "startup"), ("memry", "memory"), ("doctr", "doctor")])
def test_a_misspelt_command_gets_the_nearest_name(word: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 2
    assert capsys.readouterr().err == f"envbench: no command '{word}'; try: {meant}\n"


def test_a_word_like_no_command_gets_no_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2
    assert capsys.readouterr().err == "envbench: no command 'xyzzy'; try: envbench --help\n"


def test_no_command_at_all_gets_the_whole_help_in_its_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: envbench [OPTIONS] COMMAND")
    assert len(said.err.splitlines()) > 20


def test_the_version_is_told_as_envinspect_tells_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"envbench {__version__}\n"


def test_a_list_of_nothing_left_behind_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["clean", "--dry-run"]) == 0
    assert capsys.readouterr() == ("nothing was left behind\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("startup --bakend docker", "no option --bakend; try: --backend"),
        ("startup --xyzzy", "no option --xyzzy; try: envbench startup --help"),
        ("fetch --xyzzy", "no option --xyzzy; try: envbench fetch --help"),
        ("idle --seed x", "Invalid value for '--seed': 'x' is not a valid whole number; try: envbench idle --help"),
        ("startup --image", "Option '--image' requires an argument; try: envbench startup --help"),
        ("doctor docker", "Got unexpected extra argument (docker); try: envbench doctor --help"),
    ],
)
def test_a_wrong_line_is_told_in_one_with_what_to_try(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert capsys.readouterr().err == f"envbench: {said}\n"


@pytest.mark.applies(wsl_version() is None, "not within WSL")
def test_wsl_ends_with_3_at_once_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["wsl"]) == 3
    assert capsys.readouterr().err.startswith("envbench: this is not a WSL distribution; try: ")
    assert list(tmp_path.iterdir()) == []
