"""metrics.txt in the OpenMetrics text format 1.0, for a node exporter's text file collector or a push gateway."""

from collections.abc import Iterator, Mapping

from envreport.document.model import ReportDocument

QUANTILES = (("0.05", "p5"), ("0.5", "median"), ("0.95", "p95"))
SECONDS = 1e9


def render(document: ReportDocument) -> dict[str, str]:
    """Return the file."""
    return {"metrics.txt": "\n".join(_lines(document)) + "\n"}


def _lines(document: ReportDocument) -> Iterator[str]:
    starts = [row for row in document.summary if row.unit == "ns" and row.experiment == "startup" and row.n]
    yield "# TYPE envbench_phase_seconds gauge"
    yield "# UNIT envbench_phase_seconds seconds"
    yield "# HELP envbench_phase_seconds Quantiles of the phases of a start."
    for row in starts:
        labels = {"backend": row.backend, "variant": row.variant, "profile": row.profile, "phase": row.phase}
        for quantile, name in QUANTILES:
            value = getattr(row, name)
            if value is not None:
                yield f"envbench_phase_seconds{_labels({**labels, 'quantile': quantile})} {value / SECONDS:.9g}"
    yield "# TYPE envbench_measured gauge"
    yield "# HELP envbench_measured Median of every other quantity, in the unit of its label."
    for row in document.summary:
        if row.experiment != "startup" and row.median is not None:
            names = ("experiment", "backend", "variant", "profile", "phase", "unit")
            yield f"envbench_measured{_labels({name: getattr(row, name) for name in names})} {row.median:.12g}"
    yield from _counts(document)
    yield from _claims_and_warnings(document)
    yield "# EOF"


def _counts(document: ReportDocument) -> Iterator[str]:
    for name, text, attribute in (
        ("starts", "Starts that count.", "n"),
        ("failed_starts", "Starts that failed.", "failed"),
    ):
        yield f"# TYPE envbench_{name} gauge"
        yield f"# HELP envbench_{name} {text}"
        for row in document.summary:
            if row.experiment == "startup" and row.phase == "ready":
                labels = {"backend": row.backend, "variant": row.variant, "profile": row.profile}
                yield f"envbench_{name}{_labels(labels)} {getattr(row, attribute)}"


def _claims_and_warnings(document: ReportDocument) -> Iterator[str]:
    yield "# TYPE envbench_claim info"
    yield "# HELP envbench_claim The verdict on each claim."
    for each in document.judgements:
        labels = {"claim": each.claim.id, "verdict": str(each.verdict), "label": each.label}
        yield f"envbench_claim_info{_labels(labels)} 1"
    yield "# TYPE envbench_warning info"
    yield "# HELP envbench_warning Warnings of the run."
    for warning in dict.fromkeys((warning.code, warning.message) for warning in document.warnings):
        yield f"envbench_warning_info{_labels({'code': warning[0], 'message': warning[1]})} 1"


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels.items()) + "}"


def escape(text: str) -> str:
    """Return a label value as OpenMetrics wants it.

    Backslash, quote and line feed escaped, other control characters blank.
    """
    known = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return "".join(each if each.isprintable() or each == "\\" else " " for each in known)
