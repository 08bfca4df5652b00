"""From nothing to ready: what has to be fetched, how long that takes, and how long it then takes to be ready."""

from collections.abc import Collection, Sequence
from statistics import median

from envbench.records.metrics import words
from envbench.records.phases import Experiment, Unit
from envreport import units
from envreport.document.model import Cell, Section, Table
from envreport.document.sections.cells import number, text
from envreport.document.sections.series import empty_section, estimate_cells
from envreport.results import BackendKey, Results, Series
from envreport.results.backends import is_from_users_registry

BYTES, TRANSFER, READY = "deploy_bytes", "deploy_transfer", "deploy_ready"
LEAD = (
    "The host has nothing of it: the image is pulled from a registry, or the machine's files from a web server, both "
    "on this machine, and what came is started. Bytes are counted at the server. To see: how much of the wait is the "
    "transfer, which a slower network stretches, and how much the start, which it does not."
)
FROM_YOURS = (
    "The image comes from your registry, as fast as that and the network are; then it is started. Bytes are those of "
    "the layers that came, by the engine's own count. To see: how much of the wait is the transfer, and how much the "
    "start."
)
NOT_COUNTED = "bytes not counted"
"""Where the engine does not tell how much came, and the server is not the run's."""


def deploy(results: Results) -> Section:
    """Return bytes, time to fetch and time to ready of every way that was gone."""
    ways = by_way(results)
    if not ways:
        return empty_section(results, Experiment.DEPLOY, "From nothing to ready")
    caption = "From nothing to ready (medians)"
    head = ("backend", words(BYTES), words(TRANSFER), words(READY), "95 % interval", "n", "share of the transfer")
    rows = tuple(_row(way) for way in sorted(ways.values(), key=lambda way: median(way[READY].values)))
    table = Table("deploy-table", caption, head, rows, tuple(range(1, len(head))))
    return Section(
        "deploy", "From nothing to ready", f"{_lead(ways)} {said(list(ways.values()))}", (), (table,), Experiment.DEPLOY
    )


def _lead(ways: Collection[BackendKey]) -> str:
    return FROM_YOURS if all(is_from_users_registry(way.variant) for way in ways) else LEAD


def by_way(results: Results) -> dict[BackendKey, dict[str, Series]]:
    """Return the series of each way; one from a registry of the user's may have no bytes."""
    found: dict[BackendKey, dict[str, Series]] = {}
    for key, series in results.series.items():
        if key.experiment is Experiment.DEPLOY and series.values:
            found.setdefault(key.backend_key, {})[key.phase] = series
    return {way: each for way, each in found.items() if {TRANSFER, READY} <= set(each)}


def said(ways: Sequence[dict[str, Series]]) -> str:
    """Return the quickest and the slowest way as a sentence, "" where there is one way only."""
    if len(ways) < 2:
        return ""
    ordered = sorted(ways, key=lambda way: median(way[READY].values))
    quickest, slowest = (
        f"{way[READY].key.label}, {_bytes_cell(way).text}, ready after "
        f"{units.quantity(median(way[READY].values), Unit.NS)}"
        for way in (ordered[0], ordered[-1])
    )
    return f"Quickest here: {quickest}; slowest: {slowest}."


def _row(way: dict[str, Series]) -> tuple[Cell, ...]:
    middle = {name: median(way[name].values) for name in (TRANSFER, READY)}
    return (
        text(way[READY].key.label),
        _bytes_cell(way),
        number(middle[TRANSFER], Unit.NS),
        *estimate_cells(way[READY]),
        text(units.percent(middle[TRANSFER] / middle[READY]) if middle[READY] else units.MISSING),
    )


def _bytes_cell(way: dict[str, Series]) -> Cell:
    return number(median(way[BYTES].values), Unit.BYTES) if BYTES in way else text(NOT_COUNTED)
