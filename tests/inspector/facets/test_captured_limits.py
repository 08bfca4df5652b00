"""The limits that reported systems set, under tests/limits, and what stays of them where a file may not be read.

A folder there is a capture (contract 1) with ORIGIN.md and expect.toml: the layers, fields of the resources block,
states of limits, and whether the host's memory size shows.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.inspector.test_laws import Denying

from envinspect.facets.isolation import isolation_block
from envinspect.facets.resources import resources_block
from envinspect.inspection import inspect
from envinspect.model import Found
from envinspect.model.facts import Facts
from envinspect.systems.captured import read_capture

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIMITS = Path(__file__).parents[2] / "limits"
NAMES = sorted(folder.name for folder in LIMITS.iterdir())


@functools.cache
def _read(name: str) -> tuple[Facts, dict[str, Any], tuple[str, ...]]:
    facts = read_capture(str(LIMITS / name))
    block = resources_block(facts)
    tables = (facts.files, facts.links)
    paths = sorted({path for table in tables for path, reading in table.items() if isinstance(reading, Found)})
    return facts, block, tuple(paths)


@pytest.mark.parametrize("name", NAMES)
def test_reported_limits(name: str) -> None:
    facts, block, _ = _read(name)
    expected = tomllib.loads((LIMITS / name / "expect.toml").read_text())
    resources, states = expected.get("resources", {}), expected.get("states", {})
    assert resources or states
    assert [layer.id for layer in inspect(facts).stack.layers] == expected["layers"]
    assert {field: block[field] for field in resources} == resources
    assert {limit: block["limits"][limit]["state"] for limit in states} == states
    if "host_memory_visible" in expected:
        visible = {row["what"]: row["visible"] for row in isolation_block(facts)["host_visible"]}
        assert visible["host memory size"] is expected["host_memory_visible"]


@given(st.data())
def test_what_is_denied_makes_no_limit_go_away(data: st.DataObject) -> None:
    """A limit that is set, or cannot be seen, is never "none" because of a file that may not be read."""
    name = data.draw(st.sampled_from(NAMES))
    facts, before, paths = _read(name)
    taken = frozenset(data.draw(st.sets(st.sampled_from(paths), min_size=1, max_size=3)))
    denied = Facts(Denying(facts.root, taken), facts._cpuid, uname=facts.uname, euid=0, environ=facts._environ)
    after = resources_block(denied)["limits"]
    lost = [
        limit
        for limit, found in before["limits"].items()
        if found["state"] != "none-visible" and after[limit]["state"] == "none-visible"
    ]
    assert not lost, sorted(taken)
