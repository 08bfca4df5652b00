"""A census of the node's processes: a table for people, and JSON (schema/envinspect-census-1.json)."""

from __future__ import annotations

import json

from envinspect.model.errors import printable
from envinspect.render import Rendered
from envinspect.render.blocks import bytes_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envinspect.fleet.node_census import Census, NamespaceSet
    from envinspect.render.terminal import Palette

_HEAD = ("PROCESSES", "PID", "STACK", "ENGINE", "ID", "POD", "LIMITS")
_ID_DIGITS = 12
"""As engines print ids in their own tables."""


def census_text(census: Census, palette: Palette) -> Rendered:
    """Return one line for each set of namespaces, and what could not be seen as a warning."""
    rows = [_HEAD, *map(_row, census.sets)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            text.rjust(width) if column < 2 else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
    lines[0] = f"{palette.strong}{lines[0]}{palette.end}"
    return rendered("\n".join(lines) + "\n", census)


def census_json(census: Census) -> Rendered:
    """Return the census as JSON, ASCII only."""
    return rendered(json.dumps(census.to_dict(), indent=2) + "\n", census)


def stack_name(found: NamespaceSet) -> str:
    """Return the layers of a set, outermost first; "" where none was found and it is no bare metal."""
    return " > ".join(layer.id for layer in found.stack.layers) or ("bare-metal" if found.stack.bare_metal else "")


def rendered(text: str, census: Census) -> Rendered:
    """Return a form of the census with its exit code, and what could not be seen as a warning."""
    return Rendered(text, 0 if census.complete else 3, _warning(census))


def _warning(census: Census) -> str:
    said = [f"{gap.because}; try: {gap.remedy}" for gap in census.gaps]
    open_sets = sum(not found.stack.determined for found in census.sets)
    if open_sets and not said:
        said.append(f"{open_sets} of {len(census.sets)} sets are not determined; try: `envinspect --explain --pid PID`")
    return printable(". ".join(said), 500)


def _row(found: NamespaceSet) -> tuple[str, ...]:
    names = stack_name(found)
    doubt = f"not seen: {found.denied}" if found.denied else "" if found.stack.determined else "not determined"
    stack = f"{names} ({doubt})".lstrip() if doubt else names
    name = (found.container_id or "-")[:_ID_DIGITS] if _is_long(found.container_id) else found.container_id or "-"
    cells = (stack, found.engine or "-", name, found.pod_uid or "-", _limits(found))
    return (str(found.processes), str(found.pid), *map(printable, cells))


def _is_long(name: str | None) -> bool:
    return name is not None and len(name) == 64


def _limits(found: NamespaceSet) -> str:
    """Name the limits that bind these processes; one that cannot be seen is never left out as if it were none."""
    limits = found.resources.limits
    named = {"CPUs": limits.cpu, "memory": limits.memory, "processes": limits.pids}
    said = [f"{name} {_value(name, limit.value)}" for name, limit in named.items() if limit.value is not None]
    hidden = [name for name, limit in named.items() if limit.value is None and limit.state == "not-visible"]
    if hidden:
        said.append(f"not visible: {', '.join(hidden)}")
    return "; ".join(said) or "none"


def _value(name: str, value: float) -> str:
    return bytes_text(int(value)) if name == "memory" else f"{value:g}"
