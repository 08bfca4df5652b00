"""A history as a page of one file: the verdict of each configuration, every run a dot, what cut it, all figures."""

from collections import Counter
from collections.abc import Iterator, Mapping

from envbench.records.metrics import metric, words
from envbench.records.phases import counted
from envreport import units
from envreport.compare import Change, change_word
from envreport.dataset.history import (
    ENVIRONMENT,
    History,
    Point,
    Series,
    changed_text,
    day,
    history_record,
    verdict_text,
)
from envreport.document.model import Cell, Chart, Fact, Mark, Table
from envreport.formats.page import page, script_json
from envreport.results.backends import side_of
from envreport.statistics import estimates

CHANGE_CLASS: Mapping[Change, str] = {
    Change.SLOWER: "no",
    Change.FASTER: "yes",
    Change.MORE: "right",
    Change.LESS: "right",
    Change.SAME: "none",
    Change.INCONCLUSIVE: "open",
}
DAY_S = 86_400
BETTER = {"lower": "Less is better. ", "higher": "More is better. "}


def history_page(found: History) -> str:
    """Return the page."""
    shown = [
        (each, _chart(number, each, found), _stretches(number, each, found))
        for number, each in enumerate(found.series, 1)
    ]
    row = metric(found.metric)
    return page(
        "history.html.j2",
        [chart for _, chart, _ in shown],
        data=script_json(history_record(found)),
        title=f"{_words(found)} from run to run",
        meaning=row.meaning,
        statistic=found.statistic,
        answer=_answer(found),
        undated=found.undated,
        tally=[
            (CHANGE_CLASS[each.verdict.change], change_word(each.verdict.change), each.name) for each in found.series
        ],
        shown=[
            (f"series-{number}", each.name, verdict_text(each), _environment(each), chart, table)
            for number, (each, chart, table) in enumerate(shown, 1)
        ],
        margin=units.percent(row.margin_ratio),
    )()


def _words(found: History) -> str:
    name = words(found.metric)
    return name[:1].upper() + name[1:]


def _answer(found: History) -> str:
    if len(found.series) == 1:
        return f"{found.series[0].name}: {verdict_text(found.series[0])}"
    counts = Counter(change_word(each.verdict.change) for each in found.series)
    told = ", ".join(f"{number} {word}" for word, number in counts.items())
    return f"{counted(len(found.series), 'configuration')}: {told}"


def _chart(number: int, each: Series, found: History) -> Chart:
    row = metric(found.metric)
    side = side_of(each.backend, each.variant)
    return Chart(
        f"history-{number}",
        "history",
        f"{_words(found)} of {each.name}, every run",
        verdict_text(each),
        found.statistic,
        row.unit,
        tuple(
            Mark(
                name="",
                side=side,
                values=tuple(point.value for point in points),
                positions=tuple(_days(point) for point in points),
                estimate=estimates.median([point.value for point in points]),
            )
            for points in _levels(each)
        ),
        _runs(number, each, found),
        takeaway=f"{BETTER.get(row.better, '')}A dot is the {found.statistic} of a run, a line the median of the runs "
        "along it. At a dashed line the environment changed; what lies before it is not compared.",
        cuts=tuple(_days(segment.points[0]) for segment in each.segments[1:]),
    )


def _days(point: Point) -> float:
    return point.started_at.timestamp() / DAY_S


def _levels(each: Series) -> Iterator[tuple[Point, ...]]:
    """Yield the runs of each level: an environment, the newest in two parts where it changed."""
    *before, newest = each.segments
    yield from (segment.points for segment in before)
    verdict = each.verdict
    if verdict.change in {Change.SAME, Change.INCONCLUSIVE}:
        yield newest.points
    else:
        yield newest.points[: verdict.earlier]
        yield newest.points[verdict.earlier :]


def _runs(number: int, each: Series, found: History) -> Table:
    unit = metric(found.metric).unit
    rows = [
        (
            Cell(point.started_at.strftime("%Y-%m-%d %H:%M"), point.started_at.timestamp()),
            Cell(str(stretch), stretch),
            Cell(units.quantity(point.value, unit), point.value),
            Cell(point.run_id),
        )
        for stretch, segment in enumerate(each.segments, 1)
        for point in segment.points
    ]
    head = ("began (UTC)", "environment", found.statistic, "run")
    return Table(f"history-{number}-table", f"Every run of {each.name}", head, tuple(rows), (1, 2))


def _stretches(number: int, each: Series, found: History) -> Table:
    unit = metric(found.metric).unit
    rows = []
    for stretch, segment in enumerate(each.segments, 1):
        middle = estimates.median([point.value for point in segment.points])
        value, interval = (middle.value, middle.interval) if middle else (None, None)
        rows.append(
            (
                Cell(str(stretch), stretch),
                Cell(day(segment.points[0])),
                Cell(day(segment.points[-1])),
                Cell(str(len(segment.points)), len(segment.points)),
                Cell(units.quantity(value, unit), value),
                Cell(units.interval_text(interval, unit)),
                Cell("; ".join(map(changed_text, segment.changed)) or "the first"),
            )
        )
    head = ("environment", "from", "to", "runs", "median", "95 % interval", "what is new")
    return Table(f"stretches-{number}", f"Environments of {each.name}", head, tuple(rows), (0, 1, 2, 3, 4, 5))


def _environment(each: Series) -> tuple[Fact, ...]:
    told = zip(ENVIRONMENT.values(), each.segments[-1].points[0].environment, strict=True)
    return tuple(Fact(name, "not recorded" if value is None else units.printable(value)) for name, value in told)
