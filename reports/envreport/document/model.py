"""The report as data: what every format renders.

Nothing here knows HTML, Markdown or CSV, and no format computes a figure.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from envbench.records.phases import Experiment
from envreport.claims.conditions import Condition
from envreport.claims.model import Judgement, Theme
from envreport.claims.verdict import Verdict
from envreport.compare.own_pairs import OwnPair
from envreport.results.backends import Side
from envreport.statistics.figures import Estimate
from envreport.statistics.summary import SummaryRow

ChartKind = Literal["strip", "ecdf", "phases", "order", "forest", "stack", "lines", "trend", "history"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: the text a person reads, and what it sorts by (None: the text)."""

    text: str
    sort: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption. `numeric` names the positions of columns that are right-aligned."""

    id: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[int, ...] = ()
    is_matrix: bool = False
    """A row a metric and a column a backend: shown whole, however long."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One backend (or pair, or item) in a chart.

    `values` are in the chart's unit, `positions` their x where order matters.
    """

    name: str
    side: Side
    values: tuple[float, ...] = ()
    positions: tuple[float, ...] = ()
    estimate: Estimate | None = None
    parts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its title, a description for those who cannot see it, and the table of what it shows."""

    id: str
    kind: ChartKind
    title: str
    description: str
    axis: str
    unit: str
    marks: tuple[Mark, ...]
    table: Table
    reference: float | None = None
    narrow: bool = False
    """To be drawn for a narrow screen."""
    takeaway: str = ""
    """What to see in it, and which end is better."""
    cuts: tuple[float, ...] = ()
    """Positions from which on everything was measured in another environment."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report about one experiment or one subject."""

    id: str
    title: str
    lead: str
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    experiment: Experiment | None = None
    """The experiment that it is about; None where it draws on several."""
    empty: str = ""
    """Why there is nothing to show, where that is so."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer around the machine that measured, with the evidence for it in words."""

    kind: str
    name: str
    details: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Caution:
    """One thing that a reader must know before trusting a figure. `backend` is "" where it is about the whole run."""

    code: str
    message: str
    advice: str
    backend: str = ""


@dataclass(frozen=True, slots=True)
class RawData:
    """The rows themselves. `path` is None where they are not at hand or too large: they lie beside the report."""

    name: str
    rows: int
    sha256: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """All that a report shows, in the order of issue and reading."""

    title: str
    run_id: str
    started_at: str
    tool_version: str
    answer: str
    answer_notes: tuple[str, ...]
    conditions: tuple[Condition, ...]
    judgements: tuple[Judgement, ...]
    sections: tuple[Section, ...]
    environment_sentence: str
    layers: tuple[Layer, ...]
    environment_tables: tuple[Table, ...]
    warnings: tuple[Caution, ...]
    noise: tuple[Table, ...]
    method: tuple[Fact, ...]
    reproduce: tuple[Fact, ...]
    summary: tuple[SummaryRow, ...]
    raw: RawData
    outcome: str
    meaning: tuple[str, ...] = ()
    """What follows from the answer's figures: break-even and what to do, each a sentence."""
    glossary: tuple[Fact, ...] = ()
    """What the report's words mean."""
    spent: Table | None = None
    """What the time of the run went into; None where the run does not say."""
    documents: Table | None = None
    """The documents whose claims are judged."""
    machine: tuple[Fact, ...] = ()
    """The machine that measured, in short."""
    asked: Experiment | None = None
    """The experiment that the run was asked for; None for several."""
    own_pairs: tuple[OwnPair, ...] = ()
    """The user's own images, disks or kernels against each other."""
    failures: tuple[tuple[str, str, int, int], ...] = field(default=())
    """(backend, reason, failed starts, all starts)."""

    @property
    def headline(self) -> Chart | None:
        """The picture that stands below the answer: the first of what the run was asked for; None without a chart."""
        wanted = self.asked or Experiment.STARTUP
        found = [each for each in self.sections if each.charts]
        chosen = [each for each in found if each.experiment is wanted] or found
        return chosen[0].charts[0] if chosen else None

    @property
    def unmeasured_command(self) -> str:
        """The one command that measures what was no part of this run."""
        found = [each.claim.experiments for each in self.judgements if each.verdict is Verdict.NOT_MEASURED]
        wanted = dict.fromkeys(experiment for each in found for experiment in each if experiment is not self.asked)
        return f"envbench {next(iter(wanted)) if len(wanted) == 1 else 'all'}" if found else ""

    @property
    def themes(self) -> tuple[Theme, ...]:
        """The themes of the claims, those of what the run was asked for first."""
        themes = dict.fromkeys(each.claim.theme for each in self.judgements)
        first = [each.claim.theme for each in self.judgements if self.asked in each.claim.experiments]
        most = max(dict.fromkeys(first), key=first.count, default=None)
        return tuple(sorted(themes, key=lambda theme: theme is not most))

    @property
    def starts(self) -> Table | None:
        """The table of start times, None where no start was timed."""
        found = (each for each in self.sections if each.experiment is Experiment.STARTUP)
        return next((each.charts[0].table for each in found if each.charts), None)
