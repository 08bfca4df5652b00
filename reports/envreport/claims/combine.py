"""Rules made of other rules: conditions, the first of several answers, findings that are shown and decide nothing."""

from dataclasses import dataclass, replace

from envbench.records.phases import Experiment
from envreport.claims.model import Need, Outcome, Rule, shown, with_answer
from envreport.claims.rules import Observation, find
from envreport.claims.verdict import Answer, Limit, Quantifier, TcgBias, Weighed, both, unite
from envreport.results import Results
from envreport.results.backends import Side, side_words


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
        answered = [
            (outcome.weighed.answer, outcome.failing or part.describe())
            for part, outcome in zip(self.parts, outcomes, strict=True)
            if outcome.weighed
        ]
        return Outcome(
            both([outcome.weighed for outcome in outcomes]),
            tuple(finding for outcome in outcomes for finding in outcome.findings),
            tuple(dict.fromkeys(need for outcome in outcomes for need in outcome.missing)),
            "; and ".join(words for answer, words in answered if answer is Answer.FAILS),
            "; and ".join(words for answer, words in answered if answer is Answer.HOLDS),
            tuple(dict.fromkeys(limit for outcome in outcomes for limit in outcome.limits)),
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
class EachAspect:
    """One word that has several aspects: they must agree, and where they do not, the answer depends on the aspect."""

    aspects: tuple[tuple[str, Rule], ...]
    """Each aspect's name and the rule by which it is judged."""

    @property
    def bias(self) -> TcgBias:
        """The bias of the aspects, if any has one."""
        return next((rule.bias for _, rule in self.aspects if rule.bias is not TcgBias.NONE), TcgBias.NONE)

    def describe(self) -> str:
        """Return all aspects in words."""
        return "; and ".join(f"{name}: {rule.describe()}" for name, rule in self.aspects)

    def needs(self) -> tuple[Need, ...]:
        """Return the needs of all aspects."""
        return tuple(dict.fromkeys(need for _, rule in self.aspects for need in rule.needs()))

    def judge(self, results: Results) -> Outcome:
        """Judge every aspect; a missing one leaves no answer."""
        judged = [(name, rule.judge(results)) for name, rule in self.aspects]
        answers = {name: each.weighed.answer for name, each in judged if each.weighed}
        whole = Weighed(
            unite(tuple(answers.values()), Quantifier.AGREE),
            tcg_only=any(each.weighed.tcg_only for _, each in judged if each.weighed),
        )
        return Outcome(
            whole if len(answers) == len(self.aspects) else None,
            tuple(finding for _, each in judged for finding in each.findings),
            tuple(dict.fromkeys(need for _, each in judged for need in each.missing)),
            ", ".join(name for name, answer in answers.items() if answer is Answer.FAILS),
            ", ".join(name for name, answer in answers.items() if answer is Answer.HOLDS),
        )


@dataclass(frozen=True, slots=True)
class OnlyWhere:
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
    """The first of several rules that has an answer, e.g. a measurement before what envinspect says of this machine."""

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
class OfOne:
    """What a rule made of one other rule takes over from it: its bias, its words and its needs."""

    rule: Rule

    @property
    def bias(self) -> TcgBias:
        """The rule's own bias."""
        return self.rule.bias

    def describe(self) -> str:
        """Return the rule in words."""
        return self.rule.describe()

    def needs(self) -> tuple[Need, ...]:
        """Return the rule's needs."""
        return self.rule.needs()


@dataclass(frozen=True, slots=True)
class Beside(OfOne):
    """A rule that shows the findings of other rules beside its own; they have no part in its answer."""

    beside: tuple[Rule, ...]

    def judge(self, results: Results) -> Outcome:
        """Judge the rule and add the other findings as ones that decide nothing."""
        own = self.rule.judge(results)
        extra = tuple(shown(finding) for rule in self.beside for finding in rule.judge(results).findings)
        return replace(own, findings=(*own.findings, *extra))


@dataclass(frozen=True, slots=True)
class Within(OfOne):
    """A rule whose verdict, whichever it is, never stands without a limit."""

    limit: Limit

    def judge(self, results: Results) -> Outcome:
        """Judge the rule, and say what its answer is limited to."""
        own = self.rule.judge(results)
        return replace(own, limits=(*own.limits, self.limit)) if own.weighed else own


@dataclass(frozen=True, slots=True)
class Bearing(OfOne):
    """A rule whose findings bear on a claim and cannot settle it: the references answer, and the findings are shown."""

    def judge(self, results: Results) -> Outcome:
        """Show what was found; nothing is missing then."""
        own = self.rule.judge(results)
        return Outcome(None, tuple(map(shown, own.findings)), own.missing)


@dataclass(frozen=True, slots=True)
class OneWay(OfOne):
    """A rule of which a run can show one side only; findings for the other side leave the claim open.

    A statement about all can be refuted by a case and not proved by cases; one about what is possible the reverse.
    """

    can_show: Answer
    because: str
    """Why the other side cannot be shown; said where it leaves a claim open."""

    def judge(self, results: Results) -> Outcome:
        """Judge the rule and leave open what it cannot show."""
        own = self.rule.judge(results)
        if own.weighed is None or own.weighed.answer in {self.can_show, Answer.OPEN}:
            return own
        found = tuple(with_answer(each, Answer.OPEN, self.because) if each.decides else each for each in own.findings)
        return replace(own, weighed=Weighed(Answer.OPEN), findings=found)


@dataclass(frozen=True, slots=True)
class Answered:
    """Whether instances of these kinds answered in an experiment; that they were planned is not enough."""

    experiment: Experiment
    metric: str
    sides: tuple[Side, ...]
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return what must have answered."""
        return f"a {side_words(self.sides)} answered"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return (Need(self.experiment, self.metric, self.sides),)

    def judge(self, results: Results) -> Outcome:
        """Hold where there is a value; without one the need is missing."""
        if find(results, self.experiment, self.metric, self.sides):
            return Outcome(Weighed(Answer.HOLDS), ())
        return Outcome(None, (), self.needs())
