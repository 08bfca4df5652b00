"""The JSON Schema in the package holds for every answer that there is a system for, and refuses what is none."""

from __future__ import annotations

import json
from importlib import resources

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.inspector.captured_systems import answer_for, holds_for_all

from envinspect.inspection import inspect
from envinspect.render import render
from envinspect.render.json import to_json
from envinspect.signatures.catalogue import ENTRIES

SCHEMA = json.loads((resources.files("envinspect") / "schema" / "envinspect-1.json").read_text())
CHECK = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def valid(name: str) -> None:
    answer = json.loads(render("json", answer_for(name)).text)
    CHECK.validate(answer)
    count = len(answer["evidence"])
    holders = [*answer["layers"], *answer["roles"], *(answer[key] for key in ("cloud", "orchestrator", "engine"))]
    holders += answer["orchestrators"]
    places = [place for holder in holders if holder for place in holder["evidence"]]
    places += [item["evidence"] for item in answer["overruled"]]
    assert all(place < count for place in places)


@pytest.mark.slow
def test_every_captured_system() -> None:
    holds_for_all(valid)


def test_this_machine() -> None:
    CHECK.validate(json.loads(render("json", inspect()).text))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "envinspect/2"}, {"layers": [{}]}, {"bare_metal": None}, {"more": 1}, {"summary": ""},
        {"evidence": [{"layer": "x"}]}, {"cloud": "aws"}, {"host": {}}, {"unknown": ["x"]},
    ],
)  # fmt: skip
def test_it_refuses_what_is_no_answer(change: dict[str, object]) -> None:
    answer = json.loads(render("json", inspect()).text)
    with pytest.raises(jsonschema.ValidationError):
        CHECK.validate(answer | change)


@pytest.mark.parametrize("key", SCHEMA["required"])
def test_every_key_is_needed(key: str) -> None:
    answer = json.loads(render("json", inspect()).text)
    del answer[key]
    with pytest.raises(jsonschema.ValidationError):
        CHECK.validate(answer)


def test_every_id_of_the_catalogue_is_spelled_as_the_schema_has_it() -> None:
    check = jsonschema.Draft202012Validator(SCHEMA["$defs"]["id"])
    assert [entry.id for entry in ENTRIES if not check.is_valid(entry.id)] == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text('\\"/ az~\x7f\n')
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner)
)


@given(DOCUMENTS)
def test_the_text_is_what_the_standard_library_writes(document) -> None:
    assert to_json(document) == json.dumps(document, indent=2)
