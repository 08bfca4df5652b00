"""Gates for a CI: `--fail-if 'docker.ready.p95 > 2s'` and `--baseline`.

An interval that spans the bound decides nothing.

    expression  = rung "." metric [ "." statistic ] ( ">" | "<" ) number [ unit ]
    rung        = backend [ "[" key "=" value { "," key "=" value } "]" ] [ "/" profile ]
    metric      = a phase of a start (ready, create, cycle, …), a metric of an experiment, or "failed"
    statistic   = median (default) | p5 | p25 | p75 | p95 | p99 | min | max
    unit        = ns us µs ms s min | B KiB MiB GiB | %

The gate fails if the statement is true. Rungs that match in several variants are judged one by one, the worst counts.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from envbench.phases import Experiment, Phase, Unit, metric
from envbench.samples import variant_keys
from envreport import units
from envreport.claims.rules import quantile_with_failures
from envreport.claims.verdict import Answer, Relation, compare, compare_exact
from envreport.compare import compare as compare_runs
from envreport.compare import require_comparable
from envreport.results import Results, Series, load

UNITS: dict[str, tuple[Unit, float]] = {
    "ns": (Unit.NS, 1),
    "us": (Unit.NS, 1e3),
    "µs": (Unit.NS, 1e3),
    "ms": (Unit.NS, 1e6),
    "s": (Unit.NS, 1e9),
    "min": (Unit.NS, 60e9),
    "B": (Unit.BYTES, 1),
    "KiB": (Unit.BYTES, 2**10),
    "MiB": (Unit.BYTES, 2**20),
    "GiB": (Unit.BYTES, 2**30),
    "%": (Unit.RATIO, 0.01),
}
QUANTILES = {"median": 0.5, "p5": 0.05, "p25": 0.25, "p75": 0.75, "p95": 0.95, "p99": 0.99}
EXACT = ("min", "max")
FAILED = "failed"
EXACT_EXPERIMENTS = {Experiment.SIZE, Experiment.KERNEL, Experiment.ISOLATION, Experiment.RELEASE, Experiment.RESIZE}
"""What they write are observations, counts and sizes without sampling error."""
REGRESSION_FLOOR_NS = 1e6
"""A change below a millisecond is no regression, whatever its ratio."""
_EXPRESSION = re.compile(
    r"\s*(?P<backend>[a-z0-9_-]+)(?:\[(?P<variant>[^\]]*)\])?(?:/(?P<profile>[a-z0-9_-]+))?\.(?P<metric>[a-z0-9_.]+)"
    r"\s*(?P<relation>[<>])\s*(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[A-Za-zµ%]*)\s*"
)


class GateOutcome(StrEnum):
    """What a gate says; the command maps these to exit codes 0, 5 and 6."""

    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Gate:
    """A statement that must not be true. `bound` is in the metric's own unit (ns, bytes, ratio, count)."""

    text: str
    backend: str
    variant: tuple[tuple[str, str], ...]
    profile: str
    metric: str
    statistic: str
    relation: Relation
    bound: float
    unit: Unit


@dataclass(frozen=True, slots=True)
class GateResult:
    """A gate's outcome with the figure behind it, in one line."""

    gate: str
    outcome: GateOutcome
    text: str


def parse_gate(text: str) -> Gate:
    """Return the gate of an expression.

    Raises ValueError with one line that says what is wrong and shows a right one.
    """
    found = _EXPRESSION.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no gate; write RUNG.METRIC[.STATISTIC] > NUMBER[UNIT], e.g. 'docker.ready.p95 > 2s'"
        )
    name, statistic = _split_statistic(found["metric"])
    unit = _unit_of(name, text)
    return Gate(
        text=" ".join(text.split()),
        backend=found["backend"],
        variant=_variant(found["variant"], text),
        profile=found["profile"] or "",
        metric=name,
        statistic=statistic,
        relation=Relation(found["relation"]),
        bound=_bound(float(found["number"]), found["unit"], unit, text),
        unit=unit,
    )


def _split_statistic(name: str) -> tuple[str, str]:
    head, _, tail = name.rpartition(".")
    return (head, tail) if head and (tail in QUANTILES or tail in EXACT) else (name, "median")


def _unit_of(name: str, text: str) -> Unit:
    if name == FAILED:
        return Unit.COUNT
    if name in set(Phase):
        return Unit.NS
    try:
        return metric(name).unit
    except KeyError:
        raise ValueError(f"{text!r}: no metric {name!r}; phases of a start are {', '.join(Phase)}, or failed") from None


def _variant(given: str | None, text: str) -> tuple[tuple[str, str], ...]:
    if given is None:
        return ()
    parts = [part.strip().partition("=") for part in given.split(",")]
    if not all(key and equals and value for key, equals, value in parts):
        raise ValueError(f"{text!r}: in brackets stand KEY=VALUE pairs, e.g. qemu[accel=tcg]")
    return tuple((key.strip(), value.strip()) for key, _, value in parts)


def _bound(value: float, suffix: str, unit: Unit, text: str) -> float:
    if not suffix:
        if unit in {Unit.NS, Unit.BYTES}:
            names = ", ".join(name for name, (of, _) in UNITS.items() if of is unit)
            raise ValueError(f"{text!r}: the number needs a unit ({names})")
        return value
    if suffix not in UNITS:
        raise ValueError(f"{text!r}: no unit {suffix!r}; there are {', '.join(UNITS)}")
    of, factor = UNITS[suffix]
    if of is not unit:
        raise ValueError(f"{text!r}: {suffix} does not fit the metric, which is in {unit}")
    return value * factor


def judge_gate(gate: Gate, results: Results) -> GateResult:
    """Hold a run against a gate; a rung that was not measured is inconclusive."""
    if gate.metric == FAILED:
        return _judge_failed(gate, results)
    found = [_judge_series(gate, series, results) for series in _matching(gate, results)]
    if not found:
        return GateResult(gate.text, GateOutcome.INCONCLUSIVE, f"{gate.text}: not measured in this run")
    answers = [answer for answer, _ in found]
    text = f"{gate.text}: {'; '.join(words for _, words in found)}"
    return GateResult(gate.text, _worst(answers), text)


def _worst(answers: Sequence[Answer]) -> GateOutcome:
    if Answer.HOLDS in answers:
        return GateOutcome.FAIL
    return GateOutcome.PASS if all(each is Answer.FAILS for each in answers) else GateOutcome.INCONCLUSIVE


def _fits(gate: Gate, backend: str, variant: str, profile: str) -> bool:
    keys = variant_keys(variant)
    named = all(keys.get(key) == value for key, value in gate.variant)
    return backend == gate.backend and named and (not gate.profile or profile == gate.profile)


def _matching(gate: Gate, results: Results) -> Iterator[Series]:
    for key, series in results.series.items():
        if key.phase == gate.metric and series.values and _fits(gate, key.backend, key.variant, key.profile):
            yield series


def _judge_series(gate: Gate, series: Series, results: Results) -> tuple[Answer, str]:
    if gate.statistic in EXACT:
        value = min(series.values) if gate.statistic == "min" else max(series.values)
        return compare_exact(
            [value], gate.relation, gate.bound
        ), f"{series.key.label} {units.quantity(value, gate.unit, gate.bound)}"
    failed = results.failed(series.key.experiment, series.key.rung)
    if series.key.experiment in EXACT_EXPERIMENTS:
        value = max(series.values) if gate.relation is Relation.MORE else min(series.values)
        return compare_exact(
            series.values, gate.relation, gate.bound
        ), f"{series.key.label} {units.quantity(value, gate.unit, gate.bound)}"
    estimate = quantile_with_failures(series.values, failed, QUANTILES[gate.statistic])
    text = f"{series.key.label} {units.estimate_text(estimate, gate.unit, gate.bound)}"
    return compare(estimate.interval, gate.relation, gate.bound), text


def _judge_failed(gate: Gate, results: Results) -> GateResult:
    fitting = [(key, count) for key, count in results.starts.items() if _fits(gate, *key[1])]
    if not fitting:
        return GateResult(gate.text, GateOutcome.INCONCLUSIVE, f"{gate.text}: not measured in this run")
    failed = sum(results.failed(*key) for key, _ in fitting)
    outcome = (
        GateOutcome.FAIL if compare_exact([failed], gate.relation, gate.bound) is Answer.HOLDS else GateOutcome.PASS
    )
    return GateResult(
        gate.text, outcome, f"{gate.text}: {failed} of {sum(count for _, count in fitting)} starts failed"
    )


def load_baseline(path: Path) -> Results:
    """Return the run to compare with: a results folder, or a file in one.

    Raises ResultsError or SamplesError (ValueErrors).
    """
    return load(path.parent if path.is_file() else path)


def judge_baseline(
    results: Results, baseline: Results, max_regression: float, *, force: bool = False
) -> list[GateResult]:
    """Hold each rung of a run against the same rung of a baseline.

    Fails if ratio and change both are surely above their limits.

    Raises NotComparableError (a ValueError) unless `force`.
    """
    if not force:
        require_comparable(baseline, results)
    limit = 1 + max_regression
    found = []
    for each in compare_runs(baseline, results):
        name = f"{each.name} at most {units.percent(max_regression)} slower"
        if each.ratio is None or each.older is None or each.newer is None:
            found.append(GateResult(name, GateOutcome.INCONCLUSIVE, f"{name}: {each.note or 'nothing to compare'}"))
            continue
        answer = compare(each.ratio.interval, Relation.MORE, limit)
        small = each.newer.value - each.older.value <= REGRESSION_FLOOR_NS
        outcome = GateOutcome.PASS if answer is Answer.HOLDS and small else _worst([answer])
        found.append(GateResult(name, outcome, f"{name}: ratio {units.estimate_text(each.ratio, Unit.RATIO, limit)}"))
    if not found:
        found.append(
            GateResult("baseline", GateOutcome.INCONCLUSIVE, f"baseline: no start was measured ({Experiment.STARTUP})")
        )
    return found


def judge_gates(
    results_dir: Path,
    gates: Sequence[Gate] = (),
    baseline: Path | None = None,
    max_regression: float = 0.1,
    *,
    force: bool = False,
) -> list[GateResult]:
    """Judge all gates of a finished run. Raises ValueError with one line where a folder cannot be used or compared."""
    results = load(results_dir)
    found = [judge_gate(gate, results) for gate in gates]
    if baseline is not None:
        found.extend(judge_baseline(results, load_baseline(baseline), max_regression, force=force))
    return found


def overall(found: Sequence[GateResult]) -> GateOutcome:
    """Return the worst outcome: one that fails fails all, else one that is open leaves all open."""
    outcomes = {each.outcome for each in found}
    for outcome in (GateOutcome.FAIL, GateOutcome.INCONCLUSIVE):
        if outcome in outcomes:
            return outcome
    return GateOutcome.PASS
