"""The answer as contract 2's JSON, with the host and what this process may use of it."""

from __future__ import annotations

import math

from envinspect.facets.host import host_block
from envinspect.facets.resources import resources_block
from envinspect.render import Rendered, answered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envinspect.inspection import Inspection
    from envinspect.render.terminal import Palette


def render(answer: Inspection, palette: Palette) -> Rendered:  # noqa: ARG001 - JSON has no colours
    """Return one JSON object, indented; ASCII only, so that no terminal or locale can garble it."""
    document = answer.to_json(host=host_block(answer.facts), resources=resources_block(answer.facts))
    return Rendered(to_json(document) + "\n", answered(answer))


def to_json(value: object, line: str = "\n") -> str:
    """Return what `json.dumps(value, indent=2)` returns; `line` is what begins a line at this depth.

    What is simple is written here, and what is not, such as text beyond ASCII, is left to json: loading it, and the
    `re` that it needs, takes 9 ms on Python 3.11, where all else takes 35.
    """
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and value.isascii() and value.isprintable():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)
    inner = line + "  "
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return _within("{}", [f"{to_json(key)}: {to_json(item, inner)}" for key, item in value.items()], line)
    if isinstance(value, (list, tuple)):
        return _within("[]", [to_json(item, inner) for item in value], line)
    import json  # noqa: PLC0415

    return json.dumps(value)


def _within(brackets: str, items: list[str], line: str) -> str:
    inner = line + "  "
    if not items:
        return brackets
    return brackets[0] + inner + ("," + inner).join(items) + line + brackets[1]
