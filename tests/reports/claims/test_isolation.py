"""The verdicts of the claims on isolation."""

from typing import Any

import pytest
from tests.reports.claims.known import cases, check_known_answer
from tests.reports.claims.known.isolation import KNOWN, MUTUAL, counts, wsl
from tests.reports.claims.known.rows import KVM, E, seen

from envreport.claims import BY_ID, Verdict, judge


@pytest.mark.parametrize(("claim_id", "side"), cases(KNOWN))
def test_known_answer(claim_id: str, side: str, rows: Any) -> None:
    check_known_answer(claim_id, side, rows)


OWN = {"namespaces_own": 7, "cgroup_own": 1}
LIMITS = {"memory_limit_enforced": 1, "cpu_limit_enforced": 1}


def test_what_our_own_bundle_asks_for_is_no_statement_about_a_bare_runtime(rows: Any) -> None:
    seen(E.ISOLATION, "runc", **OWN, **LIMITS)(rows)
    alone = judge(BY_ID["isolation-namespaces"], rows.results())
    assert alone.verdict is Verdict.NOT_MEASURED
    assert "not measured for a container of an engine" in alone.reason
    seen(E.ISOLATION, "docker", **dict.fromkeys(OWN, 0), **LIMITS)(rows)
    found = judge(BY_ID["isolation-namespaces"], rows.results())
    assert found.verdict is Verdict.CONTRADICTED, "the engine decides"
    bundle = [each for each in found.findings if "own bundle" in each.note]
    assert [(each.about, each.decides) for each in bundle] == [("runc", False)] * 2
    assert all(each.decides for each in found.findings if each not in bundle)


def test_a_bare_runtime_that_keeps_no_limit_contradicts(rows: Any) -> None:
    seen(E.ISOLATION, "docker", **OWN, **LIMITS)(rows)
    seen(E.ISOLATION, "runc", memory_limit_enforced=0, cpu_limit_enforced=1)(rows)
    assert judge(BY_ID["isolation-namespaces"], rows.results()).verdict is Verdict.CONTRADICTED


def test_sights_of_each_other_are_told_out_of_how_many(rows: Any) -> None:
    seen(E.ISOLATION, "docker", **dict.fromkeys(MUTUAL[:3], 0))(rows)
    found = judge(BY_ID["isolation-mutual"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE, "a way that was not tried shows nothing"
    assert found.findings[0].figure == "0 of 3 ways tried"
    assert "not tried: files" in found.why


def test_who_was_tried_in_some_ways_leaves_the_answer_to_who_was_tried_in_all(rows: Any) -> None:
    seen(E.ISOLATION, "docker", **dict.fromkeys(MUTUAL, 0))(rows)
    seen(E.ISOLATION, "runc", **dict.fromkeys(MUTUAL[:1], 0))(rows)
    found = judge(BY_ID["isolation-mutual"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert "runc" not in found.figure
    assert [each.decides for each in found.findings if each.about == "runc"] == [False]
    seen(E.ISOLATION, "crun", **dict.fromkeys(MUTUAL[:1], 3))(rows)
    assert judge(BY_ID["isolation-mutual"], rows.results()).verdict is Verdict.CONTRADICTED, "one sight is enough"


def test_counts_of_isolation_are_told_out_of_how_many(rows: Any) -> None:
    counts(0, 9)(rows)
    for backend, variant in (("qemu", KVM), ("docker", "")):
        rows.add(E.ISOLATION, backend, "host_facts_looked_for", [17], variant=variant)
    found = judge(BY_ID["isolation-vm-stronger"], rows.results())
    assert found.findings[0].figure == "host facts readable inside: 0 of 17 tried against 9 of 17 tried"


def test_one_host_name_for_two_containers_is_no_sight_of_each_other(rows: Any) -> None:
    seen(E.ISOLATION, "runc", mutual__names_seen=1, **dict.fromkeys(MUTUAL, 0))(rows)
    assert judge(BY_ID["isolation-mutual"], rows.results()).verdict is Verdict.SUPPORTED


def test_one_wall_that_was_put_up_does_not_make_wsl_a_machine(rows: Any) -> None:
    wsl(interop=0, kernel_shared_by_distributions=1, drives_mounted=2)(rows)
    found = judge(BY_ID["isolation-wsl"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "holds by one kernel, shared drives; does not by starting programs" in found.why


def test_a_contradiction_names_what_failed_and_nothing_else(rows: Any) -> None:
    seen(E.ISOLATION, "docker", **{**dict.fromkeys(MUTUAL, 0), "mutual__files_seen": 2})(rows)
    why = judge(BY_ID["isolation-mutual"], rows.results()).why
    assert "files of the other seen" in why
    assert "mounts" not in why
