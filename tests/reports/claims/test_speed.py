"""The verdicts of the claims on speed."""

from typing import Any

import pytest
from tests.reports.claims.known import cases, check_known_answer
from tests.reports.claims.known.speed import KNOWN, NATIVE, SLOW, UNCLEAR

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
