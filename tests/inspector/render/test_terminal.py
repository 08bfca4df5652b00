"""What reaches a terminal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from envinspect.render.terminal import encodable


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8", "no-such-encoding"])
def test_every_encoding_can_hold_the_output(encoding: str) -> None:
    stream = SimpleNamespace(encoding=encoding)
    shown = encodable("└─ a → b … é", stream)
    if encoding != "no-such-encoding":
        shown.encode(encoding)
    assert "a" in shown
