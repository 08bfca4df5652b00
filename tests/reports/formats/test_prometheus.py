"""The text format holds its rules; the programs that read it are asked in tests/e2e/test_formats.py."""

from pathlib import Path

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
