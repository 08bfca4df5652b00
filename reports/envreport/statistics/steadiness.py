"""Was the machine steady? Series and noise stamps in, warnings with advice out.

Nothing is ever dropped because of them.

The tests are screens, not proofs: each names its threshold, and a warning asks a person to look at the run-order chart.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from envbench.phases import Experiment, Phase
from envbench.samples import Sample
from envreport import backends
from envreport.results import Results, Series
from envreport.units import percent, quantity

MIN_SAMPLES = 8
"""Below this, drift and correlation are mostly chance."""
DRIFT_P = 0.01
DRIFT_RHO = 0.5
LAG_LIMIT_SDS = 2.576
"""Lag-1 autocorrelation beyond this many standard errors (1/sqrt n) is flagged: 1 % by chance."""
FIRST_RUN_RATIO = 1.5
OUTLIER_MADS = 10.0
"""Modified z-score, the limit hyperfine uses: |x - median| / (1.4826 MAD)."""
MAD_TO_SIGMA = 1.4826
MODE_SHARE = 0.2
MODE_SEPARATION = 6.0
"""Two groups are two modes if the gap between them is this many times the larger group's scaled MAD."""


@dataclass(frozen=True, slots=True)
class Warning_:  # noqa: N801  (the builtin's name is taken)
    """One thing that a reader must know before trusting a figure. `rung` is "" where it concerns the whole run."""

    code: str
    message: str
    advice: str
    rung: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the screens found in one series; None where there were too few values to tell."""

    n: int
    drift_rho: float | None
    drift_p: float | None
    lag1: float | None
    first_ratio: float | None
    outliers: tuple[int, ...]
    """Positions among the counted values."""
    bimodal: bool | None


def diagnose(values: Sequence[float]) -> Diagnosis:
    """Screen values in the order they were measured."""
    data = np.asarray(values, dtype=float)
    n = len(data)
    if n < MIN_SAMPLES:
        return Diagnosis(n, None, None, None, None, (), None)
    rho, p = _spearman(data)
    rest = float(np.median(data[1:]))
    return Diagnosis(
        n=n,
        drift_rho=rho,
        drift_p=p,
        lag1=_lag1(data),
        first_ratio=float(data[0]) / rest if rest > 0 else None,
        outliers=_outliers(data),
        bimodal=_bimodal(data),
    )


def _spearman(data: "np.ndarray[Any, np.dtype[np.float64]]") -> tuple[float | None, float | None]:
    if np.ptp(data) == 0:
        return None, None
    found = stats.spearmanr(np.arange(len(data)), data)
    return float(found.statistic), float(found.pvalue)


def _lag1(data: "np.ndarray[Any, np.dtype[np.float64]]") -> float | None:
    """Correlate neighbours by rank, so that one outlier cannot make or hide it."""
    ranks = stats.rankdata(data)
    centred = ranks - ranks.mean()
    total = float(np.dot(centred, centred))
    return float(np.dot(centred[:-1], centred[1:])) / total if total else None


def _outliers(data: "np.ndarray[Any, np.dtype[np.float64]]") -> tuple[int, ...]:
    middle = float(np.median(data))
    mad = float(np.median(np.abs(data - middle))) * MAD_TO_SIGMA
    if mad == 0:
        return ()
    return tuple(int(each) for each in np.flatnonzero(np.abs(data - middle) / mad > OUTLIER_MADS))


def _bimodal(data: "np.ndarray[Any, np.dtype[np.float64]]") -> bool:
    """Split at the widest gap of the logarithms (if all are positive).

    Two modes if both groups are large and far apart.
    """
    ordered = np.sort(np.log(data) if (data > 0).all() else data)
    smallest = max(3, math.ceil(MODE_SHARE * len(ordered)))
    gaps = np.diff(ordered)[smallest - 1 : len(ordered) - smallest]
    if not len(gaps) or gaps.max() <= 0:
        return False
    cut = smallest + int(np.argmax(gaps))
    spreads = [
        float(np.median(np.abs(half - np.median(half)))) * MAD_TO_SIGMA for half in (ordered[:cut], ordered[cut:])
    ]
    return bool(float(gaps.max()) > MODE_SEPARATION * max(*spreads, 1e-12))


def screen(series: Series, name: str) -> Iterator[Warning_]:
    """Yield what a reader must know about the steadiness of one series."""
    found = diagnose(series.values)
    if (
        found.drift_rho is not None
        and found.drift_p is not None
        and found.drift_p < DRIFT_P
        and abs(found.drift_rho) >= DRIFT_RHO
    ):
        way = "slower" if found.drift_rho > 0 else "faster"
        yield Warning_(
            "drift",
            f"{name}: starts became {way} during the run (Spearman {found.drift_rho:+.2f}, p = {found.drift_p:.1g})",
            "Something else changed while measuring: look at the run-order chart, close other work, measure longer.",
            name,
        )
    elif found.lag1 is not None and abs(found.lag1) > LAG_LIMIT_SDS / math.sqrt(found.n):
        yield Warning_(
            "autocorrelation",
            f"{name}: neighbouring starts resemble each other (lag-1 {found.lag1:+.2f}), so intervals are too narrow",
            "Repeat the whole run at another time and compare, rather than adding starts to this one.",
            name,
        )
    if found.first_ratio is not None and found.first_ratio > FIRST_RUN_RATIO and 0 in found.outliers:
        yield Warning_(
            "first-run",
            f"{name}: the first counted start took {found.first_ratio:.1f} times the median of the others",
            "Add warm-ups (--warmup); the start is kept in every figure.",
            name,
        )
    if found.outliers:
        yield Warning_(
            "outliers",
            f"{name}: {len(found.outliers)} of {found.n} starts lie more than {OUTLIER_MADS:.0f} "
            "scaled MADs off the median (kept)",
            "Medians bear this; p95 and the mean do not. Look at the noise stamps of those starts.",
            name,
        )
    if found.bimodal:
        yield Warning_(
            "bimodal",
            f"{name}: starts fall into two groups, and no single start took the median time",
            "Look for two code paths or clock speeds; the ECDF chart shows both groups.",
            name,
        )


@dataclass(frozen=True, slots=True)
class NoiseLimit:
    """Above `limit` in at least a tenth of the stamps, the machine counts as noisy."""

    limit: float
    what: str
    advice: str
    share: bool = True


NOISE_LIMITS: Mapping[str, NoiseLimit] = {
    "noise.load1": NoiseLimit(
        0.7, "load average per CPU", "Stop other work, or use --quiet-machine to wait for calm.", share=False
    ),
    "noise.psi_cpu": NoiseLimit(0.10, "time that work waited for a CPU", "Stop other work, or use --quiet-machine."),
    "noise.psi_io": NoiseLimit(
        0.10, "time that work waited for storage", "Stop what reads or writes the disk, then repeat."
    ),
    "noise.psi_memory": NoiseLimit(
        0.01, "time that work waited for memory", "Free memory; swapping makes every start slower."
    ),
    "noise.steal": NoiseLimit(
        0.02, "CPU time the hypervisor gave to others", "Other tenants are busy: repeat, or use a quieter host."
    ),
    "noise.throttled": NoiseLimit(0, "throttling events", "Let the CPU cool down, or lift the CPU quota.", share=False),
    "noise.swap": NoiseLimit(0, "pages swapped", "Free memory; swapping makes every start slower.", share=False),
}
NOISY_SHARE = 0.1


def noise_warnings(noise: Mapping[str, Sequence[Sample]]) -> Iterator[Warning_]:
    """Yield a warning for each kind of stamp that was above its limit before too many starts."""
    for name, rule in NOISE_LIMITS.items():
        if name == "noise.load1" and noise.get("noise.psi_cpu"):
            continue  # The load counts the run's own starts; pressure counts only those that had to wait.
        values = [float(row.value) for row in noise.get(name, ()) if row.value is not None]
        above = sum(value > rule.limit for value in values)
        if values and above > NOISY_SHARE * len(values):
            worst = percent(max(values)) if rule.share else f"{max(values):.3g}"
            yield Warning_(
                "noisy",
                f"noisy machine: {rule.what} was above its limit before {above} of {len(values)} "
                f"starts (up to {worst})",
                rule.advice,
            )


def run_warnings(results: Results) -> Iterator[Warning_]:
    """Yield what run.json itself warns of: recorded warnings, unfinished rungs, leaks, a run that ended early."""
    for note in results.notes:
        yield Warning_("incomplete", note, "Keep run.json beside samples.csv.")
    for each in results.records("warnings"):
        yield Warning_(
            _text(each, "code", "warning"), _text(each, "message", "a warning without a message"), _text(each, "advice")
        )
    cut: dict[tuple[str, str, str], list[str]] = {}
    for each in results.records("unfinished"):
        name = backends.label(_text(each, "backend", "?"), _text(each, "variant"), _text(each, "profile"))
        cut.setdefault((_text(each, "runs", "?"), _text(each, "needed", "?"), _text(each, "reason")), []).append(name)
    for (runs, needed, reason), names in cut.items():
        because = f" ({reason})" if reason else ""
        yield Warning_(
            "unfinished",
            f"{', '.join(names)}: stopped after {runs} {'start' if runs == '1' else 'starts'}, {needed} more "
            f"{'was' if needed == '1' else 'were'} wanted{because}",
            "Give the run more time (--budget) or fewer rungs (--backend).",
        )
    leaked = results.get("cleanup", "leaked")
    for leak in leaked if isinstance(leaked, list) else []:
        yield Warning_("leak", f"left behind: {leak}", "Run `envbench clean`, then look at what is still there.")
    outcome = str(results.get("outcome", default="done"))
    if outcome not in {"done", "ok", "finished", "complete"}:
        words = "is still running, or was killed" if outcome == "running" else f"ended as {outcome!r}"
        yield Warning_("outcome", f"the run {words}", "Figures rest on what was measured until then.")


def failure_warnings(results: Results) -> Iterator[Warning_]:
    """Yield one warning a rung with failed starts."""
    for (experiment, rung), rows in results.failures.items():
        name = backends.label(rows[0].backend, rows[0].variant, rows[0].profile)
        total = results.starts.get((experiment, rung), len(rows))
        reason = next((row.detail for row in rows if row.detail), "no reason recorded")
        yield Warning_(
            "failed-starts",
            f"{name}: {len(rows)} of {total} starts in {experiment} failed ({reason})",
            "The figures come from the starts that worked; read the reason before using them.",
            name,
        )


def lag_warnings(results: Results) -> Iterator[Warning_]:
    """Yield a warning where the observer saw the ready line late compared with what was measured."""
    for series in results.find(Experiment.STARTUP, Phase.OBSERVER_LAG):
        ready = results.series.get(series.key._replace(phase=Phase.READY))
        if ready is None or not ready.values:
            continue
        lag, middle = float(np.median(series.values)), float(np.median(ready.values))
        if middle > 0 and lag > 0.05 * middle:
            yield Warning_(
                "observer-lag",
                f"{series.key.label}: the ready line was seen {quantity(lag, series.unit)} late, "
                f"{percent(lag / middle)} of the start",
                "Such short starts are near the method's error bar; compare them only with far longer ones.",
                series.key.label,
            )


def all_warnings(results: Results) -> tuple[Warning_, ...]:
    """Return every warning of a run, the whole run's first, each once."""

    def gather() -> Iterable[Warning_]:
        yield from run_warnings(results)
        if not any(str(each.get("code", "")).startswith("nois") for each in results.records("warnings")):
            yield from noise_warnings(results.noise)  # else the run itself has said so
        yield from failure_warnings(results)
        yield from lag_warnings(results)
        for series in results.find(Experiment.STARTUP, Phase.READY, usual=False):
            yield from screen(series, series.key.label)

    return tuple(dict.fromkeys(gather()))


def is_noisy(warnings: Sequence[Warning_]) -> bool:
    """Return whether the machine itself was noisy."""
    return any(warning.code.startswith("nois") for warning in warnings)


def _text(record: Mapping[str, object], key: str, default: str = "") -> str:
    value = record.get(key)
    return default if value is None or value == "" else str(value)
