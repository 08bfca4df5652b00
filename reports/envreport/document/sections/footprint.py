"""What instances take up: memory of one, size of what they are made from, and many at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

from envbench.records.metrics import Shown, metrics_of, words
from envbench.records.phases import Experiment, Unit
from envbench.records.samples import variant_keys
from envreport import units
from envreport.claims.cost import density_slopes
from envreport.document.model import Chart, Mark, Section, Table
from envreport.document.sections.cells import count, number, text
from envreport.document.sections.series import backend_table, detail_table, empty_section, mark, series_table, spoken
from envreport.results import BackendKey, Results, Series, backends
from envreport.statistics.figures import Estimate

Slopes = Mapping[BackendKey, tuple[Estimate, tuple[Series, ...]]]
"""What each further instance adds, by backend, with the series that it comes from."""


def memory(results: Results) -> Section:
    """Memory of one idle instance, by every common definition."""
    section = _metrics(
        results,
        Experiment.MEMORY,
        "memory",
        "Memory",
        "All that the host holds only because of this one idle instance; other common definitions stand below. An "
        "engine's own daemons are not in it: they run once for all instances.",
        "Host memory of one idle instance",
    )
    return _with_idle(results, section)


def _with_idle(results: Results, section: Section) -> Section:
    idle = [series for key, series in results.series.items() if key.experiment is Experiment.IDLE and series.values]
    if not idle:
        return section
    table = series_table("idle-table", "An idle instance over a window", idle, metric=True)
    return replace(section, title="Memory and CPU at rest", tables=(*section.tables, table))


def _metrics(
    results: Results, experiment: Experiment, section_id: str, title: str, lead: str, chart_title: str
) -> Section:
    """Return a section with a chart of the experiment's headline metric and a table of all."""
    headline = next(iter(metrics_of(experiment, Shown.CHART)), "")
    series = [each for key, each in results.series.items() if key.experiment is experiment and each.values]
    if not series:
        return empty_section(results, experiment, title)
    heads = [each for each in series if each.key.phase == headline]
    charts: tuple[Chart, ...] = ()
    if heads:
        table = series_table(f"{section_id}-headline", chart_title, heads)
        marks = tuple(sorted((mark(results, each) for each in heads), key=lambda each: median(each.values)))
        log = " (log scale)" if all(min(each.values) > 0 for each in heads) else ""
        chart = Chart(
            f"{section_id}-chart",
            "strip",
            chart_title,
            spoken(heads),
            f"{words(headline)}{log}",
            heads[0].unit,
            marks,
            table,
            takeaway="Less is better: the further left a row, the less it takes. Each dot is a measurement, the "
            "diamond and the bold figure are the median.",
        )
        charts = (chart,)
    tables = (series_table(f"{section_id}-table", f"{title}: every figure", series, metric=True),)
    return Section(section_id, title, lead, charts, tables, experiment)


def size(results: Results) -> Section:
    """Size of the artefacts, and what they are made of."""
    series = [each for key, each in results.series.items() if key.experiment is Experiment.SIZE and each.values]
    if not series:
        return empty_section(results, Experiment.SIZE, "Size")
    items = [each for each in series if each.key.phase.startswith("item.")]
    profiles = dict.fromkeys(each.key.profile for each in series if each.key.phase == "disk")
    charts = tuple(_size_chart(results, series, profile, len(profiles) > 1) for profile in profiles)
    whole = [each for each in series if each not in items]
    lead = "The same payload as each backend's own artefact. Sizes are counted, not sampled."
    tables = (backend_table("size-table", "Size on disk, to transfer, and virtual (medians)", whole),)
    return Section("size", "Size", lead, charts, tables, Experiment.SIZE)


def _size_chart(results: Results, series: Sequence[Series], profile: str, several: bool) -> Chart:
    """Return what the artefacts of one payload are made of: two payloads on one axis would hide the smaller."""
    marks, shown = [], []
    for head in (each for each in series if each.key.phase == "disk" and each.key.profile == profile):
        items = [each for each in series if each.key.backend_key == head.key.backend_key]
        items = [each for each in items if each.key.phase.startswith("item.")]
        own = [(item_name(each.key.phase), median(each.values)) for each in items]
        parts = tuple(part for part in own if part[1]) or (("on disk", median(head.values)),)
        marks.append(Mark(head.key.label, results.side(head.key), parts=parts))
        shown.extend(items)
    suffix = f"-{profile}" if several and profile else ""
    title = "What the artefacts are made of" + (f": {profile} payload" if suffix else "")
    description = "Bytes by class of content, from kernel and initramfs to libraries and app."
    table = backend_table(
        f"size-items{suffix}", f"What the artefacts hold (medians){suffix and f': {profile} payload'}", shown, item_name
    )
    marks.sort(key=lambda each: sum(size for _, size in each.parts))
    return Chart(
        f"size-chart{suffix}",
        "stack",
        title,
        description,
        "size (bold: the whole of it)",
        Unit.BYTES,
        tuple(marks),
        table,
        takeaway="Less is better: a longer bar takes more disk, and its parts say what takes it.",
    )


def item_name(phase: str) -> str:
    """Return the class of content that an "item.*" row counts."""
    return phase.removeprefix("item.").replace("_", " ")


class Growth(NamedTuple):
    """A quantity that grows with the number of instances: how its chart is called and what its axis says."""

    metric: str
    chart_id: str
    title: str
    axis: str
    unit: Unit


GROWTHS = (
    Growth("memory_n", "density-memory", "Memory of all instances together", "memory of all", Unit.BYTES),
    Growth("start_n", "density-start", "Start time with others running", "request to ready", Unit.NS),
)


def density(results: Results) -> Section:
    """Many instances at once: memory and start time of each further one."""
    grown = {growth: density_slopes(results, growth.metric) for growth in GROWTHS}
    if not any(grown.values()):
        return empty_section(results, Experiment.DENSITY, "Density")
    charts = tuple(_growth_chart(results, growth, slopes) for growth, slopes in grown.items() if slopes)
    held = [
        each
        for key, each in results.series.items()
        if key.experiment is Experiment.DENSITY and key.phase == "instances" and each.values
    ]
    tables = (_slopes_table(grown), *((detail_table("density-held", "What else was seen", held),) if held else ()))
    lead = "One, two, four … instances at once."
    return Section("density", "Density", lead, charts, tables, Experiment.DENSITY)


def _growth_chart(results: Results, growth: Growth, slopes: Slopes) -> Chart:
    """Return the lines of one quantity, a backend each, with their points as a table."""
    marks = []
    for backend, (slope, parts) in slopes.items():
        points = sorted((float(variant_keys(part.key.variant)["n"]), median(part.values)) for part in parts)
        numbers, values = zip(*points, strict=True)
        marks.append(Mark(backends.label(*backend), results.side(backend), values, numbers, slope))
    rows = tuple(
        (text(each.name), count(int(x)), number(y, growth.unit))
        for each in marks
        for x, y in zip(each.positions, each.values, strict=True)
    )
    table = Table(
        f"{growth.chart_id}-table", growth.title, ("backend", "instances", f"{growth.axis} (median)"), rows, (1, 2)
    )
    return Chart(
        growth.chart_id,
        "lines",
        growth.title,
        f"{growth.title} over the number of instances.",
        growth.axis,
        growth.unit,
        tuple(marks),
        table,
        takeaway="Less is better: a flat line costs little for each further instance.",
    )


def _slopes_table(grown: Mapping[Growth, Slopes]) -> Table:
    """Return what each further instance adds, by quantity and backend."""
    rows = tuple(
        (
            text(backends.label(*backend)),
            text(words(growth.metric)),
            number(slope.value, growth.unit),
            text(units.interval_text(slope.interval, growth.unit)),
            count(slope.n),
        )
        for growth, slopes in grown.items()
        for backend, (slope, _) in slopes.items()
    )
    head = ("backend", "what", "slope", "95 % interval", "n")
    return Table("density-slopes", "Each further instance adds", head, rows, (2, 3, 4))
