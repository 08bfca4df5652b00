"""Start-up: every start, its distribution, its phases, its order, and every pair of backends against each other."""

from collections.abc import Collection, Iterator, Sequence
from statistics import median

from envbench.records.metrics import MARGIN_RATIO
from envbench.records.phases import Experiment, Phase, Unit
from envreport import units
from envreport.compare import ERROR_RATE, change_word
from envreport.compare.own_pairs import OwnPair, own_pairs
from envreport.document.model import Cell, Chart, Mark, Section, Table
from envreport.document.sections.cells import count, number, text
from envreport.document.sections.series import empty_section, estimate_cells, mark, spoken, value_cells
from envreport.results import BackendKey, Results, Series
from envreport.statistics import estimates
from envreport.statistics.figures import Estimate
from envreport.statistics.pieces import UNTIL_READY, pieces_by_start, pieces_of_middle


def startup(results: Results) -> Section:
    """Start-up: every start, its distribution, its phases, its order, and every pair of backends against each other."""
    title = "Start-up"
    ready = results.find(Experiment.STARTUP, Phase.READY, usual=False)
    if not ready:
        return empty_section(results, Experiment.STARTUP, title)
    marks = tuple(mark(results, each, positions=True) for each in ready)
    lead = (
        "From the request to the engine until the first byte of the payload's ready line was seen on this machine. "
        "Warm-ups are left out of every figure; failed starts are counted apart."
    )
    phases = phase_chart(results, ready)
    charts = (
        strip_chart(results, ready, marks),
        ecdf_chart(ready, marks),
        *((phases,) if phases else ()),
        order_chart(ready, marks),
    )
    own = own_pairs(results)
    effects = tuple(effect_rows(ready, {(pair.first, pair.second) for pair in own}))
    head = ("backend", "against", "times as long (ratio of medians)", "95 % interval", "difference")
    tables = [Table("effects", "Every pair of backends: ratio of medians", head, effects, (2, 3))] if effects else []
    if own:
        tables.insert(0, own_table(own))
    return Section("startup", title, lead, charts, tuple(tables), Experiment.STARTUP)


def strip_chart(results: Results, ready: Sequence[Series], marks: Sequence[Mark]) -> Chart:
    """Return every start as a dot, a row a backend, the fastest first."""
    return Chart(
        "ready",
        "strip",
        "Time to ready, every start a dot",
        spoken(ready),
        "request to ready (log scale)",
        Unit.NS,
        tuple(sorted(marks, key=lambda each: median(each.values))),
        ready_table(results, ready),
        takeaway="Less is better: the further left a row, the sooner it is ready. Each dot is a start, the diamond "
        "and the bold figure the median, the bar its 95 % interval. One step on the scale is ten times the time.",
    )


def ecdf_chart(ready: Sequence[Series], marks: tuple[Mark, ...]) -> Chart:
    """Return how many starts were ready after how long."""
    return Chart(
        "ecdf",
        "ecdf",
        "How many starts were ready after how long",
        spoken(ready),
        "request to ready (log scale)",
        Unit.NS,
        marks,
        quantile_table(ready),
        takeaway="Less is better: a line further left is faster, and a steep one is steady.",
    )


def order_chart(ready: Sequence[Series], marks: tuple[Mark, ...]) -> Chart:
    """Return the starts in the order in which they were made."""
    return Chart(
        "order",
        "order",
        "Every start in the order it was made",
        "A steady machine shows level lines; a drift or a step shows that something else changed.",
        "request to ready",
        Unit.NS,
        marks,
        order_table(ready),
        takeaway="Less is better. Level lines show a steady machine; a slope or a step, that something changed.",
    )


def ready_table(results: Results, ready: Sequence[Series]) -> Table:
    """Return the headline table of start times."""
    rows = []
    for each in ready:
        p95 = estimates.quantile(each.values, 0.95)
        failed = results.failed(each.key.experiment, each.key.backend_key)
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
    head = ("backend", "median", "95 % interval", "n", "p95", "fastest", "slowest", "failed", "warm-ups apart")
    return Table("ready-table", "Time from request to ready", head, tuple(rows), tuple(range(1, 9)))


def quantile_table(ready: Sequence[Series]) -> Table:
    """Return the quantiles that the ECDF shows."""
    points = (0.05, 0.25, 0.5, 0.75, 0.95)
    rows = []
    for each in ready:
        found = [estimates.quantile(each.values, p, extrapolate=False) for p in points]
        rows.append((text(each.key.label), *(number(one.value if one else None, each.unit) for one in found)))
    return Table(
        "ecdf-table",
        "Quantiles of the time to ready",
        ("backend", *(units.percent(p) for p in points)),
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
    head = ("backend", "first counted start", "median, first half", "median, second half")
    return Table("order-table", "First and second half of the run", head, tuple(rows), (1, 2, 3))


def phase_chart(results: Results, ready: Sequence[Series]) -> Chart | None:
    """Return the medians of a start's pieces as stacked bars; None where nothing but the whole was stamped."""
    marks, rows = [], []
    for each in ready:
        pieces = pieces_by_start(results, each)
        if set(pieces) <= {UNTIL_READY}:
            continue
        marks.append(Mark(each.key.label, results.side(each.key), parts=tuple(pieces_of_middle(results, each).items())))
        rows += [(text(each.key.label), text(name), *value_cells(values, each.unit)) for name, values in pieces.items()]
    if not marks:
        return None
    table = Table(
        "phases-table",
        "What a start and its end are made of",
        ("backend", "piece", "median", "95 % interval", "n"),
        tuple(rows),
        (2, 3, 4),
    )
    return Chart(
        "phases",
        "phases",
        "Where the time goes",
        "The pieces, from create to remove, of the one start whose time to ready is the median of its backend, as "
        "shares of their sum. “Until ready” is what lies between the last measured phase and the ready line.",
        "share of that start, from create to remove (bold: its whole time)",
        Unit.NS,
        tuple(marks),
        table,
        takeaway="One start of each backend, the one in the middle: which piece takes the most of its time.",
    )


def own_table(pairs: Sequence[OwnPair]) -> Table:
    """Return the verdicts on the user's own images, disks or kernels."""
    rows = tuple(
        (
            text(pair.backend),
            text(pair.names[1]),
            text(pair.names[0]),
            text(change_word(pair.change)),
            number(pair.ratio.value if pair.ratio else None, Unit.RATIO, 1.0),
            text(units.interval_text(pair.ratio.interval if pair.ratio else None, Unit.RATIO, 1.0)),
            Cell(units.MISSING if pair.p is None else f"{pair.p:.2g}", pair.p),
            text(" and ".join(map(str, reversed(pair.counts)))),
            text(pair.why),
        )
        for pair in pairs
    )
    head = ("backend", "what", "against", "verdict", "times as long", "95 % interval", "p (Holm)", "n", "why")
    caption = (
        "Your own, side by side: every pair that took turns. Ratios are Hodges and Lehmann's; same: the whole interval "
        f"within ±{units.percent(MARGIN_RATIO)}; faster and slower, all pairs together, err in "
        f"{units.percent(ERROR_RATE)} of runs at most"
    )
    return Table("own-pairs", caption, head, rows, (4, 5, 6))


def effect_rows(
    ready: Sequence[Series], judged: Collection[tuple[BackendKey, BackendKey]] = ()
) -> Iterator[tuple[Cell, ...]]:
    """Yield the ratio of each pair of backends with the same payload, the slower over the faster.

    Pairs that have a verdict of their own are left out.
    """
    for index, first in enumerate(ready):
        for second in ready[index + 1 :]:
            pair = first.key.backend_key, second.key.backend_key
            if first.key.profile != second.key.profile or pair in judged or pair[::-1] in judged:
                continue
            slow, fast = (second, first) if median(second.values) >= median(first.values) else (first, second)
            ratio = estimates.ratio(slow.rounds, fast.rounds)
            if ratio is not None:
                yield (
                    text(slow.key.label),
                    text(fast.key.label),
                    number(ratio.value, Unit.RATIO, 1.0),
                    text(units.interval_text(ratio.interval, Unit.RATIO, 1.0)),
                    text(difference(ratio)),
                )


def difference(ratio: Estimate) -> str:
    """Say whether a ratio of the slower to the faster shows a difference; its interval stands beside it."""
    if ratio.interval is None:
        return "too few rounds to tell"
    return "none shown" if ratio.interval.low <= 1 <= ratio.interval.high else "slower"
