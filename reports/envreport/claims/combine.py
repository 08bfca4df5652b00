"""Rules made of other rules, or of what the inspector saw: conditions, first answers, findings shown beside."""

from dataclasses import dataclass, replace

from envbench.phases import Experiment
from envreport.backends import Side
from envreport.claims.model import Need, Outcome, Rule, with_answer
from envreport.claims.rules import Observation
from envreport.claims.verdict import Answer, TcgBias, both
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
    """Return a rule on several observations of the same backends; "__" in a name stands for the dot of a family."""
    return AllOf(
        tuple(Observation(experiment, name.replace("__", "."), sides, value) for name, value in expected.items())
    )


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
