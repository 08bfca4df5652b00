"""envbench.prom in Prometheus' text format 0.0.4, for node_exporter's textfile collector and the Pushgateway.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (no UNIT and no EOF line, no info type).
"""

from envreport.document.model import ReportDocument
from envreport.formats import openmetrics


def render(document: ReportDocument) -> dict[str, str]:
    """Return the file. It has the figures of the OpenMetrics file under the same names and labels."""
    lines = [each for family in openmetrics.families(document) for each in family.text(info_type="gauge")]
    return {"envbench.prom": "\n".join(lines) + "\n"}
