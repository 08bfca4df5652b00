"""What a claim is, and what a run can say about it; data only, see `rules` for how figures are drawn from rows."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from envbench.phases import Experiment, Unit
from envreport.claims.verdict import Answer, TcgBias, Verdict, Weighed
from envreport.results import Results, SeriesKey
from envreport.statistics.estimates import Estimate


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
    estimate: Estimate | None = None
    unit: Unit | None = None
    bound: float | None = None


def with_answer(finding: Finding, answer: Answer, note: str = "") -> Finding:
    """Return the finding with another answer and note."""
    return replace(finding, answer=answer, note=note)


@dataclass(frozen=True, slots=True)
class Need:
    """What must be there before a rule can answer: an experiment on these kinds of backends, and which metric of it."""

    experiment: Experiment | None
    metric: str
    backends: str
    failed: bool = False
    """It was looked at, and is not so here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule made of a run. `weighed` is None where data are missing; `missing` says which."""

    weighed: Weighed | None
    findings: tuple[Finding, ...]
    missing: tuple[Need, ...] = ()
    failing: str = ""
    """Which of several parts fail, in words; "" where the rule is one piece."""


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
    """One row of the claims table. `rule` None marks a documentary claim, which no measurement can settle."""

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
    fallback: Verdict = Verdict.NOT_TESTABLE
    """The verdict where nothing was measured: documentary where literature answers it too."""

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
    tcg_only: bool
    figure: str
    why: str
    conditions: tuple[str, ...]
    findings: tuple[Finding, ...]
    figures: tuple[str, ...] = ()
    """The telling figures, the most telling first."""
    figures_left_out: int = 0
    brief: str = ""
    """The reason without the rule, for where space is short."""
    reason: str = ""
    """Why it could not be tested; "" where it was."""
    remedy: str = ""

    @property
    def label(self) -> str:
        """The verdict in words, never without the limit it holds under."""
        return f"{self.verdict} under TCG only" if self.tcg_only else str(self.verdict)
