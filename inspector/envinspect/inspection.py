"""Runs every probe over the facts, resolves what they found, and puts the answer together."""

from __future__ import annotations

from envinspect.answer import answer_as_json, summarise
from envinspect.model import Evidence, Stack, Unknown
from envinspect.model.facts import Facts
from envinspect.probes import PROBES
from envinspect.probes.outer import outer_layers
from envinspect.resolver.enough import enough_was_read
from envinspect.resolver.resolve import resolve
from envinspect.systems.live import live_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from envinspect.probes import Probe


class Inspection:
    """What was found out: the stack, and the facts that it was read from (for what a form still asks of them)."""

    def __init__(self, stack: Stack, facts: Facts) -> None:
        self.stack = stack
        self.facts = facts

    @property
    def summary(self) -> str:
        """One plain sentence without a full stop: "Docker container in a Firecracker virtual machine (KVM)"."""
        return summarise(self.stack)

    def to_json(self, **blocks: Any) -> dict[str, Any]:
        """Return the answer as contract 2 has it; `blocks` (host=, resources=) are put in at the end as they are."""
        return answer_as_json(self.stack, subject=self.facts.subject, observer=self.facts.observer, **blocks)


def inspect(facts: Facts | None = None) -> Inspection:
    """Answer for the running machine, or for a captured or mounted one whose facts are given.

    Raises nothing for what it finds there.
    """
    facts = live_facts() if facts is None else facts
    evidence: list[Evidence] = []
    unknown: list[Unknown] = []
    probes, says_enough = _of_its_system(facts)
    for probe in probes:
        try:
            for item in probe(facts):
                if isinstance(item, Evidence):
                    evidence.append(item)
                else:
                    unknown.append(item)
        # A probe that fails must show as a gap, and not take the others with it.
        except Exception as error:  # noqa: BLE001
            unknown.append(_failure(f"{probe.__module__.rpartition('.')[2]}.{probe.__name__}", error))
    try:
        enough = says_enough(facts)
    except Exception as error:  # noqa: BLE001 - as above
        unknown.append(_failure("enough.enough_was_read", error))
        enough = False
    stack = resolve(evidence, unknown, enough_was_read=enough)
    stack = stack.replace(outer=outer_layers(facts, stack.layers), at_rest=facts.at_rest)
    return Inspection(stack, facts)


def _of_its_system(facts: Facts) -> tuple[tuple[Probe, ...], Callable[[Facts], bool]]:
    """Return the probes of the facts' operating system, and what says whether enough was read there."""
    if facts.uname.sysname not in {"Darwin", "Windows"}:
        return PROBES, enough_was_read
    from envinspect.probes import other_systems  # noqa: PLC0415 - only there

    return other_systems.PROBES_OF[facts.uname.sysname], other_systems.enough_was_read


def _failure(name: str, error: Exception) -> Unknown:
    return Unknown(f"probe:{name}", type(error).__name__, f"this probe failed unexpectedly: {error}"[:200])
