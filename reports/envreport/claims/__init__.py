"""The claims table and its judge: a run in, one verdict for each claim out.

`CLAIMS` holds every claim of the documents as data, grouped by theme in the order of the report. Users' own claims come
from a TOML file, see `user`.
"""

from collections.abc import Iterable, Mapping

from envreport.claims import architecture, cost, isolation, management, size, speed, startup
from envreport.claims.judge import judge
from envreport.claims.model import Claim, Finding, Judgement, Need, Outcome, Rule, Theme
from envreport.claims.verdict import Answer, Verdict
from envreport.results import Results

DOCUMENTS: Mapping[str, str] = {
    "D0": "WSL, Docker containers and virtual machines compared (notes)",
    "D1": "What is a virtual machine? (a guide to installing Docker)",
    "D2": "Virtual machine vs container (2021)",
    "D3": "The difference between Docker and virtual machines",
    "D4": "Docker containers vs. virtual machines",
}


def _by_theme(rows: Iterable[Claim]) -> tuple[Claim, ...]:
    themes = list(Theme)
    return tuple(sorted(rows, key=lambda claim: themes.index(claim.theme)))


CLAIMS: tuple[Claim, ...] = _by_theme(
    claim for module in (architecture, startup, cost, size, speed, isolation, management) for claim in module.CLAIMS
)
BY_ID: Mapping[str, Claim] = {claim.id: claim for claim in CLAIMS}


def judge_all(results: Results, extra: Iterable[Claim] = ()) -> tuple[Judgement, ...]:
    """Judge every claim of the table, then the user's own."""
    return tuple(judge(claim, results) for claim in (*CLAIMS, *extra))


__all__ = [
    "BY_ID",
    "CLAIMS",
    "DOCUMENTS",
    "Answer",
    "Claim",
    "Finding",
    "Judgement",
    "Need",
    "Outcome",
    "Rule",
    "Theme",
    "Verdict",
    "judge",
    "judge_all",
]
