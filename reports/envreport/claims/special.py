"""Rules that only one or two claims need: equivalence over many metrics, shares of a whole, slopes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median as middle

from envbench.phases import Experiment, Phase, Unit
from envbench.samples import variant_keys, variant_text
from envreport import backends, units
from envreport.backends import Side
from envreport.claims.model import Finding, Need, Outcome
from envreport.claims.rules import C, H, V, accelerator_of, conclude, find, pairs, side_words, unpaired
from envreport.claims.verdict import Answer, Quantifier, Relation, TcgBias, compare
from envreport.figures import words
from envreport.results import Results, RungKey, Series
from envreport.statistics import estimates
from envreport.statistics.estimates import Equivalence, Estimate

EQUIVALENCE_MARGIN = 0.05
SPEED_METRICS: Mapping[str, bool] = {
    "cpu_int": True,
    "cpu_float": True,
    "cpu_crypto": True,
    "memory_bandwidth": True,
    "memory_latency": False,
    "syscall": True,
    "context_switch": True,
    "process_create": True,
    "disk_seq_read": True,
    "disk_rand_read": True,
    "disk_fsync": True,
    "net_loopback": True,
}
"""Metric → whether higher is faster."""
MAJORITY = 0.5
APART = 2.0
SCRIPT_BYTES = 64 * 1024
"""A start script is smaller than this; every init system and package manager is larger."""
OS_ITEMS = ("item.kernel", "item.modules", "item.init", "item.package_manager")
OWN_TREE = "the minimal payload is a tree of our own"
FILESYSTEM = "item.filesystem"
KERNEL_ITEMS = ("item.kernel", "item.initramfs", "item.modules", "item.boot")


def speed_ratio(metric: str, subject: Series, reference: Series) -> Estimate | None:
    """Return how long the subject takes as a multiple of the reference.

    Above 1 is slower, whichever way the metric counts.
    """
    if SPEED_METRICS.get(metric, True):
        return estimates.ratio(reference.rounds, subject.rounds)
    return estimates.ratio(subject.rounds, reference.rounds)


def speed_findings(
    results: Results, over: tuple[Side, ...], under: tuple[Side, ...]
) -> Iterator[tuple[Estimate, Finding]]:
    """Yield the slow-down of every speed metric, with an open finding that a rule completes."""
    for metric in SPEED_METRICS:
        subjects, references = (find(results, Experiment.SPEED, metric, sides) for sides in (over, under))
        for subject, reference in pairs(subjects, references):
            ratio = speed_ratio(metric, subject, reference)
            if ratio is not None:
                about = f"{words(metric)}, {subject.key.label} against {reference.key.label}"
                accel = accelerator_of(results, subject, reference)
                text = units.estimate_text(ratio, Unit.RATIO, 1.0)
                keys = (subject.key, reference.key)
                yield ratio, Finding(Answer.OPEN, about, text, ratio.n, accel, "", keys, ratio, Unit.RATIO, 1.0)


def with_answer(finding: Finding, answer: Answer, note: str = "") -> Finding:
    """Return the finding with another answer and note."""
    return replace(finding, answer=answer, note=note)


@dataclass(frozen=True, slots=True)
class NativeSpeed:
    """Containers against the host, metric by metric, within 1 ± margin.

    `native` False asks the opposite of the same figures.
    """

    native: bool
    margin: float = EQUIVALENCE_MARGIN
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        test = f"95 % interval of the slow-down against the host within 1 ± {self.margin:g} for every speed metric"
        return (
            test
            if self.native
            else f"slow-down against the host with its whole interval, for some speed metric, > {1 + self.margin:g}"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return tuple(Need(Experiment.SPEED, "speed metrics", side_words(sides)) for sides in (C, H))

    def judge(self, results: Results) -> Outcome:
        """One metric that is slower beyond the margin decides; being the same takes all of them."""
        found = [self._finding(ratio, finding) for ratio, finding in speed_findings(results, C, H)]
        return conclude(found, Quantifier.ALL if self.native else Quantifier.SOME, self.bias, self.needs())

    def _finding(self, ratio: Estimate, finding: Finding) -> Finding:
        same, slower = (Answer.HOLDS, Answer.FAILS) if self.native else (Answer.FAILS, Answer.HOLDS)
        match estimates.equivalence(ratio, self.margin):
            case Equivalence.SAME:
                return with_answer(finding, same, "the same within the margin")
            case Equivalence.DIFFERENT if ratio.value > 1:
                return with_answer(finding, slower, "slower beyond the margin")
            case Equivalence.DIFFERENT:
                return with_answer(finding, Answer.OPEN, "faster than the host: not explained, decides nothing")
            case Equivalence.UNDECIDED:
                return with_answer(finding, Answer.OPEN, "the interval reaches over the margin")


@dataclass(frozen=True, slots=True)
class Slower:
    """One kind of rung against another, metric by metric: slower holds where the slow-down's interval lies above 1."""

    over: tuple[Side, ...]
    under: tuple[Side, ...]
    bias: TcgBias = TcgBias.TOWARDS

    def describe(self) -> str:
        """Return the test in words."""
        return f"slow-down of {side_words(self.over)} against {side_words(self.under)} > 1 for every speed metric"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return tuple(Need(Experiment.SPEED, "speed metrics", side_words(sides)) for sides in (self.over, self.under))

    def judge(self, results: Results) -> Outcome:
        """Compare metric by metric; metrics that disagree leave it open."""
        found = [
            with_answer(finding, compare(ratio.interval, Relation.MORE, 1.0))
            for ratio, finding in speed_findings(results, self.over, self.under)
        ]
        return conclude(found, Quantifier.AGREE, self.bias, self.needs())


@dataclass(frozen=True, slots=True)
class KernelShare:
    """Firmware's and kernel's share of each VM start: "because it boots a kernel" holds if that is more than half."""

    bias: TcgBias = TcgBias.TOWARDS

    def describe(self) -> str:
        """Return the test in words."""
        return "median share of firmware and kernel in each start of a VM > 50 %"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return (Need(Experiment.STARTUP, Phase.KERNEL, "VM"), Need(Experiment.STARTUP, Phase.READY, "VM"))

    def judge(self, results: Results) -> Outcome:
        """Divide start by start, so that the share has an interval of its own."""
        found = []
        for ready in find(results, Experiment.STARTUP, Phase.READY, V):
            shares = kernel_shares(results, ready)
            estimate = estimates.median(shares)
            if estimate is None:
                continue
            interval = estimate.interval
            limits = f"[{units.percent(interval.low)}, {units.percent(interval.high)}]" if interval else "no interval"
            text = f"{units.percent(estimate.value)} {limits}, n = {estimate.n}"
            answer = compare(interval, Relation.MORE, MAJORITY)
            accel = accelerator_of(results, ready)
            found.append(
                Finding(
                    answer, ready.key.label, text, len(shares), accel, "", (ready.key,), estimate, Unit.RATIO, MAJORITY
                )
            )
        return conclude(found, Quantifier.AGREE, self.bias, self.needs())


def kernel_shares(results: Results, ready: Series) -> list[float]:
    """Return (firmware + kernel) / ready of every start that has a kernel stretch.

    A missing firmware stretch is part of neither.
    """
    stretches: dict[int, dict[Phase, float]] = defaultdict(dict)
    for phase in (Phase.FIRMWARE, Phase.KERNEL):
        series = results.series.get(ready.key._replace(phase=phase))
        for row in series.good if series else ():
            stretches[row.order][phase] = float(row.value or 0)
    totals = {row.order: float(row.value or 0) for row in ready.good}
    return [
        sum(stretches[order].values()) / total
        for order, total in totals.items()
        if total > 0 and Phase.KERNEL in stretches.get(order, {})
    ]


@dataclass(frozen=True, slots=True)
class SizeShare:
    """What kernel, initramfs, modules and boot files make of what a VM's files add to a container's.

    Files against files: a disk's own filesystem (journal, inodes, ends of blocks) is no part of either, for a
    container's files lie in a filesystem too, the host's, and nobody counts that for the container.
    """

    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return (
            "container has no kernel, and kernel + initramfs + modules + boot files are > 50 % of "
            "what the VM's files add to the container's"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return tuple(Need(Experiment.SIZE, "item.kernel", side_words(sides)) for sides in (V, C))

    def judge(self, results: Results) -> Outcome:
        """Compare every pair with the same payload."""
        vms, containers = (find(results, Experiment.SIZE, "item.kernel", sides) for sides in (V, C))
        found = [self._finding(results, vm, container) for vm, container in pairs(vms, containers)]
        return conclude(found, Quantifier.AGREE, self.bias, unpaired(self.needs(), vms, containers))

    def _finding(self, results: Results, vm: Series, container: Series) -> Finding:
        there, here = (_items(results, each) for each in (vm, container))
        filesystem = there.pop(FILESYSTEM, 0) - here.pop(FILESYSTEM, 0)
        about, added = f"{vm.key.label} against {container.key.label}", sum(there.values()) - sum(here.values())
        accel, keys = accelerator_of(results, vm, container), (vm.key, container.key)
        if added <= 0:
            return Finding(Answer.FAILS, about, "the VM's files are no more", 1, accel, "", keys)
        kernel, inside = sum(there.get(name, 0) for name in KERNEL_ITEMS), here["item.kernel"]
        part, whole = units.quantity(kernel, Unit.BYTES), units.quantity(added, Unit.BYTES)
        text = f"{part} of {whole} more in files ({units.percent(kernel / added)})"
        if filesystem > 0:
            text += f"; the disk's own filesystem takes another {units.quantity(filesystem, Unit.BYTES)}"
        holds = kernel / added > MAJORITY and inside == 0
        note = "" if inside == 0 else "the container image holds a kernel too"
        return Finding(Answer.HOLDS if holds else Answer.FAILS, about, text, 1, accel, note, keys)


def _items(results: Results, like: Series) -> dict[str, float]:
    """Return the bytes of every class that an artefact was itemised into."""
    of_rung = (each for key, each in results.series.items() if key._replace(phase="") == like.key._replace(phase=""))
    return {
        each.key.phase: middle(each.values) for each in of_rung if each.key.phase.startswith("item.") and each.values
    }


@dataclass(frozen=True, slots=True)
class ImageContents:
    """Whether images with a userland hold parts of an operating system beside the app and its libraries.

    The minimal payload is a tree of our own with nothing else in it, and so says nothing about usual images.
    """

    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return (
            f"{', '.join(words(item).removesuffix(' in the artefact') for item in OS_ITEMS)} of an image with a "
            f"userland together < {units.quantity(SCRIPT_BYTES, Unit.BYTES)}"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return (Need(Experiment.SIZE, "item.package_manager", "a container image with a userland"),)

    def judge(self, results: Results) -> Outcome:
        """Add up what belongs to an OS in each image; a minimal one is shown and decides nothing."""
        found = [
            finding
            for disk in find(results, Experiment.SIZE, "disk", C)
            if (finding := self._finding(results, disk)) is not None
        ]
        deciding = [each for each in found if each.answer is not Answer.OPEN]
        if not deciding:
            return Outcome(None, tuple(found), self.needs())
        weighed = conclude(deciding, Quantifier.ALL, self.bias, self.needs()).weighed
        return Outcome(weighed, tuple(found))

    def _finding(self, results: Results, disk: Series) -> Finding | None:
        parts = {item: size for item in OS_ITEMS if (size := _single(results, disk, item)) is not None}
        if not parts:
            return None
        total, whole = sum(parts.values()), middle(disk.values)
        held = ", ".join(words(item).removesuffix(" in the artefact") for item, size in parts.items() if size)
        share = f" ({units.percent(total / whole)})" if whole else ""
        text = f"{units.quantity(total, Unit.BYTES)} of {units.quantity(whole, Unit.BYTES)}{share} belong to an OS"
        if disk.key.profile in {"", backends.USUAL_PROFILE}:
            return Finding(Answer.OPEN, disk.key.label, text, 1, note=f"shown, decides nothing: {OWN_TREE}")
        answer = Answer.HOLDS if total < SCRIPT_BYTES else Answer.FAILS
        return Finding(answer, disk.key.label, text, 1, note=held, keys=(disk.key,))


def _single(results: Results, like: Series, metric: str) -> float | None:
    series = results.series.get(like.key._replace(phase=metric))
    return middle(series.values) if series and series.values else None


def density_slopes(results: Results, metric: str) -> dict[RungKey, tuple[Estimate, tuple[Series, ...]]]:
    """Return for each rung the slope of a metric over the number of instances, from all steps of one mode together."""
    steps: dict[RungKey, list[Series]] = defaultdict(list)
    for series in results.find(Experiment.DENSITY, metric, usual=False):
        keys = variant_keys(series.key.variant)
        if keys.get("n", "").isdigit():
            rest = variant_text({name: value for name, value in keys.items() if name != "n"})
            steps[RungKey(series.key.backend, rest, series.key.profile)].append(series)
    found = {}
    for rung, parts in steps.items():
        points = [(float(variant_keys(part.key.variant)["n"]), value) for part in parts for value in part.values]
        estimate = estimates.slope([x for x, _ in points], [y for _, y in points])
        if estimate is not None:
            found[rung] = (estimate, tuple(parts))
    return found


@dataclass(frozen=True, slots=True)
class Slopes:
    """Memory of each further instance: a VM's must be more than a container's, interval against interval."""

    bias: TcgBias = TcgBias.TOWARDS

    def describe(self) -> str:
        """Return the test in words."""
        return (
            "slope of memory over the number of instances: the VM's interval lies above the container's "
            f"(with too few steps for an interval: every step costs the VM {APART:g} times the "
            "container's dearest step)"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return tuple(Need(Experiment.DENSITY, "memory_n", side_words(sides)) for sides in (V, C))

    def judge(self, results: Results) -> Outcome:
        """Compare every VM with every container that was started in the same mode."""
        slopes = density_slopes(results, "memory_n")
        found = []
        for vm, (steep, parts) in slopes.items():
            for container, (flat, others) in slopes.items():
                same = vm.profile == container.profile and _mode(vm) == _mode(container)
                if same and results.side(vm) is Side.VM and results.side(container) is Side.CONTAINER:
                    costs = (units.estimate_text(each, Unit.BYTES) for each in (steep, flat))
                    text = f"{' against '.join(costs)} for each further one"
                    about = f"{_rung_label(vm)} against {_rung_label(container)}"
                    keys = tuple(part.key for part in (*parts, *others))
                    accel = backends.accelerator(vm.variant) or ""
                    answer, note = _above(steep, flat), ""
                    if answer is Answer.OPEN:
                        answer, note = _apart(steps_of(parts), steps_of(others))
                    found.append(Finding(answer, about, text, min(steep.n, flat.n), accel, note, keys))
        return conclude(found, Quantifier.AGREE, self.bias, self.needs())


def steps_of(parts: Sequence[Series]) -> list[float]:
    """Return the cost of one instance more between each two neighbouring steps."""
    points = sorted((float(variant_keys(part.key.variant)["n"]), middle(part.values)) for part in parts)
    return [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in pairwise(points) if x2 > x1]


def _apart(upper: Sequence[float], lower: Sequence[float]) -> tuple[Answer, str]:
    """Judge a few steps by distance alone: no overlap, and a factor between the nearest two."""
    if min(len(upper), len(lower)) < 2:
        return Answer.OPEN, "too few steps"
    note = f"judged by {len(upper)} and {len(lower)} steps that lie apart: too few for an interval"
    if min(upper) > APART * max(0.0, *lower) and min(upper) > 0:
        return Answer.HOLDS, note
    if min(lower) > APART * max(0.0, *upper) and min(lower) > 0:
        return Answer.FAILS, note
    return Answer.OPEN, "steps overlap"


def _mode(rung: RungKey) -> str:
    return variant_keys(rung.variant).get("mode", "")


def _rung_label(rung: RungKey) -> str:
    return backends.label(*rung)


def _above(upper: Estimate, lower: Estimate) -> Answer:
    if upper.interval is None or lower.interval is None:
        return Answer.OPEN
    if upper.interval.low > lower.interval.high:
        return Answer.HOLDS
    return Answer.FAILS if upper.interval.high < lower.interval.low else Answer.OPEN
