"""Makes `docs/performance.md` of the figures that `make perf` kept in `docs/performance.json`."""

from collections.abc import Mapping, Sequence
from typing import Any

from perf_figures import Figure

from envreport.statistics import estimates

HEAD = """# Performance

What asking and measuring cost, by `make perf`. A *ratio* is the median of the ratios within a round: both sides are
measured in turns, so that what disturbs the machine disturbs both. The *interval* is the median's at 95 %; of rounds
too few for one, from the least to the largest. `make perf-check` measures again and names what has become slower beyond
the intervals, twice; figures that are no ratios are compared on the same kind of machine only. A missed bar stands here
as missed.
"""
MEASURED = "{date}, {cpu}, {cpus} CPUs, Python {python}, Linux {kernel}, load {load_before} before it began."
TITLES = {
    "compare_peers": "envinspect against virt-what and a bare Python",
    "start_peers": "A start, timed by envbench and by others",
    "harness": "What the harness itself takes",
    "report_rows": "What a report costs as a run grows",
    "dataset": "A dataset of 2 000 runs and 13 million rows",
    "history_alarms": "What a history calls changed",
    "worst_inputs": "Each statistic on its worst input",
    "census": "A node with 200 containers",
    "via": "Asking through `docker exec`",
    "ansible_hosts": "400 hosts through Ansible and ssh",
    "pytest_start": "The pytest plugin",
    "stopping": "How many starts a narrow interval takes",
}
BELOW = {
    "ansible_hosts": """
The hosts are addresses of this machine, so its CPUs bear both ends of every connection. Ansible's `raw` has each host
run `true`: what is left when nothing is asked.
""",
    "report_rows": """
CPU seconds (user and system, imports included) and peak memory of `envbench report` in its usual formats, each size in
a process of its own. The rows are those of a long run: nine backends, six phases and four noise stamps for each start.
Some two seconds and 150 MB are there for any run: SciPy, Matplotlib and Jinja2 are loaded and the charts are drawn.
Beyond that the cost grows in line with the rows.
""",
    "history_alarms": """
Histories of 20, 40 and 60 runs are drawn, unchanged and with a step of 10 %; each line has the worst of these lengths
([method](method.md) has the whole table).
""",
    "stopping": """
Starts are drawn from recorded runs and from known distributions; each time the scheduler's own rule says when a backend
has enough. *Coverage* is how often the reported 95 % interval holds the true median ([method](method.md)).
""",
}

SINGLE_VALUE_MARGIN = 0.1
"""How far a figure of a single value may be off: its share of the value, in either direction."""


def interval(figure: Figure) -> tuple[float, float]:
    """Return the median's 95 % interval; of rounds too few for one their extremes; of a single value a margin."""
    if len(figure.values) == 1:
        return figure.median * (1 - SINGLE_VALUE_MARGIN), figure.median * (1 + SINGLE_VALUE_MARGIN)
    found = estimates.median(figure.values)
    if found is None or found.interval is None:
        return min(figure.values), max(figure.values)
    return found.interval.low, found.interval.high


def amount(value: float) -> str:
    """Return a value with three digits that tell."""
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:.3g}"


def bar(figure: Figure) -> str:
    """Return the bar in words, and whether it was missed."""
    return figure.bar if figure.fits else f"{figure.bar}: **missed**"


def table(figures: Sequence[Figure]) -> str:
    """Return one part's table, with an interval where there is more than one round."""
    lines = ["| what | unit | median | interval | rounds | bar |", "|---|---|---:|---:|---:|---|"]
    for one in figures:
        spread = " to ".join(map(amount, interval(one))) if len(one.values) > 1 else ""
        cells = (one.name, one.unit, amount(one.median), spread, str(len(one.values)), bar(one))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def section(part: str, kept: Mapping[str, Any]) -> str:
    """Return one part's section: when and where it was measured, its table, and what should be known of it."""
    measured = MEASURED.format(date=kept["date"], load_before=kept["load_before"], **kept["machine"])
    figures = table([Figure.of(one) for one in kept["figures"]])
    return f"\n## {TITLES[part]}\n\n{measured}\n\n{figures}{BELOW.get(part, '')}"


def page(kept: Mapping[str, Any]) -> str:
    """Return the page's whole text of what was kept: part → date, machine, load and figures."""
    lacking = [title for part, title in TITLES.items() if part not in kept]
    rest = f"\n## Not measured yet\n\n{'; '.join(lacking)}.\n" if lacking else ""
    return HEAD + "".join(section(part, kept[part]) for part in TITLES if part in kept) + rest
