"""A census as a feature file of Node Feature Discovery: what runs on this node (format: see `render.nfd`).

Only what changes seldom is a label: which kinds of containers and sandboxes there are, not how many.
"""

from __future__ import annotations

from envinspect.model import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envinspect.fleet.node_census import Census


def nfd(census: Census) -> str:
    """Return a line for each label: `envinspect-runs-ID`, and whether one that is not there can be taken for a no."""
    inside = {
        layer.id
        for found in census.sets
        for layer in found.stack.layers
        if layer.kind in (Kind.CONTAINER, Kind.SANDBOX)
    }
    complete = "true" if census.complete else "false"
    return f"envinspect-census-complete={complete}\n" + "".join(
        f"envinspect-runs-{name}=true\n" for name in sorted(inside)
    )
