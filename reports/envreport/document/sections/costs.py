"""What one instance costs: a row for each way of starting, a column for each measured cost."""

from envbench.records.metrics import Shown, metrics_of
from envbench.records.phases import Experiment
from envreport.document.model import Section
from envreport.document.sections.series import backend_table
from envreport.results import Results


def costs(results: Results) -> Section:
    """Return the medians of what an instance takes in time, memory, CPU and disk."""
    series = [
        each
        for experiment in Experiment
        for metric in metrics_of(experiment, Shown.COSTS)
        for each in results.find(experiment, metric)
    ]
    table = backend_table("costs-table", "Costs of one instance, backend by backend (medians)", series)
    lead = "Medians; a dash is a cost that was not measured. Intervals, and speed, isolation and density, follow below."
    return Section(
        "costs", "What an instance costs", lead, (), (table,), empty="" if series else "Nothing was measured."
    )
