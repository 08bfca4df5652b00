"""The conditions under which every figure of a run stands: nested, noisy, storage driver.

Never left out of a verdict.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from weakref import WeakKeyDictionary

from envbench.records.phases import Experiment, Unit
from envbench.records.samples import variant_keys
from envreport import units
from envreport.results import Results, SeriesKey
from envreport.results.backends import USUAL_PROFILE, Side
from envreport.statistics.noise import noise_of

CLOCK = "clock_rate"
"""The metric that holds a machine's own clock against the host's."""
INSIDE = " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "


class ConditionKind(StrEnum):
    """What a condition is about."""

    ACCELERATOR = "accelerator"
    NESTED = "nested"
    NOISE = "noise"
    STORAGE = "storage"
    CGROUPS = "cgroups"
    PAYLOAD = "payload"
    CACHE = "cache"
    NETWORK = "network"
    CLOCK = "clock"
    FAILED = "failed starts"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as a sentence, and in a word or two for where space is short."""

    kind: ConditionKind
    words: str
    brief: str


def condition(kind: ConditionKind, words: str, brief: str = "") -> Condition:
    """Return a condition; one without short words of its own is short enough."""
    return Condition(kind, words, brief or words)


ACCELERATORS: Mapping[str, Condition] = {
    "tcg": condition(
        ConditionKind.ACCELERATOR, "VM emulated in software (QEMU's TCG), says nothing about KVM's speed", "emulated"
    ),
    "kvm": condition(ConditionKind.ACCELERATOR, "VM on hardware virtualisation (KVM)", "KVM"),
    "": condition(ConditionKind.ACCELERATOR, "accelerator not recorded"),
}


def accelerator_condition(name: str) -> Condition:
    """Return the condition for an accelerator; a name that this version does not know is shown as it is."""
    return ACCELERATORS.get(name) or condition(ConditionKind.ACCELERATOR, name)


def is_nested(results: Results) -> bool:
    """Return whether the machine that measured is itself a virtual machine."""
    return any(layer.kind in {"vm", "wsl"} for layer in results.host.layers)


def is_inside_wsl(results: Results) -> bool:
    """Return whether the run was made inside WSL."""
    return any(layer.kind == "wsl" for layer in results.host.layers)


_found: WeakKeyDictionary[Results, tuple[Condition, ...]] = WeakKeyDictionary()
"""Every claim asks again; a run is not kept alive by having been asked."""


def run_conditions(results: Results) -> tuple[Condition, ...]:
    """Return what applies to every figure of the run."""
    if results not in _found:
        _found[results] = tuple(_conditions(results))
    return _found[results]


def _conditions(results: Results) -> Iterator[Condition]:
    names = [layer.title for layer in results.host.layers]
    if is_nested(results):
        words = f"nested: this machine is itself a guest ({INSIDE.join(names)})"
        yield condition(ConditionKind.NESTED, words, "nested")
    elif names:
        yield condition(ConditionKind.NESTED, f"measured inside {INSIDE.join(names)}")
    if any(noise_of(results.noise)):
        yield condition(ConditionKind.NOISE, "noisy machine: other work disturbed this run", "noisy")
    used = results.run.backends.used
    drivers = {each.facts[key] for each in used for key in ("storage_driver", "storage") if each.facts.get(key)}
    if drivers:
        yield condition(ConditionKind.STORAGE, f"storage driver: {', '.join(sorted(drivers))}")
    # What a rootless engine answers where no controller is delegated to it.
    bare = [each.name for each in used if each.facts.get("cgroup_driver") == "none"]
    if bare:
        words = f"{', '.join(sorted(bare))} runs without control groups here, and sets no limits"
        yield condition(ConditionKind.CGROUPS, words, "no control groups")


def key_conditions(keys: Sequence[SeriesKey]) -> Iterator[Condition]:
    """Yield what the rows behind a figure have in common, or do not: payload, page cache, network."""
    profiles = sorted({key.profile for key in keys if key.profile})
    if profiles:
        brief = f"{USUAL_PROFILE} payload" if profiles == [USUAL_PROFILE] else ""
        yield condition(ConditionKind.PAYLOAD, f"payload: {', '.join(profiles)}", brief)
    variants = [variant_keys(key.variant) for key in keys]
    for kind, name in (
        (ConditionKind.CACHE, "cache"),
        (ConditionKind.NETWORK, "network"),
        (ConditionKind.STORAGE, "storage"),
    ):
        values = sorted({each[name] for each in variants if name in each})
        if values:
            brief = "no network" if (name, values) == ("network", ["none"]) else ""
            yield condition(kind, f"{name}: {', '.join(values)}", brief)


def clock_rates(results: Results, key: SeriesKey) -> Mapping[int, float]:
    """Return by round how fast a machine's clock went, as a multiple of the host's; {} unless it is known of each."""
    series, clock = results.series.get(key), results.series.get(key._replace(phase=CLOCK))
    rates = {row.iteration: float(row.value) for row in clock.good if row.value} if clock else {}
    return rates if series and rates.keys() >= series.rounds.keys() else {}


def clock_conditions(keys: Sequence[SeriesKey], results: Results) -> Iterator[Condition]:
    """Yield by whose clock the speeds of machines are, and how far their own went off it."""
    machines = [key for key in keys if key.experiment is Experiment.SPEED and results.side(key) is Side.VM]
    found = [clock_rates(results, key) for key in machines]
    rates = [rate for each in found for rate in each.values()]
    if rates:
        least, most = (units.quantity(each, Unit.RATIO) for each in (min(rates), max(rates)))
        went = least if least == most else f"{least} to {most}"
        words = f"speeds of VMs by the host's clock; their own, by which their tools count, went at {went} of it"
        yield condition(ConditionKind.CLOCK, words, "by the host's clock")
    if not all(found):
        words = "speeds of VMs by their own clocks, which were not held against the host's"
        yield condition(ConditionKind.CLOCK, words, "by its own clock")
