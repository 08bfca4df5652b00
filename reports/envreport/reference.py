"""The tables of docs/results-format.md that are made from the code, so that they cannot drift: phases and metrics."""

from collections.abc import Iterator
from pathlib import Path

from envbench.phases import METRICS, Phase
from envreport.summary import COLUMNS
from envreport.words import words

HEADING = "## Phases and metrics"


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


def refresh(path: Path) -> None:
    """Rewrite the last section of docs/results-format.md; everything above its heading stays."""
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text[: text.index(HEADING)]}{HEADING}\n\n{metrics_markdown()}", encoding="utf-8")


if __name__ == "__main__":
    refresh(Path("docs/results-format.md"))
