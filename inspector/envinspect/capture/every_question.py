"""Asks everything that any answer or report about a system needs, so that its capture can answer all of them."""

from __future__ import annotations

from datetime import datetime, timezone

from envinspect.capture.redaction import Redaction
from envinspect.capture.write import write_capture
from envinspect.facets.abilities import capabilities_block
from envinspect.facets.host import host_block
from envinspect.facets.isolation import isolation_block
from envinspect.facets.resources import resources_block
from envinspect.inspection import inspect
from envinspect.model import Found
from envinspect.model.facts import Facts
from envinspect.signatures.catalogue import ENTRIES
from envinspect.version import __version__

_NAMES = ("/proc/sys/kernel/hostname", "/etc/hostname")


def capture(facts: Facts, out: str, *, redact: bool) -> None:
    """Ask a system everything and write it to `out`, a new folder or .tar.gz, with or without what names it.

    Raises CaptureError where `out` is there already or cannot be written.
    """
    ask_everything(facts)
    write_capture(
        facts,
        out,
        tool=f"envinspect {__version__}",
        captured_at=datetime.now(timezone.utc),
        redaction=Redaction(names_of_this_host(facts)) if redact else None,
    )


def ask_everything(facts: Facts) -> None:
    """Fill `facts` with every question that some part of envinspect asks of the system, or of a capture of it.

    What a running machine tells by a call is looked for in files where there is no such machine.
    """
    running = facts.running
    for machine in (running, None) if running is not None else (None,):
        facts.running = machine
        inspect(facts)
        for block in (host_block, resources_block, isolation_block, capabilities_block):
            block(facts)
    facts.running = running


def ask_beforehand(facts: Facts) -> None:
    """Ask all that may be wanted of a place that can be asked only once: every question, and the names to scrub."""
    ask_everything(facts)
    names_of_this_host(facts)


def names_of_this_host(facts: Facts) -> tuple[str, ...]:
    """Return the host names to be scrubbed; they are read past `facts`, so that they do not enter the capture."""
    found: list[str] = []
    for path in _NAMES:
        reading = facts.root.read(path)
        if isinstance(reading, Found):
            name = reading.value.decode("utf-8", "replace").strip()
            found += [name, name.partition(".")[0]]
    # A host that is called `docker` must not take that word out of every path; one or two letters are no name.
    ids = {entry.id for entry in ENTRIES}
    return tuple(dict.fromkeys(name for name in found if len(name) > 2 and name.lower() not in ids))
