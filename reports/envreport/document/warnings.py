"""What a reader must know before trusting a figure: a run's own warnings, failed starts, noise, unsteady series."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from envbench.records.metrics import NOISE_CODES, noise_code
from envbench.records.phases import Experiment, Phase, counted
from envbench.records.samples import Sample
from envreport.document.model import Caution
from envreport.results import Results, Series, backends
from envreport.statistics.noise import noise_of
from envreport.statistics.steadiness import (
    DRIFT_P,
    DRIFT_RHO,
    FIRST_RUN_RATIO,
    LAG_LIMIT_SDS,
    OUTLIER_MADS,
    diagnose,
)
from envreport.units import percent, quantity


def screen(series: Series, name: str) -> Iterator[Caution]:
    """Yield what a reader must know about the steadiness of one series."""
    found = diagnose(series.values)
    if (
        found.drift_rho is not None
        and found.drift_p is not None
        and found.drift_p < DRIFT_P
        and abs(found.drift_rho) >= DRIFT_RHO
    ):
        way = "slower" if found.drift_rho > 0 else "faster"
        yield Caution(
            "drift",
            f"{name}: starts became {way} during the run (Spearman {found.drift_rho:+.2f}, p = {found.drift_p:.1g})",
            "Something else changed while measuring: look at the run-order chart, close other work, measure longer.",
            name,
        )
    elif found.lag1 is not None and abs(found.lag1) > LAG_LIMIT_SDS / math.sqrt(found.n):
        yield Caution(
            "autocorrelation",
            f"{name}: neighbouring starts resemble each other (lag-1 {found.lag1:+.2f}), so intervals are too narrow",
            "Repeat the whole run at another time and compare, rather than adding starts to this one.",
            name,
        )
    if found.first_ratio is not None and found.first_ratio > FIRST_RUN_RATIO and 0 in found.outliers:
        yield Caution(
            "first-run",
            f"{name}: the first counted start took {found.first_ratio:.1f} times the median of the others",
            "Add warm-ups (--warmup); the start is kept in every figure.",
            name,
        )
    if found.outliers:
        yield Caution(
            "outliers",
            f"{name}: {len(found.outliers)} of {found.n} starts lie more than {OUTLIER_MADS:.0f} "
            "scaled MADs off the median (kept)",
            "Medians bear this; p95 and the mean do not. Look at the noise stamps of those starts.",
            name,
        )
    if found.bimodal:
        yield Caution(
            "bimodal",
            f"{name}: starts fall into two groups, and no single start took the median time",
            "Look for two code paths or clock speeds; the ECDF chart shows both groups.",
            name,
        )


def noise_warnings(stamps: Mapping[str, Sequence[Sample]]) -> Iterator[Caution]:
    """Yield a warning for each kind of stamp that was above its limit before too many starts."""
    for each in noise_of(stamps):
        said = each.stamp.sentence(each.above, each.starts, each.highest)
        yield Caution(noise_code(each.name), said, each.stamp.advice)


def run_warnings(results: Results) -> Iterator[Caution]:
    """Yield what run.json itself warns of: recorded warnings, unfinished backends, leaks, a run that ended early."""
    for note in results.notes:
        yield Caution("incomplete", note, "Keep run.json beside samples.csv.")
    for each in results.run.warnings:
        yield Caution(each.code, each.message, each.advice or "")
    cut: dict[tuple[int, int, str, str], list[str]] = {}
    for one in results.run.unfinished:
        name = backends.label(one.backend, one.variant, one.profile)
        remedy = one.remedy or "Give the run more time (--budget) or fewer backends (--backend)."
        cut.setdefault((one.runs, one.needed, one.reason, remedy), []).append(name)
    for (runs, needed, reason, remedy), names in cut.items():
        because = f" ({reason})" if reason else ""
        yield Caution(
            "unfinished",
            f"{', '.join(names)}: stopped after {counted(runs, 'start')}, {needed} more "
            f"{'was' if needed == 1 else 'were'} wanted{because}",
            remedy,
        )
    for leak in results.run.cleanup.leaked:
        yield Caution("leak", f"left behind: {leak}", "Run `envbench clean`, then look at what is still there.")
    outcome = results.run.outcome or "done"
    if outcome not in {"done", "ok", "finished", "complete"}:
        words = "is still running, or was killed" if outcome == "running" else f"ended as {outcome!r}"
        yield Caution("outcome", f"the run {words}", "Figures rest on what was measured until then.")


def failure_warnings(results: Results) -> Iterator[Caution]:
    """Yield one warning a backend with failed starts."""
    for (experiment, backend), rows in results.failures.items():
        name = backends.label(rows[0].backend, rows[0].variant, rows[0].profile)
        total = results.starts.get((experiment, backend), len(rows))
        reason = next((row.detail for row in rows if row.detail), "no reason recorded")
        yield Caution(
            "failed-starts",
            f"{name}: {len(rows)} of {total} starts in {experiment} failed ({reason})",
            "The figures come from the starts that worked; read the reason before using them.",
            name,
        )


def lag_warnings(results: Results) -> Iterator[Caution]:
    """Yield a warning where the observer saw an instance ready late compared with what was measured."""
    for series in results.find(Experiment.STARTUP, Phase.OBSERVER_LAG):
        ready = results.series.get(series.key._replace(phase=Phase.READY))
        if ready is None or not ready.values:
            continue
        lag, middle = median(series.values), median(ready.values)
        if middle > 0 and lag > 0.05 * middle:
            condition = results.ready_condition(series.key.profile)
            late, share = quantity(lag, series.unit), percent(lag / middle)
            if condition is None or not condition.is_polled:
                seen = f"the ready line was seen {late} late, {share} of the start"
            else:
                seen = (
                    f"ready ({condition.words}) was seen up to {late} late, as it was asked for: {share} of the start"
                )
            yield Caution(
                "observer-lag",
                f"{series.key.label}: {seen}",
                "Such short starts are near the method's error bar; compare them only with far longer ones.",
                series.key.label,
            )


def all_warnings(results: Results) -> tuple[Caution, ...]:
    """Return every warning of a run, the whole run's first, each once."""

    def gather() -> Iterable[Caution]:
        yield from run_warnings(results)
        if not any(each.code in NOISE_CODES for each in results.run.warnings):
            yield from noise_warnings(results.noise)  # else the run itself has said so
        yield from failure_warnings(results)
        yield from lag_warnings(results)
        for series in results.find(Experiment.STARTUP, Phase.READY, usual=False):
            yield from screen(series, series.key.label)

    return tuple(dict.fromkeys(gather()))
