"""The figures that a part of `make perf` finds, each with its bar: told as a line, and kept for whoever runs all parts.

A part makes one `Figures`, gives it what it measured, and ends with `ended()`.
"""

import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

KEPT_IN = "ENVINSPECT_PERF_FIGURES"
"""The variable that names the file to which a part adds its figures, one JSON object a line; unset: only told."""
MISSED, NOT_MEASURED = 1, 2
"""Exit codes of a part: a bar was missed; a bar was not measured, because what it takes is not here."""


class Figure(NamedTuple):
    """One figure of one part."""

    name: str
    unit: str
    """`ratio` where both sides were measured in turns; else what `values` count in, such as `s of CPU`."""
    values: tuple[float, ...]
    """One a round, in their order; the figure is their median."""
    least: float | None = None
    most: float | None = None
    """The bar: the least and the most that the median may be; None where there is none."""

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Figure":
        """Return a figure as it was kept: its fields by name."""
        return cls(**{**kept, "values": tuple(kept["values"])})

    @property
    def median(self) -> float:
        """The figure itself, in its unit."""
        return statistics.median(self.values)

    @property
    def fits(self) -> bool:
        """Whether the bar is met."""
        return (self.least is None or self.least <= self.median) and (self.most is None or self.median <= self.most)

    @property
    def bar(self) -> str:
        """The bar in words, empty where there is none."""
        if self.most is None:
            return ""
        return f"at most {self.most:g}" if self.least is None else f"{self.least:g} to {self.most:g}"

    @property
    def amount(self) -> str:
        """The median with its unit, as a reader wants it."""
        return f"{self.median:.3g}" if self.unit == "ratio" else f"{self.median:.3g} {self.unit}"


class Figures:
    """What one part found."""

    def __init__(self) -> None:
        self.found: list[Figure] = []
        self.lacking = False

    def take(
        self, name: str, unit: str, values: Sequence[float], *, least: float | None = None, most: float | None = None,
        beside: str = "",
    ) -> None:  # fmt: skip
        """Keep a figure and tell it in a line; `beside` is what else a reader of the line should know."""
        figure = Figure(name, unit, tuple(values), least, most)
        self.found.append(figure)
        said = "; ".join(part for part in (figure.bar, beside) if part)
        sys.stdout.write(
            f"{'ok' if figure.fits else 'MISSED':<7} {name}: {figure.amount}{f' ({said})' if said else ''}\n"
        )
        sys.stdout.flush()

    def lack(self, sentence: str) -> None:
        """Say what is not here and which bar was therefore not measured."""
        self.lacking = True
        sys.stderr.write(f"{sentence}\n")

    def ended(self) -> int:
        """Write the figures where whoever started the part wants them; return its exit code."""
        if name := os.environ.get(KEPT_IN):
            with Path(name).open("a", encoding="utf-8") as kept:
                kept.writelines(json.dumps(figure._asdict()) + "\n" for figure in self.found)
        if not all(figure.fits for figure in self.found):
            return MISSED
        return NOT_MEASURED if self.lacking else 0
