"""The question answered in a sentence, and what its figures mean: break-even and what to do, from this run alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil
from statistics import median

from envbench.phases import Experiment, Phase, Unit
from envbench.samples import variant_keys
from envreport import units
from envreport.backends import FLOOR_PROFILE, USUAL_PROFILE, Side, is_from_nothing, is_whole_system, variant_words
from envreport.claims.conditions import ConditionKind, run_conditions
from envreport.claims.rules import accelerator_of
from envreport.results import Results, Series
from envreport.statistics import estimates
from envreport.units import TIMES

PREFERRED = ("docker", "podman", "containerd", "runc", "crun", "libvirt", "qemu")
KINDS = {Side.VM: "virtual machine", Side.HOST: "bare process", Side.WSL: "WSL distribution"}
PAYLOADS = {USUAL_PROFILE: "minimal", "distro": "Debian", "service": "nginx"}
"""A payload profile → the word before the kind; any other is the user's own."""
ACCELERATORS = {"tcg": " emulated in software", "kvm": " on hardware virtualisation (KVM)"}
MINUTE_NS = 60e9
STARTS_A_DAY = 1000
INSTANCES = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """The two series that the answer is about, and the rest where a side is missing."""

    container: Series | None
    machine: Series | None
    other: Series | None = None


def headline_pair(results: Results) -> Pair:
    """Return the container and the VM that the headline compares.

    Whole systems before the minimal one, with one payload on both sides; a full engine before a bare runtime, KVM
    before emulation.
    """
    return _pair(results, results.find(Experiment.STARTUP, Phase.READY))


def _pair(results: Results, ready: Sequence[Series]) -> Pair:
    containers = [each for each in ready if results.side(each.key) is Side.CONTAINER]
    machines = [each for each in ready if results.side(each.key) is Side.VM and each.key.profile != FLOOR_PROFILE]
    if best := _best_pair(containers, machines):
        return Pair(*best)
    container, machine = (min(each, key=_rank, default=None) for each in (containers, machines))
    return Pair(container, machine, min(ready, key=_rank, default=None))


def _best_pair(containers: Iterable[Series], machines: Iterable[Series]) -> tuple[Series, Series] | None:
    """Return the best-ranked VM with its best-ranked container of the same payload; None where none shares one."""
    same = (each for each in product(containers, machines) if each[0].key.profile == each[1].key.profile)
    return min(same, key=lambda each: (_rank(each[1]), _rank(each[0])), default=None)


def _rank(series: Series) -> tuple[bool, bool, int, str]:
    key = series.key
    place = PREFERRED.index(key.backend) if key.backend in PREFERRED else len(PREFERRED)
    return not is_whole_system(key.profile), "accel=tcg" in key.variant, place, key.variant


def answer_of(results: Results, pair: Pair) -> str:
    """Return the question answered in one sentence, with payload and accelerator in words."""
    container, machine = pair.container, pair.machine
    if container is None or machine is None:
        one = container or machine or pair.other
        if one is None:
            return _answer_without_starts(results)
        lacking = "VM" if container else "container"
        return f"Here {_takes(results, one)} (median); no {lacking} was measured beside it."
    ratio = estimates.ratio(machine.rounds, container.rounds)
    sentence = f"Here {_takes(results, container)}, {_takes(results, machine, 'in')} (medians)"
    if ratio and ratio.interval:
        limits = (ratio.interval.low, ratio.interval.high)
        low, high = (units.quantity(limit, Unit.RATIO, 1.0).removeprefix(TIMES) for limit in limits)
        sentence += f": {low} to {high} times as long"
    return sentence + "."


def _answer_without_starts(results: Results) -> str:
    """Return what a run without timed starts answers: the way from nothing to ready, else what it measured."""
    fetched = _pair(results, [each for each in results.find(Experiment.DEPLOY, "deploy_ready") if _is_plain(each)])
    if fetched.container and fetched.machine:
        both = f"{_takes(results, fetched.container)}, {_takes(results, fetched.machine, 'in')}"
        return f"Fetched and started, {both} (medians)."
    measured = dict.fromkeys(key.experiment.value for key in results.series)
    what = f"Measured here: {', '.join(measured)}; no" if measured else "No"
    return f"{what} start was timed in this run."


def _is_plain(series: Series) -> bool:
    """Return whether all of it was fetched, as fast as this machine can: what the two of a pair have in common."""
    variant = series.key.variant
    return is_from_nothing(variant) and "bandwidth" not in variant_keys(variant)


def _takes(results: Results, series: Series, verb: str = "is ready in") -> str:
    words = payload_words(results, series)
    middle = estimates.median(series.values)
    return f"{words} {verb} {units.quantity(middle.value, series.unit)}" if middle else f"{words} was not timed"


def payload_words(results: Results, series: Series) -> str:
    """Return what was started, e.g. "a minimal virtual machine emulated in software (qemu, q35)"."""
    side = results.side(series.key)
    kind = KINDS.get(side, "container")
    payload = PAYLOADS.get(series.key.profile, "")
    article = "an" if payload == "nginx" else "a"
    own = "" if payload or not series.key.profile else f" of the payload “{series.key.profile}”"
    accelerator = ACCELERATORS.get(accelerator_of(results, series) or "", "")
    name = ", ".join((series.key.backend, *variant_words(series.key.variant, leave_out={"accel"})))
    return " ".join(f"{article} {payload} {kind}{own}{accelerator} ({name})".split())


def answer_notes(results: Results, pair: Pair) -> tuple[str, ...]:
    """Return what belongs to the answer: intervals, and the conditions of the whole run."""
    shown = [each for each in (pair.container, pair.machine) if each] or [each for each in (pair.other,) if each]
    medians = [(each, estimates.median(each.values)) for each in shown]
    notes = [
        f"{each.key.label}: {units.estimate_text(middle, each.unit, statistic=units.MEDIAN)}"
        for each, middle in medians
    ]
    if pair.machine and accelerator_of(results, pair.machine) == "tcg":
        notes.insert(0, "The VM was emulated in software (QEMU's TCG): this says nothing about a VM on KVM")
    return (*notes, *(each.words for each in run_conditions(results)))


def meaning(results: Results, pair: Pair) -> Iterator[str]:
    """Yield what follows from the figures of this run: break-even in time and memory, what to do, what to trust."""
    if pair.container and pair.machine:
        yield from _time(pair.container, pair.machine)
    yield from _memory(results)
    if pair.machine and accelerator_of(results, pair.machine) == "tcg":
        yield (
            "The VM had no hardware virtualisation here. Before you decide between the two, measure on a machine whose "
            "KVM works; `envbench doctor` says why it does not work here."
        )
    if any(each.kind is ConditionKind.NOISE for each in run_conditions(results)):
        yield "Other work disturbed this run: trust large differences only, and repeat it on a quiet machine."
    elif results.noise:
        yield "The machine was calm before the starts, as far as its kernel tells."


def _time(container: Series, machine: Series) -> Iterator[str]:
    ratio = estimates.ratio(machine.rounds, container.rounds)
    more = median(machine.values) - median(container.values)
    if ratio is None or ratio.interval is None:
        yield "Too few starts to say which of the two is faster: run it longer (--budget, --runs)."
    elif ratio.interval.low <= 1 <= ratio.interval.high:
        yield "Neither is shown to start faster than the other."
    else:
        slow, fast = ("VM", "container") if more > 0 else ("container", "VM")
        more = abs(more)
        yield (
            f"Each start of the {slow} costs {units.quantity(more, Unit.NS)} more than one of the {fast} (difference "
            f"of medians): {units.quantity(more * STARTS_A_DAY, Unit.NS)} in {STARTS_A_DAY} starts. From "
            f"{ceil(MINUTE_NS / more):,} starts a day on it is more than a minute a day."
        )


def _memory(results: Results) -> Iterator[str]:
    containers, machines = (results.find(Experiment.MEMORY, "total", side) for side in (Side.CONTAINER, Side.VM))
    best = _best_pair(containers, machines)
    if best is None:
        return
    container, machine = best
    one, other = median(container.values), median(machine.values)
    sizes = [units.quantity(INSTANCES * each, Unit.BYTES) for each in (one, other)]
    sentence = (
        f"By the medians, {INSTANCES} idle instances take {sizes[0]} of this machine's memory as containers "
        f"({container.key.label}) and {sizes[1]} as VMs ({machine.key.label})"
    )
    whole = results.host.machine.get("memory_bytes")
    if isinstance(whole, int) and min(one, other) > 0:
        sentence += f"; all of it would hold about {int(whole // one):,} or {int(whole // other):,}"
    yield sentence + ", if each further one takes as much as the first."
