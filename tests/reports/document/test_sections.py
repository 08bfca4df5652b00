"""What the sections and the facts around them say: costs side by side, what was left out, how to run it again."""

import re
from typing import Any, get_args

import pytest

from envbench.records.phases import Experiment, Phase
from envreport.document.build import build
from envreport.document.model import ChartKind, ReportDocument, Section, Table
from envreport.document.sections.runs import side_by_side


def section(document: ReportDocument, section_id: str) -> Section:
    return next(each for each in document.sections if each.id == section_id)


def words(table: Table) -> list[tuple[str, ...]]:
    return [tuple(cell.text for cell in row) for row in table.rows]


def test_costs_stand_side_by_side_and_a_missing_one_is_a_dash(rows: Any) -> None:
    rows.add(Experiment.STARTUP, "docker", Phase.READY, [2e8] * 6)
    rows.add(Experiment.STARTUP, "docker", Phase.READY, [9e9] * 6, variant="cache=cold")
    rows.add(Experiment.MEMORY, "qemu", "total", [2**27] * 6, variant="accel=tcg")
    (table,) = section(build(rows.results()), "costs").tables
    assert table.columns == ("backend", "time to ready", "host memory of an idle instance")
    assert words(table) == [("docker", "200 ms", "—"), ("qemu (emulated)", "—", "128 MiB")]


def test_what_was_left_out_stands_in_its_section_with_reason_and_remedy(rows: Any) -> None:
    note = {"what": "cpu_float of qemu", "reason": "no time", "remedy": "run envbench speed"}
    meta = {"skips": [{"experiment": "speed", **note}, {"experiment": "wsl", **note}]}
    for backend in ("process", "docker"):
        rows.add(Experiment.SPEED, backend, "cpu_int", [100, 101, 102, 103, 104, 105])
    document = build(rows.results(meta))
    assert words(section(document, "speed").tables[-1]) == [("cpu_float of qemu", "no time", "run envbench speed")]
    assert section(document, "wsl").empty == "Could not be measured: no time (to supply it: run envbench speed)."
    assert section(document, "memory").empty.startswith("Not part of this run.")


def test_details_are_told_where_something_was_seen_or_one_backend_alone_was_looked_at(rows: Any) -> None:
    for backend in ("docker", "runc"):
        rows.add(Experiment.RELEASE, backend, "leaked.total", [0], detail=f"nothing of {backend}")
        rows.add(Experiment.RELEASE, backend, "leaked.files", [0])
    rows.add(Experiment.RELEASE, "runc", "cycles", [5])
    matrix, details = section(build(rows.results()), "release").tables
    assert [row[0] for row in words(matrix)] == ["files left behind", "things left behind"]
    assert [row[:2] for row in words(details)] == [
        ("runc", "cycles"),
        ("runc", "things left behind"),
        ("docker", "things left behind"),
    ]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["envbench", "all", "--quick", "--output", "/home/alice/run one"], "envbench all --quick --output 'run one'"),
        (["envbench", "startup", "--output=/home/alice/a", "--runs=5"], "envbench startup --output=a --runs=5"),
        (["envbench", "startup", "--libvirt-uri", "qemu:///session"], "envbench startup --libvirt-uri qemu:///session"),
    ],
)
def test_the_command_can_be_typed_again_and_holds_no_path(rows: Any, command: list[str], shown: str) -> None:
    rows.add(Experiment.STARTUP, "docker", Phase.READY, [2e8] * 6)
    facts = {fact.name: fact.value for fact in build(rows.results({"command": command})).reproduce}
    assert facts["Command"] == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([-231 * 2**20], "within the noise"),
        ([2**20], "1 MiB"),
        ([-5, -1, 2**20, 2**20, 2**20, 2**20], "within the noise"),
    ],
)
def test_what_cannot_be_told_from_noise_is_no_result(values: list[int], shown: str, rows: Any) -> None:
    rows.add(Experiment.MEMORY, "docker", "available_difference", values)
    table = section(build(rows.results()), "memory").tables[0]
    assert words(table)[0][2] == shown


def test_two_payloads_never_share_a_linear_axis(rows: Any) -> None:
    for profile, size in (("minimal", 2**20), ("distro", 2**30)):
        rows.add(Experiment.SIZE, "docker", "disk", [size], profile=profile)
    charts = section(build(rows.results()), "size").charts
    assert [chart.id for chart in charts] == ["size-chart-distro", "size-chart-minimal"]
    assert all(len(chart.marks) == 1 for chart in charts)


def test_every_chart_says_what_to_see_and_which_end_is_better(usual_rows: Any) -> None:
    for each in build(usual_rows().results()).sections:
        for chart in each.charts:
            assert chart.takeaway, chart.id


def test_documents_are_named_with_their_claims(rows: Any) -> None:
    documents = build(rows.results()).documents
    assert documents
    assert [row[0] for row in words(documents)] == ["D0", "D1", "D2", "D3", "D4"]
    assert "start-faster" in words(documents)[2][2]


def test_every_chart_says_below_it_what_to_see(usual_rows: Any) -> None:
    rows = usual_rows()
    for backend in ("process", "docker", "qemu"):
        rows.add(Experiment.SPEED, backend, "cpu_int", [100, 101, 102, 103, 104, 105])
        rows.add(Experiment.MEMORY, backend, "total", [2**20 + each for each in range(6)])
        for number in (1, 2, 4):
            values = [number * 2**20 + each for each in range(6)]
            rows.add(Experiment.DENSITY, backend, "memory_n", values, variant=f"n={number}")
    run = rows.results()
    charts = [chart for each in (*build(run).sections, side_by_side([run, run])) for chart in each.charts]
    assert {chart.kind for chart in charts} == set(get_args(ChartKind)) - {"history"}  # which has a page of its own
    for chart in charts:
        assert chart.takeaway.endswith("."), chart.id
        # The shares of a start have no better end.
        assert ("Less is better" in chart.takeaway) == (chart.kind != "phases"), chart.id


def test_a_figure_names_its_statistic_wherever_it_stands_alone(usual_rows: Any) -> None:
    document = build(usual_rows().results())
    assert "(medians)" in document.answer
    assert [note for note in document.answer_notes if "n = 20" in note and ": median " not in note] == []
    figures = [each for one in document.judgements for each in one.findings if each.estimate is not None]
    assert [each.figure for each in figures if not re.match("median |p95 |ratio of medians ", each.figure)] == []
    assert {each.figure.split()[0] for each in figures} == {"median", "p95", "ratio"}
    (lag,) = [fact.value for fact in document.method if fact.name == "Observer lag"]
    assert lag.startswith("median ")
    for table in (table for each in document.sections for table in each.tables):
        named = any(re.search("median|ratio|seen|reason", words) for words in (table.caption, *table.columns))
        assert named, f"{table.id}: {table.columns}"
