"""Rows of samples.csv: one per measured value, appended as it happens, read back exactly as written.

The format is described in docs/results-format.md. Missing is an empty field, never 0; a start that failed is a row too.
"""

import contextlib
import csv
import errno
import math
import os
import re
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from sys import intern
from types import TracebackType
from typing import Self

from msgspec import Struct

from envbench.records.phases import Experiment, Outcome, Unit

SCHEMA = "envbench-samples/1"
SAMPLES_FILE = "samples.csv"
"""Its name in a results folder."""


class SamplesError(ValueError):
    """A samples.csv that cannot be read: says the file, the line and what is wrong there."""


class Sample(Struct, frozen=True, gc=False):
    """One measured value.

    `variant` is a sorted list of key=value joined by ";" of all that may not be pooled, e.g. "accel=tcg;machine=q35";
    "" where the backend has only one way. `phase` is a `Phase`, or the experiment's own metric name (lower case, dots).
    `order` counts starts over the whole run; `iteration` counts within one (experiment, backend, variant, profile),
    warm-ups included. `value` is None where the measurement failed. `monotonic_ns` is when the value was known, on
    the host's clock.

    A run has a hundred thousand and more: a struct is made in a quarter of the time that a frozen dataclass takes, and
    the collector of circles, which rows of words and numbers cannot form, passes it by.
    """

    run_id: str
    order: int
    experiment: Experiment
    backend: str
    variant: str
    profile: str
    warmup: bool
    iteration: int
    phase: str
    value: float | int | None
    unit: Unit
    outcome: Outcome
    detail: str
    monotonic_ns: int


COLUMNS = ("schema", *Sample.__struct_fields__)
_values = attrgetter(*COLUMNS[1:])


def _cell(value: object) -> object:
    """Return a value as csv is to write it: nothing for None, 0 or 1 for a bool."""
    return "" if value is None else int(value) if isinstance(value, bool) else value


def variant_text(keys: Mapping[str, str]) -> str:
    """Return the variant column for these keys: sorted key=value joined by ";" ("" for none)."""
    return ";".join(f"{key}={keys[key]}" for key in sorted(keys))


def variant_keys(text: str) -> dict[str, str]:
    """Return the keys of a variant column; the inverse of `variant_text`."""
    return dict(part.partition("=")[::2] for part in text.split(";") if part)


class SampleWriter:
    """Appends rows to a samples.csv; each `append` is flushed to the disk before it returns.

    Raises OSError (a full disk, a removed folder) from `append`; rows written before that stay whole.
    """

    def __init__(self, path: Path) -> None:
        # A path or a program's words may hold bytes that are no UTF-8: they are shown, and cost no row.
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")
        if self._file.tell() == 0:
            self._csv.writerow(COLUMNS)
            self._file.flush()

    def append(self, *samples: Sample) -> None:
        """Write these rows and flush them to the disk."""
        if not os.fstat(self._file.fileno()).st_nlink:
            # The file has been removed: rows that are written to it would be lost.
            raise FileNotFoundError(errno.ENOENT, "the file was removed during the run", self._file.name)
        for sample in samples:
            self._csv.writerow([SCHEMA, *(_cell(value) for value in _values(sample))])
        self._file.flush()
        os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Close the file; safe to call twice. What could not be written was reported by the `append` that tried."""
        with contextlib.suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield the rows of a samples.csv in file order.

    A last line without its newline (a run that was killed while writing) is left out. Raises SamplesError where any
    other row does not fit the contract or is another run's, OSError where the file cannot be read.
    """
    # A line ends with a newline alone, whatever stands in a quoted field; a spreadsheet may have put a byte order mark.
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        rows = csv.reader(line for line in file if line.endswith("\n"))
        try:
            if tuple(next(rows, ())) != COLUMNS:
                raise SamplesError(f"{path}: line 1: not the columns of {SCHEMA}")
            run_id = None
            for row in rows:
                sample = _sample(row, path, rows.line_num)
                run_id = run_id or sample.run_id
                if sample.run_id != run_id:
                    words = f"a row of run {sample.run_id} among those of run {run_id}"
                    raise SamplesError(f"{path}: line {rows.line_num}: {words}; each run has a folder of its own")
                yield sample
        except csv.Error as error:
            raise SamplesError(f"{path}: line {rows.line_num}: {error}") from error
        except UnicodeDecodeError as error:
            raise SamplesError(f"{path}: behind line {rows.line_num}: {error}") from error


def _sample(row: list[str], path: Path, line: int) -> Sample:
    if row[:1] != [SCHEMA]:
        raise SamplesError(f"{path}: line {line}: schema {''.join(row[:1])!r} is not {SCHEMA}")
    if len(row) != len(COLUMNS):
        raise SamplesError(f"{path}: line {line}: {len(row)} fields in place of {len(COLUMNS)}")
    (
        _,
        run_id,
        order,
        experiment,
        backend,
        variant,
        profile,
        warmup,
        iteration,
        phase,
        value,
        unit,
        outcome,
        detail,
        at,
    ) = row
    try:
        of_unit = _UNITS.get(unit) or Unit(unit)
        return Sample(
            intern(run_id),
            _count("order", order),
            _EXPERIMENTS.get(experiment) or Experiment(experiment),
            intern(backend),
            intern(variant),
            intern(profile),
            _count("warmup", warmup, most=1) == 1,
            _count("iteration", iteration),
            intern(phase),
            None if value == "" else _number(value, of_unit),
            of_unit,
            _OUTCOMES.get(outcome) or Outcome(outcome),
            intern(detail),
            _count("monotonic_ns", at),
        )
    except ValueError as error:
        raise SamplesError(f"{path}: line {line}: {error}") from error


# A run has a hundred thousand rows and more: their words are kept once, and looked up without a call.
_EXPERIMENTS = {each.value: each for each in Experiment}
_UNITS = {each.value: each for each in Unit}
_OUTCOMES = {each.value: each for each in Outcome}

MOST_DIGITS = 18
"""A whole number with so many fits into 64 bits."""
_WHOLE = re.compile(rf"-?[0-9]{{1,{MOST_DIGITS}}}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)


def _count(name: str, text: str, most: int = 1 << 63) -> int:
    """Return a whole number from 0 on. Raises ValueError for all else that Python would read as one."""
    if text.isdigit() and text.isascii() and len(text) <= MOST_DIGITS and (number := int(text)) <= most:
        return number
    raise ValueError(f"{name} {text!r} is no whole number from 0 {'on' if most > 1 else 'to 1'}")


def _number(text: str, unit: Unit) -> float | int:
    """Return a value. Raises ValueError for what no measurement can give: nan, an infinity, a negative duration."""
    if text.isdigit() and text.isascii() and len(text) <= MOST_DIGITS and unit is not Unit.BOOL:
        return int(text)
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"value {text!r} is no number that can be measured")
    value: float | int = int(text) if _WHOLE.fullmatch(text) else float(text)
    if not math.isfinite(value):
        raise ValueError(f"value {text!r} is no number that can be measured")
    if value < 0 and unit is Unit.NS:
        raise ValueError(f"value {text!r} is a duration below 0")
    if unit is Unit.BOOL and value not in {0, 1}:
        raise ValueError(f"value {text!r} is neither 0 nor 1")
    return value
