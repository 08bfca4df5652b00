"""action.yml: its step is run as a runner runs it, and what it writes is read as a runner reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; try: make venv")
ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text("utf-8"))


@pytest.fixture
def done(tmp_path: Path) -> tuple[dict[str, str], str, str]:
    """Run the step with the machine's bare Python; return its outputs, the job's summary and its log."""
    (step,) = ACTION["runs"]["steps"]
    assert step["shell"] == "sh"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # -S: no site-packages
    (tmp_path / "bin/python3").chmod(0o755)
    env = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "GITHUB_ACTION_PATH": str(REPOSITORY),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    (tmp_path / "output").write_text("earlier=1\n")
    told = subprocess.run(
        ["sh", "-e", "-c", step["run"]], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert told.stderr == ""
    first, *lines = (tmp_path / "output").read_text("utf-8").splitlines()
    assert first == "earlier=1"
    outputs = dict(line.split("=", 1) for line in lines)
    return outputs, (tmp_path / "summary").read_text("utf-8"), told.stdout


def test_the_outputs_are_those_that_the_action_promises_and_what_envinspect_says(
    done: tuple[dict[str, str], str, str],
) -> None:
    outputs, _, log = done
    promised = {f"${{{{ steps.ask.outputs.{name} }}}}" for name in outputs}
    assert {output["value"] for output in ACTION["outputs"].values()} == promised
    words = [sys.executable, "-m", "envinspect", "--json"]
    here = json.loads(subprocess.run(words, capture_output=True, check=False).stdout)
    assert json.loads(outputs["layers"]) == [layer["id"] for layer in here["layers"]]
    assert json.loads(outputs["determined"]) is here["determined"]
    assert outputs["kvm"] in {"yes", "no", "unknown"}
    assert log.strip() == outputs["summary"]


def test_the_summary_names_each_layer_with_its_evidence(done: tuple[dict[str, str], str, str]) -> None:
    outputs, summary, _ = done
    assert summary.startswith("**Environment:** ")
    assert outputs["kvm"] in summary


def test_hostile_words_stay_in_their_line_and_their_cell() -> None:
    from envinspect.integrations.github_action import _cell

    assert _cell("a|b\n<script>\x1b[31m").count("\n") == 0
    assert "\x1b" not in _cell("\x1b[31m")
    assert "\\|" in _cell("a|b")
    assert "\\<script\\>" in _cell("<script>")


def test_the_action_is_of_the_form_that_github_publishes(tmp_path: Path) -> None:
    """By the schema of GitHub's own action metadata, which check-jsonschema carries."""
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions"]
    checked = subprocess.run([*words, str(REPOSITORY / "action.yml")], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
