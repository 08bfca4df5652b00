"""Whether another container around the outermost one that was found could be seen from here at all."""

from __future__ import annotations

from envinspect.facts import Facts
from envinspect.model import Kind, Layer
from envinspect.probes.namespaces import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_VISIBLE = (
    "a container around this one cannot be seen from here: in a control group namespace of its own, "
    "a process is shown no control group above"
)


def outer_layers(facts: Facts, layers: Iterable[Layer]) -> str:
    """Return why a container around the outermost one cannot be seen, "" where it would show.

    In the host's own control group namespace the path names every container around (man 7 cgroup_namespaces); who has
    the host's processes is in no container but one that has them too. Where a capture has no namespaces, nothing is
    said.
    """
    seen = facts.derived(namespaces)
    contained = any(layer.kind is Kind.CONTAINER for layer in layers)
    hidden = "pid" in seen.others and "cgroup" in seen.others
    return NOT_VISIBLE if contained and hidden else ""
