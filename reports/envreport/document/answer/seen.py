"""Answers that several metrics give together: what an instance sees, shares, leaves behind, takes while it runs."""

from collections.abc import Mapping, Sequence
from statistics import median

from envbench.records.metrics import METRICS, words
from envbench.records.phases import HOST, Experiment, Unit, counted
from envreport import units
from envreport.claims.rules import pairs
from envreport.claims.speed import SPEEDS, speed_ratio
from envreport.document.answer.figure import spread
from envreport.document.answer.pair import Answer, Pair, backend_words, lacking, pair_of
from envreport.results import BackendKey, Results
from envreport.results.backends import Side, label
from envreport.statistics.figures import Equivalence, Estimate, equivalence

INSIDE = (Side.CONTAINER, Side.VM)
CHANGES = ("memory_grown", "memory_shrunk", "cpu_changed")

Seen = Mapping[BackendKey, float]
"""The median of what was seen, by backend."""


def _seen(results: Results, experiment: Experiment, metric: str) -> Seen:
    found = results.find(experiment, metric)
    return {each.key.backend_key: median(each.values) for each in found if each.key.backend != HOST}


def _observed(pair: Pair, parts: Sequence[str], opening: str = "") -> Answer:
    """Return the answer of one part for each of the pair: nothing of it depends on how fast a VM is."""
    sentence = opening + "; ".join(parts)
    return Answer(f"{sentence[:1].upper()}{sentence[1:]}{lacking(pair)}.", pair, is_cost=False)


def speed_answer(results: Results) -> Answer | None:
    """Return in how many kinds of work each was slower than this machine itself, and in which most."""
    found: dict[BackendKey, dict[str, Estimate]] = {}
    for metric in SPEEDS:
        hosts = results.find(Experiment.SPEED, metric, Side.HOST)
        for subject, host in pairs(results.find(Experiment.SPEED, metric, *INSIDE), hosts):
            ratio = speed_ratio(results, subject, host)
            if ratio is not None:
                found.setdefault(subject.key.backend_key, {})[metric] = ratio
    pair = pair_of(results, found)
    if not pair.shown:
        return None
    slower = {key: _slower(found[key]) for key in pair.shown}
    told = (f"{backend_words(results, key)} {_slower_words(found[key], slower[key])}" for key in pair.shown)
    notes = (
        f"{label(*key)}: {words(metric)}, slow-down {units.estimate_text(ratio, Unit.RATIO, 1.0)}"
        for key, ratios in slower.items()
        for metric, ratio in ratios.items()
    )
    return Answer(f"Compared with this machine itself, {'; '.join(told)}{lacking(pair)}.", pair, tuple(notes))


def _slower(ratios: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return the kinds of work that are shown to be slower, beyond the margin, the slowest first."""
    found = {
        metric: ratio
        for metric, ratio in ratios.items()
        if ratio.value > 1 and equivalence(ratio, METRICS[metric].margin_ratio) is Equivalence.DIFFERENT
    }
    return dict(sorted(found.items(), key=lambda each: -each[1].value))


def _slower_words(ratios: Mapping[str, Estimate], slower: Mapping[str, Estimate]) -> str:
    if not slower:
        return f"is shown to be slower in none of {counted(len(ratios), 'kind')} of work"
    metric, ratio = next(iter(slower.items()))
    share = f"{len(slower)} of {len(ratios)} kinds of work"
    return f"is slower in {share}, most in {words(metric)} ({spread(ratio)} times as long)"


def kernel_answer(results: Results) -> Answer | None:
    """Return whose kernel each runs on, as the boot id tells."""
    is_shared = _seen(results, Experiment.KERNEL, "boot_id_equals_host")
    pair = pair_of(results, is_shared)
    whose = {1.0: "this machine's own kernel", 0.0: "a kernel of its own"}
    if not pair.shown or any(is_shared[key] not in whose for key in pair.shown):
        return None
    return _observed(
        pair, [f"{backend_words(results, key, is_cost=False)} uses {whose[is_shared[key]]}" for key in pair.shown]
    )


def isolation_answer(results: Results) -> Answer | None:
    """Return how much of this machine each can read, and how many system calls reach its kernel."""
    names = ("host_facts_readable", "host_facts_looked_for", "host_kernel_interfaces", "host_kernel_interfaces_tried")
    facts, looked_for, calls, tried = (_seen(results, Experiment.ISOLATION, name) for name in names)
    pair = pair_of(results, [key for key in facts if key in looked_for])
    if not pair.shown:
        return None
    told = {key: f"reads {facts[key]:g} of {looked_for[key]:g} facts about this machine" for key in pair.shown}
    for key in pair.shown:
        if key in calls and key in tried:
            told[key] += f" and reaches its kernel with {calls[key]:g} of {tried[key]:g} system calls"
    return _observed(pair, [f"{backend_words(results, key, is_cost=False)} {each}" for key, each in told.items()])


def release_answer(results: Results) -> Answer | None:
    """Return what was left of all that was started and removed, by whatever started it."""
    left = _seen(results, Experiment.RELEASE, "leaked.total")
    cycles = _seen(results, Experiment.RELEASE, "cycles")
    if not left:
        return None
    after = f"after {counted(sum(cycles.get(key, 0) for key in left), 'start')} and removals"
    found = ", ".join(f"{counted(number, 'thing')} of {label(*key)}" for key, number in left.items() if number)
    nothing = f"Nothing was left on this machine by {', '.join(label(*key) for key in left)} {after}."
    sentence = f"Left on this machine {after}: {found}." if found else nothing
    return Answer(sentence, pair_of(results, left), is_cost=False)


def resize_answer(results: Results) -> Answer | None:
    """Return how many changes each took while it ran, and how soon they were seen inside."""
    took: dict[BackendKey, list[float]] = {}
    for name in CHANGES:
        for key, value in _seen(results, Experiment.RESIZE, name).items():
            took.setdefault(key, []).append(value)
    pair = pair_of(results, took)
    if not pair.shown:
        return None
    after = _seen(results, Experiment.RESIZE, "resize_time")
    told = []
    for key in pair.shown:
        share = f"{sum(took[key]):g} of {len(took[key])}"
        part = f"{backend_words(results, key, is_cost=False)} took {share} changes of memory and CPUs"
        seen = f", seen inside after {units.quantity(after[key], Unit.NS)} (median)" if key in after else ""
        told.append(part + seen)
    return _observed(pair, told, "While it ran, ")
