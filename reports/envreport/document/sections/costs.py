"""What one instance costs: a row for each way of starting, a column for each measured cost."""

from envbench.phases import Experiment, Phase
from envreport.document.model import Section
from envreport.document.sections.series import rung_table
from envreport.results import Results

COSTS = (
    (Experiment.STARTUP, Phase.READY),
    (Experiment.STARTUP, Phase.CYCLE),
    (Experiment.STARTUP, Phase.HOST_CPU),
    (Experiment.MEMORY, "total"),
    (Experiment.MEMORY, "minimum_ready"),
    (Experiment.IDLE, "cpu_ns_per_min"),
    (Experiment.SIZE, "disk"),
    (Experiment.SIZE, "transfer"),
)


def costs(results: Results) -> Section:
    """Return the medians of what an instance takes in time, memory, CPU and disk."""
    series = [each for cost in COSTS for each in results.find(*cost)]
    table = rung_table("costs-table", "Costs of one instance, rung by rung", series)
    lead = "Medians; a dash is a cost that was not measured. Intervals, and speed, isolation and density, follow below."
    return Section("costs", "What an instance costs", lead, (), (table,), "" if series else "Nothing was measured.")
