"""The sections of a report: results in, charts and tables out, each only where there are data for it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from envbench.records.metrics import Shown, metrics_of
from envbench.records.phases import Experiment, Phase
from envreport.document.model import Section
from envreport.document.sections.costs import costs
from envreport.document.sections.deploy import deploy
from envreport.document.sections.footprint import density, memory, size
from envreport.document.sections.series import (
    detail_table,
    empty_section,
    left_out_table,
    matrix_table,
    on_several_backends,
    series_table,
)
from envreport.document.sections.speed import speed
from envreport.document.sections.startup import startup
from envreport.results import Results


def observed(experiment: Experiment, title: str, lead: str) -> Callable[[Results], Section]:
    """Return the section builder of an experiment whose rows are what was seen, not how long or how much."""

    def build(results: Results) -> Section:
        series = [each for key, each in results.series.items() if key.experiment is experiment and each.values]
        if not series:
            return empty_section(results, experiment, title)
        compared = on_several_backends(series)
        told = [each for each in series if each.details or each not in compared]
        matrix = matrix_table(f"{experiment}-matrix", f"{title}: backend against backend (medians)", compared)
        details = detail_table(f"{experiment}-table", f"{title}: what was seen", told)
        shown = tuple(each for each in (matrix, details) if each.rows)
        return Section(experiment, title, lead, (), shown, experiment)

    return build


SECTIONS: Mapping[str, Callable[[Results], Section]] = {
    "costs": costs,
    "startup": startup,
    "kernel": observed(Experiment.KERNEL, "Kernel", "Read inside each instance and held against this machine."),
    "memory": memory,
    "size": size,
    "speed": speed,
    "isolation": observed(
        Experiment.ISOLATION,
        "Isolation",
        "What can be seen and done from inside, counted alike everywhere.",
    ),
    "density": density,
    "release": observed(
        Experiment.RELEASE,
        "Clean-up",
        "What was left on this machine after instances were removed. Free space and memory change with other work too.",
    ),
    "resize": observed(
        Experiment.RESIZE, "Resizing while it runs", "Limits changed from outside, looked at from inside."
    ),
    "portability": observed(
        Experiment.PORTABILITY,
        "Portability and storage",
        "Carrying artefacts away, and what outlives an instance.",
    ),
    "deploy": deploy,
    "wsl": observed(Experiment.WSL, "WSL", "Inside WSL only."),
}
"""In the order of the report."""


def build_sections(results: Results) -> tuple[Section, ...]:
    """Return every section, also those that have nothing to show (they say why)."""
    return tuple(_with_left_out(results, _with_rest(results, build(results))) for build in SECTIONS.values())


SHOWN_BY_ITSELF: Mapping[Experiment, Collection[str]] = {
    Experiment.STARTUP: tuple(Phase),
    Experiment.DENSITY: ("instances", *metrics_of(Experiment.DENSITY, Shown.CHART)),
}
"""Sections that choose what they show → the metrics that they choose from; all others show whatever there is."""


def _with_rest(results: Results, section: Section) -> Section:
    """Add what was measured and is not in the section's own charts and tables."""
    experiment = section.experiment
    if experiment is None or not (section.empty or experiment in SHOWN_BY_ITSELF):
        return section
    own = SHOWN_BY_ITSELF.get(experiment, ())
    rest = [each for key, each in results.series.items() if key.experiment is experiment and key.phase not in own]
    rest = [each for each in rest if each.values]
    if not rest:
        return section
    table = series_table(f"{section.id}-rest", f"{section.title}: what else was measured", rest, metric=True)
    return replace(section, tables=(*section.tables, table), empty="")


def _with_left_out(results: Results, section: Section) -> Section:
    if section.empty or section.experiment is None:
        return section
    table = left_out_table(results, section.experiment)
    return replace(section, tables=(*section.tables, table)) if table.rows else section
