"""The answer as contract 2's JSON, with the host and what this process may use of it."""

from __future__ import annotations

import json

from envinspect.facets.host import host_block
from envinspect.facets.resources import resources_block
from envinspect.inspection import Inspection
from envinspect.render import Rendered, answered
from envinspect.render.terminal import Palette


def render(answer: Inspection, palette: Palette) -> Rendered:  # noqa: ARG001 - JSON has no colours
    """Return one JSON object, indented; ASCII only, so that no terminal or locale can garble it."""
    document = answer.to_json(host=host_block(answer.facts), resources=resources_block(answer.facts))
    return Rendered(json.dumps(document, indent=2) + "\n", answered(answer))
