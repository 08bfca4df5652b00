"""The running machine."""

from __future__ import annotations

import pytest

from envinspect.systems import darwin as platform_darwin
from envinspect.systems import live as machine


def test_each_system_has_its_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert isinstance(machine._root(), platform_darwin.DarwinRoot)
