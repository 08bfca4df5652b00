"""What the report says of the run itself."""

from typing import Any

from envreport.document.build import build


def test_the_report_says_what_the_runs_time_went_into_and_which_claims_needed_it(rows: Any) -> None:
    parts = [{"name": "memory", "took_s": 30.0}, {"name": "kernel", "took_s": 10.0}]
    table = build(rows.results({"parts": parts})).spent
    assert table is not None
    shown = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert shown["memory"][:2] == ["30 s", "75 %"]
    assert "memory-app-only" in shown["memory"][2].split(", ")
    assert "kernel-shared" in shown["kernel"][2].split(", ")


def test_a_run_that_does_not_say_what_it_took_has_no_such_table(rows: Any) -> None:
    assert build(rows.results({})).spent is None
