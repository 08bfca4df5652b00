"""The tables of docs/results-format.md that are made from the code, so that they cannot drift: phases and metrics."""

from collections.abc import Iterator

from envbench.phases import METRICS, Phase
from envreport.summary import COLUMNS
from envreport.words import words


def metrics_markdown() -> str:
    """Return the table of every metric: name, experiment, unit, which end is better, meaning."""
    return "\n".join(_metrics()) + "\n"


def _metrics() -> Iterator[str]:
    yield "| metric | experiment | unit | better | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for phase in Phase:
        yield f"| `{phase}` | startup | ns | lower | {words(phase)} |"
    for name, metric in METRICS.items():
        yield f"| `{name}` | {metric.experiment} | {metric.unit} | {metric.better} | {metric.meaning} |"


def summary_columns() -> tuple[str, ...]:
    """Return the columns of summary.csv in order."""
    return COLUMNS
