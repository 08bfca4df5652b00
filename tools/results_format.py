"""The tables of docs/results-format.md that are made from the code, so that they cannot drift: phases and metrics."""

from collections.abc import Iterator
from pathlib import Path

from envbench.records.metrics import METRICS
from envreport.statistics.summary import COLUMNS

RESULTS_FORMAT = Path(__file__).resolve().parents[1] / "docs" / "results-format.md"
HEADING = "## Phases and metrics"


def metrics_markdown() -> str:
    """Return the table of every metric: name, experiment, unit, which end is better, meaning."""
    return "\n".join(_metrics()) + "\n"


def _metrics() -> Iterator[str]:
    yield "| metric | experiment | unit | better | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for name, metric in METRICS.items():
        yield f"| `{name}` | {metric.experiment} | {metric.unit} | {metric.better} | {metric.meaning} |"


def summary_columns() -> tuple[str, ...]:
    """Return the columns of summary.csv in order."""
    return COLUMNS


def results_format_markdown() -> str:
    """Return docs/results-format.md with its tables as the code has them; the prose above them stays as written."""
    text = RESULTS_FORMAT.read_text(encoding="utf-8")
    return f"{text[: text.index(HEADING)]}{HEADING}\n\n{metrics_markdown()}"
