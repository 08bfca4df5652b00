"""Speed of work, as slow-down against the host."""

from envbench.records.metrics import words
from envbench.records.phases import Experiment, Unit
from envreport import units
from envreport.claims.rules import pairs
from envreport.claims.speed import SPEEDS, speed_ratio
from envreport.document.model import Chart, Mark, Section, Table
from envreport.document.sections.cells import count, number, text
from envreport.document.sections.series import empty_section, series_table
from envreport.results import Results
from envreport.results.backends import Side

INSIDE = (Side.NAMESPACES, Side.CONTAINER, Side.SANDBOX, Side.VM, Side.WSL)
"""What is compared with the host."""


def speed(results: Results) -> Section:
    """Speed of work, as slow-down against the host."""
    marks, rows = [], []
    for metric in SPEEDS:
        for subject, reference in pairs(
            results.find(Experiment.SPEED, metric, *INSIDE), results.find(Experiment.SPEED, metric, Side.HOST)
        ):
            ratio = speed_ratio(results, subject, reference)
            if ratio is not None:
                name = f"{words(metric)} · {subject.key.label}"
                marks.append(Mark(name, results.side(subject.key), estimate=ratio))
                limits = units.interval_text(ratio.interval, Unit.RATIO, 1.0)
                rows.append(
                    (
                        text(words(metric)),
                        text(subject.key.label),
                        number(ratio.value, Unit.RATIO, 1.0),
                        text(limits),
                        count(ratio.n),
                    )
                )
    if not rows:
        return empty_section(results, Experiment.SPEED, "Speed of work")
    lead = "Time that the same work takes as a multiple of the host's: 1 is native speed, above 1 is slower."
    head = ("metric", "backend", "slow-down (ratio of medians)", "95 % interval", "n")
    table = Table("speed-ratios", "Slow-down against the host", head, tuple(rows), (2, 3, 4))
    chart = Chart(
        "speed-chart",
        "forest",
        "Slow-down against the host",
        lead,
        "slow-down (log scale)",
        Unit.RATIO,
        tuple(marks),
        table,
        1.0,
        takeaway="Less is better: at the dashed line work is as fast as on the host, to the right of it slower. A bar "
        "that crosses the line shows no difference.",
    )
    series = [each for key, each in results.series.items() if key.experiment is Experiment.SPEED and each.values]
    return Section(
        "speed",
        "Speed of work",
        lead,
        (chart,),
        (series_table("speed-table", "Speed: every figure", series, metric=True),),
        Experiment.SPEED,
    )
