"""A census as metrics in the text formats of Prometheus and OpenMetrics, for node_exporter's textfile collector.

Their names begin with envinspect_census, so that they stand beside those of an answer (`render.prometheus`).
"""

from __future__ import annotations

from collections import Counter

from envinspect.render.census import stack_name
from envinspect.render.prometheus import Family, lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envinspect.fleet.node_census import Census, NamespaceSet


def prometheus(census: Census) -> str:
    """Return the metrics, a line each, with their help and type."""
    return "".join(lines(family, open_metrics=False) for family in families(census))


def openmetrics(census: Census) -> str:
    """Return the same in OpenMetrics's own words, with the line that ends them."""
    return "".join(lines(family, open_metrics=True) for family in families(census)) + "# EOF\n"


def families(census: Census) -> tuple[Family, ...]:
    """Return counts by stack; what could not be seen is a sample of its own, and no count where it has none."""
    sets: Counter[tuple[str, str, bool]] = Counter()
    members: Counter[tuple[str, str, bool]] = Counter()
    for found in census.sets:
        sets[_place(found)] += 1
        members[_place(found)] += found.processes
    hidden = {gap.id: gap.processes for gap in census.gaps if gap.processes is not None}
    return (
        Family(
            "envinspect_census_complete",
            "1 if every process of this node was seen and where it runs was determined, else 0.",
            (({}, int(census.complete)),),
        ),
        Family("envinspect_census_sets", "Distinct sets of namespaces, by what they run on.", _samples(sets)),
        Family("envinspect_census_processes", "Processes of this node, by what they run on.", _samples(members)),
        Family(
            "envinspect_census_gap",
            "What a census could not see.",
            tuple(({"id": name}, 1) for name in sorted({gap.id for gap in census.gaps})),
            is_info=True,
        ),
        Family(
            "envinspect_census_unseen_processes",
            "Processes that may not be looked at, by the gap.",
            tuple(({"id": name}, number) for name, number in sorted(hidden.items())),
        ),
    )


def _place(found: NamespaceSet) -> tuple[str, str, bool]:
    return stack_name(found), found.engine or "", found.stack.determined


def _samples(counts: Counter[tuple[str, str, bool]]) -> tuple[tuple[dict[str, str], int], ...]:
    return tuple(
        ({"stack": stack, "engine": engine, "determined": "true" if determined else "false"}, number)
        for (stack, engine, determined), number in sorted(counts.items())
    )
