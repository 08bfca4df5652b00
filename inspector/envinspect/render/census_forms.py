"""The forms of a census that another tool reads: one row of FORMS each."""

from __future__ import annotations

from envinspect.render import Rendered
from envinspect.render.census import rendered
from envinspect.render.census_metrics import openmetrics, prometheus
from envinspect.render.census_nfd import nfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from envinspect.fleet.node_census import Census

FORMS: dict[str, Callable[[Census], str]] = {"prometheus": prometheus, "openmetrics": openmetrics, "nfd": nfd}


def census_form(name: str, census: Census) -> Rendered:
    """Return the census in the form `name`, a key of FORMS."""
    return rendered(FORMS[name](census), census)
