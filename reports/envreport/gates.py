"""Gates for a CI: `--fail-if 'docker.ready.p95 > 2s'` and `--baseline`.

An interval that spans the bound decides nothing.

    expression  = figure ( ">" | "<" ) number [ unit ]
    figure      = as `selectors` says
    unit        = ns us µs ms s min | B KiB MiB GiB | %

The gate fails if the statement is true. Backends that match in several variants are judged one
by one, the worst counts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from envbench.records.metrics import metric, words
from envbench.records.run_json import RUNNING
from envreport import units
from envreport.claims.rules import quantile_with_failures
from envreport.claims.verdict import Answer, Relation, compare, compare_exact
from envreport.compare import Comparison, Missing, differences, require_comparable
from envreport.compare import compare as compare_runs
from envreport.results import Results, Series, backends, load
from envreport.selectors import EXACT, FAILED, PATTERN, QUANTILES, Selector, selector_of
from envreport.units import read_bound

_EXPRESSION = re.compile(rf"\s*{PATTERN}\s*(?P<relation>[<>])\s*(?P<bound>[0-9]+(?:\.[0-9]+)?\s*[A-Za-zµ%]*)\s*")


class GateOutcome(StrEnum):
    """What a gate says; the command maps these to exit codes 0, 5 and 6, and 4 or 5 where nothing was measured."""

    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    """The whole interval is beyond the bound."""
    FAILED_STARTS = "starts failed"
    """Nothing to judge, because the starts failed; the text says why they did."""
    NOT_MEASURED = "not measured"
    """Nothing to judge: left out, or not part of the run."""
    INCONCLUSIVE = "inconclusive"
    """Measured, but the interval spans the bound."""


BROKEN_OFF = ("interrupted", "failed")
"""Outcomes of a run that did not come to its end."""
WORST_FIRST = (
    GateOutcome.FAILED_STARTS,
    GateOutcome.FAIL,
    GateOutcome.NOT_MEASURED,
    GateOutcome.INCONCLUSIVE,
)
"""Failed starts come first: a gate must not make a broken engine less visible."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A statement that must not be true of a figure. `bound` is in the metric's own unit (ns, bytes, ratio, count)."""

    text: str
    figure: Selector
    relation: Relation
    bound: float


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
    found = _EXPRESSION.fullmatch(text.replace(units.GREEK_MU, units.MICRO))
    if found is None:
        raise ValueError(
            f"{text!r} is no gate; write BACKEND.METRIC[.STATISTIC] > NUMBER[UNIT], e.g. 'docker.ready.p95 > 2s'"
        )
    figure = selector_of(found, text)
    try:
        bound = read_bound(found["bound"], figure.unit)
    except ValueError as error:
        raise ValueError(f"{' '.join(text.split())!r}: {error}") from error
    return Gate(" ".join(text.split()), figure, Relation(found["relation"]), bound)


def judge_gate(gate: Gate, results: Results) -> GateResult:
    """Judge a run by a gate. What was not measured, or did not start, does not pass and is not called noise."""
    if gate.figure.metric == FAILED:
        return _judge_failed(gate, results)
    found = [_judge_series(gate, series, results) for series in _matching(gate, results)]
    if not found:
        return _unmeasured(gate.text, gate.figure, results)
    answers = [answer for answer, _ in found]
    text = f"{gate.text}: {'; '.join(words for _, words in found)}"
    return GateResult(gate.text, _worst(answers), text)


def _unmeasured(name: str, figure: Selector, results: Results) -> GateResult:
    """Return why there is nothing to judge: failed starts with their reason, or what left the backend out."""
    failed = next((told for key in results.failures if figure.fits(*key[1]) and (told := results.failure(*key))), "")
    if failed:
        return GateResult(name, GateOutcome.FAILED_STARTS, f"{name}: {failed}")
    return GateResult(name, GateOutcome.NOT_MEASURED, f"{name}: {_left_out(figure, results)}")


def _left_out(figure: Selector, results: Results) -> str:
    """Return why a run has no such figure, by its records: left out with its reason, or run in other variants only."""
    for skipped in results.run.backends.skipped:
        variant = skipped.variant or {}
        named = all(variant.get(key, value) == value for key, value in figure.variant)
        if skipped.name == figure.backend and named:
            return f"{figure.backend} was left out ({skipped.reason})"
    ran = dict.fromkeys(key.label for key in results.series if key.backend == figure.backend)
    return (
        f"not measured; this run has {figure.metric} of no such variant, only {', '.join(ran)}"
        if ran
        else "not measured"
    )


def _worst(answers: Sequence[Answer]) -> GateOutcome:
    if Answer.HOLDS in answers:
        return GateOutcome.FAIL
    return GateOutcome.PASS if all(each is Answer.FAILS for each in answers) else GateOutcome.INCONCLUSIVE


def _matching(gate: Gate, results: Results) -> list[Series]:
    """Return what a gate is about; one that names no profile is not about whole systems beside the first payload."""
    found = [
        series
        for key, series in results.series.items()
        if key.phase == gate.figure.metric and series.values and gate.figure.fits(key.backend, key.variant, key.profile)
    ]
    first = [series for series in found if series.key.profile == backends.USUAL_PROFILE]
    return first if first and not gate.figure.profile else found


def _judge_series(gate: Gate, series: Series, results: Results) -> tuple[Answer, str]:
    if gate.figure.statistic in EXACT:
        value = min(series.values) if gate.figure.statistic == "min" else max(series.values)
        return compare_exact(
            [value], gate.relation, gate.bound
        ), f"{series.key.label} {units.quantity(value, gate.figure.unit, gate.bound)}"
    failed = results.failed(series.key.experiment, series.key.backend_key)
    if not metric(gate.figure.metric).sampled:
        value = max(series.values) if gate.relation is Relation.MORE else min(series.values)
        return compare_exact(
            series.values, gate.relation, gate.bound
        ), f"{series.key.label} {units.quantity(value, gate.figure.unit, gate.bound)}"
    estimate = quantile_with_failures(series.values, failed, QUANTILES[gate.figure.statistic])
    figure = units.estimate_text(estimate, gate.figure.unit, gate.bound, statistic=gate.figure.statistic)
    text = f"{series.key.label} {figure}"
    return compare(estimate.interval, gate.relation, gate.bound), text


def _judge_failed(gate: Gate, results: Results) -> GateResult:
    fitting = [(key, count) for key, count in results.starts.items() if gate.figure.fits(*key[1])]
    if not fitting:
        return _unmeasured(gate.text, gate.figure, results)
    failed = sum(results.failed(*key) for key, _ in fitting)
    outcome = (
        GateOutcome.FAIL if compare_exact([failed], gate.relation, gate.bound) is Answer.HOLDS else GateOutcome.PASS
    )
    return GateResult(
        gate.text, outcome, f"{gate.text}: {failed} of {sum(count for _, count in fitting)} starts failed"
    )


def load_baseline(path: Path) -> Results:
    """Return the run to compare with: a results folder, or a file in one.

    Raises ResultsError or SamplesError (ValueErrors) for a folder that cannot be read, ValueError for a run that did
    not end with 0, or has not ended or was killed: its figures are no measure of anything. A run that does not record
    how it ended is taken.
    """
    found = load(path)
    if found.run.outcome == RUNNING:
        raise ValueError(
            f"{found.folder}: this run has not ended, or was killed, so it is no baseline; take one that ended with 0"
        )
    if found.run.outcome in BROKEN_OFF:
        raise ValueError(f"{found.folder}: this run was {found.run.outcome}, so it is no baseline; take a whole one")
    code = found.run.exit_code
    if code:
        raise ValueError(
            f"{found.folder}: this run ended with {code}, so it is no baseline; take one that ended with 0"
        )
    return found


def judge_baseline(
    results: Results, baseline: Results, max_regression: float, *, force: bool = False
) -> list[GateResult]:
    """Compare each figure that is compared between runs with the same figure of a baseline.

    One fails if it is surely worse by more than `max_regression` and by more than its metric's floor. What the
    baseline has and this run has not fails; what only this run has is not judged. Raises NotComparableError (a
    ValueError) unless `force`.
    """
    if not force:
        require_comparable(baseline, results)
    differ = "; ".join(differences(baseline, results))
    found = [
        _judge_regression(each, max_regression, differ)
        for each in compare_runs(baseline, results)
        if each.missing is not Missing.OLDER
    ]
    return found or [GateResult("baseline", GateOutcome.NOT_MEASURED, "baseline: it holds nothing to compare with")]


def _judge_regression(each: Comparison, max_regression: float, differ: str) -> GateResult:
    name = f"{each.name}: {words(each.metric)} at most {units.percent(max_regression)} worse"
    if each.missing is Missing.NEWER:
        outcome = GateOutcome.FAILED_STARTS if each.failed else GateOutcome.NOT_MEASURED
        return GateResult(name, outcome, f"{name}: {each.note}")
    answer = compare(each.worsening(), Relation.MORE, 1 + max_regression)
    outcome = GateOutcome.PASS if answer is Answer.HOLDS and each.is_below_floor else _worst([answer])
    caution = f" (the machines differ: {differ})" if differ else ""
    return GateResult(name, outcome, f"{name}: {each.figures}{caution}")


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
    """Return the worst outcome: failed starts before a bound, what was not measured before what noise hides."""
    outcomes = {each.outcome for each in found}
    return next((each for each in WORST_FIRST if each in outcomes), GateOutcome.PASS)
