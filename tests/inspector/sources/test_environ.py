"""Environments and files of assignments."""

from __future__ import annotations

import pytest

from envinspect.sources.environ import parse_assignments, variable


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1\0container=lxc\0", "lxc"),
        ("A=1\ncontainer=podman\n", "podman"),
        ("A=container=lxc\0B=\0", None),
        ("container=\0A=1\0", None),
        ("xcontainer=lxc\0", None),
        ("", None),
    ],
)
def test_variable(text: str, value: str | None) -> None:
    assert variable(text, "container") == value


def test_assignments() -> None:
    assert parse_assignments('engine="podman-5.3.1"\n# no\n=x\nrootless=1\n') == {
        "engine": "podman-5.3.1",
        "rootless": "1",
    }
