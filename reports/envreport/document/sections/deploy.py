"""From nothing to ready: what has to be fetched, how long that takes, and how long it then takes to be ready."""

from collections.abc import Sequence
from statistics import median

from envbench.metrics import words
from envbench.phases import Experiment, Unit
from envreport import units
from envreport.document.model import Cell, Section, Table
from envreport.document.sections.cells import number, text
from envreport.document.sections.series import empty_section, estimate_cells
from envreport.results import BackendKey, Results, Series

BYTES, TRANSFER, READY = "deploy_bytes", "deploy_transfer", "deploy_ready"
LEAD = (
    "The host has nothing of it: the image is pulled from a registry, or the machine's files from a web server, both "
    "on this machine, and what came is started. Bytes are counted at the server. To see: how much of the wait is the "
    "transfer, which a slower network stretches, and how much the start, which it does not."
)


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
        "deploy", "From nothing to ready", f"{LEAD} {said(list(ways.values()))}", (), (table,), Experiment.DEPLOY
    )


def by_way(results: Results) -> dict[BackendKey, dict[str, Series]]:
    """Return the three series of each way that has all of them."""
    found: dict[BackendKey, dict[str, Series]] = {}
    for key, series in results.series.items():
        if key.experiment is Experiment.DEPLOY and series.values:
            found.setdefault(key.backend_key, {})[key.phase] = series
    return {way: each for way, each in found.items() if {BYTES, TRANSFER, READY} <= set(each)}


def said(ways: Sequence[dict[str, Series]]) -> str:
    """Return the quickest and the slowest way as a sentence, "" where there is one way only."""
    if len(ways) < 2:
        return ""
    ordered = sorted(ways, key=lambda way: median(way[READY].values))
    quickest, slowest = (
        f"{way[READY].key.label}, {units.quantity(median(way[BYTES].values), Unit.BYTES)}, "
        f"ready after {units.quantity(median(way[READY].values), Unit.NS)}"
        for way in (ordered[0], ordered[-1])
    )
    return f"Quickest here: {quickest}; slowest: {slowest}."


def _row(way: dict[str, Series]) -> tuple[Cell, ...]:
    middle = {name: median(way[name].values) for name in (BYTES, TRANSFER, READY)}
    return (
        text(way[READY].key.label),
        number(middle[BYTES], Unit.BYTES),
        number(middle[TRANSFER], Unit.NS),
        *estimate_cells(way[READY]),
        text(units.percent(middle[TRANSFER] / middle[READY]) if middle[READY] else units.MISSING),
    )
