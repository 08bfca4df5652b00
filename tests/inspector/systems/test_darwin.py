"""sysctls as files."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from envinspect.model import ABSENT, Found
from envinspect.systems import darwin as platform_darwin


def test_a_sysctl_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def sysctlbyname(name: bytes, buffer: object, size: object, *_: object) -> int:
        if name != b"hw.model":
            return -1
        value = b"VirtualMac2,1\0"
        ctypes.memmove(buffer, value, len(value))
        size._obj.value = len(value)
        return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(sysctlbyname=sysctlbyname))
    root = platform_darwin.DarwinRoot()
    assert root.read("/sysctl/hw.model") == Found(b"VirtualMac2,1")
    assert root.read("/sysctl/no.such") is ABSENT
    assert root.read("/nonexistent") is ABSENT
