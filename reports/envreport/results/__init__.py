"""A results folder as the reports see it: samples.csv and run.json in, series of values and facts out.

Both are read once, here. Every key of run.json may be missing, and a missing value never becomes 0.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from envbench.records.phases import NOISE_PREFIX, Experiment, Outcome, Unit
from envbench.records.run_json import RUN_FILE, SCHEMA, HostAnswer, Run, RunJsonError, record_of
from envbench.records.samples import SAMPLES_FILE, Sample, read_samples
from envreport.results import backends
from envreport.results.backends import Side


class ResultsError(ValueError):
    """A results folder that cannot be used: says which file, what is wrong and what to try."""


class BackendKey(NamedTuple):
    """What may be pooled: one way of starting one thing."""

    backend: str
    variant: str
    profile: str


class SeriesKey(NamedTuple):
    """One measured quantity of one backend in one experiment."""

    experiment: Experiment
    backend: str
    variant: str
    profile: str
    phase: str

    @property
    def backend_key(self) -> BackendKey:
        """The backend it belongs to."""
        return BackendKey(self.backend, self.variant, self.profile)

    @property
    def label(self) -> str:
        """The backend in words."""
        return backends.label(self.backend, self.variant, self.profile)


@dataclass(frozen=True)
class Series:
    """The rows of one key in file order.

    `values` and `rounds` hold what was measured, without warm-ups and failures.
    """

    key: SeriesKey
    unit: Unit
    rows: tuple[Sample, ...]

    @cached_property
    def good(self) -> tuple[Sample, ...]:
        """Rows that count: not a warm-up, the start was fine, the value is there."""
        return tuple(row for row in self.rows if not row.warmup and row.outcome is Outcome.OK and row.value is not None)

    @cached_property
    def values(self) -> tuple[float, ...]:
        """Measured values in order."""
        return tuple(float(row.value) for row in self.good if row.value is not None)

    @cached_property
    def rounds(self) -> dict[int, list[float]]:
        """Values by round of the interleaved schedule."""
        found: dict[int, list[float]] = defaultdict(list)
        for row in self.good:
            found[row.iteration].append(float(row.value if row.value is not None else "nan"))
        return dict(found)

    @property
    def warmups(self) -> int:
        """How many warm-up rows were set aside."""
        return sum(row.warmup for row in self.rows)

    @cached_property
    def details(self) -> tuple[str, ...]:
        """What was seen, each text once, in order of appearance."""
        return tuple(dict.fromkeys(row.detail for row in self.rows if row.detail))


class Condition(NamedTuple):
    """What meant ready, in words, where it was not the payload's own line."""

    words: str
    is_polled: bool
    """Whether it was asked for time and again: it can have been so since the attempt before."""


@dataclass(frozen=True, eq=False)
class Results:
    """One run. `run` is its run.json (empty if that is missing); `notes` say what had to be done without."""

    folder: Path
    run: Run[HostAnswer]
    series: Mapping[SeriesKey, Series]
    failures: Mapping[tuple[Experiment, BackendKey], tuple[Sample, ...]]
    starts: Mapping[tuple[Experiment, BackendKey], int]
    noise: Mapping[str, tuple[Sample, ...]]
    row_count: int
    samples_sha256: str
    notes: tuple[str, ...] = field(default=())

    @property
    def host(self) -> HostAnswer:
        """What envinspect said of the machine that measured."""
        return self.run.host

    @cached_property
    def kinds(self) -> Mapping[str, Side]:
        """What run.json says of each backend's kind."""
        return backends.kinds_of(self.run.backends.used)

    @cached_property
    def engine_versions(self) -> Mapping[str, str]:
        """The version of each engine that recorded one, in the engine's own words."""
        found = {name: backends.engine_version(name, facts) for name, facts in self.run.engines.items()}
        return {name: version for name, version in found.items() if version}

    def side(self, key: BackendKey | SeriesKey) -> Side:
        """Return the kind of a backend."""
        return backends.side_of(key.backend, key.variant, self.kinds)

    def find(self, experiment: Experiment, phase: str, *sides: Side, usual: bool = True) -> list[Series]:
        """Return the series of a quantity on these kinds of backends (all kinds if none is named) that hold a value.

        `usual` leaves out cold-cache and parallel starts, which do not stand for a backend.
        """
        return [
            series
            for key, series in self.series.items()
            if key.experiment == experiment
            and key.phase == phase
            and (not sides or self.side(key) in sides)
            and (not usual or backends.is_usual(key.variant))
            and series.values
        ]

    def of_profiles(self, wanted: Callable[[str], bool]) -> "Results":
        """Return the same run with the series of these payload profiles alone."""
        return replace(self, series={key: each for key, each in self.series.items() if wanted(key.profile)})

    def of_backends(self, wanted: Callable[[str], bool]) -> "Results":
        """Return the same run with the series of these backends alone."""
        return replace(self, series={key: each for key, each in self.series.items() if wanted(key.backend)})

    def ran(self, experiment: Experiment, sides: Sequence[Side]) -> bool:
        """Return whether some value of this experiment is of these kinds of backends."""
        return any(
            key.experiment is experiment and self.side(key) in sides and each.values
            for key, each in self.series.items()
        )

    def ready_condition(self, profile: str) -> Condition | None:
        """Return what meant that a profile was ready, None for the payload's own line."""
        if profile == "service":
            return Condition("first HTTP answer 200 with the nonce", is_polled=True)
        asked = self.run.plan.get("ready")
        if profile != "own" or not isinstance(asked, Mapping) or "is" not in asked:
            return None
        return Condition(str(asked["is"]), is_polled="regex" not in asked)

    def failed(self, experiment: Experiment, backend: BackendKey) -> int:
        """Return how many starts of this backend failed or timed out, without warm-ups."""
        return len(self.failures.get((experiment, backend), ()))

    def failure(self, experiment: Experiment, backend: BackendKey) -> str:
        """Return "3 of 8 starts failed (why)" for one backend as it was set up; "" where none failed."""
        rows = self.failures.get((experiment, backend), ())
        if not rows:
            return ""
        reason = next((row.detail for row in rows if row.detail), "no reason recorded")
        total = self.starts.get((experiment, backend), len(rows))
        return f"{len(rows)} of {total} starts failed ({reason})"


def load(folder: Path) -> Results:
    """Read a results folder, which may be named by a file in it.

    Raises ResultsError where there is no samples.csv or run.json is not what its schema says, SamplesError where a
    row does not fit.
    """
    folder = folder.parent if folder.is_file() else folder
    samples = folder / SAMPLES_FILE
    if not samples.is_file():
        raise ResultsError(f"{folder}: no {SAMPLES_FILE} here; give a folder that an envbench run wrote")
    run, notes = _read_run(folder / RUN_FILE)
    with samples.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return collect(read_samples(samples), run, folder=folder, notes=notes, samples_sha256=digest)


def _read_run(path: Path) -> tuple[Run[HostAnswer], tuple[str, ...]]:
    if not path.is_file():
        return record_of({}), (f"{RUN_FILE} is missing: conditions, seed and host are unknown",)
    otherwise = f"move it away to report from {SAMPLES_FILE} alone"
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: not JSON ({error}); {otherwise}") from error
    try:
        run = record_of(content)
    except RunJsonError as error:
        raise ResultsError(f"{path}: {error}; {otherwise}") from error
    notes = () if run.schema == SCHEMA else (f"{RUN_FILE} has schema {run.schema!r}, this tool knows {SCHEMA}",)
    return run, notes


def collect(
    samples: Iterable[Sample],
    run: Run[HostAnswer],
    *,
    folder: Path = Path(),
    notes: tuple[str, ...] = (),
    samples_sha256: str = "",
) -> Results:
    """Group rows into series, failed starts and noise stamps.

    Backends are ordered from the least around a process to the most.
    """
    grouped: dict[SeriesKey, list[Sample]] = defaultdict(list)
    noise: dict[str, list[Sample]] = defaultdict(list)
    failed: dict[tuple[Experiment, BackendKey], dict[int, Sample]] = defaultdict(dict)
    starts: dict[tuple[Experiment, BackendKey], set[int]] = defaultdict(set)
    count = 0
    for sample in samples:
        count += 1
        if sample.phase.startswith(NOISE_PREFIX):
            noise[sample.phase].append(sample)
            continue
        backend = BackendKey(sample.backend, sample.variant, sample.profile)
        if not sample.warmup:
            starts[sample.experiment, backend].add(sample.order)
            if sample.outcome is not Outcome.OK:
                failed[sample.experiment, backend].setdefault(sample.order, sample)
        grouped[SeriesKey(sample.experiment, *backend, sample.phase)].append(sample)
    ordered = sorted(
        grouped,
        key=lambda key: (list(Experiment).index(key.experiment), backends.sort_key(*key.backend_key), key.phase),
    )
    for key, rows in grouped.items():
        # No two values of a quantity are known at the same moment of the same start.
        if len({(row.order, row.monotonic_ns) for row in rows}) < len(rows):
            words = f"{backends.label(*key.backend_key)}: rows of {key.phase} stand twice, and would count twice"
            raise ResultsError(f"{folder / SAMPLES_FILE}: {words}; take the file as the run wrote it")
    return Results(
        folder=folder,
        run=run,
        series={key: Series(key, grouped[key][0].unit, tuple(grouped[key])) for key in ordered},
        failures={key: tuple(rows[order] for order in sorted(rows)) for key, rows in failed.items()},
        starts={key: len(orders) for key, orders in starts.items()},
        noise={name: tuple(noise[name]) for name in sorted(noise)},
        row_count=count,
        samples_sha256=samples_sha256,
        notes=notes,
    )
