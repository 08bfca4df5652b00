"""What changed since a baseline stands on the page: each figure then and now, and no change that noise could be."""

from typing import Any

from envbench.records.phases import Experiment, Phase
from envreport.document.model import Section
from envreport.document.sections.runs import since

MACHINE = {
    "payload": {"digest": "a"},
    "accelerator": {"used": ["tcg"]},
    "host": {"host": {"cpu_brand": "EPYC", "architecture": "x86_64"}},
}
SPREAD = (0.98, 0.99, 0.99, 1.0, 1.0, 1.0, 1.0, 1.01, 1.01, 1.02)


def changes(section: Section) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {
        tuple(cell.text for cell in row[:2]): tuple(cell.text for cell in row[2:5]) for row in section.tables[0].rows
    }


def test_changes_come_first_and_the_same_is_the_same(rows: Any) -> None:
    older, newer = type(rows)(), type(rows)()
    for one, docker in ((older, 1e8), (newer, 2e8)):
        one.add(Experiment.STARTUP, "runc", Phase.READY, [5e7 * each for each in SPREAD])
        one.add(Experiment.STARTUP, "docker", Phase.READY, [docker * each for each in SPREAD])
    section = since(older.results(MACHINE), newer.results(MACHINE))
    found = changes(section)
    assert found["docker", "time to ready"] == ("100 ms", "200 ms", "slower")
    assert found["runc", "time to ready"][2] == "same"
    assert next(iter(found))[0] == "docker"
    assert f"1 of {len(found)} figures changed, 0 cannot" in section.lead


def test_unlike_machines_are_not_compared(rows: Any) -> None:
    rows.add(Experiment.STARTUP, "docker", Phase.READY, [1e8 * each for each in SPREAD])
    other = {**MACHINE, "accelerator": {"used": ["kvm"]}}
    section = since(rows.results(MACHINE), rows.results(other))
    assert section.tables == ()
    assert section.lead.startswith("Not comparable with ")
    assert "accelerator differs" in section.lead
