"""Rows that several formats write: the summary, the claims and the warnings, as flat records."""

from collections.abc import Iterator
from dataclasses import asdict

from envreport.claims.model import Judgement
from envreport.document.model import ReportDocument
from envreport.statistics.summary import COLUMNS as SUMMARY_COLUMNS
from envreport.statistics.summary import plain_number

CLAIMS_SCHEMA = "envreport-claims/2"
CLAIM_COLUMNS = (
    "schema",
    "run_id",
    "id",
    "theme",
    "claim",
    "verdict",
    "basis",
    "only",
    "tcg_only",
    "figure",
    "n",
    "why",
    "conditions",
    "reason",
    "remedy",
    "documents",
    "partner",
    "reference",
    "scope",
)
WARNINGS_SCHEMA = "envreport-warnings/2"
WARNING_COLUMNS = ("schema", "run_id", "code", "backend", "message", "advice")
Record = dict[str, str | float | int | None]


def summary_records(document: ReportDocument) -> Iterator[Record]:
    """Yield the summary rows; whole numbers stay whole, missing stays None."""
    for row in document.summary:
        record = asdict(row)
        yield {name: plain_number(value) if isinstance(value, float) else value for name, value in record.items()}


def claim_records(document: ReportDocument) -> Iterator[Record]:
    """Yield one record a claim."""
    for judgement in document.judgements:
        yield _claim_record(judgement, document.run_id)


def _claim_record(judgement: Judgement, run_id: str) -> Record:
    claim = judgement.claim
    return {
        "schema": CLAIMS_SCHEMA,
        "run_id": run_id,
        "id": claim.id,
        "theme": claim.theme.value,
        "claim": claim.wording,
        "verdict": judgement.verdict.value,
        "basis": judgement.verdict.basis.value,
        "only": "; ".join(each.kind for each in judgement.limits) or None,
        "tcg_only": int(judgement.tcg_only),
        "figure": judgement.figure or None,
        "n": min((each.n for each in judgement.findings if each.decides and judgement.figure), default=None),
        "why": judgement.why,
        "conditions": "; ".join(each.words for each in judgement.conditions) or None,
        "reason": judgement.reason or None,
        "remedy": judgement.remedy or None,
        "documents": " ".join(claim.stands_in),
        "partner": claim.partner or None,
        "reference": claim.reference,
        "scope": claim.scope,
    }


def warning_records(document: ReportDocument) -> Iterator[Record]:
    """Yield one record a warning."""
    for warning in document.warnings:
        yield {
            "schema": WARNINGS_SCHEMA,
            "run_id": document.run_id,
            "code": warning.code,
            "backend": warning.backend or None,
            "message": warning.message,
            "advice": warning.advice or None,
        }


__all__ = ["CLAIM_COLUMNS", "SUMMARY_COLUMNS", "WARNING_COLUMNS", "claim_records", "summary_records", "warning_records"]
