"""The answer as metrics in OpenMetrics's text format: the same as `prometheus`, in that format's own words."""

from __future__ import annotations

from envinspect.inspection import Inspection
from envinspect.render import Rendered, answered
from envinspect.render.prometheus import families, lines
from envinspect.render.terminal import Palette


def render(answer: Inspection, palette: Palette) -> Rendered:  # noqa: ARG001 - metrics have no colours
    """Return the metrics and the line that ends them."""
    text = "".join(lines(family, open_metrics=True) for family in families(answer.stack))
    return Rendered(f"{text}# EOF\n", answered(answer))
