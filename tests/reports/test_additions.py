"""What a contributor adds is one row: a metric, a claim or a format from outside works everywhere at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from envbench.records.metrics import METRICS, Metric, Shown
from envbench.records.phases import Experiment, Unit
from envreport.claims import Verdict, judge
from envreport.claims.model import Claim, Theme
from envreport.claims.rules import C, Exact
from envreport.claims.user import load_claims
from envreport.claims.verdict import Relation
from envreport.compare import Change, compare
from envreport.document.build import build
from envreport.document.model import ReportDocument
from envreport.formats import FORMATS, render
from envreport.gates import GateOutcome, judge_gate, parse_gate

if TYPE_CHECKING:
    from collections.abc import MutableMapping

NEW = {
    Experiment.MEMORY: Unit.BYTES,
    Experiment.SPEED: Unit.PER_S,
    Experiment.DENSITY: Unit.COUNT,
    Experiment.STARTUP: Unit.COUNT,
    Experiment.ISOLATION: Unit.COUNT,
}


@pytest.fixture(params=list(NEW))
def added(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Metric:
    """One new row in the table of metrics, for an experiment of each kind of section."""
    experiment: Experiment = request.param
    row = Metric(
        experiment,
        NEW[experiment],
        "pages that were shared",
        "pages of the instance that others share",
        "lower",
        sampled=experiment is Experiment.MEMORY,
        shown=(Shown.COSTS, Shown.COMPARED),
    )
    monkeypatch.setitem(cast("MutableMapping[str, Metric]", METRICS), "shared_pages", row)
    return row


def test_a_metric_is_in_report_gate_comparison_and_claim(added: Metric, make_rows: Any, tmp_path: Path) -> None:
    older, newer = (
        make_rows().add(added.experiment, "docker", "shared_pages", [size + each for each in range(8)]).results()
        for size in (2**20, 2**24)
    )
    document = build(newer)
    assert [row.median for row in document.summary] == [2**24 + 3.5]
    for name in ("html", "markdown", "json"):
        (text,) = render(name, document).values()
        assert b"pages that were shared" in text, name
    costs = next(each for each in document.sections if each.id == "costs")
    assert costs.tables[0].columns == ("backend", "pages that were shared")
    section = next(each for each in document.sections if each.id == added.experiment)
    shown = [cell.text for table in section.tables for row in table.rows for cell in row]
    shown += [column for table in section.tables for column in table.columns]
    assert "pages that were shared" in shown
    unit = " KiB" if added.unit is Unit.BYTES else ""
    assert judge_gate(parse_gate(f"docker.shared_pages > 2048{unit}"), newer).outcome is GateOutcome.FAIL
    (change,) = compare(older, newer)
    assert change.change is (Change.FASTER if added.unit is Unit.PER_S else Change.MORE)
    path = tmp_path / "claims.toml"
    path.write_text(
        f"""[[claim]]
id = "shares-little"
wording = "Little is shared"
experiment = "{added.experiment}"
metric = "shared_pages"
backends = "container"
is = "<"
bound = "2048{unit}"
""",
        encoding="utf-8",
    )
    (claim,) = load_claims(path)
    assert judge(claim, newer).verdict is Verdict.CONTRADICTED


def test_a_claim_is_in_every_format(run_folder: Path) -> None:
    from envreport.results import load

    claim = Claim(
        id="our-own-claim",
        theme=Theme.SIZE,
        wording="Our own image is small",
        stands_in=(),
        rule=Exact(Experiment.SIZE, "disk", C, Relation.LESS, 2**40, Unit.BYTES),
        reference="https://example.org",
        scope="Everything.",
    )
    document = build(load(run_folder), extra_claims=(claim,))
    for name in FORMATS:
        if name in ("parquet", "svg"):
            continue
        assert b"our-own-claim" in b"".join(render(name, document).values()), name


def _lines(document: ReportDocument) -> dict[str, str]:
    return {"claims.txt": "".join(f"{each.claim.id}\n" for each in document.judgements)}


def test_a_format_is_one_entry(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast("MutableMapping[str, Any]", FORMATS), "lines", _lines)
    document = build(rows.results())
    assert render("lines", document)["claims.txt"].splitlines() == [
        each.claim.id.encode() for each in document.judgements
    ]
