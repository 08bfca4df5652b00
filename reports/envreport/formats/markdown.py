"""report.md: the report in GitHub's Markdown, also used for a CI's job summary."""

import re
from collections.abc import Iterator

from envreport.claims.model import Judgement
from envreport.claims.verdict import Basis, Verdict
from envreport.document.model import ReportDocument, Table

SYMBOLS = {
    Verdict.SUPPORTED: "✔",
    Verdict.CONTRADICTED: "✘",
    Verdict.INCONCLUSIVE: "≈",
    Verdict.NOT_MEASURED: "\N{MIDDLE DOT}",
    Verdict.NOT_TESTABLE: "\N{EN DASH}",
    Verdict.RIGHT: "§",
    Verdict.WRONG: "§",
    Verdict.PARTLY_RIGHT: "§",
}
MEASURED = (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.INCONCLUSIVE)
UNANSWERED = (Verdict.NOT_MEASURED, Verdict.NOT_TESTABLE)
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#$!])")


def render(document: ReportDocument) -> dict[str, str]:
    """Return the file."""
    return {"report.md": "\n".join(lines(document)) + "\n"}


def escape(text: str) -> str:
    """Return text that Markdown shows as it is: on one line, with nothing that could pass for markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def prose(text: str) -> str:
    """Return text with what stands in backticks as code; all else is escaped."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return "`".join(
        part.replace("|", "\\|") if index % 2 else _SPECIAL.sub(r"\\\1", part) for index, part in enumerate(parts)
    )


def table_lines(table: Table, *, heading: str = "###") -> Iterator[str]:
    """Yield a table with its caption."""
    yield f"{heading} {escape(table.caption)}"
    yield ""
    yield "| " + " | ".join(escape(column) for column in table.columns) + " |"
    yield "|" + "|".join(" ---: " if index in table.numeric else " --- " for index in range(len(table.columns))) + "|"
    for row in table.rows:
        yield "| " + " | ".join(escape(cell.text) for cell in row) + " |"
    yield ""


def lines(document: ReportDocument) -> Iterator[str]:
    """Yield the report line by line, in the order of the HTML report."""
    yield f"# {escape(document.title)}"
    yield ""
    yield f"**{escape(document.answer)}**"
    yield ""
    yield from (f"- {escape(note)}" for note in document.answer_notes)
    yield ""
    yield from meaning_lines(document)
    yield from verdict_lines(document)
    for section in (each for each in document.sections if not each.empty):
        yield f"## {escape(section.title)}"
        yield ""
        yield escape(section.lead)
        yield ""
        for chart in section.charts:
            if chart is not document.headline:
                yield from table_lines(chart.table)
        for table in section.tables:
            yield from table_lines(table)
    yield from empty_lines(document)
    yield from _environment(document)
    yield from warning_lines(document)
    for noise in document.noise:
        yield from table_lines(noise)
    for title, facts, figures in (
        ("How it was measured", document.method, document.spent),
        ("Words", document.glossary, None),
        ("How to reproduce it", document.reproduce, None),
    ):
        yield f"## {title}"
        yield ""
        yield from (f"- {escape(fact.name)}: {escape(fact.value)}" for fact in facts)
        yield ""
        if figures:
            yield from table_lines(figures)
    if document.documents:
        yield from table_lines(document.documents, heading="##")


def meaning_lines(document: ReportDocument) -> Iterator[str]:
    """Yield the table of the headline picture, and what the answer's figures mean."""
    if document.headline:
        yield from table_lines(document.headline.table)
        if document.headline.takeaway:
            yield escape(document.headline.takeaway)
            yield ""
    if document.meaning:
        yield "## What this means"
        yield ""
        yield from (f"- {prose(sentence)}" for sentence in document.meaning)
        yield ""


def empty_lines(document: ReportDocument) -> Iterator[str]:
    """Yield in one line each what has nothing to show."""
    empty = [each for each in document.sections if each.empty]
    if empty:
        yield "## Not in this run"
        yield ""
        yield from (f"- {escape(each.title)}: {escape(each.empty)}" for each in empty)
        yield ""


def verdict_lines(document: ReportDocument) -> Iterator[str]:
    """Yield every claim with its verdict, by theme."""
    yield "## Verdicts"
    yield ""
    for theme in document.themes:
        yield f"### {escape(theme.value)}"
        yield ""
        yield "| claim | verdict | figure | why and under which conditions |"
        yield "| --- | --- | --- | --- |"
        for each in document.judgements:
            if each.claim.theme is theme:
                name = f"{escape(each.claim.wording)} (`{each.claim.id}`)"
                yield (
                    f"| {name} | {SYMBOLS[each.verdict]} {escape(each.label)} | "
                    f"{escape(each.figure)} | {' '.join(prose(part) for part in _reasons(each))} |"
                )
        yield ""


def _reasons(judgement: Judgement) -> Iterator[str]:
    """Yield why the verdict is what it is, then its conditions where it has a figure, or what it lacks."""
    yield f"{judgement.why.removesuffix('.')}."
    if judgement.figure and judgement.conditions:
        yield f"Conditions: {', '.join(each.brief for each in judgement.conditions)}."
    if judgement.remedy and judgement.verdict in UNANSWERED:
        yield f"To supply it: {judgement.remedy}"
    if judgement.verdict.basis is Basis.LITERATURE:
        yield f"Reference: {judgement.claim.reference}"


def warning_lines(document: ReportDocument) -> Iterator[str]:
    """Yield every warning with its advice."""
    yield "## Warnings"
    yield ""
    if not document.warnings:
        yield "None."
    for warning in document.warnings:
        yield f"- **{escape(warning.code)}**: {escape(warning.message)}. {prose(warning.advice)}"
    yield ""


def _environment(document: ReportDocument) -> Iterator[str]:
    yield "## Where it was measured"
    yield ""
    yield escape(document.environment_sentence)
    yield ""
    yield from (f"- {escape(fact.name)}: {escape(fact.value)}" for fact in document.machine)
    yield ""
    for layer in document.layers:
        details = f" ({escape(layer.details)})" if layer.details else ""
        yield f"- {escape(layer.kind)}: {escape(layer.name)}{details}"
        yield from (f"  - {escape(piece)}" for piece in layer.evidence)
    yield ""
    for table in document.environment_tables:
        yield from table_lines(table)
