"""Whatever a file holds, reading it raises nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from envinspect.sources.cpu import fields, flags
from envinspect.sources.firmware import is_ec2_uuid
from envinspect.sources.process import namespace_number, parse_assignments, parse_status, variable
from envinspect.sources.sysinfo import levels


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse_status(text)
    parse_assignments(text)
    namespace_number(text)
    variable(text, "container")


@given(st.text(max_size=300))
def test_any_text_is_parsed(text: str) -> None:
    assert isinstance(levels(text), tuple)
    assert isinstance(flags(fields(text)), frozenset)
    assert is_ec2_uuid(text) in {True, False}
