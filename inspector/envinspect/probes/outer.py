"""Whether another container around the outermost place that was found could be seen from here at all."""

from __future__ import annotations

from envinspect.model import Kind, Layer
from envinspect.model.facts import Facts
from envinspect.probes.chroot import proc_is_empty
from envinspect.probes.namespaces import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_VISIBLE = (
    "a container around this one cannot be seen from here: in a control group namespace of its own, "
    "a process is shown no control group above"
)
OWN_KERNEL = "a container around this one cannot be seen from here: gVisor's kernel shows nothing of the host's"
NO_PROC = "a container around it cannot be seen from here: nothing of /proc is here"


def outer_layers(facts: Facts, layers: Iterable[Layer]) -> str:
    """Return why a container around the outermost one cannot be seen, "" where it would show.

    In the host's own control group namespace the path names every container around (man 7 cgroup_namespaces); who has
    the host's processes is in no container but one that has them too. Where a capture has no namespaces, nothing is
    said, unless it was taken where there is no /proc.
    """
    layers = tuple(layers)
    kinds = {layer.kind for layer in layers}
    if Kind.CHROOT in kinds and proc_is_empty(facts):
        return NO_PROC
    if any(layer.id == "gvisor" for layer in layers):
        return OWN_KERNEL
    seen = facts.derived(namespaces)
    hidden = "pid" in seen.others and "cgroup" in seen.others
    return NOT_VISIBLE if kinds & {Kind.CONTAINER, Kind.SANDBOX} and hidden else ""
