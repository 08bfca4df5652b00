"""report.json: the whole report as data, for programs; schema "envreport/1"."""

import json
from typing import Any

from envreport.claims.model import Judgement
from envreport.document.model import Chart, ReportDocument, Section, Table
from envreport.formats import tables
from envreport.statistics.estimates import BOOTSTRAP_SEED, RESAMPLES
from envreport.statistics.figures import CONFIDENCE

SCHEMA = "envreport/1"


def render(document: ReportDocument) -> dict[str, str]:
    """Return the file."""
    return {"report.json": json.dumps(as_record(document), ensure_ascii=False, indent=1, allow_nan=False) + "\n"}


def as_record(document: ReportDocument) -> dict[str, Any]:
    """Return the report as plain JSON values."""
    return {
        "schema": SCHEMA,
        "run_id": document.run_id,
        "started_at": document.started_at,
        "tool_version": document.tool_version,
        "outcome": document.outcome,
        "answer": document.answer,
        "notes": list(document.answer_notes),
        "meaning": list(document.meaning),
        "conditions": [each.words for each in document.conditions],
        "statistics": {"confidence": CONFIDENCE, "resamples": RESAMPLES, "bootstrap_seed": BOOTSTRAP_SEED},
        "claims": [
            _claim(judgement, record)
            for judgement, record in zip(document.judgements, tables.claim_records(document), strict=True)
        ],
        "warnings": list(tables.warning_records(document)),
        "summary": list(tables.summary_records(document)),
        "own_pairs": [pair.record() for pair in document.own_pairs],
        "sections": [_section(section) for section in document.sections],
        "environment": {
            "summary": document.environment_sentence,
            "machine": {fact.name: fact.value for fact in document.machine},
            "layers": [
                {"kind": each.kind, "name": each.name, "details": each.details, "evidence": list(each.evidence)}
                for each in document.layers
            ],
            "tables": [_table(table) for table in document.environment_tables],
        },
        "words": {fact.name: fact.value for fact in document.glossary},
        "method": {fact.name: fact.value for fact in document.method},
        "reproduce": {fact.name: fact.value for fact in document.reproduce},
        "samples": {"file": document.raw.name, "rows": document.raw.rows, "sha256": document.raw.sha256},
    }


def _claim(judgement: Judgement, record: tables.Record) -> dict[str, Any]:
    found = {
        name: value for name, value in record.items() if name not in {"schema", "run_id", "documents", "conditions"}
    }
    return found | {
        "label": judgement.label,
        "documents": list(judgement.claim.stands_in),
        "conditions": [each.words for each in judgement.conditions],
        "findings": [
            {
                "answer": finding.answer.value,
                "decides": finding.decides,
                "about": finding.about,
                "figure": finding.figure,
                "n": finding.n,
                "accelerator": finding.accelerator,
                "note": finding.note,
                "rows": [dict(zip(key._fields, map(str, key), strict=True)) for key in finding.keys],
            }
            for finding in judgement.findings
        ],
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "id": section.id,
        "title": section.title,
        "lead": section.lead,
        "empty": section.empty,
        "charts": [_chart(chart) for chart in section.charts],
        "tables": [_table(table) for table in section.tables],
    }


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "id": chart.id,
        "title": chart.title,
        "description": chart.description,
        "takeaway": chart.takeaway,
        "table": _table(chart.table),
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "id": table.id,
        "caption": table.caption,
        "columns": list(table.columns),
        "rows": [[cell.text for cell in row] for row in table.rows],
    }
