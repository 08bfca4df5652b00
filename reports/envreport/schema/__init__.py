"""JSON Schemas of the files that reports are made from."""

import json
from importlib.resources import files
from typing import Any


def run_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of run.json."""
    found: dict[str, Any] = json.loads((files(__name__) / "run.schema.json").read_text(encoding="utf-8"))
    return found
