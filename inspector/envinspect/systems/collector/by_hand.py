"""The collector with its questions in it, for a place to which no command leads: run there, its output carried here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envinspect.systems.collector.first_round import first_round
from envinspect.systems.collector.script import ask as ask_line
from envinspect.systems.collector.script import collector, new_mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from envinspect.model.facts import Facts


def program(ask: Callable[[Facts], None]) -> str:
    """Return a shell program that answers, in one round, what `ask` asks; there is no second round by hand."""
    wanted = first_round(ask)
    questions = ask_line(1, wanted.questions, variables=wanted.variables, leaves=wanted.leaves)
    return f"{collector(new_mark())}\n{questions}"
