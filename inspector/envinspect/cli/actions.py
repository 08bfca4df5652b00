"""What a command line can ask: one table of actions, which the short way of plain calls and click share.

An action takes a `Call` and returns what goes to the standard streams. Only `show` prints it, and only `failed` turns
an error into a line on standard error and an exit code (contract 2).
"""

from __future__ import annotations

import sys

from envinspect.model import Record
from envinspect.model.errors import EnvinspectError, NotDeterminedError, NotMetError, UsageError, one_line
from envinspect.render import FORMATS, Rendered
from envinspect.render.terminal import encodable, palette_for
from envinspect.systems import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from envinspect.model.facts import Facts

INTERRUPTED = 130


class Call(Record):
    """One question: `action` is a key of ACTIONS, `words` are what it takes (names, a form, where a capture goes)."""

    action: str
    place: Place = Place()
    words: tuple[str, ...] = ()
    as_json: bool = False
    redact: bool = True


def perform(call: Call) -> int:
    """Answer a call on the standard streams and return the exit code. Raises EnvinspectError where it cannot."""
    return show(ACTIONS[call.action](call))


def show(rendered: Rendered) -> int:
    """Write what was rendered to the standard streams and return its exit code."""
    if rendered.warning:
        complain(rendered.warning)
    if sys.stdout is not None:
        if rendered.data:
            _write_data(rendered.data)
        sys.stdout.write(encodable(rendered.text, sys.stdout))
    return rendered.exit_code


def _write_data(data: bytes) -> None:
    if sys.stdout.isatty():
        raise UsageError("this format is no text for a terminal", remedy="it with `> FILE`")
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def failed(error: Exception) -> int:
    """Say in one line what went wrong, and return the exit code; `--is` that is not met is for scripts: no word."""
    if not isinstance(error, EnvinspectError):
        what = f"unexpected {type(error).__name__}: {error}"
        error = EnvinspectError(what, remedy="--debug, which shows where it happened")
    complain(one_line(error))
    return error.exit_code


def complain(line: str) -> None:
    """Write a line to standard error, where there is one and there is something to say."""
    if sys.stderr is not None and line:
        sys.stderr.write(encodable(f"envinspect: {line}\n", sys.stderr))


def _facts(call: Call) -> Facts:
    """Return the questions to the system that a call is about."""
    return call.place.facts(_ask_beforehand)


def _ask_beforehand(facts: Facts) -> None:
    from envinspect.capture.every_question import ask_beforehand

    ask_beforehand(facts)


def _answer(call: Call) -> Rendered:
    from envinspect.inspection import inspect
    from envinspect.render import render

    return render(call.action, inspect(_facts(call)), palette_for(sys.stdout))


def _why_not(call: Call) -> Rendered:
    from envinspect.inspection import inspect
    from envinspect.render.why_not import why_not
    from envinspect.signatures.names import known

    name = known(call.words[0])
    return why_not(name, inspect(_facts(call)), palette_for(sys.stdout))


def _is(call: Call) -> Rendered:
    """Of each group of names, commas between them, at least one must hold."""
    from envinspect.inspection import inspect
    from envinspect.signatures.names import holds, known, open_question

    wanted = [[known(name.strip()) for name in group.split(",")] for group in call.words]
    stack = inspect(_facts(call)).stack
    unmet = [group for group in wanted if not any(holds(stack, name) for name in group)]
    if not unmet:
        return Rendered("", 0)
    if all(any(open_question(stack, name) for name in group) for group in unmet):
        raise NotDeterminedError("too little could be read to say", remedy="`envinspect --explain`")
    raise NotMetError


def _catalogue(call: Call) -> Rendered:
    from envinspect.render import catalogue

    return Rendered(catalogue.catalogue_json() if call.as_json else catalogue.catalogue_text(), 0)


def _signatures(call: Call) -> Rendered:
    from envinspect.render import catalogue

    return Rendered(catalogue.signatures_json() if call.as_json else catalogue.signatures_text(), 0)


def _report(call: Call) -> Rendered:
    from envinspect.render.blocks import report

    return report(call.action, _facts(call), palette_for(sys.stdout), as_json=call.as_json)


def _capture(call: Call) -> Rendered:
    from envinspect.capture.every_question import capture

    (out,) = call.words
    capture(_facts(call), out, redact=call.redact)
    kept = "serial numbers, UUIDs, MAC addresses and names are redacted" if call.redact else "nothing was redacted"
    return Rendered("", 0, warning=f"{out}: written; {kept}, look through it before you share it")


def _collector(_call: Call) -> Rendered:
    from envinspect.systems.collector.by_hand import program

    return Rendered(program(_ask_beforehand), 0)


def _census(call: Call) -> Rendered:
    from envinspect.fleet.node_census import census
    from envinspect.render.census import census_json, census_text

    found = census()
    if call.words:
        from envinspect.render.census_forms import census_form

        return census_form(call.words[0], found)
    return census_json(found) if call.as_json else census_text(found, palette_for(sys.stdout))


OF_NO_PLACE: dict[str, Callable[[Call], Rendered]] = {
    "list": _catalogue,
    "signatures": _signatures,
    "census": _census,
}
"""What is about no system in particular: what envinspect knows, and all places of this node."""
REPORTS: dict[str, Callable[[Call], Rendered]] = dict.fromkeys(("resources", "isolation", "capabilities"), _report)
ACTIONS: dict[str, Callable[[Call], Rendered]] = {
    **dict.fromkeys(FORMATS, _answer),
    **OF_NO_PLACE,
    **REPORTS,
    "is": _is,
    "why-not": _why_not,
    "capture": _capture,
    "collector": _collector,
}
"""Every action by its name; an answer's is the name of its form."""
