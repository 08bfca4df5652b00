"""The verdicts of the claims on speed."""

from typing import Any

import pytest
from tests.reports.claims.known import cases, check_known_answer
from tests.reports.claims.known.rows import E
from tests.reports.claims.known.speed import KNOWN, NATIVE, SLOW, UNCLEAR

from envbench.phases import Unit
from envreport.claims import BY_ID, Verdict, judge


@pytest.mark.parametrize(("claim_id", "side"), cases(KNOWN))
def test_known_answer(claim_id: str, side: str, rows: Any) -> None:
    check_known_answer(claim_id, side, rows)


@pytest.mark.parametrize(
    ("host_answer", "words"),
    [
        ({"bare_metal": True, "layers": []}, "supported"),
        ({"layers": [{"kind": "vm", "id": "kvm"}]}, "supported against this machine, itself a guest"),
        ({}, "supported against this machine; whether it is bare metal is not known"),
    ],
)
def test_bare_metal_is_judged_on_bare_metal_alone(host_answer: Any, words: str, rows: Any) -> None:
    SLOW(rows)
    assert judge(BY_ID["speed-container-not-bare"], rows.results({"host": host_answer})).label == words


def test_opposite_claims_never_both_hold(make_rows: Any) -> None:
    for build in (NATIVE, SLOW, UNCLEAR):
        rows = make_rows()
        build(rows)
        results = rows.results()
        found = {judge(BY_ID[name], results).verdict for name in ("speed-container-native", "speed-container-not-bare")}
        assert found in ({Verdict.SUPPORTED, Verdict.CONTRADICTED}, {Verdict.INCONCLUSIVE})


@pytest.mark.parametrize("claim_id", ["speed-container-native", "speed-container-not-bare", "speed-vm-slower"])
def test_a_busy_machine_says_nothing_of_speed(claim_id: str, make_rows: Any) -> None:
    for side in (KNOWN[claim_id].supports, KNOWN[claim_id].contradicts):
        rows = make_rows()
        assert side
        side(rows)
        calm, own = judge(BY_ID[claim_id], rows.results()).verdict, len(rows.samples)
        assert calm in {Verdict.SUPPORTED, Verdict.CONTRADICTED}
        rows.add(E.STARTUP, "docker", "noise.psi_cpu", [0.5] * 6, unit=Unit.RATIO)
        busy = judge(BY_ID[claim_id], rows.results())
        assert busy.verdict is Verdict.INCONCLUSIVE
        assert "the machine was busy" in busy.why
        rows.add(E.SPEED, "docker", "noise.psi_cpu", [0.01] * 6, unit=Unit.RATIO)
        assert judge(BY_ID[claim_id], rows.results()).verdict is calm, "its own stamps count"
        rows.samples[:] = rows.samples[:own]
        rows.add(E.SPEED, "docker", "noise.psi_io", [0.5] * 6, unit=Unit.RATIO)
        assert judge(BY_ID[claim_id], rows.results()).verdict is calm, "storage waits for the run's own work"
