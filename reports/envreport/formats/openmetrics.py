"""metrics.txt in the OpenMetrics text format 1.0, for scrapers; files for collectors are written by `prometheus`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from envreport.document.model import ReportDocument
from envreport.statistics.summary import SummaryRow

STATISTICS = ("p5", "median", "p95")
SECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Family:
    """One metric as a scraper sees it; each sample is its labels and its value as text."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[Mapping[str, str], str], ...]
    unit: str = ""

    def text(self, *, info_type: str = "") -> Iterator[str]:
        """Yield its lines; with `info_type` as the older text format has them, which knows no info and no unit."""
        sampled = f"{self.name}_info" if self.kind == "info" else self.name
        older = bool(info_type)
        yield f"# HELP {sampled if older else self.name} {self.help}"
        yield f"# TYPE {sampled if older else self.name} {info_type if older and self.kind == 'info' else self.kind}"
        if self.unit and not older:
            yield f"# UNIT {self.name} {self.unit}"
        yield from (f"{sampled}{_labels(labels)} {value}" for labels, value in self.samples)


def render(document: ReportDocument) -> dict[str, str]:
    """Return the file."""
    lines = [each for family in families(document) for each in family.text()]
    return {"metrics.txt": "\n".join([*lines, "# EOF"]) + "\n"}


def families(document: ReportDocument) -> Iterator[Family]:
    """Yield quantiles of a start, the other medians, counts of starts, verdicts and warnings."""
    yield Family(
        "envbench_phase_seconds", "gauge", "Quantiles of the phases of a start.", tuple(_phases(document)), "seconds"
    )
    names = ("experiment", "backend", "variant", "profile", "phase", "unit")
    yield Family(
        "envbench_measured",
        "gauge",
        "Median of every other quantity, in the unit of its label.",
        tuple(
            ({name: getattr(row, name) for name in names}, f"{row.median:.12g}")
            for row in document.summary
            if row.experiment != "startup" and row.median is not None
        ),
    )
    ready = [row for row in document.summary if row.experiment == "startup" and row.phase == "ready"]
    for name, text, attribute in (
        ("starts", "Starts that count.", "n"),
        ("failed_starts", "Starts that failed.", "failed"),
    ):
        samples = tuple((_labels_of(row), str(getattr(row, attribute))) for row in ready)
        yield Family(f"envbench_{name}", "gauge", text, samples)
    yield Family(
        "envbench_claim",
        "info",
        "The verdict on each claim.",
        tuple(
            ({"claim": each.claim.id, "verdict": str(each.verdict), "label": each.label}, "1")
            for each in document.judgements
        ),
    )
    told = dict.fromkeys((each.code, each.message) for each in document.warnings)
    samples = tuple(({"code": code, "message": message}, "1") for code, message in told)
    yield Family("envbench_warning", "info", "Warnings of the run.", samples)


def _phases(document: ReportDocument) -> Iterator[tuple[Mapping[str, str], str]]:
    for row in document.summary:
        if row.unit != "ns" or row.experiment != "startup":
            continue
        for name in STATISTICS:
            value = getattr(row, name)
            if value is not None:
                yield {**_labels_of(row), "phase": row.phase, "statistic": name}, f"{value / SECONDS:.9g}"


def _labels_of(row: SummaryRow) -> dict[str, str]:
    return {"backend": row.backend, "variant": row.variant, "profile": row.profile}


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels.items()) + "}"


def escape(text: str) -> str:
    """Return a label value as OpenMetrics wants it.

    Backslash, quote and line feed escaped, other control characters blank.
    """
    known = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return "".join(each if each.isprintable() or each == "\\" else " " for each in known)
