"""The verdicts of the claims on what instances cost."""

from typing import Any

import pytest
from tests.reports.claims.known import cases, check_known_answer
from tests.reports.claims.known.cost import KNOWN, density, resized
from tests.reports.claims.known.rows import KVM, MIB, MS, E, S, around, seen, series

from envbench.records.phases import Phase, Unit
from envreport.claims import BY_ID, Verdict, judge


@pytest.mark.parametrize(("claim_id", "side"), cases(KNOWN))
def test_known_answer(claim_id: str, side: str, rows: Any) -> None:
    check_known_answer(claim_id, side, rows)


def test_what_a_container_adds_comes_in_bytes_first(rows: Any) -> None:
    series(E.MEMORY, "payload_bare", process=around(2 * MIB, (1.0,) * 8))(rows)
    series(E.MEMORY, "total", docker=around(13 * MIB, (1.0,) * 8))(rows)
    assert judge(BY_ID["memory-app-only"], rows.results()).figure.startswith(
        "docker over memory of the bare payload: +11 MiB between medians (ratio of medians "
    )


def test_one_machine_does_not_show_that_many_cannot_run(rows: Any) -> None:
    density((60, 61, 62), (8, 9))(rows)
    rows.samples[:] = [each for each in rows.samples if each.phase != "instances"]
    rows.add(E.DENSITY, "qemu", "instances", [1], variant=f"{KVM};mode=sequence;n=1", detail="the time was over")
    assert judge(BY_ID["density"], rows.results()).verdict is Verdict.INCONCLUSIVE


def test_one_engine_that_adds_memory_is_enough_against_only_what_the_app_needs(rows: Any) -> None:
    series(E.MEMORY, "payload_bare", process=around(2 * MIB))(rows)
    series(E.MEMORY, "total", runc=around(2 * MIB, (1.0,) * 8), docker=around(13 * MIB))(rows)
    found = judge(BY_ID["memory-app-only"], rows.results())
    assert found.verdict is Verdict.CONTRADICTED
    assert {finding.answer for finding in found.findings} == {"holds", "fails"}


def test_units_of_rows_are_those_of_the_contract(rows: Any) -> None:
    series(E.MEMORY, "total", docker=[1.0])(rows)
    assert rows.samples[0].unit is Unit.BYTES


def test_a_median_of_zero_is_compared_by_intervals(rows: Any) -> None:
    rows.add(E.IDLE, "docker", "cpu_ns_per_min", [0, 0, 0, 0, 0, 10 * MS])
    rows.add(E.IDLE, "qemu", "cpu_ns_per_min", around(900 * MS), variant=KVM)
    series(E.STARTUP, Phase.HOST_CPU, qemu=around(10 * S), docker=around(S))(rows)
    assert judge(BY_ID["cpu-overhead"], rows.results()).verdict is Verdict.SUPPORTED


def test_a_median_of_zero_within_reach_stays_open(rows: Any) -> None:
    rows.add(E.IDLE, "docker", "cpu_ns_per_min", [0, 0, 0, 0, 0, 950 * MS])
    rows.add(E.IDLE, "qemu", "cpu_ns_per_min", around(900 * MS), variant=KVM)
    series(E.STARTUP, Phase.HOST_CPU, qemu=around(10 * S), docker=around(S))(rows)
    assert judge(BY_ID["cpu-overhead"], rows.results()).verdict is Verdict.INCONCLUSIVE


def test_a_clean_release_and_an_audit_that_found_something_do_not_go_together(rows: Any) -> None:
    seen(E.RELEASE, "docker", leaked__total=0)(rows)
    assert judge(BY_ID["release-clean"], rows.results()).verdict is Verdict.SUPPORTED
    leaked = judge(BY_ID["release-clean"], rows.results({"cleanup": {"leaked": ["cgroup /x"]}}))
    assert leaked.verdict is Verdict.INCONCLUSIVE
    assert "cgroup /x" in {each.about: each.figure for each in leaked.findings}["the run's own audit"]
    rows.add(E.RELEASE, "host", "leaked.whole_run", [2], detail="docker container c; mount m")
    assert judge(BY_ID["release-clean"], rows.results()).verdict is Verdict.INCONCLUSIVE


def test_what_one_refuses_does_not_contradict_that_it_can_be_in_some_cases(rows: Any) -> None:
    resized(1)(rows)
    rows.samples[:] = [each for each in rows.samples if each.phase != "cpu_changed"]
    for backend, changed in (("docker", 1), ("qemu", 0)):
        seen(E.RESIZE, backend, cpu_changed=changed)(rows)
    found = judge(BY_ID["hot-resize"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "another may do" in found.why


def test_what_an_engine_takes_once_for_all_stands_beside_the_memory_of_an_instance(rows: Any) -> None:
    series(E.MEMORY, "total", qemu=around(200 * MIB), docker=around(8 * MIB))(rows)
    seen(E.MEMORY, "docker", engine_pss=133 * MIB)(rows)
    found = judge(BY_ID["memory-overhead"], rows.results())
    assert found.label == "supported for a minimal guest only"
    assert [e.figure for e in found.findings if not e.decides] == ["PSS of the engine, once for all: 133 MiB"]
