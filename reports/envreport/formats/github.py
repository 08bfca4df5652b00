"""For GitHub: the JSON that github-action-benchmark reads (customSmallerIsBetter), a job summary, log annotations."""

import json
import os
from collections.abc import Iterator, Mapping

from envbench.records.phases import Experiment, Phase
from envreport.document.model import ReportDocument
from envreport.formats import markdown

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
MS = 1e6


def render(document: ReportDocument) -> dict[str, str]:
    """Return the benchmark file and the job summary (which also has claims and warnings)."""
    return {
        "github-action-benchmark.json": json.dumps(list(_entries(document)), ensure_ascii=False, indent=1) + "\n",
        "job-summary.md": "\n".join(summary_lines(document)) + "\n",
    }


def _entries(document: ReportDocument) -> Iterator[dict[str, str | float]]:
    """Yield one entry a backend; `range` is the half width of the interval, which the action shows as ±."""
    for row in document.summary:
        if row.experiment != Experiment.STARTUP or row.phase != Phase.READY or row.median is None:
            continue
        entry: dict[str, str | float] = {
            "name": " ".join(part for part in (row.backend, row.variant, row.profile) if part),
            "unit": "ms",
            "value": round(row.median / MS, 6),
            "extra": f"statistic=median n={row.n} failed={row.failed} run={row.run_id}",
        }
        if row.median_low is not None and row.median_high is not None:
            entry["range"] = f"± {max(row.median - row.median_low, row.median_high - row.median) / MS:.6g}"
            entry["extra"] = f"{entry['extra']} interval=[{row.median_low / MS:.6g}, {row.median_high / MS:.6g}] ms"
        yield entry


def summary_lines(document: ReportDocument) -> Iterator[str]:
    """Yield what a job's page should show: the answer, the start-up table, the verdicts, the warnings."""
    yield f"## {markdown.escape(document.title)}"
    yield ""
    yield f"**{markdown.escape(document.answer)}**"
    yield ""
    yield from (f"- {markdown.escape(note)}" for note in document.answer_notes)
    yield ""
    if document.starts:
        yield from markdown.table_lines(document.starts)
    yield from markdown.warning_lines(document)
    yield "<details><summary>Verdicts on every claim</summary>"
    yield ""
    yield from markdown.verdict_lines(document)
    yield "</details>"
    yield ""


def noticed(environ: Mapping[str, str]) -> bool:
    """Return whether these variables are those of a CI that reads what `notice` writes."""
    return bool(environ.get(SUMMARY_VARIABLE)) or environ.get("GITHUB_ACTIONS") == "true"


def notice(document: ReportDocument, environ: Mapping[str, str]) -> str:
    """Append to the job summary where there is one; return annotations as workflow commands, "" outside GitHub."""
    where = environ.get(SUMMARY_VARIABLE)
    if where:
        # A pipe that nobody reads is an error then, and not a wait without end.
        opened = os.open(where, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
        with open(opened, "a", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 -- a descriptor
            file.write("\n".join(summary_lines(document)) + "\n")
    if environ.get("GITHUB_ACTIONS") != "true":
        return ""
    return "\n".join(_annotations(document))


def _annotations(document: ReportDocument) -> Iterator[str]:
    for name, reason, count, total in document.failures:
        yield _command("error", "envbench: starts failed", f"{name}: {count} of {total} starts failed ({reason})")
    for warning in document.warnings:
        if warning.code != "failed-starts":
            yield _command("warning", f"envbench: {warning.code}", f"{warning.message}. {warning.advice}")


def _command(kind: str, title: str, text: str) -> str:
    return f"::{kind} title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    """Escape the text of a workflow command, so that none can be smuggled in (actions/toolkit, command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
