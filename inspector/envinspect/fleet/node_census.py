"""Counts the places of this node: one entry for each distinct set of namespaces that its processes are in.

The probes of a plain answer judge one process of each set, from outside, as `--pid` does. A process that ends meanwhile
gives way to the next of its set. Processes whose namespaces may not be looked at are counted by the container that
their cgroup names, and judged by what can still be read of them.
"""

from __future__ import annotations

from envinspect.answer import layer_block, summarise
from envinspect.facets.records import Resources, resources_of
from envinspect.facets.resources import resources_block
from envinspect.inspection import inspect
from envinspect.model import Denied, Found, Kind, Record, Stack
from envinspect.sources.cgroups import components, parse_cgroup
from envinspect.sources.identity import container_in, identity
from envinspect.sources.mounts import kernels_own
from envinspect.sources.process import INITIAL, namespace_number
from envinspect.systems.process import Node, life
from envinspect.systems.processes import Process, hides_others, processes
from envinspect.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from envinspect.model.facts import Facts

SCHEMA = "envinspect-census/1"
_OF_THE_CPU = "/proc/cpuinfo"
"""The kernel's own file of it says the same in every place, and is long on a machine with many CPUs."""


class NamespaceSet(Record):
    """The processes that share all their namespaces, and where they run.

    `pid` is the process that was judged. `engine` is the id of the innermost container's layer, `container_id` and
    `pod_uid` what its engine and Kubernetes call it: None where there is none, or where it is not told. `namespaces`
    are pairs of kind and number; () and `denied`, the errno's name, where they may not be looked at ("" elsewhere).
    """

    pid: int
    processes: int
    stack: Stack
    engine: str | None
    container_id: str | None
    pod_uid: str | None
    resources: Resources
    namespaces: tuple[tuple[str, int], ...]
    denied: str

    @property
    def summary(self) -> str:
        """One plain sentence without a full stop, as of an answer."""
        return summarise(self.stack)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as `envinspect census --json` prints it; `envinspect --pid PID` shows its evidence."""
        stack, resources = self.stack, self.resources
        return {
            "pid": self.pid,
            "processes": self.processes,
            "summary": self.summary,
            "determined": stack.determined,
            "bare_metal": stack.bare_metal,
            "layers": [layer_block(layer) for layer in stack.layers],
            "cloud": None if stack.cloud is None else stack.cloud.id,
            "orchestrators": [mark.id for mark in stack.orchestrators],
            "engine": self.engine,
            "id": self.container_id,
            "pod": self.pod_uid,
            "namespaces": dict(self.namespaces),
            "denied": self.denied or None,
            "cpus": resources.cpus,
            "memory_bytes": resources.memory_bytes,
            "limits": resources.limits.to_dict(),
        }


class Gap(Record):
    """What a census could not see: `id` is denied, hidden-processes or pid-namespace; `because` says it in words.

    `processes` is how many it concerns, None where that cannot be told.
    """

    id: str
    processes: int | None
    because: str
    remedy: str


class Census(Record):
    """All places of this node that could be seen, in the order of their first process, and what could not be."""

    sets: tuple[NamespaceSet, ...]
    gaps: tuple[Gap, ...]

    @property
    def complete(self) -> bool:
        """Whether every process of the node was seen, and where it runs was determined."""
        return not self.gaps and all(found.stack.determined for found in self.sets)

    def to_dict(self) -> dict[str, Any]:
        """Return what `envinspect census --json` prints (schema envinspect-census/1)."""
        return {
            "schema": SCHEMA,
            "tool_version": __version__,
            "complete": self.complete,
            "gaps": [gap.to_dict() for gap in self.gaps],
            "sets": [found.to_dict() for found in self.sets],
        }


def census() -> Census:
    """Judge one process of each set of namespaces on this node.

    Raises UnreachableError where no process can be seen: on macOS and Windows, and without /proc.
    """
    table = processes()
    members: dict[object, list[Process]] = {}
    for process in table:
        members.setdefault(_set_of(process), []).append(process)
    node = Node()
    found = (_judged(node, same) for same in members.values())
    return Census(tuple(one for one in found if one is not None), tuple(_gaps(node, table)))


def _set_of(process: Process) -> object:
    """Return what processes of one set have in common: all namespaces, else the container that their cgroup names."""
    if isinstance(process.namespaces, Found):
        return process.namespaces.value
    paths = (components(membership.path) for membership in parse_cgroup(process.cgroup))
    return process.namespaces, next((name for path in paths if (name := container_in(path))), None)


def _judged(node: Node, same: list[Process]) -> NamespaceSet | None:
    """Return a set's entry, by the first of its processes that does not end meanwhile; None where all have ended."""
    for process in same:
        facts = node.facts_of(process.pid)
        _share(node, facts)
        stack, resources = inspect(facts).stack, resources_of(resources_block(facts))
        names = identity(facts, stack, cgroup=process.cgroup)
        if life(process.pid) == process.life:
            containers = [layer.id for layer in stack.layers if layer.kind is Kind.CONTAINER]
            found = process.namespaces
            return NamespaceSet(
                process.pid,
                len(same),
                stack,
                engine=containers[-1] if containers else None,
                container_id=names.container_id,
                pod_uid=names.pod_uid,
                resources=resources,
                namespaces=found.value if isinstance(found, Found) else (),
                denied=found.error if isinstance(found, Denied) else "",
            )
    return None


def _share(node: Node, facts: Facts) -> None:
    if kernels_own(facts, _OF_THE_CPU) and kernels_own(node.facts, _OF_THE_CPU):
        facts.files[_OF_THE_CPU] = node.facts.bytes(_OF_THE_CPU)


def _gaps(node: Node, table: tuple[Process, ...]) -> Iterator[Gap]:
    """Say what this process may not see, and what it cannot."""
    denied = [process.namespaces.error for process in table if isinstance(process.namespaces, Denied)]
    if denied:
        because = f"{len(denied)} of {len(table)} processes may not be looked at ({', '.join(sorted(set(denied)))})"
        yield Gap("denied", len(denied), because, "as root (CAP_SYS_PTRACE)")
    hidepid = hides_others()
    if hidepid and node.facts.euid != 0:
        because = f"/proc is mounted with hidepid={hidepid}: other users' processes may be there and not show"
        yield Gap("hidden-processes", None, because, "as root")
    own = node.facts.link("/proc/self/ns/pid")
    number = namespace_number(own.value) if isinstance(own, Found) else None
    if number is not None and number not in INITIAL["pid"]:
        because = "this is no initial PID namespace: only the processes in it and below it can be seen"
        yield Gap("pid-namespace", None, because, "on the node itself, or in a container with the host's PID namespace")
