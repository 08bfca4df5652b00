"""Each text format is read by a library that others read it with, and by the schema that its reader documents."""

import io
import json
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pandas as pd
import pytest
from junitparser import Failure, JUnitXml, Skipped
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from envbench.records.phases import Experiment, Outcome, Phase
from envreport import report_document
from envreport.claims.verdict import Verdict
from envreport.formats import render

HOSTILE = 'a "quoted\\ word", {curly}\n</testsuite> é \x1b[31m'

BENCHMARK_ACTION = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "unit", "value"],
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "unit": {"type": "string"},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
        "additionalProperties": False,
    },
}
"""https://github.com/benchmark-action/github-action-benchmark: "customBiggerIsBetter" and "customSmallerIsBetter"."""


@pytest.fixture(params=["usual", "hostile"])
def folder(request: pytest.FixtureRequest, usual_rows: Any, meta: dict[str, Any], tmp_path: Path) -> Path:
    rows = usual_rows(runs=8)
    if request.param == "hostile":
        meta["warnings"].append({"code": HOSTILE, "message": HOSTILE, "advice": HOSTILE})
        rows.add(Experiment.STARTUP, "docker", Phase.READY, [2e8] * 6, variant=f"image={HOSTILE}")
    rows.add(Experiment.STARTUP, "runc", Phase.READY, [None] * 3, outcome=Outcome.FAILED, detail=HOSTILE)
    return rows.write(tmp_path / "run", meta)


def test_openmetrics_is_read_by_its_strict_parser(folder: Path) -> None:
    document = report_document(folder)
    text = render("openmetrics", document)["metrics.txt"].decode()
    families = {family.name: family for family in openmetrics.text_string_to_metric_families(text)}
    assert families["envbench_phase_seconds"].unit == "seconds"
    assert families["envbench_claim"].type == "info"
    verdicts = {each.labels["claim"]: each.labels["verdict"] for each in families["envbench_claim"].samples}
    assert verdicts == {each.claim.id: str(each.verdict) for each in document.judgements}
    medians = {
        (each.labels["backend"], each.labels["variant"]): each.value
        for each in families["envbench_phase_seconds"].samples
        if (each.labels["phase"], each.labels["statistic"]) == ("ready", "median")
    }
    ready = [row for row in document.summary if row.phase == "ready" and row.median is not None]
    assert len(medians) == len(ready)
    assert sorted(medians.values()) == pytest.approx(sorted(row.median / 1e9 for row in ready if row.median))


def test_the_strict_parser_would_tell(folder: Path) -> None:
    text = render("prometheus", report_document(folder))["envbench.prom"].decode()
    with pytest.raises(ValueError, match="EOF"):
        list(openmetrics.text_string_to_metric_families(text))


def test_prometheus_text_has_the_same_samples(folder: Path) -> None:
    document = report_document(folder)
    text = render("prometheus", document)["envbench.prom"].decode()
    strict = render("openmetrics", document)["metrics.txt"].decode()
    read = [each for family in text_string_to_metric_families(text) for each in family.samples]
    other = [each for family in openmetrics.text_string_to_metric_families(strict) for each in family.samples]
    assert sorted((s.name, sorted(s.labels.items()), s.value) for s in read) == sorted(
        (s.name, sorted(s.labels.items()), s.value) for s in other
    )


def test_junit_has_each_start_and_claim_with_its_result(folder: Path) -> None:
    document = report_document(folder)
    xml = JUnitXml.fromstring(render("junit", document)["junit.xml"])
    suites = {suite.name: suite for suite in xml}
    cases = {case.name: case for suite in suites.values() for case in suite}
    assert {each.claim.id for each in document.judgements} <= set(cases)
    undecided = {Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED, Verdict.NOT_TESTABLE}
    opened = {each.claim.id for each in document.judgements if each.verdict in undecided}
    assert {case.name for case in suites["claims"] if any(isinstance(r, Skipped) for r in case.result)} == opened
    failed = [case.name for case in suites["starts"] if any(isinstance(r, Failure) for r in case.result)]
    assert failed == ["runc minimal"]
    for suite in suites.values():
        counted = (suite.tests, suite.failures, suite.skipped)
        suite.update_statistics()
        assert counted == (suite.tests, suite.failures, suite.skipped), suite.name


def test_the_benchmark_action_gets_what_it_documents(folder: Path) -> None:
    entries = json.loads(render("github", report_document(folder))["github-action-benchmark.json"])
    jsonschema.validate(entries, BENCHMARK_ACTION)
    assert len({entry["name"] for entry in entries}) == len(entries) > 4


def test_csv_and_parquet_hold_the_same_for_pandas_and_duckdb(folder: Path, tmp_path: Path) -> None:
    document = report_document(folder)
    files = {**render("csv", document), **render("parquet", document)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name in ("summary.csv", "claims.csv", "warnings.csv", "summary.parquet", "samples.parquet"):
        path = tmp_path / name
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(io.BytesIO(files[name]))
        asked = duckdb.sql(f"SELECT * FROM '{path}'")  # noqa: S608 -- our own file
        assert (asked.columns, len(asked.fetchall())) == (list(frame.columns), len(frame)), name
    medians = duckdb.sql(f"SELECT median FROM '{tmp_path}/summary.csv' WHERE n > 0").fetchall()  # noqa: S608
    assert [each[0] for each in medians] == [row.median for row in document.summary if row.n]
