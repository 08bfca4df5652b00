"""What a claim is, and what a run can say about it; data only, see `rules` for how figures are drawn from rows."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from envbench.records.phases import Experiment, Unit
from envreport.claims.conditions import Condition
from envreport.claims.verdict import Answer, Limit, LimitKind, TcgBias, Verdict, Weighed
from envreport.results import Results, SeriesKey
from envreport.results.backends import Side, side_words
from envreport.statistics.figures import Estimate


class Theme(StrEnum):
    """Groups of claims, in the order of the report."""

    ARCHITECTURE = "Kernel and architecture"
    STARTUP = "Start-up"
    COST = "Memory and CPU cost"
    SIZE = "Size"
    SPEED = "Steady-state speed"
    ISOLATION = "Isolation"
    MANAGEMENT = "Portability and management"


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure or observation that bears on a claim, ready to be shown.

    `accelerator` is None where no VM is part of it and "" where a VM's accelerator is unknown. `keys` name the raw
    rows.
    """

    answer: Answer
    about: str
    figure: str
    n: int
    accelerator: str | None = None
    note: str = ""
    keys: tuple[SeriesKey, ...] = ()
    decides: bool = True
    """False for what is shown beside a verdict and has no part in it."""
    estimate: Estimate | None = None
    unit: Unit | None = None
    bound: float | None = None


def with_answer(finding: Finding, answer: Answer, note: str = "") -> Finding:
    """Return the finding with another answer and note."""
    return replace(finding, answer=answer, note=note)


def shown(finding: Finding, note: str = "") -> Finding:
    """Return the finding as one that stands beside a verdict and decides nothing."""
    return replace(finding, answer=Answer.OPEN, note="; ".join(filter(None, (note, finding.note))), decides=False)


@dataclass(frozen=True, slots=True)
class Need:
    """What must be there before a rule can answer: an experiment on these kinds of backends, and which metric of it.

    `experiment` is None for something that envinspect must find around this machine; `what` then says what it is.
    """

    experiment: Experiment | None
    metric: str
    sides: tuple[Side, ...] = ()
    what: str = ""
    """What was to be measured, in words, where the kinds of backends do not say it all."""
    failed: bool = False
    """It was looked at, and is not so here."""
    accelerated: bool = False
    """A guest that is emulated in software is not enough."""

    @property
    def name(self) -> str:
        """What was to be measured, in words."""
        return self.what or side_words(self.sides)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule made of a run. `weighed` is None where data are missing; `missing` says which."""

    weighed: Weighed | None
    findings: tuple[Finding, ...]
    missing: tuple[Need, ...] = ()
    failing: str = ""
    """Which of several parts fail, in words; "" where the rule is one piece."""
    holding: str = ""
    """Which of several parts hold, in words, where another fails."""
    limits: tuple[Limit, ...] = ()


class Rule(Protocol):
    """How a claim is judged; every rule is a frozen dataclass that can say what it does."""

    @property
    def bias(self) -> TcgBias:
        """Where software emulation pushes the answer."""
        ...

    def describe(self) -> str:
        """Return statistic and bound in words."""
        ...

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        ...

    def judge(self, results: Results) -> Outcome:
        """Draw the findings from a run and weigh them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One row of the claims table. `rule` None marks a claim that no measurement can settle: its references answer."""

    id: str
    theme: Theme
    wording: str
    stands_in: tuple[str, ...]
    rule: Rule | None
    reference: str
    """Where the bound or the reading comes from."""
    scope: str
    """What a verdict covers and what it does not."""
    reading: str = ""
    """Our reading where no measurement settles it, or what the documents leave open."""
    remedy: str = ""
    """How to supply what is missing, where that is more than running an experiment."""
    partner: str = ""
    """The claim that says the opposite, or that this one cannot be true beside."""
    disagreement: str = ""
    """How the documents disagree, in one sentence."""
    by_references: Verdict | None = None
    """What the references say of it, where they answer what was not measured; None where only a measurement can."""
    whole_system: bool = False
    """It is about systems as people run them; the minimal guest shows only the least that the technology costs."""

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """Experiments this claim rests on, each once."""
        needs = self.rule.needs() if self.rule else ()
        return tuple(dict.fromkeys(need.experiment for need in needs if need.experiment is not None))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A claim with its verdict, as every report shows it."""

    claim: Claim
    verdict: Verdict
    figure: str
    why: str
    conditions: tuple[Condition, ...]
    findings: tuple[Finding, ...]
    limits: tuple[Limit, ...] = ()
    """What the verdict holds for and nothing beyond."""
    figures: tuple[str, ...] = ()
    """The telling figures, the most telling first."""
    figures_left_out: int = 0
    brief: str = ""
    """The reason without the rule, for where space is short."""
    reason: str = ""
    """Why it could not be tested; "" where it was."""
    remedy: str = ""

    @property
    def tcg_only(self) -> bool:
        """Whether the verdict holds for emulated guests only."""
        return any(each.kind is LimitKind.EMULATED for each in self.limits)

    @property
    def label(self) -> str:
        """The verdict in words, never without the limits it holds under."""
        return " ".join((self.verdict.words, ", ".join(each.words for each in self.limits))).strip()
