"""--into: a measuring command puts its run into a dataset, and what was measured is kept whatever comes of that."""

import json
import shlex
from pathlib import Path

import pytest

from envbench.commands.cli import main
from envreport import load_dataset


def measured(tmp_path: Path, *words: str, runs: int = 3) -> int:
    options = ("--backend", "process", "--warmup", "1", "--deadline", "0.3", "--format", "csv")
    return main(["startup", *options, "--runs", str(runs), "--output", str(tmp_path / "results"), *words])


def test_a_run_is_in_the_dataset_as_collect_puts_it_there(use_fake, tmp_path, capsys):
    dataset = tmp_path / "set"
    assert measured(tmp_path, "--into", str(dataset), "--label", "host=a") == 0
    run_id = json.loads((tmp_path / "results/run.json").read_text(encoding="utf-8"))["run_id"]
    assert f"{dataset}: run {run_id}: new" in capsys.readouterr().err
    frames = load_dataset(dataset)
    assert frames.runs[["run_id", "label_host", "exit_code"]].to_numpy().tolist() == [[run_id, "a", 0]]
    assert len(frames.samples) == int(frames.runs["row_count"].iloc[0]) > 0
    assert main(["collect", str(tmp_path / "results"), "--into", str(dataset)]) == 0
    assert "already there" in capsys.readouterr().out, "collecting it again changes nothing"


def test_a_gate_that_fails_is_told_and_the_run_is_in_the_dataset_with_its_exit_code(use_fake, tmp_path):
    assert measured(tmp_path, "--into", str(tmp_path / "set"), "--fail-if", "process.ready > 1ns", runs=8) == 5
    assert load_dataset(tmp_path / "set").runs["exit_code"].tolist() == [5]


def test_a_dataset_that_breaks_meanwhile_costs_nothing_and_the_remedy_works(use_fake, tmp_path, capsys, monkeypatch):
    dataset = tmp_path / "set"
    monkeypatch.setattr("envbench.commands.measuring.read_target", lambda *_: dataset.write_text("in the way"))
    assert measured(tmp_path, "--into", str(dataset), "--label", "host=a") == 1
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert f"all of it is kept in {tmp_path / 'results'}" in told.err
    assert "process" in told.out, "the table is shown all the same"
    assert (tmp_path / "results/summary.csv").is_file()
    assert json.loads((tmp_path / "results/run.json").read_text(encoding="utf-8"))["exit_code"] == 0
    dataset.unlink()
    remedy = told.err.strip().splitlines()[-1].split("try: ")[1]
    assert main(shlex.split(remedy)[1:]) == 0
    assert load_dataset(dataset).runs["label_host"].tolist() == ["a"]


def test_a_gate_that_fails_goes_before_a_dataset_that_breaks(use_fake, tmp_path, capsys, monkeypatch):
    dataset = tmp_path / "set"
    monkeypatch.setattr("envbench.commands.measuring.read_target", lambda *_: dataset.write_text("in the way"))
    assert measured(tmp_path, "--into", str(dataset), "--fail-if", "process.ready > 1ns", runs=8) == 5
    assert "could not be put there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--into", "{}/file/set"], "/file is no folder; try: another place for the dataset"),
        (["--into", "ftp://host/set"], "ftp://host/set: "),
        (["--into", "{}/set", "--label", "host"], "--label host: no KEY=VALUE"),
        (["--label", "host=a"], "--label goes with --into"),
    ],
)
def test_what_can_be_told_beforehand_is_told_before_anything_is_measured(words, told, use_fake, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert measured(tmp_path, *(word.format(tmp_path) for word in words)) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
    assert use_fake() == []
