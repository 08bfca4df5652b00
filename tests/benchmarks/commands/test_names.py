"""Wrong names get the nearest right one, a shell completes the right ones, and the help lists them."""

from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from envbench.backends import BACKENDS
from envbench.commands.cli import cli, main
from envbench.commands.names import OneOf, claim_names, nearest
from envbench.settings import PROFILES
from envreport.formats import FORMATS


def completed(words: str, begun: str) -> list[str]:
    shell = ShellComplete(cli, {}, "envbench", "_ENVBENCH_COMPLETE")
    return [item.value for item in shell.get_completions(words.split(), begun)]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("startup --backend dokcer", "docker"),
        ("doctor --backend libvrt", "libvirt"),
        ("startup --profile distr", "distro"),
        ("startup --progress jsn", "json"),
        ("startup --accel tgc", "tcg"),
        ("startup --format htm", "html"),
        ("report . --format markdownn", "markdown"),
        ("claims start-fasterr", "start-faster"),
        ("all --claims start-fasterr", "start-faster"),
        ("fetch kernelx", "kernel"),
        ("completion bsh", "bash"),
        ("startup --fail-if docker.readyy>2s", "ready"),
        ("startup --fail-if dokcer.ready>2s", "docker"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(words, meant, capsys):
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert any(f"{begin} {meant}" in " ".join(said.split()) for begin in ("did you mean", "try:")), said


def test_a_name_like_none_gets_no_guess(capsys):
    assert main(["startup", "--backend", "xyzzy"]) == 2
    said = capsys.readouterr().err
    assert "did you mean" not in said
    assert "'docker'" in said, "the names that there are"
    assert nearest("xyzzy", BACKENDS) == ""


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        ("startup --backend", "", list(BACKENDS)),
        ("startup --backend", "q", ["qemu"]),
        ("startup --profile", "", list(PROFILES)),
        ("startup --format", "", list(FORMATS)),
        ("report RUN --format", "mark", ["markdown"]),
        ("claims", "", list(claim_names())),
        ("claims", "start-f", ["start-faster"]),
        ("all --claims", "start-faster,start-f", ["start-faster,start-faster"]),
    ],
)
def test_names_complete(words, begun, expected):
    assert completed(words, begun) == expected


def test_a_claim_is_completed_with_what_is_claimed():
    shell = ShellComplete(cli, {}, "envbench", "_ENVBENCH_COMPLETE")
    (item,) = shell.get_completions(["claims"], "start-faster")
    assert item.help == claim_names()["start-faster"]


@pytest.mark.parametrize("command", ["startup", "report", "memory"])
def test_the_help_lists_the_formats(command, capsys):
    main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{', '.join(FORMATS)}." in shown


def test_no_choice_of_ours_leaves_a_misspelt_name_without_help():
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for param in command.params:
            assert isinstance(param.type, OneOf) or not isinstance(param.type, click.Choice), f"{name} {param.name}"


@pytest.mark.parametrize(
    "words",
    [
        *(f"{name} --output" for name in ("startup", "memory", "report .", "history .")),
        *(f"{name} --claims-file" for name in ("report", "claims", "all")),
        *("startup --baseline", "startup --disk", "startup --kernel", "startup --into", "collect . --into"),
        *("report", "compare", "collect --into x"),
    ],
)
def test_an_empty_path_is_refused_and_not_taken_for_the_current_folder(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words.split(), ""]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "an empty path" in said.err or "an empty address" in said.err
    assert list(tmp_path.iterdir()) == []
