"""Answers that are one figure of a container and of a VM: each a row that says how it is put into a sentence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from envbench.records.metrics import METRICS
from envbench.records.phases import Experiment, Phase, Unit
from envbench.records.samples import variant_keys
from envreport import units
from envreport.claims.cost import density_slopes
from envreport.document.answer.pair import Answer, Pair, backend_words, lacking, pair_of
from envreport.results import BackendKey, Results
from envreport.results.backends import is_from_nothing, is_from_users_registry, label
from envreport.statistics import estimates
from envreport.statistics.figures import Estimate
from envreport.units import TIMES


@dataclass(frozen=True, slots=True)
class Wording:
    """How a figure is said: "{opening} a container {verb} 8 MiB{of}, a VM {again} 128 MiB: 15 to 17 {times}"."""

    opening: str
    verb: str
    again: str = ""
    of: str = ""
    times: str = "times as much"


@dataclass(frozen=True, slots=True)
class Figure:
    """The metric that answers for an experiment, in which variants, and how it is said."""

    metric: str
    wording: Wording
    is_wanted: Callable[[str], bool] = lambda _variant: True


def _is_plain(variant: str) -> bool:
    """Return whether all of it was fetched, as fast as this machine can: what the two of a pair have in common.

    An image from the user's registry is by itself, whatever of it was here before.
    """
    is_whole = is_from_nothing(variant) and "bandwidth" not in variant_keys(variant)
    return is_whole or is_from_users_registry(variant)


FIGURES: Mapping[Experiment, Figure] = {
    Experiment.STARTUP: Figure(Phase.READY, Wording("Here", "is ready in", "in", times="times as long")),
    Experiment.DEPLOY: Figure(
        "deploy_ready", Wording("Fetched and started,", "is ready in", "in", times="times as long"), _is_plain
    ),
    Experiment.SIZE: Figure("disk", Wording("On disk,", "takes")),
    Experiment.MEMORY: Figure("total", Wording("Idle,", "takes", of=" of this machine's memory")),
    Experiment.IDLE: Figure("cpu_ns_per_min", Wording("In an idle minute,", "takes", of=" of CPU time")),
    Experiment.PORTABILITY: Figure(
        "carry", Wording("To be exported and imported again,", "takes", times="times as long")
    ),
    Experiment.WSL: Figure("distribution_start", Wording("Here", "starts in", "in", times="times as long")),
}


def figure_answer(results: Results, experiment: Experiment) -> Answer | None:
    """Return the answer of an experiment of `FIGURES`; None where its figure was not measured."""
    figure = FIGURES[experiment]
    found = [each for each in results.find(experiment, figure.metric) if figure.is_wanted(each.key.variant)]
    series = {each.key.backend_key: each for each in found}
    pair = pair_of(results, series)
    if not pair.shown:
        return None
    middles = {key: estimates.median(series[key].values) for key in pair.shown}
    unit = METRICS[figure.metric].unit
    figures = {key: units.quantity(middle.value, unit) for key, middle in middles.items() if middle}
    is_sampled = METRICS[figure.metric].sampled
    told = said(results, figure.wording, figures, is_cost=is_sampled)
    if not is_sampled:
        return Answer(f"{told}{_exact(pair, middles)}{lacking(pair)}.", pair, is_cost=False)
    notes = (
        f"{label(*key)}: {units.estimate_text(middle, unit, statistic=units.MEDIAN)}" for key, middle in middles.items()
    )
    told += f" ({units.MEDIAN}{'s' if len(figures) > 1 else ''})"
    if pair.container and pair.machine:
        ratio = estimates.ratio(series[pair.machine].rounds, series[pair.container].rounds)
        told += _times(ratio, figure.wording.times)
    return Answer(f"{told}{lacking(pair)}.", pair, tuple(notes))


def said(results: Results, wording: Wording, figures: Mapping[BackendKey, str], *, is_cost: bool = True) -> str:
    """Return the figures of one or two backends as the beginning of a sentence."""
    words = {key: backend_words(results, key, is_cost=is_cost) for key in figures}
    (first, figure), *others = figures.items()
    sentence = f"{wording.opening} {words[first]} {wording.verb} {figure}{wording.of}"
    again = f" {wording.again} ".replace("  ", " ")
    return sentence + "".join(f", {words[key]}{again}{other}" for key, other in others)


def _times(ratio: Estimate | None, times: str) -> str:
    return f": {spread(ratio)} {times}" if ratio and ratio.interval else ""


def _exact(pair: Pair, middles: Mapping[BackendKey, Estimate | None]) -> str:
    container, machine = (middles[key] if key else None for key in (pair.container, pair.machine))
    if container is None or machine is None or not container.value:
        return ""
    return f": {_bare(machine.value / container.value)} times as much"


def spread(ratio: Estimate) -> str:
    """Return the interval of a ratio for a sentence that says "times": "2.3 to 5.1"; "" where there is none."""
    limits = (ratio.interval.low, ratio.interval.high) if ratio.interval else ()
    return " to ".join(dict.fromkeys(map(_bare, limits)))


def _bare(ratio: float) -> str:
    return units.quantity(ratio, Unit.RATIO, 1.0).removeprefix(TIMES)


DENSITY = Wording("Beside others of its kind,", "takes", of=" of this machine's memory")


def density_answer(results: Results) -> Answer | None:
    """Return what each further instance takes; None where too few ran at once to tell."""
    slopes = {key: slope for key, (slope, _) in density_slopes(results, "memory_n").items()}
    pair = pair_of(results, slopes)
    if not pair.shown:
        return None
    figures = {key: units.quantity(slopes[key].value, Unit.BYTES) for key in pair.shown}
    told = f"{said(results, DENSITY, figures)} (slope{'s' if len(figures) > 1 else ''} over the number of instances)"
    notes = (f"{label(*key)}: {units.estimate_text(slopes[key], Unit.BYTES, statistic='slope')}" for key in pair.shown)
    return Answer(f"{told}{lacking(pair)}.", pair, tuple(notes))
