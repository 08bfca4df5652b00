"""What a run leaves for a CI and for programs: job summary, annotations, and a run.json that its schema describes."""

import json
from pathlib import Path

import jsonschema
import pytest

from envbench.commands.cli import main
from envreport.schema import run_schema


def startup(out: Path) -> int:
    words = ("startup", "--backend", "process", "--backend", "namespaces", "--output", str(out))
    return main(
        [*words, "--runs", "3", "--warmup", "1", "--precision", "0.0001%", "--deadline", "0.3", "--format", "csv"]
    )


def test_a_ci_is_told(use_fake, tmp_path, monkeypatch, capsys):
    summary = tmp_path / "summary.md"
    summary.write_text("# what an earlier step wrote\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert startup(tmp_path / "results") == 0
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# what an earlier step wrote\n## What a container and a VM cost here")
    assert "| process |" in text
    said = capsys.readouterr()
    assert "::" not in said.out, "annotations are for the runner, stdout is for results"
    assert all(
        line.startswith(("::warning title=", "::error title=")) for line in said.err.splitlines() if "::" in line
    )
    assert "::warning title=" in said.err, "no schedule reaches such a precision: it says so"


def test_nobody_is_told_outside_a_ci(use_fake, tmp_path, monkeypatch, capsys):
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "CI"):
        monkeypatch.delenv(name, raising=False)
    assert startup(tmp_path / "results") == 0
    assert "::" not in capsys.readouterr().err


def test_a_summary_that_cannot_be_written_is_one_line(use_fake, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no-such-folder" / "summary.md"))
    assert startup(tmp_path / "results") == 0, "the results are measured; a summary only tells of them"
    said = capsys.readouterr().err
    assert "the CI cannot be told" in said
    assert "no-such-folder" in said
    assert "Traceback" not in said
    assert (tmp_path / "results" / "summary.csv").is_file(), "the results are kept"


def test_run_json_is_what_its_schema_says(use_fake, tmp_path):
    startup(tmp_path / "results")
    record = json.loads((tmp_path / "results" / "run.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(run_schema()).validate(record)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(run_schema()).validate({**record, "seed": "seven"})


@pytest.mark.parametrize("words", ["startup --runs 3 --warmup 1", "size", "kernel --deadline 1"])
def test_json_is_the_report_and_nothing_else_on_stdout(words, use_fake, tmp_path, capsys):
    out = tmp_path / "results"
    command = [*words.split(), "--backend", "process", "--backend", "namespaces", "--output", str(out)]
    assert main([*command, "--json", "--format", "json"]) in {0, 4}
    said = capsys.readouterr()
    printed = json.loads(said.out)
    assert printed == json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert printed["schema"] == "envreport/1"
    assert f"wrote {out / 'report.json'}" in said.err
