"""What the figures of a run mean: break-even in time and memory, and what to do."""

from collections.abc import Iterator
from math import ceil
from statistics import median

from envbench.records.phases import Experiment, Phase, Unit
from envreport import units
from envreport.claims.conditions import ConditionKind, run_conditions
from envreport.document.answer.pair import Answer, pair_of
from envreport.results import Results, Series
from envreport.statistics import estimates

MINUTE_NS = 60e9
STARTS_A_DAY = 1000
INSTANCES = 10


def meaning(results: Results, found: Answer) -> Iterator[str]:
    """Yield what follows from the figures of this run: break-even in time and memory, what to do, what to trust."""
    starts = both(results, Experiment.STARTUP, Phase.READY)
    if starts is not None:
        yield from _time(*starts)
    yield from _memory(results)
    if found.is_emulated:
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
    found = both(results, Experiment.MEMORY, "total")
    if found is None:
        return
    container, machine = found
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


def both(results: Results, experiment: Experiment, metric: str) -> tuple[Series, Series] | None:
    """Return the series of the container and of the VM to compare; None where one of them is missing."""
    series = {each.key.backend_key: each for each in results.find(experiment, metric)}
    pair = pair_of(results, series)
    if pair.container is None or pair.machine is None:
        return None
    return series[pair.container], series[pair.machine]
