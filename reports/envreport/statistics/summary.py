"""The summary table: one row for each measured quantity of each backend.

What summary.csv, the JSON and the tables share.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from statistics import fmean, stdev

from envbench.records.phases import NOISE_PREFIX
from envreport.results import Results, Series
from envreport.statistics import estimates

SCHEMA = "envreport-summary/1"


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """Figures of one series, in its unit.

    None is "too few values to say"; n counts measured values without warm-ups.
    """

    schema: str
    run_id: str
    experiment: str
    backend: str
    variant: str
    profile: str
    phase: str
    unit: str
    n: int
    warmups: int
    failed: int
    median: float | None
    median_low: float | None
    median_high: float | None
    median_coverage: float | None
    p5: float | None
    p95: float | None
    p95_low: float | None
    p95_high: float | None
    p95_method: str | None
    min: float | None
    max: float | None
    mean: float | None
    sd: float | None


COLUMNS = tuple(field.name for field in fields(SummaryRow))


def summarise(results: Results) -> tuple[SummaryRow, ...]:
    """Return one row a series, in the order of the results; noise stamps are left to the warnings."""
    run_id = results.run.run_id or ""
    return tuple(_row(results, series, run_id) for series in _series(results))


def _series(results: Results) -> Iterator[Series]:
    for key, series in results.series.items():
        if not key.phase.startswith(NOISE_PREFIX):
            yield series


def _row(results: Results, series: Series, run_id: str) -> SummaryRow:
    key, values = series.key, series.values
    middle = estimates.median(values)
    low, high = estimates.quantile(values, 0.05), estimates.quantile(values, 0.95)
    return SummaryRow(
        schema=SCHEMA,
        run_id=run_id or (series.rows[0].run_id if series.rows else ""),
        experiment=key.experiment,
        backend=key.backend,
        variant=key.variant,
        profile=key.profile,
        phase=key.phase,
        unit=series.unit,
        n=len(values),
        warmups=series.warmups,
        failed=results.failed(key.experiment, key.backend_key),
        median=middle.value if middle else None,
        median_low=middle.interval.low if middle and middle.interval else None,
        median_high=middle.interval.high if middle and middle.interval else None,
        median_coverage=round(middle.interval.coverage, 6) if middle and middle.interval else None,
        p5=low.value if low else None,
        p95=high.value if high else None,
        p95_low=high.interval.low if high and high.interval else None,
        p95_high=high.interval.high if high and high.interval else None,
        p95_method=str(high.method) if high and high.interval else None,
        min=min(values, default=None),
        max=max(values, default=None),
        mean=fmean(values) if values else None,
        sd=stdev(values) if len(values) > 1 else None,
    )


def plain_number(value: float | None) -> float | int | None:
    """Return a whole number without its ".0", as it stands in a CSV; None (also for what is not finite) stays None."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value
