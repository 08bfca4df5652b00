"""Reads what steps print: rows of the result tables, verdicts, abilities, layers."""

import csv
import json

from platforms.steps import Outcome


def rows_of(printed: Outcome) -> list[dict[str, str]]:
    """Return the rows of the table that a step printed last; it begins with a line of its columns."""
    return list(csv.DictReader(printed.stdout[printed.stdout.index("schema,run_id") :].splitlines()))


def verdict(printed: Outcome, claim: str) -> dict[str, str]:
    """Return a claim's row."""
    return next(row for row in rows_of(printed) if row["id"] == claim)


def ability(asked: Outcome, name: str) -> dict[str, str]:
    """Return what `envinspect capabilities` says of one."""
    return next(each for each in json.loads(asked.stdout)["capabilities"] if each["id"] == name)


def ids(asked: Outcome) -> list[str]:
    """Return the layers that envinspect found, by their ids, outermost first."""
    return [layer["id"] for layer in json.loads(asked.stdout)["layers"]]
