"""Options kept in a file of the repository: what goes before what, what is refused, what the report says of them."""

import json
import re
import tomllib
from pathlib import Path

import click
import pytest

from envbench.commands.cli import cli, main
from envbench.commands.defaults import MEASURING, kept, read_table
from envbench.errors import UsageError
from envbench.experiments import EXPERIMENTS

OWN, SHARED = "envbench.toml", "pyproject.toml"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the first line of a dry run, which names the seed."""
    assert main(["startup", "--dry-run", "--backend", "process", "--backend", "namespaces", *words]) == 0
    return capsys.readouterr().out.splitlines()[0].partition(";")[0]


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(use_fake, folder, monkeypatch, capsys):
    (folder / SHARED).write_text("[tool.envbench]\nseed = 1\n")
    assert planned(capsys) == "seed 1"
    (folder / OWN).write_text("seed = 2\n")
    assert planned(capsys) == "seed 2", "a file of its own goes before the one that it shares"
    (folder / OWN).write_text("seed = 2\n[startup]\nseed = 3\n[memory]\nseed = 4\n")
    assert planned(capsys) == "seed 3", "a command's own table goes before what holds for all"
    monkeypatch.setenv("ENVBENCH_STARTUP_SEED", "5")
    assert planned(capsys) == "seed 5"
    assert planned(capsys, "--seed", "6") == "seed 6"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runz = 3", "envbench.toml: no option 'runz'; try: runs"),
        ("[startup]\nbackendd = 'docker'", "envbench.toml, [startup]: no option 'backendd'; try: backend"),
        ("[memoryy]\nquick = true", "envbench.toml: no option 'memoryy'; try: memory"),
        ("[memory]\nbackendd = 'docker'", "envbench.toml, [memory]: no option 'backendd'; try: backend"),
        ("debug = true", "no option 'debug'"),
        ("runs = 'many'", "envbench.toml: runs: 'many' is not a valid whole number; try"),
        ("runs = 0", "envbench.toml: runs: 0 is not in the range"),
        ("runs = [3]", "runs: [3] is no value for it"),
        ("backend = 'dokcer'", "envbench.toml: backend: 'dokcer' is not one of"),
        ("runs =", "envbench.toml: "),
        ("runs = true", "runs: True is no value for it"),
        ("runs = 2.7", "envbench.toml: runs: '2.7' is not a valid whole number"),
        ("deadline = nan", "envbench.toml: deadline: 'nan' is no number"),
        ("budget = 2026-01-01", "is no value for it"),
        ("verbose = 1", "verbose: 1 is no value for it; try: true or false"),
        ("max-regression = 5", "envbench.toml: max-regression: '5' is no share"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_before_anything_is_measured(text, says, folder, capsys):
    (folder / OWN).write_text(text)
    assert main(["startup", "--backend", "process"] if "backend" not in text.partition("\n")[0] else ["startup"]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == [OWN]


def test_a_pyproject_without_a_table_of_ours_decides_nothing(use_fake, folder, capsys):
    (folder / SHARED).write_text("[tool.other]\nruns = 3\n")
    assert planned(capsys, "--seed", "1") == "seed 1"
    (folder / SHARED).write_text("[tool]\nenvbench = 3\n")
    assert main(["startup", "--dry-run"]) == 2
    assert "no table" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["startup", "--help"], ["claims"], ["completion", "bash"]])
def test_what_takes_no_options_from_a_file_does_not_read_it(words, folder, capsys):
    (folder / OWN).write_text("not toml")
    assert main(words) == 0


def test_the_report_says_which_options_came_from_the_file(use_fake, folder, capsys):
    (folder / OWN).write_text('runs = 3\nwarmup = 1\nformat = ["json", "csv"]\nquick = false\nread-only = true\n')
    words = ["startup", "--backend", "process", "--backend", "namespaces", "--deadline", "0.3"]
    assert main([*words, "--warmup", "0", "--output", "out"]) == 0
    record = json.loads((folder / "out/run.json").read_text(encoding="utf-8"))
    assert record["options_file"] == OWN
    assert sorted(record["file_options"]) == sorted(
        ["--runs", "3", "--format", "json", "--format", "csv", "--read-only"]
    )
    report = json.loads((folder / "out/report.json").read_text(encoding="utf-8"))
    assert report["reproduce"][f"Options from {OWN}"].startswith("--")
    assert "--warmup" not in report["reproduce"][f"Options from {OWN}"], "that one was decided on the command line"
    assert f"options from {OWN}: " in capsys.readouterr().err


def test_secrets_of_a_file_stay_out_of_the_results(use_fake, folder):
    (folder / OWN).write_text('env = ["TOKEN=geheim"]\nimage = "own"\nready = "log:up"\n')
    main(["startup", "--backend", "process", "--runs", "3", "--output", "out", "--deadline", "0.3"])
    for path in (folder / "out").iterdir():
        assert b"geheim" not in path.read_bytes(), path.name


def test_init_writes_every_option_and_decides_nothing(use_fake, folder, capsys):
    assert main(["init"]) == 0
    text = (folder / OWN).read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}
    assert capsys.readouterr().out == f"wrote {OWN}\n"
    assert planned(capsys, "--seed", "1") == "seed 1"
    uncommented = tomllib.loads("\n".join(re.findall(r"^# ([a-z-]+ = .*)$", text, re.MULTILINE)))
    startup = cli.get_command(click.Context(cli), "startup")
    assert startup is not None
    assert set(uncommented) == {key for key, _ in kept(startup)}
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(("name", "text"), [(OWN, "runs = 7\n"), (SHARED, "[tool.envbench]\nruns = 7\n")])
def test_init_never_overwrites(name, text, folder, capsys):
    (folder / name).write_text(text)
    assert main(["init"]) == 2
    assert "kept here already" in capsys.readouterr().err
    assert (folder / name).read_text() == text
    assert len(list(folder.iterdir())) == 1


def test_the_measuring_commands_are_those_that_measure():
    assert {"startup", "all", *EXPERIMENTS} == set(MEASURING)


def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_a_file(use_fake, folder, capsys):
    (folder / OWN).write_bytes(b"\xef\xbb\xbfseed = 7\r\n")
    assert planned(capsys) == "seed 7"


def test_a_folder_that_may_not_be_looked_into_is_said(folder):
    with pytest.raises(UsageError, match="File name too long") as error:
        read_table(folder / ("a" * 300))
    assert "look into" in error.value.remedy
