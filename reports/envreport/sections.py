"""The sections of a report: results in, charts and tables out, each only where there are data for it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from envbench.phases import STRETCHES, Experiment, Phase, Unit
from envbench.samples import variant_keys
from envreport import rungs, stats, units
from envreport.claims.rules import pairs
from envreport.claims.special import SPEED_METRICS, density_slopes, speed_ratio
from envreport.document import Cell, Chart, Mark, Section, Table
from envreport.results import Results, Series
from envreport.rungs import Side
from envreport.words import words

STARTED = (Side.HOST, Side.NAMESPACES, Side.CONTAINER, Side.SANDBOX, Side.VM, Side.WSL)


def number(value: float | None, unit: Unit | str, bound: float | None = None) -> Cell:
    """Return a cell that reads with its unit and sorts by its value."""
    return Cell(units.quantity(value, unit, bound), value)


def count(value: int) -> Cell:
    """Return a cell with a whole number."""
    return Cell(str(value), value)


def text(value: object) -> Cell:
    """Return a cell of words."""
    return Cell(str(value))


def estimate_cells(series: Series) -> tuple[Cell, ...]:
    """Return median, interval and n of a series."""
    middle = stats.median(series.values)
    limits = units.interval_text(middle.interval, series.unit) if middle else units.MISSING
    return (
        number(middle.value if middle else None, series.unit),
        Cell(limits, middle.interval.low if middle and middle.interval else None),
        count(len(series.values)),
    )


def mark(results: Results, series: Series, *, positions: bool = False) -> Mark:
    """Return a series as a mark of a chart."""
    where = tuple(float(row.order) for row in series.good) if positions else ()
    return Mark(series.key.label, results.side(series.key), series.values, where, stats.median(series.values))


def series_table(table_id: str, caption: str, series: Sequence[Series], *, metric: bool = False) -> Table:
    """Return median, interval and n of each series as a table."""
    head = ("rung", *(("what",) if metric else ()), "median", "95 % interval", "n")
    first = 2 if metric else 1
    return Table(
        table_id,
        caption,
        head,
        tuple(
            (text(each.key.label), *((text(each.key.phase),) if metric else ()), *estimate_cells(each))
            for each in series
        ),
        tuple(range(first, first + 3)),
    )


def startup(results: Results) -> Section:
    """Start-up: every start, its distribution, its phases, its order, and every pair of rungs against each other."""
    title = "Start-up"
    ready = results.find(Experiment.STARTUP, Phase.READY, usual=False)
    if not ready:
        return Section("startup", title, "", empty=_not_part(results, Experiment.STARTUP))
    marks = tuple(mark(results, each, positions=True) for each in ready)
    table = ready_table(results, ready)
    lead = (
        "From the request to the engine until the first byte of the payload's ready line was seen on this machine. "
        "Warm-ups are not counted; failed starts are."
    )
    charts = [
        Chart(
            "ready",
            "strip",
            "Time to ready, every start a dot",
            _spoken(ready),
            "request to ready (log scale)",
            Unit.NS,
            marks,
            table,
        ),
        Chart(
            "ecdf",
            "ecdf",
            "How many starts were ready after how long",
            _spoken(ready),
            "request to ready (log scale)",
            Unit.NS,
            marks,
            quantile_table(ready),
        ),
    ]
    phases = phase_chart(results, ready)
    if phases:
        charts.append(phases)
    charts.append(
        Chart(
            "order",
            "order",
            "Every start in the order it was made",
            "A steady machine shows level lines; a drift or a step shows that something else changed.",
            "request to ready",
            Unit.NS,
            marks,
            order_table(ready),
        )
    )
    effects = tuple(effect_rows(ready))
    tables = [
        Table(
            "effects",
            "Every pair of rungs: ratio of medians",
            ("slower or faster", "against", "ratio", "95 % interval", "in words"),
            effects,
            (2, 3),
        )
    ]
    return Section("startup", title, lead, tuple(charts), tuple(tables) if effects else ())


def _spoken(series: Sequence[Series]) -> str:
    """Return medians as a sentence, for who cannot see the chart."""
    parts = []
    for each in series:
        middle = stats.median(each.values)
        if middle:
            parts.append(f"{each.key.label}: median {units.quantity(middle.value, each.unit)}")
    return "; ".join(parts) + "."


def ready_table(results: Results, ready: Sequence[Series]) -> Table:
    """Return the headline table of start times."""
    rows = []
    for each in ready:
        p95 = stats.quantile(each.values, 0.95)
        failed = results.failed(each.key.experiment, each.key.rung)
        rows.append(
            (
                text(each.key.label),
                *estimate_cells(each),
                number(p95.value if p95 else None, each.unit),
                number(min(each.values), each.unit),
                number(max(each.values), each.unit),
                count(failed),
                count(each.warmups),
            )
        )
    head = ("rung", "median", "95 % interval", "n", "p95", "fastest", "slowest", "failed", "warm-ups apart")
    return Table("ready-table", "Time from request to ready", head, tuple(rows), tuple(range(1, 9)))


def quantile_table(ready: Sequence[Series]) -> Table:
    """Return the quantiles that the ECDF shows."""
    points = (0.05, 0.25, 0.5, 0.75, 0.95)
    rows = []
    for each in ready:
        found = [stats.quantile(each.values, p, extrapolate=False) for p in points]
        rows.append((text(each.key.label), *(number(one.value if one else None, each.unit) for one in found)))
    return Table(
        "ecdf-table",
        "Quantiles of the time to ready",
        ("rung", *(f"{p:.0%}" for p in points)),
        tuple(rows),
        (1, 2, 3, 4, 5),
    )


def order_table(ready: Sequence[Series]) -> Table:
    """Return first and second half of the run side by side, which is what the order chart is for."""
    rows = []
    for each in ready:
        half = len(each.values) // 2
        first, second = each.values[:half], each.values[half:]
        rows.append(
            (
                text(each.key.label),
                number(each.values[0], each.unit),
                number(median(first) if first else None, each.unit),
                number(median(second) if second else None, each.unit),
            )
        )
    head = ("rung", "first counted start", "median, first half", "median, second half")
    return Table("order-table", "First and second half of the run", head, tuple(rows), (1, 2, 3))


def phase_chart(results: Results, ready: Sequence[Series]) -> Chart | None:
    """Return medians of the stretches as stacked bars; None where no stretch was stamped."""
    marks, rows = [], []
    for each in ready:
        parts = []
        for phase in STRETCHES:
            series = results.series.get(each.key._replace(phase=phase))
            if series and series.values:
                parts.append((phase.value, median(series.values)))
                rows.append((text(each.key.label), text(phase), *estimate_cells(series)))
        if parts:
            marks.append(Mark(each.key.label, results.side(each.key), parts=tuple(parts)))
    if not marks:
        return None
    table = Table(
        "phases-table",
        "Phases of a start and its end",
        ("rung", "phase", "median", "95 % interval", "n"),
        tuple(rows),
        (2, 3, 4),
    )
    return Chart(
        "phases",
        "phases",
        "Where the time goes",
        "Medians of the phases that follow each other, from create to remove, as shares of their "
        "sum. Medians do not add up exactly to the median of the whole.",
        "share of the whole, from create to remove (bold: the whole)",
        Unit.NS,
        tuple(marks),
        table,
    )


def effect_rows(ready: Sequence[Series]) -> Iterator[tuple[Cell, ...]]:
    """Yield the ratio of each pair of rungs with the same payload, the slower over the faster."""
    for index, first in enumerate(ready):
        for second in ready[index + 1 :]:
            if first.key.profile != second.key.profile:
                continue
            slow, fast = (second, first) if median(second.values) >= median(first.values) else (first, second)
            ratio = stats.ratio(slow.rounds, fast.rounds)
            if ratio is not None:
                words = effect_words(ratio, slow.key.label, fast.key.label)
                limits = units.interval_text(ratio.interval, Unit.RATIO, 1.0)
                yield (
                    text(slow.key.label),
                    text(fast.key.label),
                    number(ratio.value, Unit.RATIO, 1.0),
                    text(limits),
                    text(words),
                )


def effect_words(ratio: stats.Estimate, slow: str, fast: str) -> str:
    """Say what a ratio means, with direction and never without its interval."""
    if ratio.interval is None:
        return "too few rounds for an interval"
    if ratio.interval.low <= 1 <= ratio.interval.high:
        return "no difference shown"
    limits = (ratio.interval.low, ratio.interval.high)
    low, high = (units.quantity(limit, Unit.RATIO, 1.0).removeprefix(units.TIMES) for limit in limits)
    return f"{slow} takes {low} to {high} times as long as {fast}"


def memory(results: Results) -> Section:
    """Memory of one idle instance, by every common definition."""
    section = _metrics(
        results,
        Experiment.MEMORY,
        "memory",
        "Memory",
        "Host memory of one idle instance. The headline is total: everything the host holds only "
        "because of this instance.",
        "total",
        "Host memory of one idle instance",
    )
    return _with_idle(results, section)


def _with_idle(results: Results, section: Section) -> Section:
    idle = [series for key, series in results.series.items() if key.experiment is Experiment.IDLE and series.values]
    if not idle:
        return section
    table = series_table("idle-table", "An idle instance over a window", idle, metric=True)
    return Section(section.id, "Memory and CPU at rest", section.lead, section.charts, (*section.tables, table))


def _metrics(
    results: Results, experiment: Experiment, section_id: str, title: str, lead: str, headline: str, chart_title: str
) -> Section:
    """Return a section with a chart of the headline metric and a table of all."""
    series = [each for key, each in results.series.items() if key.experiment is experiment and each.values]
    if not series:
        return Section(section_id, title, "", empty=_not_part(results, experiment))
    heads = [each for each in series if each.key.phase == headline]
    charts: tuple[Chart, ...] = ()
    if heads:
        table = series_table(f"{section_id}-headline", chart_title, heads)
        marks = tuple(mark(results, each) for each in heads)
        log = " (log scale)" if all(min(each.values) > 0 for each in heads) else ""
        chart = Chart(
            f"{section_id}-chart",
            "strip",
            chart_title,
            _spoken(heads),
            f"{words(headline)}{log}",
            heads[0].unit,
            marks,
            table,
        )
        charts = (chart,)
    tables = (series_table(f"{section_id}-table", f"{title}: every figure", series, metric=True),)
    return Section(section_id, title, lead, charts, tables)


def size(results: Results) -> Section:
    """Size of the artefacts, and what they are made of."""
    disk = [each for key, each in results.series.items() if key.experiment is Experiment.SIZE and each.values]
    if not disk:
        return Section("size", "Size", "", empty=_not_part(results, Experiment.SIZE))
    marks: list[Mark] = []
    rows: list[tuple[Cell, ...]] = []
    for head in (each for each in disk if each.key.phase == "disk"):
        items = [each for each in disk if each.key.rung == head.key.rung and each.key.phase.startswith("item.")]
        parts = [(each.key.phase.removeprefix("item.").replace("_", " "), median(each.values)) for each in items]
        parts = [part for part in parts if part[1]]
        marks.append(
            Mark(head.key.label, results.side(head.key), parts=tuple(parts) or (("on disk", median(head.values)),))
        )
        rows.extend((text(head.key.label), text(name), number(value, Unit.BYTES)) for name, value in parts)
    table = Table("size-items", "What the artefacts hold", ("rung", "class", "bytes"), tuple(rows), (2,))
    charts: tuple[Chart, ...] = ()
    if marks:
        description = "Bytes by class of content, from kernel and initramfs to libraries and app."
        charts = (
            Chart(
                "size-chart",
                "stack",
                "What the artefacts are made of",
                description,
                "size",
                Unit.BYTES,
                tuple(marks),
                table,
            ),
        )
    plain = [each for each in disk if not each.key.phase.startswith("item.")]
    tables = (series_table("size-table", "Transfer, on-disk and virtual size", plain, metric=True),)
    return Section(
        "size", "Size", "The same payload as each rung's own artefact. Sizes have no sampling error.", charts, tables
    )


def speed(results: Results) -> Section:
    """Speed of work, as slow-down against the host."""
    marks, rows = [], []
    for metric in SPEED_METRICS:
        for subject, reference in pairs(
            results.find(Experiment.SPEED, metric, *STARTED[1:]), results.find(Experiment.SPEED, metric, Side.HOST)
        ):
            ratio = speed_ratio(metric, subject, reference)
            if ratio is not None:
                name = f"{words(metric)} · {subject.key.label}"
                marks.append(Mark(name, results.side(subject.key), estimate=ratio))
                limits = units.interval_text(ratio.interval, Unit.RATIO, 1.0)
                rows.append(
                    (
                        text(words(metric)),
                        text(subject.key.label),
                        number(ratio.value, Unit.RATIO, 1.0),
                        text(limits),
                        count(ratio.n),
                    )
                )
    if not rows:
        return Section("speed", "Speed of work", "", empty=_not_part(results, Experiment.SPEED))
    lead = "Time that the same work takes as a multiple of the host's: 1 is native speed, above 1 is slower."
    head = ("metric", "rung", "slow-down", "95 % interval", "n")
    table = Table("speed-ratios", "Slow-down against the host", head, tuple(rows), (2, 3, 4))
    chart = Chart(
        "speed-chart",
        "forest",
        "Slow-down against the host",
        lead,
        "slow-down (log scale)",
        Unit.RATIO,
        tuple(marks),
        table,
        1.0,
    )
    series = [each for key, each in results.series.items() if key.experiment is Experiment.SPEED and each.values]
    return Section(
        "speed",
        "Speed of work",
        lead,
        (chart,),
        (series_table("speed-table", "Speed: every figure", series, metric=True),),
    )


def density(results: Results) -> Section:
    """Many instances at once: memory and start time of each further one."""
    charts, rows = [], []
    for metric, chart_id, title, axis in (
        ("memory_n", "density-memory", "Memory of all instances together", "memory of all"),
        ("start_n", "density-start", "Start time with others running", "request to ready"),
    ):
        marks, unit = [], Unit.BYTES if metric == "memory_n" else Unit.NS
        for rung, (slope, parts) in density_slopes(results, metric).items():
            points = sorted((float(variant_keys(part.key.variant)["n"]), median(part.values)) for part in parts)
            name = rungs.label(*rung)
            side = results.side(rung)
            marks.append(Mark(name, side, tuple(y for _, y in points), tuple(x for x, _ in points), slope))
            limits = units.interval_text(slope.interval, unit)
            rows.append((text(name), text(words(metric)), number(slope.value, unit), text(limits), count(slope.n)))
        if marks:
            table = Table(
                f"{chart_id}-table",
                title,
                ("rung", "instances", axis),
                tuple(
                    (text(each.name), count(int(x)), number(y, unit))
                    for each in marks
                    for x, y in zip(each.positions, each.values, strict=True)
                ),
                (1, 2),
            )
            charts.append(
                Chart(
                    chart_id, "lines", title, f"{title} over the number of instances.", axis, unit, tuple(marks), table
                )
            )
    if not rows:
        return Section("density", "Density", "", empty=_not_part(results, Experiment.DENSITY))
    slopes = Table(
        "density-slopes",
        "Each further instance adds",
        ("rung", "what", "slope", "95 % interval", "n"),
        tuple(rows),
        (2, 3, 4),
    )
    held = [
        each
        for key, each in results.series.items()
        if key.experiment is Experiment.DENSITY and key.phase == "instances" and each.values
    ]
    tables = (slopes, detail_table("density-held", "How many ran at once", held)) if held else (slopes,)
    return Section("density", "Density", "One, two, four … instances at once.", tuple(charts), tables)


def detail_table(table_id: str, caption: str, series: Sequence[Series]) -> Table:
    """Return observations and counts with what was seen."""
    rows = tuple(
        (
            text(each.key.label),
            text(words(each.key.phase)),
            number(median(each.values), each.unit),
            text("; ".join(each.details[:3]) or units.MISSING),
        )
        for each in series
    )
    return Table(table_id, caption, ("rung", "what", "result", "seen"), rows, (2,))


def matrix_table(table_id: str, caption: str, series: Sequence[Series]) -> Table:
    """Return what was looked at on several rungs with a row for each metric and a column for each rung."""
    seen = Counter(each.key.phase for each in series)
    series = [each for each in series if seen[each.key.phase] > 1]
    names = tuple(dict.fromkeys(each.key.label for each in series))
    found = {(each.key.phase, each.key.label): number(median(each.values), each.unit) for each in series}
    rows = tuple(
        (text(words(phase)), *(found.get((phase, name), text(units.MISSING)) for name in names))
        for phase in dict.fromkeys(each.key.phase for each in series)
    )
    return Table(table_id, caption, ("what", *names), rows, tuple(range(1, len(names) + 1)))


def _details(experiment: Experiment, section_id: str, title: str, lead: str) -> Callable[[Results], Section]:
    def build(results: Results) -> Section:
        series = [each for key, each in results.series.items() if key.experiment is experiment and each.values]
        if not series:
            return Section(section_id, title, "", empty=_not_part(results, experiment))
        matrix = matrix_table(f"{section_id}-matrix", f"{title}: rung against rung", series)
        details = detail_table(f"{section_id}-table", f"{title}: what was seen", series)
        return Section(section_id, title, lead, (), (matrix, details) if matrix.rows else (details,))

    return build


def _not_part(results: Results, experiment: Experiment) -> str:
    if any(key.experiment is experiment for key in results.series):
        return "Measured, but no value came of it: see the warnings."
    return f"Not part of this run. Measure it with: envbench {experiment}"


SECTIONS: Mapping[str, Callable[[Results], Section]] = {
    "startup": startup,
    "kernel": _details(
        Experiment.KERNEL, "kernel", "Kernel", "Read inside each instance and held against this machine."
    ),
    "memory": memory,
    "size": size,
    "speed": speed,
    "isolation": _details(
        Experiment.ISOLATION,
        "isolation",
        "Isolation",
        "What can be seen and done from inside, counted alike everywhere.",
    ),
    "density": density,
    "release": _details(
        Experiment.RELEASE, "release", "Clean-up", "What was left on this machine after instances were removed."
    ),
    "resize": _details(
        Experiment.RESIZE, "resize", "Resizing while it runs", "Limits changed from outside, looked at from inside."
    ),
    "portability": _details(
        Experiment.PORTABILITY,
        "portability",
        "Portability and storage",
        "Carrying artefacts away, and what outlives an instance.",
    ),
    "wsl": _details(Experiment.WSL, "wsl", "WSL", "Inside WSL only."),
}
"""In the order of the report."""


def build_sections(results: Results) -> tuple[Section, ...]:
    """Return every section, also those that have nothing to show (they say why)."""
    return tuple(build(results) for build in SECTIONS.values())
