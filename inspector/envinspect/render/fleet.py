"""The view of a fleet: text, JSON (schema/envinspect-fleet-1.json), CSV, Parquet, OpenMetrics, a page."""

from __future__ import annotations

import csv
import json
from collections import Counter

from envinspect.fleet.view import Fleet, named, stack_of, why_open
from envinspect.model.errors import counted, printable
from envinspect.render import Rendered
from envinspect.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envinspect.fleet.answers import Host

SCHEMA = "envinspect-fleet/1"
COLUMNS = ("host", "answered", "determined", "stack", "summary", "cloud", "orchestrator", "kernel", "error")


def text(fleet: Fleet) -> Rendered:
    """Return the view for a terminal."""
    return Rendered("".join(f"{line}\n" for line in _lines(fleet)), 0)


def _lines(fleet: Fleet) -> Iterator[str]:
    told = len(fleet.hosts) - len(fleet.undetermined) - len(fleet.silent)
    open_ones, silent = len(fleet.undetermined), len(fleet.silent)
    yield f"{counted(len(fleet.hosts), 'host')}: {told} determined, {open_ones} not, {silent} did not answer"
    yield f"HOSTS  {fleet.by.upper()}"
    yield from (f"{count.hosts:>5}  {printable(count.value)}" for count in fleet.counts)
    yield from _section("not determined", [f"{host.name}: {why_open(host)}" for host in fleet.undetermined])
    yield from _section("did not answer", [f"{host.name}: {host.error}" for host in fleet.silent])
    unlike = [
        f"{len(each.hosts)} of {each.of} in {each.group}: {each.value}, not {each.usual} ({named(each.hosts)})"
        for each in fleet.outliers
    ]
    yield from _section("unlike the others", unlike)
    if fleet.differences is not None:
        changed = [f"{each.host}: {each.before or 'new'} → {each.now or 'gone'}" for each in fleet.differences]
        yield from _section(f"other than before: {counted(len(changed), 'host')}", changed or ["none"])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield title
        yield from (f"  {printable(line, 400)}" for line in lines)


def as_json(fleet: Fleet) -> Rendered:
    """Return the view as JSON, ASCII only."""
    record = {
        "schema": SCHEMA,
        "tool_version": __version__,
        "by": fleet.by,
        "counts": [each.to_dict() for each in fleet.counts],
        "outliers": [each.to_dict() for each in fleet.outliers],
        "differences": None if fleet.differences is None else [each.to_dict() for each in fleet.differences],
        "hosts": [{**host.to_dict(), "stack": stack_of(host) if host.answered else None} for host in fleet.hosts],
    }
    return Rendered(json.dumps(record, indent=1) + "\n", 0)


def _row(host: Host) -> tuple[str | bool | None, ...]:
    """Return a host's cells, one for each of COLUMNS; None is what is not known."""
    return (
        host.name,
        host.answered,
        host.determined if host.answered else None,
        stack_of(host) if host.answered else None,
        host.summary or None,
        host.cloud,
        host.orchestrator,
        host.kernel,
        host.error or None,
    )


class _Rows(list):  # type: ignore[type-arg]
    """What csv writes into."""

    write = list.append


def as_csv(fleet: Fleet) -> Rendered:
    """Return one row a host; what is not known is an empty cell."""
    rows: list[str] = _Rows()
    writer = csv.writer(rows, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerow(COLUMNS)
    for host in fleet.hosts:
        cells = (int(cell) if isinstance(cell, bool) else cell for cell in _row(host))
        writer.writerow([None if cell is None else _cell(str(cell)) for cell in cells])
    return Rendered("".join(rows), 0)


def _cell(words: str) -> str:
    """Return text from outside on one line, and so that no spreadsheet takes it for a formula."""
    found = printable(words, 1000)
    return f"'{found}" if found[:1] in ("=", "+", "-", "@") else found


def openmetrics(fleet: Fleet) -> Rendered:
    """Return the counts as OpenMetrics text (openmetrics.io, 1.0)."""
    counts: Counter[str] = Counter()
    for each in fleet.counts:
        counts[_label(each.value)] += each.hosts  # long values may be one when they are cut: a series stands once
    lines = [
        "# TYPE envinspect_fleet_hosts gauge",
        "# HELP envinspect_fleet_hosts Hosts that answered, by what they run on.",
        *(f'envinspect_fleet_hosts{{{fleet.by}="{label}"}} {hosts}' for label, hosts in counts.items()),
        "# TYPE envinspect_fleet_undetermined_hosts gauge",
        "# HELP envinspect_fleet_undetermined_hosts Hosts where too little could be read to tell.",
        f"envinspect_fleet_undetermined_hosts {len(fleet.undetermined)}",
        "# TYPE envinspect_fleet_silent_hosts gauge",
        "# HELP envinspect_fleet_silent_hosts Hosts that did not answer.",
        f"envinspect_fleet_silent_hosts {len(fleet.silent)}",
        "# EOF",
    ]
    return Rendered("\n".join(lines) + "\n", 0)


def _label(words: str) -> str:
    return printable(words).replace("\\", "\\\\").replace('"', '\\"')


def html(fleet: Fleet) -> Rendered:
    """Return the page."""
    from envinspect.render.fleet_page import page  # noqa: PLC0415 - only who asks for the page loads it

    return Rendered(page(fleet), 0)


def parquet(fleet: Fleet) -> Rendered:
    """Return one row a host, with the columns of CSV; raises UsageError where pyarrow is not installed."""
    from envinspect.render.fleet_parquet import file  # noqa: PLC0415 - pyarrow is an extra

    return Rendered("", 0, data=file(COLUMNS, map(_row, fleet.hosts)))


FORMS: dict[str, Callable[[Fleet], Rendered]] = {
    "text": text,
    "json": as_json,
    "csv": as_csv,
    "html": html,
    "openmetrics": openmetrics,
    "parquet": parquet,
}
