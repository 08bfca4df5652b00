"""From figures to verdicts: pure functions on intervals and answers; nothing here reads a row or knows a claim.

Three laws, each tested at its edge: an interval that touches the bound decides nothing; a missing figure decides
nothing; a guest under software emulation (TCG) decides nothing about hardware virtualisation, except where emulation
can only have made its answer worse (what is fast enough in emulation is fast enough under KVM).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from envreport.statistics.figures import Estimate, Interval


class Verdict(StrEnum):
    """What a run says about a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not measured"
    """Not part of this run, and nothing says that it could not be measured here."""
    NOT_TESTABLE = "not testable here"
    """Something that it needs is not on this machine, or failed on it."""
    RIGHT = "right"
    WRONG = "wrong"
    PARTLY_RIGHT = "partly right"

    @property
    def basis(self) -> "Basis":
        """What it rests on."""
        return Basis.LITERATURE if self in {Verdict.RIGHT, Verdict.WRONG, Verdict.PARTLY_RIGHT} else Basis.MEASURED

    @property
    def words(self) -> str:
        """The verdict as a person reads it."""
        if self is Verdict.NOT_MEASURED:
            return "not measured in this run"
        return f"{self}, by its references" if self.basis is Basis.LITERATURE else str(self)


class Basis(StrEnum):
    """What a verdict rests on."""

    MEASURED = "measured"
    LITERATURE = "literature"
    """Nothing was measured that could settle it: the claim's references do."""


class LimitKind(StrEnum):
    """What a verdict is limited to; the word that stands in the column `only`."""

    EMULATED = "emulated"
    MINIMAL = "minimal guest"
    THIS_MACHINE = "this machine"
    EXAMPLES = "examples"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that a verdict is never shown without."""

    kind: LimitKind
    words: str


EMULATED = Limit(LimitKind.EMULATED, "under software emulation only")
MINIMAL = Limit(LimitKind.MINIMAL, "for a minimal guest only")
MINIMAL_PAYLOAD = Limit(LimitKind.MINIMAL, "for a minimal payload only")
"""The same of a claim in which no guest has a part."""


class Answer(StrEnum):
    """What one figure says about one statement."""

    HOLDS = "holds"
    FAILS = "fails"
    OPEN = "open"


class Relation(StrEnum):
    """How a figure must stand to its bound for the statement to hold."""

    MORE = ">"
    LESS = "<"


class Quantifier(StrEnum):
    """How the answers of several backends or metrics make one."""

    AGREE = "agree"
    """All hold, or all fail; a claim on "a container" or "a VM" in general."""
    ALL = "all"
    """One that fails contradicts; a claim that says "never" or "always"."""
    SOME = "some"
    """One that holds supports; a claim that says "can"."""


class TcgBias(StrEnum):
    """Where software emulation pushes the answer, compared with hardware virtualisation."""

    NONE = "none"
    """The answer does not depend on how fast the guest runs."""
    TOWARDS = "towards"
    """Emulation makes the statement look true (a slow guest): only "fails" carries over to KVM."""
    AWAY = "away"
    """Emulation makes the statement look false: only "holds" carries over to KVM."""

    @property
    def suspect(self) -> Answer | None:
        """The answer that must not be carried over from TCG to KVM."""
        return {TcgBias.TOWARDS: Answer.HOLDS, TcgBias.AWAY: Answer.FAILS}.get(self)


def compare(interval: Interval | None, relation: Relation, bound: float) -> Answer:
    """Return whether a figure stands as it should.

    An interval that touches or spans the bound, or is missing, leaves it open.
    """
    if interval is None or math.isnan(interval.low) or math.isnan(interval.high):
        return Answer.OPEN
    if interval.low > bound:
        return Answer.HOLDS if relation is Relation.MORE else Answer.FAILS
    if interval.high < bound:
        return Answer.HOLDS if relation is Relation.LESS else Answer.FAILS
    return Answer.OPEN


def compare_exact(values: Sequence[float], relation: Relation, bound: float) -> Answer:
    """Compare figures that have no sampling error (a size, a count): all must stand on the same side.

    An equal figure counts as neither more nor less.
    """
    if not values:
        return Answer.OPEN
    stand = [value > bound if relation is Relation.MORE else value < bound for value in values]
    if all(stand):
        return Answer.HOLDS
    return Answer.OPEN if any(stand) else Answer.FAILS


def unite(answers: Sequence[Answer], quantifier: Quantifier) -> Answer:
    """Make one answer of several; none at all is open."""
    holds, fails = Answer.HOLDS in answers, Answer.FAILS in answers
    if quantifier is Quantifier.ALL and fails:
        return Answer.FAILS
    if quantifier is Quantifier.SOME and holds:
        return Answer.HOLDS
    if answers and all(answer is Answer.HOLDS for answer in answers):
        return Answer.HOLDS
    if answers and all(answer is Answer.FAILS for answer in answers):
        return Answer.FAILS
    return Answer.OPEN


@dataclass(frozen=True, slots=True)
class Weighed:
    """An answer and whether it holds for emulated guests only."""

    answer: Answer
    tcg_only: bool = False


def weigh(answers: Sequence[tuple[Answer, str | None]], quantifier: Quantifier, bias: TcgBias) -> Weighed:
    """Unite (answer, accelerator) pairs.

    The accelerator is None where no VM is part of the figure, "" where it is not known.

    Where hardware-virtualised figures exist, emulated ones are shown but do not decide. An unknown accelerator
    counts as emulated:
    it cannot be shown to be anything better.
    """
    suspect = bias.suspect
    if suspect is None:
        return Weighed(unite([answer for answer, _ in answers], quantifier))
    hardware = [pair for pair in answers if pair[1] not in {None, "", "tcg"}]
    deciding = [pair for pair in answers if pair[1] not in {"", "tcg"}] if hardware else list(answers)
    answer = unite([each for each, _ in deciding], quantifier)
    if answer is not suspect:
        return Weighed(answer)
    firm = [each for each, accelerator in deciding if accelerator not in {"", "tcg"}]
    settled = len(firm) == len(deciding) or (bool(firm) and _one_is_enough(answer, quantifier) and answer in firm)
    return Weighed(answer, tcg_only=not settled)


def _one_is_enough(answer: Answer, quantifier: Quantifier) -> bool:
    return (answer, quantifier) in {(Answer.HOLDS, Quantifier.SOME), (Answer.FAILS, Quantifier.ALL)}


def both(parts: Sequence[Weighed | None]) -> Weighed | None:
    """Unite statements that must all hold; None is one that was not measured.

    A part that fails contradicts the whole even if others are missing; a missing part otherwise leaves no answer at
    all.
    """
    known = [part for part in parts if part is not None]
    failing = [part for part in known if part.answer is Answer.FAILS]
    if failing:
        return Weighed(Answer.FAILS, tcg_only=all(part.tcg_only for part in failing))
    if len(known) < len(parts) or not known:
        return None
    if all(part.answer is Answer.HOLDS for part in known):
        return Weighed(Answer.HOLDS, tcg_only=any(part.tcg_only for part in known))
    return Weighed(Answer.OPEN)


VERDICTS = {Answer.HOLDS: Verdict.SUPPORTED, Answer.FAILS: Verdict.CONTRADICTED, Answer.OPEN: Verdict.INCONCLUSIVE}


def needed_samples(estimate: Estimate, bound: float) -> int | None:
    """Return about how many values would move the interval off the bound, if the figure stayed.

    None where no number would, or where it is off the bound already: then something else leaves the answer open.

    Interval widths shrink with the square root of n, so this is a rough guide for planning, not a promise.
    """
    if estimate.interval is None or estimate.value == bound:
        return None
    if not estimate.interval.low <= bound <= estimate.interval.high:
        return None
    above = estimate.value > bound
    reach = estimate.value - estimate.interval.low if above else estimate.interval.high - estimate.value
    distance = abs(estimate.value - bound)
    if not math.isfinite(reach) or reach <= 0:
        return None
    return max(estimate.n + 1, math.ceil(estimate.n * (reach / distance) ** 2))
