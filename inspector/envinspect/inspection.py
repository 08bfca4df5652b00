"""Looks once, then thinks: runs every probe over the facts, resolves what they found, and puts the answer together."""

import os
import sys

from envinspect.answer import answer_as_json, summarise
from envinspect.cpuid import live_cpuid
from envinspect.facts import Facts, Uname
from envinspect.light_typing import Any, NamedTuple
from envinspect.looked import machine_looked_at
from envinspect.model import ABSENT, Evidence, Found, Reading, Stack, Unknown
from envinspect.probes import PROBES
from envinspect.resolve import resolve
from envinspect.root import LiveRoot


class Answer(NamedTuple):
    """What was found out: the stack, and the facts that it was read from (for what is looked up late)."""

    stack: Stack
    facts: Facts

    @property
    def summary(self) -> str:
        """One plain sentence without a full stop: "Docker container in a Firecracker virtual machine (KVM)"."""
        return summarise(self.stack)

    def to_json(self, **blocks: Any) -> dict[str, Any]:
        """Return the answer as contract 2 has it; `blocks` (host=, resources=) are put in at the end as they are."""
        return answer_as_json(self.stack) | blocks


def live_facts() -> Facts:
    """Return the questions to ask of the machine this process runs on."""
    known = os.uname() if hasattr(os, "uname") else None
    uname = Uname(known.sysname, known.release, known.version, known.machine) if known else Uname(sysname=sys.platform)
    euid = os.geteuid() if hasattr(os, "geteuid") else None
    return Facts(LiveRoot(), live_cpuid(), uname=uname, euid=euid, environ=_environ)


def _environ(name: str) -> Reading[str]:
    value = os.environ.get(name)
    return ABSENT if value is None else Found(value)


def inspect(facts: Facts | None = None) -> Answer:
    """Answer for the running machine, or for a captured or mounted one whose facts are given.

    Raises nothing for what it finds there.
    """
    facts = live_facts() if facts is None else facts
    evidence: list[Evidence] = []
    unknown: list[Unknown] = []
    for probe in PROBES:
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
        looked_at = machine_looked_at(facts)
    except Exception as error:  # noqa: BLE001 - as above
        unknown.append(_failure("looked.machine_looked_at", error))
        looked_at = False
    return Answer(resolve(evidence, unknown, machine_looked_at=looked_at), facts)


def _failure(name: str, error: Exception) -> Unknown:
    return Unknown(f"probe:{name}", type(error).__name__, f"this probe failed unexpectedly: {error}"[:200])
