"""/proc/*/status."""

from __future__ import annotations

from envinspect.sources.status import parse_status


def test_status() -> None:
    assert parse_status("Name:\tcat\nVxID: 7\nVxID: 8\nno colon\n:x\n") == {"Name": "cat", "VxID": "7", "": "x"}
