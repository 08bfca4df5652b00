"""What an error says in one line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from envinspect.model.errors import CaptureError, one_line, printable


@given(st.text())
def test_printable_is_printable_and_bounded(text: str) -> None:
    shown = printable(text, 50)
    assert shown.isprintable()
    assert len(shown) <= 50
    if text.isprintable() and len(text) <= 50:
        assert shown == text


def test_what_to_try_is_a_field_and_stands_once_in_the_line():
    error = CaptureError("x: is there already", remedy="a new name")
    assert (str(error), error.remedy) == ("x: is there already", "a new name")
    assert one_line(error) == "x: is there already; try: a new name"
    assert one_line(CaptureError("x: no")) == "x: no"
