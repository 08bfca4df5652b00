"""The answer in one line: the sentence, and the ids of the stack."""

from __future__ import annotations

from envinspect.inspection import Inspection
from envinspect.model.errors import printable
from envinspect.render import Rendered, answered
from envinspect.render.terminal import Palette


def render(answer: Inspection, palette: Palette) -> Rendered:
    """Return `ids, outermost first: sentence`."""
    stack = answer.stack
    ids = "/".join(layer.id for layer in stack.layers)
    if not ids:
        ids = "bare-metal" if stack.bare_metal else "unknown"
    return Rendered(f"{palette.strong}{ids}{palette.end}: {printable(answer.summary, 500)}\n", answered(answer))
