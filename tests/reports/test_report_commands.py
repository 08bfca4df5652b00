"""The commands that read results folders, through envbench's own command line."""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from envbench.commands.cli import main
from envreport import ci_notice, write_all
from envreport.claims import CLAIMS
from envreport.claims.texts import table_markdown
from envreport.results import ResultsError, load
from envreport.statistics.estimates import median

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path) -> Path:
    target = tmp_path / "copy"
    target.mkdir()
    for name in ("samples.csv", "run.json"):
        shutil.copy(run_folder / name, target)
    return target


def test_report_writes_and_names_its_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--format", "markdown", "--format", "json"]) == 0
    written = capsys.readouterr().out.split()
    assert {Path(each).name for each in written} == {"report.md", "report.json"}
    assert all(Path(each).is_file() for each in written)


def test_a_record_of_brackets_without_end_is_no_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "run.json").write_text("[" * 100_000, encoding="utf-8")
    assert main(["report", str(folder)]) == 2
    assert "run.json: not JSON" in capsys.readouterr().err


def test_several_runs_stand_side_by_side(folder: Path, usual_rows: Any, meta: dict[str, Any], tmp_path: Path) -> None:
    other = usual_rows(seed=9).write(tmp_path / "other", {**meta, "run_id": "bbbbbbbbbbbb"})
    assert (
        main(
            [
                "report",
                str(folder),
                str(other),
                "--format",
                "html",
                "--format",
                "markdown",
                "--output",
                str(tmp_path / "site"),
            ]
        )
        == 0
    )
    text = (tmp_path / "site" / "report.md").read_text(encoding="utf-8")
    assert "Runs side by side" in text
    assert "bbbbbbbbbbbb" in text
    assert 'id="runs-chart-title"' in (tmp_path / "site" / "report.html").read_text(encoding="utf-8")


def test_side_by_side_does_not_compare_the_incomparable(
    folder: Path, usual_rows: Any, meta: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = usual_rows().write(tmp_path / "other", {**meta, "payload": {"digest": "other"}})
    assert main(["report", str(folder), str(other), "--format", "markdown"]) == 0
    assert "not comparable" in (other / "report.md").read_text(encoding="utf-8")
    assert main(["compare", str(folder), str(other)]) == 2
    assert "payload differs" in capsys.readouterr().err
    assert main(["compare", str(folder), str(other), "--force"]) == 0
    assert "forced although payload differs" in capsys.readouterr().out


def test_compare_says_same_or_inconclusive_of_equal_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(folder), str(folder)]) == 0
    out = capsys.readouterr().out
    assert "docker" in out
    assert "faster" not in out
    assert "slower" not in out
    assert main(["compare", str(folder)]) == 2


def test_recompute_gives_identical_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_all(folder)
    before = {name: (folder / name).read_bytes() for name in ("summary.csv", "claims.csv", "warnings.csv")}
    assert main(["recompute", str(folder)]) == 0
    assert capsys.readouterr().out.count(": identical") == 3
    assert before == {name: (folder / name).read_bytes() for name in before}
    (folder / "summary.csv").write_text("changed\n", encoding="utf-8")
    assert main(["recompute", str(folder), "--check"]) == 1
    assert "summary.csv" in capsys.readouterr().err
    assert main(["recompute", str(folder)]) == 0
    assert (folder / "summary.csv").read_bytes() == before["summary.csv"]


def test_summary_holds_what_the_rows_hold(folder: Path) -> None:
    write_all(folder, ["csv"])
    results = load(folder)
    for row in csv.DictReader(io.StringIO((folder / "summary.csv").read_text(encoding="utf-8"))):
        series = next(
            each
            for key, each in results.series.items()
            if (key.experiment, key.backend, key.variant, key.profile, key.phase)
            == (row["experiment"], row["backend"], row["variant"], row["profile"], row["phase"])
        )
        found = median(series.values)
        assert found is not None
        assert float(row["median"]) == found.value
        assert int(row["n"]) == len(series.values)


@pytest.mark.parametrize(
    "arguments",
    [
        ["report"],
        ["report", "/nonexistent"],
        ["recompute", "/nonexistent"],
        ["claims", "no-such-claim"],
        ["report", ".", "--format", "pdf"],
    ],
)
def test_wrong_arguments_are_one_line_and_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.chdir(folder)
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_claims_lists_all_and_explains_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims"]) == 0
    out = capsys.readouterr().out
    assert all(claim.id in out for claim in CLAIMS)
    assert main(["claims", "start-faster", "--results", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "supported under software emulation only" in out
    assert "qemu (emulated, q35) over docker" in out
    assert main(["claims", "--results", str(folder)]) == 0
    assert "[not measured in this run]" in capsys.readouterr().out


def test_docs_claims_is_in_step() -> None:
    path = ROOT / "docs" / "claims.md"
    assert path.read_text(encoding="utf-8") == table_markdown(), "run: make docs"


def test_every_claim_is_whole() -> None:
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    for claim in CLAIMS:
        assert claim.stands_in
        assert set(claim.stands_in) <= {"D0", "D1", "D2", "D3", "D4"}
        assert claim.reference
        assert claim.scope
        assert claim.partner in {"", *ids}
        if claim.rule is None:
            assert claim.reading
        else:
            assert claim.rule.describe()
            assert claim.rule.needs()


def test_every_metric_a_claim_needs_exists() -> None:
    from envbench.records.metrics import metric

    for claim in CLAIMS:
        for need in claim.rule.needs() if claim.rule else ():
            if need.experiment is not None and need.metric != "speed metrics":
                assert metric(need.metric).experiment is need.experiment, (claim.id, need)


def test_docs_results_format_is_in_step() -> None:
    from tools.results_format import metrics_markdown, summary_columns

    from envreport.formats import tables

    text = (ROOT / "docs" / "results-format.md").read_text(encoding="utf-8")
    assert metrics_markdown() in text, "run: make docs"
    for name in (*summary_columns(), *tables.CLAIM_COLUMNS, *tables.WARNING_COLUMNS):
        assert f"`{name}`" in text, name


def test_docs_reading_names_every_format() -> None:
    from envreport.formats import FORMATS

    text = (ROOT / "docs" / "reading-the-report.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in text for name in FORMATS)


def test_rows_that_stand_twice_are_refused(tmp_path: Path, usual_rows: Any, meta: dict[str, Any]) -> None:
    folder = usual_rows().write(tmp_path / "run", meta)
    rows = folder / "samples.csv"
    rows.write_text(rows.read_text() + rows.read_text().partition("\n")[2])
    with pytest.raises(ResultsError, match="stand twice"):
        load(folder)


def test_what_a_user_has_set_for_pictures_of_their_own_changes_no_report(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red\n")
    command = [sys.executable, "-m", "envbench", "report", str(folder), "--format", "svg", "--output"]
    for name, more in (("plain", {}), ("set", {"MPLBACKEND": "Qt4Agg"})):
        where = tmp_path if more else folder
        subprocess.run([*command, str(tmp_path / name)], cwd=where, env={**os.environ, **more}, check=True)
    charts = {path.name: path.read_bytes() for path in (tmp_path / "plain").glob("*.svg")}
    assert charts
    assert charts == {path.name: path.read_bytes() for path in (tmp_path / "set").glob("*.svg")}


def test_a_folder_that_cannot_be_written_is_told_with_where_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder or not mode & os.W_OK)
    assert main(["report", str(folder), "--format", "csv"]) == 2
    assert "cannot be written; try: --output FOLDER" in capsys.readouterr().err


def test_a_job_summary_that_nobody_reads_is_no_wait(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "summary")
    with pytest.raises(OSError, match="No such device or address"):
        ci_notice(folder, {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")})
