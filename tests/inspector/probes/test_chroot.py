"""A root that all processes share who are seen: of a chroot, of a live system, or of a container."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.inspector.captured_systems import made_of

from envinspect.inspection import inspect
from envinspect.model import Kind

OVERLAY = "600 580 0:77 / / rw - overlay overlay rw,lowerdir=/a:/b\n"
LOOP = "600 580 7:0 / / rw - ext4 /dev/loop0 rw\n"
PROC = "610 600 0:88 / /proc rw - proc proc rw\n"
HOSTS_PROC = "605 600 0:5 / /proc rw - proc proc rw\n"
NAMESPACES = {"pid": 4026531836, "uts": 4026531838, "ipc": 4026531839, "net": 4026531840, "cgroup": 4026531835}


@pytest.mark.parametrize(
    ("mounts", "own", "layers", "undecided"),
    [
        (OVERLAY + PROC, ("pid",), ["chroot"], set()),
        (LOOP + PROC, ("pid",), ["chroot"], set()),
        (OVERLAY + HOSTS_PROC + PROC, ("pid",), [], {Kind.CHROOT}),
        (OVERLAY + PROC, ("pid", "uts", "ipc"), ["container"], set()),
        (OVERLAY + HOSTS_PROC, (), [], set()),
    ],
)
def test_a_root_that_pid_1_has_too(
    tmp_path: Path, mounts: str, own: tuple[str, ...], layers: list[str], undecided: set[Kind]
) -> None:
    """`unshare --pid --root` takes PID 1 along; a live system runs from an overlay, and keeps its mounts."""
    links = {
        f"/proc/self/ns/{kind}": f"{kind}:[{4026532400 + number if kind in own else initial}]"
        for number, (kind, initial) in enumerate(NAMESPACES.items())
    }
    identity = {"dev": 77, "ino": 2, "mode": 0o40755, "size": 0}
    facts = made_of(
        tmp_path,
        {"links": links, "environ": {}, "stat": {"/": identity, "/proc/1/root/.": identity}},
        {"/proc/self/mountinfo": mounts, "/proc/1/mountinfo": mounts, "/sys/class/dmi/id/sys_vendor": "Dell Inc.\n"},
    )
    stack = inspect(facts).stack
    assert [layer.id for layer in stack.layers] == layers
    assert set(stack.undecided) == undecided
