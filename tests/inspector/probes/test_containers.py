"""The inner probes over made-up machines: any bytes anywhere, files that are denied, markers that anybody can drop."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.inspector.captured_systems import SYSTEMS, made_of

from envinspect.inspection import inspect
from envinspect.model import ABSENT, Denied, Found, Kind, Reading, Stack
from envinspect.model.facts import Facts, Stat, Uname, no_environ
from envinspect.systems.captured import read_capture
from envinspect.systems.cpuid import NoCpuid

ID = "5d1f0c7a" * 8

FILES = (
    "/proc/self/mountinfo",
    "/proc/mounts",
    "/proc/self/cgroup",
    "/proc/1/cgroup",
    "/proc/self/status",
    "/proc/1/environ",
    "/proc/1/comm",
    "/proc/2/comm",
    "/proc/version",
    "/proc/cpuinfo",
    "/proc/cmdline",
    "/run/.containerenv",
    "/run/systemd/container",
    "/run/host/container-manager",
    "/proc/self/attr/current",
)


class MadeUp:
    """A root of files, links and identities that a test chooses; a folder has none of them."""

    live = False

    def __init__(self, files: dict[str, Reading[bytes]], links: dict[str, str], present: frozenset[str]) -> None:
        self.files, self.links, self.present = files, links, present

    def read(self, path: str) -> Reading[bytes]:
        return self.files.get(path, ABSENT)

    def link(self, path: str) -> Reading[str]:
        return Found(self.links[path]) if path in self.links else ABSENT

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        return ABSENT

    def stat(self, path: str) -> Reading[Stat]:
        known = path in self.present or isinstance(self.files.get(path), Found)
        return Found(Stat(2050, 7)) if known else ABSENT


def stack_of(
    files: dict[str, Reading[bytes]], links: dict[str, str] | None = None, present: frozenset[str] = frozenset()
) -> Stack:
    root = MadeUp(files, links or {}, present)
    return inspect(Facts(root, NoCpuid(), uname=Uname(), euid=0, environ=no_environ)).stack


def no_probe_failed(stack: Stack) -> bool:
    return not [item for item in stack.unknown if item.source.startswith("probe:")]


@given(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=400)))
def test_any_bytes_are_read(contents: dict[str, bytes]) -> None:
    assert no_probe_failed(stack_of({path: Found(data) for path, data in contents.items()}))


PIECES = (
    "36 35 8:2 / / rw shared:1 - ext4 /dev/sda2 rw",
    f"36 35 0:4 / / rw - overlay overlay rw,lowerdir=/x:/y,upperdir=/var/lib/docker/overlay2/{ID}/diff",
    f"37 36 8:2 /var/lib/docker/containers/{ID}/hosts /etc/hosts rw - ext4 /dev/sda2 rw",
    f"38 36 0:7 /containers/overlay-containers/{ID}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw",
    "39 36 0:8 /proc/stat /proc/stat rw - fuse.lxcfs lxcfs rw",
    "40 36 0:9 / /run/firejail/mnt rw - tmpfs tmpfs rw",
    "41 36 0:10 /null /proc/keys rw - tmpfs tmpfs rw",
    "42 36 0:11 /irq /proc/irq ro - proc proc rw",
    f"4:memory:/docker/{ID}",
    f"0::/kubepods.slice/kubepods-pod{'7a' * 16}.slice/crio-{ID}.scope",
    "0::/lxc.payload.web/docker/x",
    "3:pids:/ecs/a/b-1/kubepods/x",
    "VxID: 7",
    "envID: 3",
    "TracerPid: 9",
    "container=lxc",
    "container=oci",
    'engine="buildah-1.2"',
    "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016",
    "\x00\x1b[31m\r",
)


@given(st.dictionaries(st.sampled_from(FILES), st.lists(st.sampled_from(PIECES), max_size=6), max_size=8))
def test_any_mixture_of_true_lines_is_answered(contents: dict[str, list[str]]) -> None:
    stack = stack_of({path: Found("\n".join(lines).encode()) for path, lines in contents.items()})
    assert no_probe_failed(stack)
    told = {id(piece) for layer in stack.layers for piece in layer.evidence}
    assert all(
        id(piece) in told or piece.kind not in {Kind.CONTAINER, Kind.SANDBOX} or _overruled(stack, piece)
        for piece in stack.evidence
    )


def _overruled(stack: Stack, piece: object) -> bool:
    return any(item.evidence == piece for item in stack.overruled)


@given(st.sets(st.sampled_from(FILES)))
def test_denied_is_never_taken_for_absent(denied: set[str]) -> None:
    """What may not be read adds no layer, and is listed as unknown where it is the one source of something."""
    stack = stack_of({path: Denied("EACCES") for path in denied})
    assert no_probe_failed(stack)
    assert not stack.layers
    listed = {item.source for item in stack.unknown}
    if {"/proc/self/mountinfo", "/proc/mounts"} <= denied:
        assert "/proc/self/mountinfo" in listed
    if "/proc/1/environ" in denied:
        assert "/proc/1/environ" in listed


HOSTS = (
    "docker-host", "podman-host", "lxd-host", "azure-kernel", "conmon-scope", "lxcfs-on-the-host", "kubernetes-node",
    "unshare-cgroup", "unshare-user", "sandboxed-service",
)  # fmt: skip
MARKERS = ("/.dockerenv", "/run/.containerenv", "/.dockerinit", "/run/.toolboxenv")


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("name", HOSTS)
def test_a_dropped_marker_makes_no_container_of_a_host(name: str, marker: str) -> None:
    facts = read_capture(str(SYSTEMS / name))
    facts.files[marker] = Found(b"")
    facts.stats[marker] = Found(Stat(2050, 99))
    stack = inspect(facts).stack
    assert not [layer for layer in stack.layers if layer.kind is Kind.CONTAINER]
    assert any(item.evidence.source == marker for item in stack.overruled)


def test_a_container_within_is_seen_although_pid_1_has_the_same_root(tmp_path: Path) -> None:
    """PID 1 is the inner container's own: the group below the outer one's tells the two apart."""
    system = tmp_path / "system"
    shutil.copytree(SYSTEMS / "real-runc-in-docker", system)
    (system / "root/proc/1").mkdir(exist_ok=True)
    shutil.copy(system / "root/proc/self/mountinfo", system / "root/proc/1/mountinfo")
    assert [layer.id for layer in inspect(read_capture(str(system))).stack.layers] == [
        "firecracker",
        "docker",
        "container",
    ]


IDS = {
    f"/proc/self/ns/{kind}": f"{kind}:[{number}]"
    for number, kind in enumerate(("pid", "uts", "ipc", "mnt", "net", "cgroup", "user"), 4026532400)
}


def _shifted(tmp_path: Path, *more: str) -> list[str]:
    folder = f"/var/lib/docker/containers/{ID}"
    mounts = (
        f"100 99 0:40 / / rw - overlay overlay rw,lowerdir=/x:/y,upperdir=/var/lib/docker/overlay2/{ID}/diff",
        f"101 100 8:1 {folder}/hosts /etc/hosts rw - ext4 /dev/sda1 rw",
        *more,
    )
    files = {"/proc/self/mountinfo": "\n".join(mounts), "/proc/self/uid_map": "0 100000 65536\n"}
    return [layer.id for layer in inspect(made_of(tmp_path, {"links": IDS}, files)).stack.layers]


def test_shifted_ids_around_a_docker_container_are_another_containers(tmp_path: Path) -> None:
    """Docker's own remapping keeps its files in a folder that is named after the ids."""
    assert _shifted(tmp_path) == ["container", "docker"]


def test_sysbox_shifts_ids_for_docker(tmp_path: Path) -> None:
    assert _shifted(tmp_path, "102 100 0:50 / /proc/sys rw - fuse sysboxfs rw") == ["sysbox"]


def test_a_sandbox_that_shows_parts_of_a_containers_root_is_in_that_container(tmp_path: Path) -> None:
    """`bwrap --unshare-all` in Docker: PID 1 is its own, the overlay that it shows again is Docker's."""
    mounts = (
        "500 480 0:88 /newroot / rw,nosuid,nodev - tmpfs tmpfs rw",
        f"501 500 0:40 /usr /usr ro - overlay overlay rw,lowerdir=/x:/y,upperdir=/var/lib/docker/overlay2/{ID}/diff",
    )
    files = {"/proc/self/mountinfo": "\n".join(mounts), "/proc/1/comm": "bwrap\n"}
    stack = inspect(made_of(tmp_path, {"links": IDS}, files)).stack
    assert [layer.id for layer in stack.layers] == ["docker", "bubblewrap"]


def test_a_sandbox_over_a_docker_hosts_root_is_in_no_container(tmp_path: Path) -> None:
    """The roots of the host's containers are mounted where Docker keeps them."""
    place = f"/var/lib/docker/overlay2/{ID}"
    mounts = (
        "500 480 0:88 /newroot / rw,nosuid,nodev - tmpfs tmpfs rw",
        "501 500 8:1 /usr /usr ro - ext4 /dev/sda1 rw",
        f"502 500 0:40 / {place}/merged ro - overlay overlay rw,lowerdir=/x:/y,upperdir={place}/diff",
    )
    files = {"/proc/self/mountinfo": "\n".join(mounts), "/proc/1/comm": "bwrap\n"}
    stack = inspect(made_of(tmp_path, {"links": IDS}, files)).stack
    assert [layer.id for layer in stack.layers] == ["bubblewrap"]
