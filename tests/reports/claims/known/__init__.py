"""Runs with known answers: for each claim one that supports it, one that contradicts it, one that leaves it open."""

from collections.abc import Mapping
from typing import Any

from tests.reports.claims.known import architecture, cost, isolation, management, size, speed, startup
from tests.reports.claims.known.architecture import HYPERVISORS
from tests.reports.claims.known.rows import Known

from envreport.claims import BY_ID, Verdict, judge

MODULES = (architecture, cost, isolation, management, size, speed, startup)
KNOWN: Mapping[str, Known] = {claim_id: known for module in MODULES for claim_id, known in module.KNOWN.items()}
EXPECTED = {"supports": Verdict.SUPPORTED, "contradicts": Verdict.CONTRADICTED, "leaves_open": Verdict.INCONCLUSIVE}


def cases(table: Mapping[str, Known]) -> list[tuple[str, str]]:
    """Return each claim with each answer that a run of its own is known for."""
    return [(claim_id, side) for claim_id, known in table.items() for side in EXPECTED if getattr(known, side)]


def check_known_answer(claim_id: str, side: str, rows: Any) -> None:
    """Judge the claim on that run: the verdict is the known one, with its figure and its reason."""
    getattr(KNOWN[claim_id], side)(rows)
    meta = HYPERVISORS[side] if claim_id == "desktop-hosted" else {}
    found = judge(BY_ID[claim_id], rows.results(meta))
    assert found.verdict is EXPECTED[side], found
    assert not found.tcg_only
    assert found.figure
    assert found.why
    assert found.findings
