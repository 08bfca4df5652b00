"""Whose engine it is: one that runs in this very place, or one outside whose socket or folders were handed in."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.inspector.captured_systems import made_of

from envinspect.inspection import inspect

OWN = {f"/proc/self/ns/{kind}": f"{kind}:[40265325{number}]" for number, kind in enumerate(("pid", "uts", "ipc"), 10)}
SOCKET = {"dev": 5, "ino": 7, "mode": 0o140660}
ROOT = "100 99 0:50 / / rw - overlay overlay rw,upperdir=/var/lib/docker/overlay2/" + "5d" * 32 + "/diff\n"
PROC = "101 100 0:51 / /proc rw - proc proc rw\n"
DISK = "30 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
RUN = "102 100 0:52 / /run rw - tmpfs tmpfs rw\n"
OVERLAY = "/docker/overlay2/" + "6e" * 32 + "/merged rw - overlay overlay rw\n"

DAEMON = {"/run/docker.pid": "21", "/proc/21/comm": "dockerd\n"}


@pytest.mark.parametrize(
    ("files", "hosts"),
    [
        ({"/proc/self/mountinfo": ROOT + PROC}, True),
        ({"/proc/self/mountinfo": ROOT + PROC + RUN}, False),
        ({"/proc/self/mountinfo": ROOT + PROC + "103 100 0:20 /docker.sock /run/docker.sock rw - tmpfs t rw\n"}, False),
        ({"/proc/self/mountinfo": ROOT + PROC + RUN, "/proc/21/mountinfo": ROOT + PROC, **DAEMON}, True),
        ({"/proc/self/mountinfo": ROOT + PROC + RUN, "/proc/21/mountinfo": DISK, **DAEMON}, False),
        ({"/proc/self/mountinfo": ROOT + PROC + RUN + "104 100 0:53 / /var/lib" + OVERLAY}, True),
        ({"/proc/self/mountinfo": f"{ROOT}{PROC}{RUN}105 100 254:9 / /var/lib/docker rw - ext4 /dev/vdb rw\n"
          f"104 105 0:53 / /var/lib{OVERLAY}"}, True),
        ({"/proc/self/mountinfo": f"{ROOT}{PROC}{RUN}{DISK.replace(' / rw', ' /agent rw')}"
          f"104 100 0:53 / /agent/var/lib{OVERLAY}"}, False),
    ],
    ids=[
        "socket on the container's own root",
        "socket in a /run whose daemon is not seen",
        "socket handed in",
        "the daemon has this root",
        "the daemon has the host's root",
        "containers of its own",
        "containers on a volume of its own",
        "the host's root handed in",
    ],
)  # fmt: skip
def test_an_engine_belongs_to_the_place_where_it_runs(tmp_path: Path, files: dict[str, str], hosts: bool) -> None:
    facts = {"uname": {"sysname": "Linux"}, "links": OWN, "stat": {"/run/docker.sock": SOCKET}}
    stack = inspect(made_of(tmp_path, facts, files)).stack
    assert [layer.id for layer in stack.layers] == ["docker"]
    assert [role.id for role in stack.roles] == (["docker-host"] if hosts else [])
