"""JSON Schemas of the files that reports are made from."""

from typing import Any

from msgspec import json

from envbench.records.run_json import SCHEMA, HostAnswer, Run


def run_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of run.json; every key but `schema` may be missing."""
    (top,), parts = json.schema_components([Run[HostAnswer]], ref_template="#/$defs/{name}")
    record = parts.pop(top["$ref"].removeprefix("#/$defs/"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **record,
        "title": "run.json of envbench",
        "required": ["schema"],
        "properties": {**record["properties"], "schema": {"const": SCHEMA}},
        "$defs": parts,
    }
