"""What only one maker's machines have: here how Apple's container tool boots them."""

from __future__ import annotations

from pathlib import Path

from tests.inspector.captured_systems import made_of

from envinspect.inspection import inspect


def test_the_init_of_apples_container_tool_runs_in_apples_machines_only(tmp_path: Path) -> None:
    facts = made_of(tmp_path, {}, {"/proc/cmdline": "console=hvc0 init=/sbin/vminitd\n"})
    stack = inspect(facts).stack
    assert [layer.id for layer in stack.layers] == ["apple-vz"]
    assert stack.engine is not None
    assert stack.engine.id == "apple-container"
