"""The text format is held against promtool where it is installed, and against its own rules everywhere."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from envreport import report_document
from envreport.formats import render


def text_of(folder: Path) -> str:
    return render("prometheus", report_document(folder))["envbench.prom"].decode()


def test_it_has_the_samples_of_openmetrics_and_none_of_what_its_readers_refuse(run_folder: Path) -> None:
    text = text_of(run_folder)
    other = render("openmetrics", report_document(run_folder))["metrics.txt"].decode()
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert samples == [line for line in other.splitlines() if not line.startswith("#")]
    assert "# UNIT" not in text
    assert "# EOF" not in text
    assert " info\n" not in text
    assert text.endswith("\n")


@pytest.mark.engine("promtool")
def test_promtool_accepts_it(run_folder: Path, engine_missing: Any) -> None:
    if not shutil.which("promtool"):
        engine_missing("promtool (Debian: prometheus) is not installed")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text_of(run_folder), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
