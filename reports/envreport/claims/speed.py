"""Claims on how fast work runs once an instance is up."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from msgspec.structs import replace as with_fields

from envbench.records.metrics import METRICS, Shown, metrics_of, words
from envbench.records.phases import NOISE_PREFIX, Experiment, Unit
from envreport import units
from envreport.claims.combine import Bearing
from envreport.claims.conditions import clock_rates, is_nested
from envreport.claims.model import Claim, Finding, Need, Outcome, Theme, with_answer
from envreport.claims.references import WSL_REMEDY, WSL_VERSIONS
from envreport.claims.rules import C, H, Ratio, V, W, accelerator_of, conclude, find, pairs
from envreport.claims.verdict import Answer, Limit, LimitKind, Quantifier, TcgBias, Verdict, Weighed
from envreport.results import Results, Series
from envreport.results.backends import Side, side_words
from envreport.statistics.figures import CONFIDENCE, Equivalence, Estimate, equivalence
from envreport.statistics.noise import noise_of

SPEEDS = metrics_of(Experiment.SPEED, Shown.CHART)
TESTS = "Test: Schuirmann 1987, doi:10.1007/BF01068419; of all metrics together: Holm 1979"
OPPOSED = "D3 and D4 say little or no overhead; D1 says that containers do not run at bare-metal speed."


def margins() -> str:
    """Return the margins of the speed metrics in words; the first is that of all metrics that are not named."""
    usual, *others = _by_margin()
    named = (f"±{units.percent(ratio)} for {', '.join(map(words, names))}" for (ratio, _), names in others)
    return "; ".join((f"±{units.percent(usual[0][0])}", *named))


def margin_reference() -> str:
    """Return why each margin is what it is, and the tests that use it."""
    return "; ".join(f"±{units.percent(ratio)}: {why}" for (ratio, why), _ in _by_margin()) + f". {TESTS}"


def _by_margin() -> list[tuple[tuple[float, str], list[str]]]:
    """Return each margin and its reason with the speed metrics that have it, the one of most metrics first."""
    found: dict[tuple[float, str], list[str]] = {}
    for name in SPEEDS:
        found.setdefault((METRICS[name].margin_ratio, METRICS[name].margin_why), []).append(name)
    return sorted(found.items(), key=lambda each: -len(each[1]))


def margin_of(finding: Finding) -> str:
    """Return the margin of a finding's metric in words."""
    return f"±{units.percent(METRICS[finding.keys[0].phase].margin_ratio)}"


def same(finding: Finding, answer: Answer) -> Finding:
    """Return the finding as one whose whole interval lies within its metric's margin."""
    return with_answer(finding, answer, f"the same within {margin_of(finding)}")


def beyond(finding: Finding, answer: Answer, how: str) -> Finding:
    """Return the finding as one whose whole interval lies beyond its metric's margin, on the side that `how` names."""
    return with_answer(finding, answer, f"{how} beyond {margin_of(finding)}")


def undecided(finding: Finding) -> Finding:
    """Return the finding as one that shows neither."""
    why = f"the interval reaches over {margin_of(finding)}, or so many metrics may lie beyond it by chance"
    return with_answer(finding, Answer.OPEN, why)


def by_host_clock(results: Results, series: Series) -> Series:
    """Return a machine's speeds by the host's clock where the run held both clocks together; all others as they are."""
    rates = clock_rates(results, series.key)
    if not rates:
        return series
    is_rate = METRICS[series.key.phase].better == "higher"
    rows = (
        with_fields(row, value=row.value * rates[row.iteration] if is_rate else row.value / rates[row.iteration])
        for row in series.good
        if row.value is not None
    )
    return replace(series, rows=tuple(rows))


def speed_ratio(results: Results, subject: Series, reference: Series) -> Estimate | None:
    """Return how long the subject takes as a multiple of the reference, both by the host's clock.

    Above 1 is slower, whichever way the metric counts.
    """
    from envreport.statistics import estimates

    metric, subject, reference = subject.key.phase, *(by_host_clock(results, each) for each in (subject, reference))
    if METRICS[metric].better == "higher":
        return estimates.ratio(reference.rounds, subject.rounds)
    return estimates.ratio(subject.rounds, reference.rounds)


def speed_findings(
    results: Results, over: tuple[Side, ...], under: tuple[Side, ...]
) -> Iterator[tuple[Estimate, Finding]]:
    """Yield the slow-down of every speed metric, with an open finding that a rule completes."""
    for metric in SPEEDS:
        subjects, references = (find(results, Experiment.SPEED, metric, sides) for sides in (over, under))
        for subject, reference in pairs(subjects, references):
            ratio = speed_ratio(results, subject, reference)
            if ratio is not None:
                about = f"{words(metric)}, {subject.key.label} against {reference.key.label}"
                accel = accelerator_of(results, subject, reference)
                bound = margin_bound(ratio, METRICS[metric].margin_ratio)
                text = units.estimate_text(ratio, Unit.RATIO, bound, statistic=units.RATIO_OF_MEDIANS)
                keys = (subject.key, reference.key)
                yield (
                    ratio,
                    Finding(
                        Answer.OPEN,
                        about,
                        text,
                        ratio.n,
                        accel,
                        "",
                        keys,
                        estimate=ratio,
                        unit=Unit.RATIO,
                        bound=bound,
                    ),
                )


def slow_downs(
    results: Results, over: tuple[Side, ...], under: tuple[Side, ...]
) -> Iterator[tuple[Equivalence, Estimate, Finding]]:
    """Yield whether each speed is the same within its metric's margin, beside its ratio and its open finding.

    Among many metrics some lie beyond the margin by chance: different is only what Holm's adjustment of all of them
    (1979) leaves at 5 %, by Mann and Whitney's test of the values against those of the reference at the margin's end.
    """
    from envreport.statistics import estimates

    found = list(speed_findings(results, over, under))
    chances = estimates.holm([_chance(results, ratio, finding) for ratio, finding in found])
    for (ratio, finding), chance in zip(found, chances, strict=True):
        told = equivalence(ratio, METRICS[finding.keys[0].phase].margin_ratio)
        by_chance = told is Equivalence.DIFFERENT and chance >= 1 - CONFIDENCE
        yield (Equivalence.UNDECIDED if by_chance else told), ratio, finding


def _chance(results: Results, ratio: Estimate, finding: Finding) -> float:
    """Return the p-value of no difference beyond the margin, in the direction in which the ratio lies."""
    from envreport.statistics import estimates

    subject, reference = (by_host_clock(results, results.series[key]) for key in finding.keys)
    metric = METRICS[subject.key.phase]
    top, bottom = (reference, subject) if metric.better == "higher" else (subject, reference)
    end = 1 + metric.margin_ratio if ratio.value > 1 else 1 - metric.margin_ratio
    return estimates.rank_sum_probability(top.values, [end * value for value in bottom.values])


def margin_bound(ratio: Estimate, margin: float) -> float:
    """Return the end of 1 ± margin that the interval reaches over; where it reaches over neither, the nearer one."""
    ends = (1 + margin, 1 - margin) if ratio.value > 1 else (1 - margin, 1 + margin)
    limits = ratio.interval
    return next((end for end in ends if limits is not None and limits.low <= end <= limits.high), ends[0])


def no_bare_metal(results: Results) -> Iterator[Limit]:
    """Yield what this machine is, where it is not bare metal: only bare metal can stand for bare metal."""
    if results.host.bare_metal:
        return
    words = "against this machine; whether it is bare metal is not known"
    if is_nested(results):
        words = "against this machine, itself a guest"
    elif results.host.layers:
        words = "against this machine, from inside a container"
    yield Limit(LimitKind.THIS_MACHINE, words)


BUSY = "the machine was busy while it was measured"
OF_OTHERS = ("load1", "psi_cpu", "steal", "throttled")


def unless_busy(outcome: Outcome, results: Results) -> Outcome:
    """Leave a speed open where the machine was above the limit of a noise stamp: whose turn it was is no speed.

    The stamps of the speed experiment count; in runs that have none of it, those of the starts. What waits for storage
    may wait for the run's own work, and does not count.
    """
    of_others = {name: results.noise[name] for name in map(NOISE_PREFIX.__add__, OF_OTHERS) if name in results.noise}
    own = {name: [row for row in rows if row.experiment is Experiment.SPEED] for name, rows in of_others.items()}
    busy = any(noise_of(own if any(own.values()) else of_others))
    if outcome.weighed is None or not busy:
        return outcome
    findings = tuple(
        replace(each, answer=Answer.OPEN, note=BUSY, bound=None) if each.decides else each for each in outcome.findings
    )
    return replace(outcome, weighed=Weighed(Answer.OPEN), findings=findings)


@dataclass(frozen=True, slots=True)
class NativeSpeed:
    """Containers against the host, metric by metric, within the margin of its row in the table of metrics.

    `native` False asks the opposite of the same figures.
    """

    native: bool
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        if self.native:
            return f"95 % interval of the slow-down against the host within its margin ({margins()}) for every metric"
        return f"slow-down against the host with its whole interval beyond its margin ({margins()}) for some metric"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return tuple(Need(Experiment.SPEED, "speed metrics", sides) for sides in (C, H))

    def judge(self, results: Results) -> Outcome:
        """One metric that is slower beyond the margin decides; being the same takes all of them."""
        found = [self._finding(*each) for each in slow_downs(results, C, H)]
        outcome = conclude(found, Quantifier.ALL if self.native else Quantifier.SOME, self.bias, self.needs())
        outcome = unless_busy(outcome, results)
        return outcome if self.native else replace(outcome, limits=tuple(no_bare_metal(results)))

    def _finding(self, told: Equivalence, ratio: Estimate, finding: Finding) -> Finding:
        if_same, if_slower = (Answer.HOLDS, Answer.FAILS) if self.native else (Answer.FAILS, Answer.HOLDS)
        match told:
            case Equivalence.SAME:
                return same(finding, if_same)
            case Equivalence.DIFFERENT if ratio.value > 1:
                return beyond(finding, if_slower, "slower")
            case Equivalence.DIFFERENT:
                return with_answer(finding, Answer.OPEN, "faster than the host: not explained, decides nothing")
            case Equivalence.UNDECIDED:
                return undecided(finding)


@dataclass(frozen=True, slots=True)
class Slower:
    """One kind of backend against another by metric: slower is by more than the margin of the metric's row.

    The same within the margin is not slower.
    """

    over: tuple[Side, ...]
    under: tuple[Side, ...]
    bias: TcgBias = TcgBias.TOWARDS

    def describe(self) -> str:
        """Return the test in words."""
        return (
            f"slow-down of {side_words(self.over)} against {side_words(self.under)} with its whole interval beyond its "
            f"margin ({margins()}) for every metric"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return tuple(Need(Experiment.SPEED, "speed metrics", sides) for sides in (self.over, self.under))

    def judge(self, results: Results) -> Outcome:
        """Compare metric by metric; metrics that disagree leave it open."""
        found = [self._finding(*each) for each in slow_downs(results, self.over, self.under)]
        return unless_busy(conclude(found, Quantifier.AGREE, self.bias, self.needs()), results)

    def _finding(self, told: Equivalence, ratio: Estimate, finding: Finding) -> Finding:
        match told:
            case Equivalence.SAME:
                return same(finding, Answer.FAILS)
            case Equivalence.DIFFERENT if ratio.value > 1:
                return beyond(finding, Answer.HOLDS, "slower")
            case Equivalence.DIFFERENT:
                return beyond(finding, Answer.FAILS, "faster")
            case Equivalence.UNDECIDED:
                return undecided(finding)


CLAIMS = (
    Claim(
        id="speed-container-native",
        theme=Theme.SPEED,
        wording="Containers run with little or no overhead",
        stands_in=("D3", "D4"),
        rule=NativeSpeed(native=True),
        reference=margin_reference(),
        scope="The metrics listed, the same program on the host and in the container. One that is "
        "slower by more than its margin contradicts.",
        partner="speed-container-not-bare",
        disagreement=OPPOSED,
    ),
    Claim(
        id="speed-container-not-bare",
        theme=Theme.SPEED,
        wording="Containers do not run at bare-metal speed",
        stands_in=("D1",),
        rule=NativeSpeed(native=False),
        reference=margin_reference(),
        scope="The same figures as speed-container-native, asked the other way round. Bare "
        "metal is judged on bare metal alone: elsewhere the verdict says what the container was held against.",
        partner="speed-container-native",
        disagreement=OPPOSED,
    ),
    Claim(
        id="speed-vm-slower",
        theme=Theme.SPEED,
        wording="VMs run slower than containers",
        stands_in=("D0", "D1", "D3"),
        rule=Slower(V, C),
        reference=margin_reference(),
        scope="The metrics listed; those that disagree leave it open. The same within the margin is not slower. A "
        "machine's tools count seconds of its own clock: its speeds are turned into those of the host's clock, which "
        "was read beside it.",
    ),
    Claim(
        id="wsl-interop",
        theme=Theme.SPEED,
        wording="WSL is faster than a VM where Windows and Linux interact",
        stands_in=("D0",),
        rule=Bearing(Ratio(Experiment.WSL, "drive_files", W, W, bias=TcgBias.NONE, under_metric="linux_files")),
        reference=WSL_VERSIONS,
        scope="No VM with a shared folder is measured, so that no run settles it. File work on a Windows drive against "
        "the Linux disk of the same WSL stands beside.",
        reading="WSL 1 does such work through the Windows kernel. WSL 2 is itself a VM and reaches Windows' files over "
        "a network file protocol, as a VM reaches a shared folder: Microsoft lists it as the slower of the two there.",
        remedy=WSL_REMEDY,
        by_references=Verdict.PARTLY_RIGHT,
    ),
)
