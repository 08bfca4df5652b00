"""One claim against one run: the rule's outcome in, a judgement with figure, reason, conditions and remedy out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from envbench.records.metrics import words
from envbench.records.phases import Experiment, Unit, counted
from envbench.records.run_json import Skip
from envreport import units
from envreport.claims.conditions import (
    Condition,
    ConditionKind,
    accelerator_condition,
    clock_conditions,
    condition,
    is_inside_wsl,
    key_conditions,
    run_conditions,
)
from envreport.claims.model import Claim, Finding, Judgement, Need, Outcome, Rule, shown
from envreport.claims.verdict import EMULATED, MINIMAL, MINIMAL_PAYLOAD, VERDICTS, Answer, Verdict, needed_samples
from envreport.results import Results
from envreport.results.backends import USUAL_PROFILE, Side, is_whole_system, label, side_of

FLOOR_NOTE = "the minimal payload, the floor of the technology"
SHOWN_FINDINGS = 3
SHOWN_LEFT_OUT = 2
MANY_SAMPLES = 10_000


def judge(claim: Claim, results: Results) -> Judgement:
    """Return the verdict on a claim, with everything a reader needs to check it."""
    if claim.rule is None:
        return _by_references(claim, "", "", (), results)
    outcome, minimal = _outcome(claim, claim.rule, results)
    if outcome.weighed is None:
        return _unanswered(claim, claim.rule, outcome, results)
    verdict = VERDICTS[outcome.weighed.answer]
    brief, why = _reasons(claim, outcome, verdict)
    figures, left_out = telling_figures(outcome.findings, outcome.weighed.answer)
    emulated = (EMULATED,) if outcome.weighed.tcg_only else ()
    guest = any(results.side(key) is Side.VM for each in outcome.findings for key in each.keys)
    floor = (MINIMAL if guest else MINIMAL_PAYLOAD,) if minimal else ()
    return Judgement(
        claim=claim,
        verdict=verdict,
        figure="; ".join((*figures, *([f"and {left_out} more"] if left_out else []))),
        why=why,
        conditions=(*conditions_of(outcome.findings, results), *_unheard(claim.rule, results)),
        findings=outcome.findings,
        limits=(*emulated, *floor, *outcome.limits),
        figures=figures,
        figures_left_out=left_out,
        brief=brief,
    )


def _outcome(claim: Claim, rule: Rule, results: Results) -> tuple[Outcome, bool]:
    """Return the rule's outcome, and whether it holds for minimal guests alone.

    A claim about whole systems is judged by them where they were measured; the minimal guest then stands beside.
    """
    if not claim.whole_system:
        return rule.judge(results), False
    whole = rule.judge(results.of_profiles(lambda profile: not profile or is_whole_system(profile)))
    if whole.weighed is None:
        outcome = rule.judge(results)
        return outcome, any(key.profile == USUAL_PROFILE for each in outcome.findings for key in each.keys)
    floor = rule.judge(results.of_profiles(lambda profile: not is_whole_system(profile)))
    beside = tuple(shown(each, FLOOR_NOTE) for each in floor.findings)
    return replace(whole, findings=(*whole.findings, *beside)), False


def _by_references(claim: Claim, reason: str, remedy: str, found: tuple[Finding, ...], results: Results) -> Judgement:
    if claim.by_references is None:
        raise ValueError(f"{claim.id}: neither a rule nor an answer by references")
    return Judgement(
        claim=claim,
        verdict=claim.by_references,
        figure="",
        why=claim.reading,
        conditions=tuple(conditions_of(found, results)) if found else (),
        findings=found,
        reason=reason,
        remedy=remedy,
    )


def _unanswered(claim: Claim, rule: Rule, outcome: Outcome, results: Results) -> Judgement:
    if claim.by_references is not None and outcome.findings and not outcome.missing:
        return _by_references(claim, "", "", outcome.findings, results)
    missing = explain_missing(outcome.missing or rule.needs(), results)
    remedy, found = claim.remedy or missing.remedy, outcome.findings
    if claim.by_references is not None:
        return _by_references(claim, missing.reason, remedy, found, results)
    return Judgement(
        claim=claim,
        verdict=Verdict.NOT_MEASURED if missing.measurable else Verdict.NOT_TESTABLE,
        figure="",
        why=missing.reason,
        conditions=tuple(conditions_of(found, results)) if found else (),
        findings=found,
        reason=missing.reason,
        remedy=remedy,
    )


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a claim has no answer. `measurable`: nothing in the run says that it could not be measured here."""

    reason: str
    remedy: str
    measurable: bool


def explain_missing(needs: Sequence[Need], results: Results) -> Missing:
    """Return why a claim has no answer and what to do: the skipped backend's own words where there is one."""
    found = [_explain(need, results) for need in needs]
    reason = "; ".join(dict.fromkeys(each.reason for each in found))
    remedy = "; ".join(dict.fromkeys(each.remedy for each in found if each.remedy))
    return Missing(
        reason[:1].upper() + reason[1:],
        remedy or "See `envbench doctor` for what is missing on this machine.",
        all(each.measurable for each in found),
    )


def _explain(need: Need, results: Results) -> Missing:
    if need.experiment is None:
        return Missing(f"not found here: {need.name}", "", measurable=False)
    if need.failed:
        return Missing(f"it would take that {words(need.metric)}, which is not so here", "", measurable=False)
    notes, command = left_out(results, need.experiment), f"`envbench {need.experiment}`"
    if need.experiment not in {key.experiment for key in results.series}:
        if notes:
            reason = f"the {need.experiment} experiment could not be done: {notes[0].reason}"
            return Missing(reason, notes[0].remedy, measurable=False)
        elsewhere = need.experiment is Experiment.WSL and not is_inside_wsl(results)
        return Missing(f"the {need.experiment} experiment was not part of this run", command, measurable=not elsewhere)
    if need.accelerated and results.ran(need.experiment, need.sides):
        reason = "no guest ran on a hypervisor here: QEMU without KVM is an emulator"
        return Missing(
            reason, "Run on a machine whose KVM works; `envbench doctor` says why it does not.", measurable=False
        )
    reasons = [f"not measured for {need.name}: {words(need.metric)}", *_failures(results, need)]
    remedies = [f"{each.what}: {each.reason} ({each.remedy})" for each in notes[:SHOWN_LEFT_OUT]]
    if not any(results.side(key) in need.sides for key in results.series):
        remedies.extend(_skipped(results, need.sides))
    here = not remedies and len(reasons) == 1
    return Missing("; ".join(reasons), "; ".join(remedies) or command, measurable=here)


def _failures(results: Results, need: Need) -> Iterator[str]:
    for experiment, key in results.failures:
        if experiment is need.experiment and results.side(key) in need.sides:
            yield f"{label(*key)}: {results.failure(experiment, key)}"


def _unheard(rule: Rule, results: Results) -> Iterator[Condition]:
    """Yield who was started and never got ready, and so has no part in a verdict on its kind."""
    asked = [(need.experiment, need.sides) for need in rule.needs()]
    for (experiment, key), rows in results.failures.items():
        is_asked = any(experiment is each and results.side(key) in sides for each, sides in asked)
        if is_asked and len(rows) >= results.starts.get((experiment, key), 0):
            yield condition(ConditionKind.FAILED, f"without {label(*key)}: {results.failure(experiment, key)}")


def left_out(results: Results, experiment: str) -> list[Skip]:
    """Return the run's own notes on what it could not measure in this experiment."""
    return [each for each in results.run.skips if each.experiment == experiment]


def _skipped(results: Results, sides: Sequence[Side]) -> Iterator[str]:
    for each in results.run.backends.skipped:
        if side_of(each.name, "") in sides:
            yield f"{each.name}: {each.reason} ({each.remedy or 'no remedy known'})"


def telling_figures(findings: Sequence[Finding], answer: Answer) -> tuple[tuple[str, ...], int]:
    """Return the figures that the verdict rests on, the most telling first, and how many more there are."""
    deciding = [each for each in findings if each.decides]
    telling = [each for each in deciding if each.answer is answer]
    if answer is Answer.OPEN and {Answer.HOLDS, Answer.FAILS} <= {each.answer for each in deciding}:
        telling = [each for each in deciding if each.answer is not Answer.OPEN]
    grouped: dict[str, list[str]] = {}
    for each in telling or findings:
        grouped.setdefault(each.figure, []).append(each.about)
    measured = any(each.estimate for each in findings)
    texts = [
        f"{_few(about)}: {figure}" if measured else f"{figure} ({_few(about)})" for figure, about in grouped.items()
    ]
    return tuple(texts[:SHOWN_FINDINGS]), max(0, len(texts) - SHOWN_FINDINGS)


def _reasons(claim: Claim, outcome: Outcome, verdict: Verdict) -> tuple[str, str]:
    """Return why the verdict is what it is, without and with the rule that was applied."""
    rule = claim.rule.describe() if claim.rule else ""
    disagreement = f" The documents disagree: {claim.disagreement}" if claim.disagreement else ""
    if verdict is Verdict.INCONCLUSIVE:
        reason = _open_reason(outcome.findings, rule)
        if outcome.holding and outcome.failing:
            reason = f"It depends on what is meant: holds by {outcome.holding}; does not by {outcome.failing}. ({rule})"
        return reason + disagreement, reason + disagreement
    if verdict is Verdict.CONTRADICTED and not _emulated(claim, outcome):
        rest = f" The rest holds: {outcome.holding}." if outcome.holding else ""
        reason = f"It would need: {outcome.failing or rule}. That is not so.{rest}"
        return reason + disagreement, reason + disagreement
    short, tail = _settled_reason(claim, outcome, verdict)
    return f"{short}.{tail}{disagreement}", f"{short}: {rule}.{tail}{disagreement}"


def _emulated(claim: Claim, outcome: Outcome) -> bool:
    """Return whether emulation has a part in the verdict: it rests on TCG alone, or holds in spite of TCG."""
    if outcome.weighed is not None and outcome.weighed.tcg_only:
        return True
    against = claim.rule is not None and claim.rule.bias.suspect is Answer.HOLDS
    failing = (each for each in outcome.findings if each.decides and each.answer is Answer.FAILS)
    return against and any(each.accelerator == "tcg" for each in failing)


def _settled_reason(claim: Claim, outcome: Outcome, verdict: Verdict) -> tuple[str, str]:
    """Return what was found and what follows from it; the rule's words go between the two."""
    if outcome.weighed is not None and outcome.weighed.tcg_only:
        found = "Holds" if verdict is Verdict.SUPPORTED else "Fails"
        tail = " Emulation itself pushes the answer this way, so nothing follows for a VM on KVM."
        return f"{found} for guests that are emulated in software", tail
    if verdict is Verdict.CONTRADICTED and _emulated(claim, outcome):
        return (
            "Fails even for guests that are emulated in software, though that pushes the other way; and so for KVM too",
            "",
        )
    if any(each.estimate for each in outcome.findings):
        return "Holds with the whole interval", ""
    return "Holds wherever it was looked at", ""


def _open_reason(findings: Sequence[Finding], rule: str) -> str:
    holds = [each.about for each in findings if each.answer is Answer.HOLDS]
    fails = [each.about for each in findings if each.answer is Answer.FAILS]
    if holds and fails:
        return f"It depends ({rule}): holds for {_few(holds)}; does not for {_few(fails)}."
    open_ones = [each for each in findings if each.answer is Answer.OPEN and each.decides]
    cost = next((text for each in open_ones if (text := _cost(each))), "")
    note = next((f" ({each.note})" for each in open_ones if each.note), "")
    return f"The data do not settle it{note}: {rule}.{cost}"


def _few(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:SHOWN_FINDINGS]) + (
        f" and {len(unique) - SHOWN_FINDINGS} more" if len(unique) > SHOWN_FINDINGS else ""
    )


def _cost(finding: Finding) -> str:
    """Say what more samples would cost, where a number would help."""
    if finding.estimate is None or finding.bound is None:
        return ""
    needed = needed_samples(finding.estimate, finding.bound)
    if needed is None:
        return " More values are needed for an interval." if finding.estimate.interval is None else ""
    if needed > MANY_SAMPLES:
        return f" More than {MANY_SAMPLES} values would be needed: the figure is too close to the bound to tell."
    time = (
        f", about {units.quantity(needed * finding.estimate.value, Unit.NS)} of starts"
        if finding.unit is Unit.NS
        else ""
    )
    return (
        f" About {counted(needed, 'value')} in place of {finding.estimate.n} would settle it if the figure stays{time}."
    )


def conditions_of(findings: Sequence[Finding], results: Results) -> Iterator[Condition]:
    """Yield the conditions a verdict holds under: accelerator, nesting, noise, profile, cache, failed starts."""
    accelerators = {each.accelerator for each in findings if each.accelerator is not None}
    keys = [key for each in findings for key in each.keys]
    yield from map(accelerator_condition, sorted(accelerators))
    yield from run_conditions(results)
    yield from key_conditions(keys)
    yield from clock_conditions(keys, results)
    failed = {(key.experiment, key.backend_key) for key in keys}
    count = sum(results.failed(*each) for each in failed)
    if count:
        total = sum(results.starts.get(each, 0) for each in failed)
        yield condition(ConditionKind.FAILED, f"{count} of {total} starts failed")
