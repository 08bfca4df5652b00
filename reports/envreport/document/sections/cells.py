"""Cells of the reports' tables: a value in, what a person reads and what it sorts by out."""

from envbench.records.phases import Unit
from envreport import units
from envreport.document.model import Cell


def number(value: float | None, unit: Unit | str, bound: float | None = None) -> Cell:
    """Return a cell that reads with its unit and sorts by its value."""
    return Cell(units.quantity(value, unit, bound), value)


def count(value: int) -> Cell:
    """Return a cell with a whole number."""
    return Cell(str(value), value)


def text(value: object) -> Cell:
    """Return a cell of words."""
    return Cell(str(value))
