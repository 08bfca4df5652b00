"""Rules made of other rules, or of what the inspector saw: conditions, first answers, findings shown beside."""

from dataclasses import dataclass, replace

from envbench.phases import Experiment
from envreport import units
from envreport.backends import Side
from envreport.claims.model import Finding, Need, Outcome, Rule
from envreport.claims.rules import Observation, conclude
from envreport.claims.special import with_answer
from envreport.claims.verdict import Answer, Quantifier, TcgBias, Weighed, both
from envreport.figures import words
from envreport.results import Results


@dataclass(frozen=True, slots=True)
class AllOf:
    """Several rules that must all hold."""

    parts: tuple[Rule, ...]

    @property
    def bias(self) -> TcgBias:
        """The bias of the parts, if any has one."""
        return next((part.bias for part in self.parts if part.bias is not TcgBias.NONE), TcgBias.NONE)

    def describe(self) -> str:
        """Return all parts in words."""
        return "; and ".join(part.describe() for part in self.parts)

    def needs(self) -> tuple[Need, ...]:
        """Return the needs of all parts."""
        return tuple(dict.fromkeys(need for part in self.parts for need in part.needs()))

    def judge(self, results: Results) -> Outcome:
        """Judge every part; a missing one leaves no answer unless another fails."""
        outcomes = [part.judge(results) for part in self.parts]
        failed = [
            (part, outcome)
            for part, outcome in zip(self.parts, outcomes, strict=True)
            if outcome.weighed and outcome.weighed.answer is Answer.FAILS
        ]
        return Outcome(
            both([outcome.weighed for outcome in outcomes]),
            tuple(finding for outcome in outcomes for finding in outcome.findings),
            tuple(dict.fromkeys(need for outcome in outcomes for need in outcome.missing)),
            "; and ".join(outcome.failing or part.describe() for part, outcome in failed),
        )


def all_of(*parts: Rule) -> AllOf:
    """Return a rule that holds if all of these do."""
    return AllOf(parts)


def observe(experiment: Experiment, sides: tuple[Side, ...], **expected: bool) -> AllOf:
    """Return a rule on several observations of the same rungs; "__" in a name stands for the dot of a family."""
    return AllOf(
        tuple(Observation(experiment, name.replace("__", "."), sides, value) for name, value in expected.items())
    )


@dataclass(frozen=True, slots=True)
class HostLayer:
    """What the inspector found around this machine: one set of layer ids holds, the other fails, none says nothing."""

    holds: tuple[str, ...]
    fails: tuple[str, ...]
    words: str
    hypervisor_types: bool = False
    """Compare each VM layer's hypervisor type with the ids "1" and "2" in place of layer ids."""
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return self.words

    def needs(self) -> tuple[Need, ...]:
        """Return what must be there."""
        return (Need(None, self.words, " or ".join((*self.holds, *self.fails))),)

    def judge(self, results: Results) -> Outcome:
        """Look through the layers that run.json carries."""
        found = []
        for layer in results.records("host", "layers"):
            mark = str(layer.get("hypervisor_type") if self.hypervisor_types else layer.get("id"))
            name = str(layer.get("name") or layer.get("id"))
            if mark in self.holds or mark in self.fails:
                text = f"{name}, hypervisor type {mark}" if self.hypervisor_types else f"{name}, found by envinspect"
                answer = Answer.HOLDS if mark in self.holds else Answer.FAILS
                found.append(
                    Finding(answer, "this machine", text, 1, note=f"confidence: {layer.get('confidence', 'not told')}")
                )
        return conclude(found, Quantifier.AGREE, self.bias, self.needs())


@dataclass(frozen=True, slots=True)
class Given:
    """A rule that has a meaning only where a condition holds; otherwise it has no answer."""

    condition: Rule
    rule: Rule

    @property
    def bias(self) -> TcgBias:
        """The rule's own bias."""
        return self.rule.bias

    def describe(self) -> str:
        """Return condition and rule in words."""
        return f"where {self.condition.describe()}: {self.rule.describe()}"

    def needs(self) -> tuple[Need, ...]:
        """Return the needs of both."""
        return tuple(dict.fromkeys((*self.condition.needs(), *self.rule.needs())))

    def judge(self, results: Results) -> Outcome:
        """Judge the rule only if the condition is seen to hold."""
        condition = self.condition.judge(results)
        if condition.weighed is None or condition.weighed.answer is not Answer.HOLDS:
            held = tuple(replace(need, failed=bool(condition.findings)) for need in self.condition.needs())
            return Outcome(None, condition.findings, held)
        return self.rule.judge(results)


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The first of several rules that has an answer: a measurement before what the inspector says."""

    parts: tuple[Rule, ...]
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return all parts in words."""
        return "; else ".join(part.describe() for part in self.parts)

    def needs(self) -> tuple[Need, ...]:
        """Return the needs of all parts."""
        return tuple(dict.fromkeys(need for part in self.parts for need in part.needs()))

    def judge(self, results: Results) -> Outcome:
        """Return the first answer there is."""
        outcomes = [part.judge(results) for part in self.parts]
        return next((each for each in outcomes if each.weighed is not None), outcomes[0])


@dataclass(frozen=True, slots=True)
class Anyhow:
    """A rule that shows the findings of others beside its own without being swayed by them."""

    rule: Rule
    beside: tuple[Rule, ...]

    @property
    def bias(self) -> TcgBias:
        """The rule's own bias."""
        return self.rule.bias

    def describe(self) -> str:
        """Return the rule in words; what stands beside it decides nothing."""
        return self.rule.describe()

    def needs(self) -> tuple[Need, ...]:
        """Return the rule's needs."""
        return self.rule.needs()

    def judge(self, results: Results) -> Outcome:
        """Judge the rule and add the other findings as open ones."""
        own = self.rule.judge(results)
        extra = tuple(
            with_answer(finding, Answer.OPEN, f"shown, decides nothing{': ' + finding.note if finding.note else ''}")
            for rule in self.beside
            for finding in rule.judge(results).findings
        )
        return Outcome(own.weighed, (*own.findings, *extra), own.missing, own.failing)


@dataclass(frozen=True, slots=True)
class Seen:
    """Things that were found support; nothing found says nothing, for they may be elsewhere."""

    experiment: Experiment
    metrics: tuple[str, ...]
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return f"{' and '.join(words(each) for each in self.metrics)}, at least one each"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been looked for."""
        return tuple(Need(self.experiment, metric, "host") for metric in self.metrics)

    def judge(self, results: Results) -> Outcome:
        """Hold each count against 0."""
        found = []
        for metric in self.metrics:
            for series in results.find(self.experiment, metric):
                seen = max(series.values)
                answer = Answer.HOLDS if seen > 0 else Answer.OPEN
                text = f"{words(metric)}: {units.quantity(seen, series.unit)}"
                found.append(
                    Finding(answer, series.key.label, text, 1, None, "; ".join(series.details[:3]), (series.key,))
                )
        held = {finding.keys[0].phase for finding in found if finding.answer is Answer.HOLDS}
        if not held.issuperset(self.metrics):
            return Outcome(None, tuple(found), self.needs())
        return Outcome(Weighed(Answer.HOLDS), tuple(found))
