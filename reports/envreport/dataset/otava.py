"""A history for Apache Otava, which finds change points: a CSV file for its importer of type `csv`.

Otava compares every row with the rows before. So it gets what `history` itself compares, the newest environment of each
configuration, and each configuration is a branch: without `--branch` Otava refuses to mix them, and names them.
"""

import csv
import io

from envbench.metrics import metric
from envbench.samples import variant_keys
from envreport.dataset.history import ENVIRONMENT, History, Series

COLUMNS = ("time", "branch", "value", "unit", "run_id", *ENVIRONMENT)
"""`time` and `branch` are Otava's own names; `value` is the metric's column, all others may be attributes."""


def otava_csv(found: History) -> str:
    """Return one row a run, oldest first in each branch; `time` is UTC, what is not recorded is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    unit = str(metric(found.metric).unit)
    for each in found.series:
        name = branch(each)
        for point in each.segments[-1].points:
            row = (point.started_at.isoformat(), name, point.value, unit, point.run_id, *point.environment)
            writer.writerow(row)
    return text.getvalue()


def branch(series: Series) -> str:
    """Return a configuration as a figure's name begins with it: `docker[network=none,runtime=runc]/minimal`."""
    keys = ",".join(f"{key}={value}" for key, value in variant_keys(series.variant).items())
    return series.backend + (f"[{keys}]" if keys else "") + (f"/{series.profile}" if series.profile else "")
