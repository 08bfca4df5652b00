"""What separates a process from its host: names, numbers, and what cannot be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.inspector.captured_systems import made_of

from envinspect.facets.isolation import CAPABILITIES, capability_names, isolation_block
from envinspect.render.blocks import isolation_text
from envinspect.render.terminal import PLAIN
from envinspect.systems.live import live_facts

DOCKER_MOUNTS = """\
100 90 0:50 / / rw - overlay overlay rw
101 100 0:51 / /proc rw - proc proc rw
102 101 0:51 /sys /proc/sys ro - proc proc rw
103 101 0:52 / /proc/acpi ro - tmpfs tmpfs ro
104 101 0:53 /null /proc/kcore rw - tmpfs tmpfs rw
105 100 0:54 / /sys ro - sysfs sysfs ro
106 105 0:55 / /sys/firmware ro - tmpfs tmpfs ro
"""


def test_capability_names() -> None:
    assert capability_names("0000000000000001") == ["chown"]
    assert capability_names("00000000a80425fb") == [
        "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service",
        "net_raw", "sys_chroot", "mknod", "audit_write", "setfcap",
    ]  # fmt: skip
    assert capability_names("0") == []
    assert capability_names(f"{1 << 63:x}") == ["cap_63"]
    assert len(CAPABILITIES) == 41
    for bad in ("", "x", "-1", "f" * 17):
        assert capability_names(bad) is None


def test_namespaces(tmp_path: Path) -> None:
    links = {
        "/proc/self/ns/pid": "pid:[4026531836]",
        "/proc/self/ns/uts": "uts:[4026532999]",
        "/proc/self/ns/net": "net:[4026532992]",
        "/proc/self/ns/mnt": "mnt:[4026532001]",
        "/proc/1/ns/mnt": "mnt:[4026531841]",
    }
    found = isolation_block(made_of(tmp_path, {"links": links, "denied": {"/proc/self/ns/ipc": "EACCES"}}))[
        "namespaces"
    ]
    assert {name: found[name]["initial"] for name in ("pid", "uts", "net", "mnt", "ipc", "user")} == {
        "pid": True, "uts": False, "net": None, "mnt": False, "ipc": None, "user": None,
    }  # fmt: skip
    assert "EACCES" in found["ipc"]["because"]


def test_a_docker_container_s_masks_and_limits(tmp_path: Path) -> None:
    status = "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nSeccomp:\t2\nNoNewPrivs:\t1\n"
    files = {
        "/proc/self/mountinfo": DOCKER_MOUNTS,
        "/proc/self/status": status,
        "/proc/self/uid_map": "         0     100000      65536\n",
        "/proc/self/attr/current": "docker-default (enforce)\n",
    }
    facts = made_of(tmp_path, {"listings": {"/dev": ["fd", "fuse", "null", "tty"]}, "euid": 0}, files)
    block = isolation_block(facts)
    assert block["masked_paths"] == ["/proc/acpi", "/proc/kcore", "/sys/firmware"]
    assert block["read_only_paths"] == ["/proc/sys", "/sys"]
    assert (block["seccomp"], block["no_new_privileges"]) == ("filter", True)
    assert block["lsm"]["label"] == "docker-default (enforce)"
    assert block["user"] == {
        "euid": 0, "uid_map": [{"inside": 0, "outside": 100000, "count": 65536}], "gid_map": None,
    }  # fmt: skip
    assert block["devices"]["beyond_default"] == ["fuse"]
    assert "0+65536 are 100000+" in isolation_text(block, PLAIN)


def test_the_last_mount_on_a_place_counts(tmp_path: Path) -> None:
    mounts = DOCKER_MOUNTS + "107 105 0:56 / /sys rw - sysfs sysfs rw\n"
    block = isolation_block(made_of(tmp_path, {}, {"/proc/self/mountinfo": mounts}))
    assert block["read_only_paths"] == ["/proc/sys"]


def test_nothing_known_is_said_as_such(tmp_path: Path) -> None:
    block = isolation_block(made_of(tmp_path, {}))
    assert block["seccomp"] is None
    assert block["no_new_privileges"] is None
    assert block["capabilities"] == {"effective": None, "bounding": None, "ambient": None}
    assert "unknown" in isolation_text(block, PLAIN)


@pytest.mark.applies(Path("/proc/self/status").exists(), "asks the running Linux")
def test_this_machine() -> None:
    block = isolation_block(live_facts())
    number = Path("/proc/self/ns/pid").stat().st_ino
    assert block["namespaces"]["pid"]["number"] == number
    assert block["user"]["euid"] == os.geteuid()
