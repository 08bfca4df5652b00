"""One claim against one run: the rule's outcome in, a judgement with figure, reason, conditions and remedy out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from envbench.metrics import words
from envbench.phases import Unit
from envbench.samples import variant_keys
from envreport import units
from envreport.claims.conditions import run_conditions
from envreport.claims.model import Claim, Finding, Judgement, Need, Outcome
from envreport.claims.verdict import VERDICTS, Answer, Verdict, needed_samples
from envreport.results import Results

SHOWN_FINDINGS = 3
SHOWN_LEFT_OUT = 2
MANY_SAMPLES = 10_000
ACCELERATORS = {
    "tcg": "software emulation (TCG), says nothing about KVM's speed",
    "kvm": "hardware virtualisation (KVM)",
    "": "accelerator not recorded",
}


def judge(claim: Claim, results: Results) -> Judgement:
    """Return the verdict on a claim, with everything a reader needs to check it."""
    if claim.rule is None:
        return Judgement(claim, Verdict.DOCUMENTARY, False, "", claim.reading, (), ())
    outcome = claim.rule.judge(results)
    if outcome.weighed is None:
        return _unanswered(claim, outcome, results)
    verdict = VERDICTS[outcome.weighed.answer]
    brief, why = _reasons(claim, outcome, verdict)
    figures, left_out = telling_figures(outcome.findings, outcome.weighed.answer)
    return Judgement(
        claim=claim,
        verdict=verdict,
        tcg_only=outcome.weighed.tcg_only,
        figure="; ".join((*figures, *([f"and {left_out} more"] if left_out else []))),
        why=why,
        conditions=tuple(conditions_of(outcome.findings, results)),
        findings=outcome.findings,
        figures=figures,
        figures_left_out=left_out,
        brief=brief,
    )


def _unanswered(claim: Claim, outcome: Outcome, results: Results) -> Judgement:
    reason, remedy = explain_missing(outcome.missing or (claim.rule.needs() if claim.rule else ()), results)
    verdict = claim.fallback
    why = claim.reading if verdict is Verdict.DOCUMENTARY else reason
    found = outcome.findings
    return Judgement(
        claim=claim,
        verdict=verdict,
        tcg_only=False,
        figure="",
        why=why,
        conditions=tuple(conditions_of(found, results)) if found else (),
        findings=found,
        reason=reason,
        remedy=claim.remedy or remedy,
    )


def explain_missing(needs: Sequence[Need], results: Results) -> tuple[str, str]:
    """Return why a claim could not be tested and what to do: the skipped backend's own words where there is one."""
    ran = {key.experiment for key in results.series}
    reasons, remedies = [], []
    for need in needs:
        if need.experiment is None:
            reasons.append(f"not found here: {need.backends}")
            continue
        if need.failed:
            reasons.append(f"it would take that {words(need.metric)}, which is not so here")
            continue
        notes = left_out(results, need.experiment)
        if need.experiment not in ran:
            why = "was not part of this run" if not notes else f"could not be done: {notes[0]['reason']}"
            reasons.append(f"the {need.experiment} experiment {why}")
            remedies.append(str(notes[0]["remedy"]) if notes else f"`envbench {need.experiment}`")
            continue
        reasons.append(f"not measured for {need.backends}: {words(need.metric)}")
        remedies.extend(f"{each['what']}: {each['reason']} ({each['remedy']})" for each in notes[:SHOWN_LEFT_OUT])
        remedies.extend(_skipped(results, need.backends))
    remedy = "; ".join(dict.fromkeys(remedies)) or "See `envbench doctor` for what is missing on this machine."
    reason = "; ".join(dict.fromkeys(reasons))
    return reason[:1].upper() + reason[1:], remedy


def left_out(results: Results, experiment: str) -> list[Mapping[str, Any]]:
    """Return the run's own notes on what it could not measure in this experiment."""
    keys = ("what", "reason", "remedy")
    return [
        each for each in results.records("skips") if each.get("experiment") == experiment and all(map(each.get, keys))
    ]


def _skipped(results: Results, words: str) -> Iterator[str]:
    from envreport.backends import kinds_of, side_of  # noqa: PLC0415
    from envreport.claims.rules import side_words  # noqa: PLC0415  (rules import nothing from here)

    for each in results.records("backends", "skipped"):
        if side_words((side_of(str(each.get("name")), "", kinds_of([each])),)) in words:
            yield f"{each.get('name')}: {each.get('reason', 'skipped')} ({each.get('remedy') or 'no remedy known'})"


def telling_figures(findings: Sequence[Finding], answer: Answer) -> tuple[tuple[str, ...], int]:
    """Return the figures that carry the verdict, the most telling first, and how many more there are."""
    telling = [each for each in findings if each.answer is answer and not each.note.startswith("shown,")]
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
        return reason + disagreement, reason + disagreement
    if verdict is Verdict.CONTRADICTED and not _emulated(claim, outcome):
        reason = f"It would need: {outcome.failing or rule}. That is not so."
        return reason + disagreement, reason + disagreement
    short, tail = _settled_reason(claim, outcome, verdict)
    return f"{short}.{tail}{disagreement}", f"{short}: {rule}.{tail}{disagreement}"


def _emulated(claim: Claim, outcome: Outcome) -> bool:
    """Return whether emulation has a part in the verdict: it rests on TCG alone, or holds in spite of TCG."""
    if outcome.weighed is not None and outcome.weighed.tcg_only:
        return True
    against = claim.rule is not None and claim.rule.bias.suspect is Answer.HOLDS
    return against and any(each.accelerator == "tcg" for each in outcome.findings)


def _settled_reason(claim: Claim, outcome: Outcome, verdict: Verdict) -> tuple[str, str]:
    """Return what was found and what follows from it, for a rule to stand between."""
    if outcome.weighed is not None and outcome.weighed.tcg_only:
        found = "Holds" if verdict is Verdict.SUPPORTED else "Fails"
        tail = " Emulation itself pushes the answer this way, so nothing follows for KVM."
        return f"{found} for emulated guests (TCG)", tail
    if verdict is Verdict.CONTRADICTED and _emulated(claim, outcome):
        return "Fails even for emulated guests (TCG), the slower kind, and so for KVM too", ""
    if any(each.estimate for each in outcome.findings):
        return "Holds with the whole interval", ""
    return "Holds wherever it was looked at", ""


def _open_reason(findings: Sequence[Finding], rule: str) -> str:
    holds = [each.about for each in findings if each.answer is Answer.HOLDS]
    fails = [each.about for each in findings if each.answer is Answer.FAILS]
    if holds and fails:
        return f"It depends ({rule}): holds for {_few(holds)}; does not for {_few(fails)}."
    open_ones = [each for each in findings if each.answer is Answer.OPEN and not each.note.startswith("shown,")]
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
    return f" About {needed} values in place of {finding.estimate.n} would settle it if the figure stays{time}."


def conditions_of(findings: Sequence[Finding], results: Results) -> Iterator[str]:
    """Yield the conditions a verdict holds under: accelerator, nesting, noise, profile, cache, failed starts."""
    accelerators = {each.accelerator for each in findings if each.accelerator is not None}
    keys = [key for each in findings for key in each.keys]
    yield from (ACCELERATORS.get(name, name) for name in sorted(accelerators))
    yield from run_conditions(results)
    profiles = sorted({key.profile for key in keys if key.profile})
    if profiles:
        yield f"payload: {', '.join(profiles)}"
    variants = [variant_keys(key.variant) for key in keys]
    for name in ("cache", "network", "storage"):
        values = sorted({each[name] for each in variants if name in each})
        if values:
            yield f"{name}: {', '.join(values)}"
    failed = {(key.experiment, key.backend_key) for key in keys}
    count = sum(results.failed(*each) for each in failed)
    if count:
        yield f"{count} of {sum(results.starts.get(each, 0) for each in failed)} starts failed"
