"""A history as a page: every verdict, run and cut stands in it, nothing from outside becomes markup."""

import json
import re
from html import unescape
from pathlib import Path

import pytest
from tests.reports.dataset.conftest import written_run

from envbench.commands.cli import main
from envreport.compare import Change
from envreport.dataset.history import history
from envreport.dataset.store import collect_run
from envreport.formats.history import CHANGE_CLASS, history_page
from envreport.selectors import parse_selector

HOSTILE = '6.12 <script>alert(1)</script> " onx="{{ 7*7 }}'


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    """Eight nights, a new kernel, 20 nights of which the last eight are slower by a fifth; another variant of few."""
    levels = [("6.1.0", 60.0)] * 8 + [(HOSTILE, 100.0)] * 12 + [(HOSTILE, 120.0)] * 8
    runs = [(kernel, middle_ms, "network=none;runtime=runc") for kernel, middle_ms in levels]
    runs += [("6.1.0", 500.0, "network=none;runtime=crun")] * 2
    for number, (kernel, ready_ms, variant) in enumerate(runs):
        moment = f"2026-01-{1 + number % 28:02}T03:00:00Z"
        run = written_run(tmp_path / "results", number, ready_ms, kernel=kernel, started_at=moment, variant=variant)
        collect_run(run, str(tmp_path / "set"))
    return str(tmp_path / "set")


def page_of(dataset: str, figure: str = "docker.ready") -> str:
    return history_page(history(dataset, parse_selector(figure)))


def rows_of(page: str, table: str) -> list[list[str]]:
    _, _, after = page.partition(f'id="{table}"')
    body = after.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body)
    ]


def test_the_answer_counts_the_verdicts_and_each_has_a_section_with_its_own(dataset: str) -> None:
    page = page_of(dataset)
    assert '<p class="answer">2 configurations: 1 cannot tell, 1 slower</p>' in page
    assert '<li class="no"><b>slower</b> docker (runc)</li>' in page
    assert "slower: 8 runs since 2026-01-21 against the 12 before: \N{MULTIPLICATION SIGN}1.20" in page
    assert "cannot tell: 2 runs in this environment; 12 are needed" in page


def test_one_configuration_is_the_answer_itself(dataset: str) -> None:
    page = page_of(dataset, "docker[runtime=runc].ready")
    assert '<p class="answer">docker (runc): slower: 8 runs since 2026-01-21' in page


def test_every_run_and_every_environment_is_a_row(dataset: str) -> None:
    page = page_of(dataset, "docker[runtime=runc].ready")
    runs = rows_of(page, "history-1-table")
    assert [row[1] for row in runs] == ["1"] * 8 + ["2"] * 20
    assert runs[0][0] == "2026-01-01 03:00"
    assert len({row[3] for row in runs}) == 28
    first, second = rows_of(page, "stretches-1")
    assert (first[1:4], first[-1]) == (["2026-01-01", "2026-01-08", "8"], "the first")
    assert (second[1:4], second[-1]) == (["2026-01-09", "2026-01-28", "20"], f"kernel: 6.1.0 -> {HOSTILE}")


def test_nothing_from_outside_is_markup(dataset: str) -> None:
    page = page_of(dataset)
    assert "<script>alert" not in page
    assert ' onx="' not in page
    assert "49" not in "".join(re.findall(r"<dd>6\.12.*?</dd>", page))
    assert len(re.findall(r"<script", page)) == 2


def test_the_page_holds_the_record_and_is_the_same_each_time(dataset: str) -> None:
    page = page_of(dataset)
    record = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert record["schema"] == "envbench-history/1"
    assert [len(each["segments"]) for each in record["series"]] == [1, 2]
    assert page_of(dataset) == page


def test_every_verdict_of_a_history_has_a_colour() -> None:
    assert set(Change) - {Change.MISSING} == set(CHANGE_CLASS)


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        (["--output", "page.html"], "<!DOCTYPE html>"),
        (["--output", "record.json"], '{\n "schema"'),
        (["--output", "rows.csv"], "backend,"),
        (["--output", "rows.csv", "--format", "otava"], "time,branch,"),
        (["--output", "told"], "ready (median of each run)"),
        (["--format", "html"], "<!DOCTYPE html>"),
    ],
)
@pytest.mark.slow
def test_the_name_of_the_file_says_the_form_unless_one_is_named(
    options: list[str],
    begins: str,
    dataset: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["history", dataset, "--metric", "docker.ready", *options]) == 0
    printed = capsys.readouterr().out
    text = (tmp_path / options[1]).read_text(encoding="utf-8") if options[0] == "--output" else printed
    assert text.startswith(begins)
    assert (printed == "") is (options[0] == "--output")


def test_a_file_that_cannot_be_written_is_named(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "none" / "page.html"
    assert main(["history", dataset, "--metric", "docker.ready", "--output", str(target)]) == 2
    assert f"{target}: No such file or directory" in capsys.readouterr().err
