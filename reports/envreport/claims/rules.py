"""The few ways in which claims are judged: each rule draws findings from the rows of a run and says how they answer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median as middle

from envbench.records.metrics import words
from envbench.records.phases import Experiment, Phase, Unit, counted
from envreport import units
from envreport.claims.model import Finding, Need, Outcome, shown
from envreport.claims.verdict import (
    Answer,
    Quantifier,
    Relation,
    TcgBias,
    compare,
    compare_exact,
    weigh,
)
from envreport.results import Results, Series
from envreport.results.backends import FLOOR_PROFILE, Side, accelerator, side_words
from envreport.statistics.figures import Estimate, Interval, Method

EMULATOR = "QEMU without KVM is an emulator, no hypervisor"
MIN_SAMPLES = 6
"""The least number for which the exact interval of a median exists; below it no figure decides."""
C, V, H, W = (Side.CONTAINER,), (Side.VM,), (Side.HOST,), (Side.WSL,)
RELATION_WORDS = {Relation.MORE: "more than", Relation.LESS: "less than"}


def find(results: Results, experiment: Experiment, metric: str, sides: tuple[Side, ...]) -> list[Series]:
    """Return the series a claim on these kinds of backends is judged by.

    The floor guest has no operating system and is no VM here.
    """
    return [each for each in results.find(experiment, metric, *sides) if each.key.profile != FLOOR_PROFILE]


def accelerator_of(results: Results, *series: Series) -> str | None:
    """Return the accelerator behind a figure.

    None without a VM, "" where it is not known, "tcg" if any part is emulated.
    """
    found = [accelerator(each.key.variant) or "" for each in series if results.side(each.key) is Side.VM]
    if not found:
        return None
    return next((name for name in ("tcg", "") if name in found), found[0])


def conclude(findings: Sequence[Finding], quantifier: Quantifier, bias: TcgBias, needs: tuple[Need, ...]) -> Outcome:
    """Weigh the findings that decide; none at all means that the needs are missing."""
    deciding = [(each.answer, each.accelerator) for each in findings if each.decides]
    return (
        Outcome(weigh(deciding, quantifier, bias), tuple(findings))
        if deciding
        else Outcome(None, tuple(findings), needs)
    )


def short(finding: Finding, smallest: int) -> Finding:
    """Leave a finding open if it rests on fewer values than a verdict needs."""
    if finding.n >= smallest or finding.answer is Answer.OPEN:
        return finding
    return replace(finding, answer=Answer.OPEN, note=f"a verdict needs at least {counted(smallest, 'value')}")


def unfailed(finding: Finding, results: Results) -> Finding:
    """Leave a comparison open where no fewer starts failed than worked: there is no median of all starts then."""
    for key in finding.keys:
        failed = results.failed(key.experiment, key.backend_key)
        if failed and 2 * failed >= results.starts.get((key.experiment, key.backend_key), 0):
            return replace(finding, answer=Answer.OPEN, note=f"{key.label}: half of its starts failed, or more")
    return finding


@dataclass(frozen=True, slots=True)
class Threshold:
    """A quantile of one metric against a bound.

    A failed start counts as endless for the interval's upper limit, and is left out for the lower one.
    """

    experiment: Experiment
    metric: str
    sides: tuple[Side, ...]
    relation: Relation
    bound: float
    unit: Unit = Unit.NS
    quantile: float = 0.5
    quantifier: Quantifier = Quantifier.AGREE
    bias: TcgBias = TcgBias.NONE
    smallest: int = MIN_SAMPLES
    also: tuple[tuple[str, float], ...] = ()
    """Further bounds that are reported, not judged: (words, bound)."""
    word: str = ""
    """The word of the claim that this bound stands for, where a claim has several."""

    def describe(self) -> str:
        """Return statistic and bound in words."""
        word = f"{self.word}: " if self.word else ""
        name = word + units.quantile_name(self.quantile)
        return (
            f"{name} of {words(self.metric)} ({side_words(self.sides)}) {self.relation} "
            f"{units.quantity(self.bound, self.unit)}"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return (Need(self.experiment, self.metric, self.sides),)

    def judge(self, results: Results) -> Outcome:
        """Compare each backend's quantile with the bound."""
        found = [self._finding(results, each) for each in find(results, self.experiment, self.metric, self.sides)]
        return conclude(found, self.quantifier, self.bias, self.needs())

    def _finding(self, results: Results, series: Series) -> Finding:
        estimate = quantile_with_failures(
            series.values, results.failed(self.experiment, series.key.backend_key), self.quantile
        )
        notes = [f"{also}: {_yes_no(compare(estimate.interval, self.relation, bound))}" for also, bound in self.also]
        if estimate.method is Method.LOG_NORMAL:
            notes.append("limits assume log-normal times: n is too small for exact ones")
        what = self.word or ("" if self.metric == Phase.READY else words(self.metric))
        finding = Finding(
            answer=compare(estimate.interval, self.relation, self.bound),
            about=f"{what}: {series.key.label}" if what else series.key.label,
            figure=units.estimate_text(estimate, self.unit, self.bound, statistic=units.quantile_name(self.quantile)),
            n=estimate.n,
            accelerator=accelerator_of(results, series),
            note="; ".join(notes),
            keys=(series.key,),
            estimate=estimate,
            unit=self.unit,
            bound=self.bound,
        )
        return short(finding, self.smallest)


def _yes_no(answer: Answer) -> str:
    return {Answer.HOLDS: "yes", Answer.FAILS: "no", Answer.OPEN: "open"}[answer]


def quantile_with_failures(values: Sequence[float], failed: int, p: float) -> Estimate:
    """Return a quantile whose upper limit counts failed starts as endless: one that never got ready was not fast."""
    from envreport.statistics import estimates

    plain = estimates.quantile(values, p, extrapolate=p != 0.5)
    if plain is None:
        raise ValueError("a quantile of nothing")
    if not failed or plain.interval is None:
        return plain
    worse = estimates.quantile([*values, *[float("inf")] * failed], p, extrapolate=False)
    high = worse.interval.high if worse and worse.interval else float("inf")
    return replace(
        plain, interval=Interval(plain.interval.low, max(high, plain.interval.high), plain.interval.coverage)
    )


@dataclass(frozen=True, slots=True)
class Ratio:
    """The ratio of medians of one metric between two kinds of backends, over every pair with the same payload."""

    experiment: Experiment
    metric: str
    over: tuple[Side, ...]
    under: tuple[Side, ...]
    relation: Relation = Relation.MORE
    bound: float = 1.0
    quantifier: Quantifier = Quantifier.AGREE
    bias: TcgBias = TcgBias.TOWARDS
    smallest: int = 1
    """The fewest values of a side; with fewer, neither the bootstrap nor the rank-sum interval exists."""
    under_metric: str = ""
    under_experiment: Experiment | None = None
    bytes_first: bool = False
    """Show by how much the medians differ before their ratio."""

    def describe(self) -> str:
        """Return statistic and bound in words."""
        return (
            f"median {words(self.metric)} of {side_words(self.over)} over "
            f"{words(self.under_metric) if self.under_metric else 'that'} of {side_words(self.under)}"
            f" {self.relation} {self.bound:g}"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        under = Need(self.under_experiment or self.experiment, self.under_metric or self.metric, self.under)
        return (Need(self.experiment, self.metric, self.over), under)

    def judge(self, results: Results) -> Outcome:
        """Compare every pair."""
        tops = find(results, self.experiment, self.metric, self.over)
        bottoms = find(results, self.under_experiment or self.experiment, self.under_metric or self.metric, self.under)
        found = [self._finding(results, top, bottom) for top, bottom in pairs(tops, bottoms)]
        return conclude(found, self.quantifier, self.bias, unpaired(self.needs(), tops, bottoms))

    def _finding(self, results: Results, top: Series, bottom: Series) -> Finding:
        from envreport.statistics import estimates

        what = "" if self.metric == Phase.READY else f"{words(self.metric)}, "
        about = f"{what}{top.key.label} over {bottom.key.label}"
        if top.key.phase != bottom.key.phase:
            about = f"{top.key.label} over {words(bottom.key.phase)}"
        if top.key.label == bottom.key.label:
            about = f"{words(top.key.phase)} of {top.key.label} over {words(bottom.key.phase)}"
        keys, accel = (top.key, bottom.key), accelerator_of(results, top, bottom)
        if not any(bottom.values):
            floor = estimates.median(top.values)
            answer = compare(floor.interval if floor else None, self.relation, 0.0)
            text = f"{units.estimate_text(floor, top.unit, statistic=units.MEDIAN)} against 0"
            return Finding(answer, about, text, len(top.values), accel, keys=keys)
        paired = top.key.experiment == bottom.key.experiment
        estimate = estimates.ratio(top.rounds, bottom.rounds, paired=paired)
        if estimate is None:
            return self._apart(top, bottom, about, accel)
        answer = compare(estimate.interval, self.relation, self.bound)
        text = units.estimate_text(estimate, Unit.RATIO, self.bound, statistic=units.RATIO_OF_MEDIANS)
        if self.bytes_first:
            more = units.difference(middle(top.values) - middle(bottom.values), top.unit)
            text = f"{more} between medians ({text})"
        finding = Finding(
            answer, about, text, estimate.n, accel, "", keys, estimate=estimate, unit=Unit.RATIO, bound=self.bound
        )
        return unfailed(short(finding, self.smallest), results)

    def _apart(self, top: Series, bottom: Series, about: str, accel: str | None) -> Finding:
        """Compare the two intervals where the median to divide by is 0."""
        from envreport.statistics import estimates

        upper, lower = estimates.median(top.values), estimates.median(bottom.values)
        answer = Answer.OPEN
        if upper and lower and upper.interval and lower.interval:
            answer = compare(upper.interval, self.relation, lower.interval.high)
            if answer is not compare(upper.interval, self.relation, lower.interval.low):
                answer = Answer.OPEN
        medians = ((upper, top), (lower, bottom))
        text = " against ".join(units.estimate_text(one, of.unit, statistic=units.MEDIAN) for one, of in medians)
        note = "the median to divide by is 0: interval against interval"
        return Finding(
            answer, about, text, min(len(top.values), len(bottom.values)), accel, note, (top.key, bottom.key)
        )


def unpaired(needs: tuple[Need, ...], tops: Sequence[Series], bottoms: Sequence[Series]) -> tuple[Need, ...]:
    """Return which of the two sides was not measured; where both were, the second with the payload of the first."""
    missing = tuple(need for need, have in zip(needs, (tops, bottoms), strict=True) if not have)
    return missing or tuple(replace(need, what=f"{need.name} with the other's payload") for need in needs[1:])


def pairs(tops: Iterable[Series], bottoms: Sequence[Series]) -> Iterator[tuple[Series, Series]]:
    """Yield every pair that ran the same payload; a side without a profile goes with any."""
    for top in tops:
        for bottom in bottoms:
            if top.key.profile == bottom.key.profile or not top.key.profile or not bottom.key.profile:
                yield top, bottom


@dataclass(frozen=True, slots=True)
class Observation:
    """Something that is true or false, seen in every instance that was looked at.

    One that disagrees with the others leaves it open.
    """

    experiment: Experiment
    metric: str
    sides: tuple[Side, ...]
    expected: bool = True
    quantifier: Quantifier = Quantifier.ALL
    bias: TcgBias = TcgBias.NONE
    accelerated: bool = False
    """Emulated guests are shown and decide nothing, because an emulator is no hypervisor."""

    def describe(self) -> str:
        """Return what must be seen."""
        return f"{words(self.metric)}: {'yes' if self.expected else 'no'} ({side_words(self.sides)})"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been observed."""
        return (Need(self.experiment, self.metric, self.sides, accelerated=self.accelerated),)

    def judge(self, results: Results) -> Outcome:
        """Compare each backend's observations with what the claim says."""
        found = [self._finding(results, each) for each in find(results, self.experiment, self.metric, self.sides)]
        return conclude(found, self.quantifier, self.bias, self.needs())

    def _finding(self, results: Results, series: Series) -> Finding:
        seen = {bool(value) for value in series.values}
        answer = Answer.OPEN
        if len(seen) == 1:
            answer = Answer.HOLDS if self.expected in seen else Answer.FAILS
        text = f"{words(self.metric)}: {' and '.join('yes' if value else 'no' for value in sorted(seen, reverse=True))}"
        note = "; ".join(series.details[:3])
        accel = accelerator_of(results, series)
        finding = Finding(answer, series.key.label, text, len(series.values), accel, note, (series.key,))
        return shown(finding, EMULATOR) if self.accelerated and accel in {"tcg", ""} else finding


@dataclass(frozen=True, slots=True)
class Exact:
    """A size or count without sampling error against a bound; every value must stand on the same side."""

    experiment: Experiment
    metric: str
    sides: tuple[Side, ...]
    relation: Relation
    bound: float
    unit: Unit = Unit.COUNT
    quantifier: Quantifier = Quantifier.ALL
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return metric and bound in words."""
        return (
            f"{words(self.metric)} ({side_words(self.sides)}) {self.relation} {units.bound_text(self.bound, self.unit)}"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return (Need(self.experiment, self.metric, self.sides),)

    def judge(self, results: Results) -> Outcome:
        """Compare every value with the bound."""
        found = []
        for each in find(results, self.experiment, self.metric, self.sides):
            text = f"{words(self.metric)}: {_range(each.values, self.unit, self.bound)}"
            answer = compare_exact(each.values, self.relation, self.bound)
            note = "; ".join(each.details[:3])
            found.append(
                Finding(
                    answer, each.key.label, text, len(each.values), accelerator_of(results, each), note, (each.key,)
                )
            )
        return conclude(found, self.quantifier, self.bias, self.needs())


def _range(values: Sequence[float], unit: Unit, bound: float | None = None) -> str:
    ends = (units.quantity(each, unit, bound) for each in (min(values), max(values)))
    return " to ".join(dict.fromkeys(ends))


@dataclass(frozen=True, slots=True)
class ExactRatio:
    """A size or count of one kind of backend over that of another.

    `resolution` is the relative step in which it was found.
    """

    experiment: Experiment
    metric: str
    over: tuple[Side, ...]
    under: tuple[Side, ...]
    relation: Relation = Relation.MORE
    resolution: float = 0.0
    quantifier: Quantifier = Quantifier.AGREE
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return what is compared."""
        return f"{words(self.metric)}: {side_words(self.over)} {RELATION_WORDS[self.relation]} {side_words(self.under)}"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return tuple(Need(self.experiment, self.metric, sides) for sides in (self.over, self.under))

    def judge(self, results: Results) -> Outcome:
        """Compare the ranges of every pair, each widened by the resolution."""
        tops, bottoms = (find(results, self.experiment, self.metric, sides) for sides in (self.over, self.under))
        found = [self._finding(results, top, bottom) for top, bottom in pairs(tops, bottoms)]
        return conclude(found, self.quantifier, self.bias, unpaired(self.needs(), tops, bottoms))

    def _finding(self, results: Results, top: Series, bottom: Series) -> Finding:
        low, high = min(top.values) * (1 - self.resolution), max(top.values) * (1 + self.resolution)
        floor, ceiling = min(bottom.values) * (1 - self.resolution), max(bottom.values) * (1 + self.resolution)
        answer = Answer.OPEN
        if low > ceiling:
            answer = Answer.HOLDS if self.relation is Relation.MORE else Answer.FAILS
        elif high < floor:
            answer = Answer.HOLDS if self.relation is Relation.LESS else Answer.FAILS
        elif low == high == floor == ceiling:
            answer = Answer.FAILS
        text = f"{words(self.metric)}: {_range(top.values, top.unit)} against {_range(bottom.values, bottom.unit)}"
        about = f"{top.key.label} over {bottom.key.label}"
        number = min(len(top.values), len(bottom.values))
        return Finding(answer, about, text, number, accelerator_of(results, top, bottom), "", (top.key, bottom.key))
