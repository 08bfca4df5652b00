"""What Python programs call: `import envinspect`, then the names of `envinspect.__all__`.

Every function but `census` asks the running machine, or the system that one of its arguments names: `capture`, a folder
or .tar.gz; `root`, a folder that holds a root file system; `pid`, another process here; `via`, a command that starts a
shell there, as one text or as its words. It raises UsageError where two are named or what is named is not there,
CaptureError for a capture that cannot be read, UnreachableError where a process or a place cannot be asked. What an
inspected system holds never raises anything.
"""

from __future__ import annotations

import os
import shlex

from envinspect import answer as words
from envinspect.facets.abilities import abilities_of
from envinspect.facets.host import host_block
from envinspect.facets.isolation import isolation_block
from envinspect.facets.records import Abilities, Host, Isolation, Resources, host_of, isolation_of, resources_of
from envinspect.facets.resources import resources_block
from envinspect.fleet.node_census import Census
from envinspect.fleet.node_census import census as take_census
from envinspect.inspection import inspect as inspect_facts
from envinspect.model import Record, Stack
from envinspect.signatures.names import holds, known
from envinspect.systems import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from envinspect.model import Evidence, Layer, Mark, Overruled, Unknown
    from envinspect.model.facts import Facts, Observer

    Path = str | os.PathLike[str]
    Via = str | Sequence[str]


class Answer(Record):
    """Where code runs, and why that is believed. Frozen all through, and hashable.

    `stack` is all that was found; the properties give its parts. `host` and `resources` stand beside it in the JSON.
    `subject` is what another system is called, `observer` how it was looked at: "" and None for this machine.
    """

    stack: Stack
    host: Host
    resources: Resources
    subject: str = ""
    observer: Observer | None = None

    @property
    def summary(self) -> str:
        """One plain sentence without a full stop: "Docker container in a Firecracker virtual machine (KVM)"."""
        return words.summarise(self.stack)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, outermost first; () on bare metal, and where nothing could be told (see `determined`)."""
        return self.stack.layers

    @property
    def cloud(self) -> Mark | None:
        """The cloud that the machine belongs to, None where nothing speaks for one."""
        return self.stack.cloud

    @property
    def roles(self) -> tuple[Mark, ...]:
        """What this machine is to others: a KVM host, Xen's control domain."""
        return self.stack.roles

    @property
    def orchestrators(self) -> tuple[Mark, ...]:
        """What started the containers, innermost first: Kubernetes, Nomad."""
        return self.stack.orchestrators

    @property
    def determined(self) -> bool:
        """False where too much could not be read to call it bare metal, or to say that it is no container."""
        return self.stack.determined

    @property
    def bare_metal(self) -> bool:
        """True where no virtual machine was found and enough was read to say so."""
        return self.stack.bare_metal

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All that was observed, believed or not."""
        return self.stack.evidence

    @property
    def overruled(self) -> tuple[Overruled, ...]:
        """The evidence that was not believed, with the rule and the reason."""
        return self.stack.overruled

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """What could not be read, and what it would have told."""
        return self.stack.unknown

    def matches(self, name: str) -> bool:
        """Say whether this is, or has, what a name means: "docker", "vm", "aws", "bare-metal", as for `--is`.

        A general name (kvm) matches all that refine it (firecracker). Where `determined` is False, False may mean that
        it could not be told. Raises UsageError for a name that `envinspect list` does not know.
        """
        return holds(self.stack, known(name))

    def to_dict(self) -> dict[str, Any]:
        """Return what `envinspect --json` prints (schema envinspect/1)."""
        return words.answer_as_json(
            self.stack,
            subject=self.subject,
            observer=self.observer,
            host=self.host.to_dict(),
            resources=self.resources.to_dict(),
        )


def inspect(
    *, capture: Path | None = None, root: Path | None = None, pid: int | None = None, via: Via | None = None
) -> Answer:
    """Say where this code runs, or where the system or the process that an argument names does."""
    facts = _facts(capture, root, pid, via)
    return Answer(
        inspect_facts(facts).stack,
        host=host_of(host_block(facts)),
        resources=resources_of(resources_block(facts)),
        subject=facts.subject,
        observer=facts.observer,
    )


def resources(
    *, capture: Path | None = None, root: Path | None = None, pid: int | None = None, via: Via | None = None
) -> Resources:
    """Say what this process may really use: CPUs, memory, processes, files, disk, with the limit that binds."""
    return resources_of(resources_block(_facts(capture, root, pid, via)))


def isolation(
    *, capture: Path | None = None, root: Path | None = None, pid: int | None = None, via: Via | None = None
) -> Isolation:
    """Say what separates this process from its host."""
    return isolation_of(isolation_block(_facts(capture, root, pid, via)))


def abilities(
    *, capture: Path | None = None, root: Path | None = None, pid: int | None = None, via: Via | None = None
) -> Abilities:
    """Say what works here: containers, virtual machines, foreign binaries, performance counters."""
    return abilities_of(_facts(capture, root, pid, via))


def census() -> Census:
    """Say where every process of this node runs: one entry for each distinct set of namespaces.

    Raises UnreachableError where no process can be seen: on macOS and Windows, and without /proc.
    """
    return take_census()


def _facts(capture: Path | None, root: Path | None, pid: int | None, via: Via | None) -> Facts:
    place = Place(
        capture=None if capture is None else os.fspath(capture),
        root=None if root is None else os.fspath(root),
        pid=pid,
        via=via if via is None or isinstance(via, str) else shlex.join(via),
    )
    return place.facts(_ask_beforehand)


def _ask_beforehand(facts: Facts) -> None:
    from envinspect.capture.every_question import ask_beforehand  # noqa: PLC0415 - only such a place needs it

    ask_beforehand(facts)
