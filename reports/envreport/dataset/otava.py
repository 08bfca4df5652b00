"""A history for Apache Otava, which finds change points: a CSV file for its importer of type `csv`.

Otava compares every row with the rows before. So it gets what `history` itself compares, the newest environment of each
configuration, and each configuration is a branch: without `--branch` Otava refuses to mix them, and names them.
"""

from envbench.records.metrics import metric
from envreport.dataset.history import ENVIRONMENT, History, csv_text
from envreport.selectors import backend_name

COLUMNS = ("time", "branch", "value", "unit", "run_id", *ENVIRONMENT)
"""`time` and `branch` are Otava's own names; `value` is the metric's column, all others may be attributes."""


def otava_csv(found: History) -> str:
    """Return one row a run, oldest first in each branch; `time` is UTC, what is not recorded is empty."""
    unit = str(metric(found.metric).unit)
    named = ((each, backend_name(each.backend, each.variant, each.profile)) for each in found.series)
    return csv_text(
        COLUMNS,
        (
            (point.started_at.isoformat(), name, point.value, unit, point.run_id, *point.environment)
            for each, name in named
            for point in each.segments[-1].points
        ),
    )
