"""cgroup files: every form that kernels and runtimes write, and anything else without a crash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinspect.model import Strength
from envinspect.probes.cgroup import levels
from envinspect.sources.cgroups import Membership, components, is_pod, parse_cgroup, unescape

ID = "5d1f0c7a" * 8
OTHER = "e2b90641" * 8
UID = "0e886e9a_3879_45f9_b44d_86ef9df03224"


def test_reads_both_versions() -> None:
    text = "4:cpu,cpuacct:/a\n1:name=systemd:/b/c\n0::/\n"
    assert parse_cgroup(text) == (
        Membership(4, "cpu,cpuacct", "/a"),
        Membership(1, "name=systemd", "/b/c"),
        Membership(0, "", "/"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "docker",
        f"text 12:pids:/docker/{ID}",
        "11:perf_event:",
        "x:cpu:/docker/y",
        ":/docker",
        "99999999999:cpu:/docker",
    ],
)
def test_leaves_out_what_is_no_membership(line: str) -> None:
    assert parse_cgroup(line) == ()


def test_reads_a_bare_path() -> None:
    assert parse_cgroup("/lxc/web/\n") == (Membership(-1, "", "/lxc/web/"),)


def test_the_group_of_a_zombie_that_is_gone_keeps_its_name():
    assert parse_cgroup("0::/system.slice/docker-abc.scope (deleted)\n") == (
        Membership(0, "", "/system.slice/docker-abc.scope"),
    )


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/", ()),
        ("/a//b/../c", ("a", "b", "c")),
        ("/../../pod1", ("pod1",)),
        ("/docker/   abc   ", ("docker", "abc")),
        ("/system.slice/a.slice:cri-containerd:f00", ("system.slice", "a.slice", "cri-containerd-f00")),
        ("/machine.slice/machine-qemu\\x2d1\\x2dweb.scope", ("machine.slice", "machine-qemu-1-web.scope")),
    ],
)
def test_components(path: str, parts: tuple[str, ...]) -> None:
    assert components(path) == parts


@pytest.mark.parametrize(("escaped", "plain"), [("a\\x2db", "a-b"), ("a\\xzz", "a\\xzz"), ("\\x2", "\\x2"), ("a", "a")])
def test_unescape(escaped: str, plain: str) -> None:
    assert unescape(escaped) == plain


@pytest.mark.parametrize(
    "part", [f"pod{UID}", f"pod{UID.replace('_', '-')}", f"kubepods-burstable-pod{UID}.slice", "pod" + "7a" * 16]
)
def test_is_pod(part: str) -> None:
    assert is_pod(part)


@pytest.mark.parametrize("part", ["pod", "pods", "podman", f"libpod_pod_{ID}.slice", "kubepods.slice", "tripod"])
def test_is_no_pod(part: str) -> None:
    assert not is_pod(part)


@pytest.mark.parametrize(
    ("path", "chain"),
    [
        (f"/docker/{ID}", ["docker"]),
        (f"/docker/{ID.upper()}", ["docker"]),
        (f"/system.slice/docker-{ID}.scope/init.scope", ["docker"]),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope", ["docker"]),
        (f"/system.slice:docker:{ID}", ["docker"]),
        (f"/parent/{ID}", ["docker"]),
        (f"/docker/{ID}/docker/{OTHER}", ["docker", "docker"]),
        (
            f"/docker/{ID}/kubelet.slice/kubelet-kubepods-pod{UID}.slice/cri-containerd-{OTHER}.scope",
            ["docker", "containerd"],
        ),
        (f"/system.slice/docker-{ID}.scope/kubepods/burstable/pod{UID}/{OTHER}", ["docker", "container"]),
        (f"/lxc.payload.web/docker/{ID}", ["lxc", "docker"]),
        (f"/machine.slice/libpod-{ID}.scope/container", ["podman"]),
        (f"/libpod_parent/libpod-{ID}", ["podman"]),
        (f"/kubepods/besteffort/pod{UID}/crio-{ID}", ["cri-o"]),
        (f"/k8s.io/{ID}", ["containerd"]),
        (f"/kubepods/besteffort/pod{UID}/{ID}", ["container"]),
        (f"/service.slice/pod{UID}.slice/{ID}", ["container"]),
        (f"/ecs/task/{ID}", ["container"]),
        (f"/ecs/t/t-1/kubepods/pod{UID}/{ID}", ["container"]),
        ("/docker/47cbd16b77c5", ["docker"]),
        ("/system.slice/docker-47cbd16b77c5.scope", ["docker"]),
        ("/kubepods.slice/kubepods-burstable.slice/cri-containerd-abc.scope", ["containerd"]),
        ("/machine.slice/libpod-012345.scope", ["podman"]),
        ("/kubepods.slice/burstable/x", ["container"]),
        ("/machine.slice/machine-deb.scope", ["systemd-nspawn"]),
        (f"/docker/docker-ce/{ID}", ["docker"]),
        (f"/podruntime/docker/kubepods/besteffort/pod{UID}/{ID}", ["container"]),
        ("/machine/web.libvirt-lxc", ["lxc-libvirt"]),
        ("/docker/buildkit/k2v", ["buildkit"]),
        ("/garden/6f26", ["garden"]),
        ("/lxc/p1", ["lxc"]),
        (f"/lxc/{ID}", ["docker"]),
        ("/machine.slice/machine-deb.scope/payload", ["systemd-nspawn"]),
        ("/machine.slice/systemd-nspawn@deb.service/payload", ["systemd-nspawn"]),
    ],
)
def test_names_the_containers_of_a_path(path: str, chain: list[str]) -> None:
    assert [level.id for level in levels(components(path))] == chain
    assert all(level.strength is Strength.STRONG for level in levels(components(path)))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/init.scope",
        "/system.slice/docker.service",
        "/system.slice/containerd.service",
        "/system.slice/docker.service/cgroup.procs",
        "/docker",
        "/docker/init.scope",
        "/system.slice/crio-wipe.service",
        "/system.slice/docker-compose@web.service",
        "/lxc.monitor.web",
        f"/machine.slice/libpod-conmon-{ID}.scope",
        f"/system.slice/crio-conmon-{ID}.scope",
        "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-75bc72bd-6642-4cf5-b62c-0674e11bfc84.scope",
        "/slurm/uid_1000/job_7/step_0",
        "/custom/path",
    ],
)
def test_finds_no_container_in_a_host_path(path: str) -> None:
    assert not list(levels(components(path)))


@pytest.mark.parametrize("path", ["/system.slice/docker-x.scope", "/moby/x"])
def test_a_malformed_id_is_only_a_hint(path: str) -> None:
    assert [level.strength for level in levels(components(path))] == [Strength.HINT]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for membership in parse_cgroup(text):
        assert all(isinstance(level.id, str) for level in levels(components(membership.path)))


@given(
    st.lists(
        st.sampled_from(["docker", "ecs", "lxc", "buildkit", ID, f"pod{UID}", f"crio-{ID}.scope", "..", "a:b:c", "x"])
    )
)
def test_any_mixture_of_parts_names_containers_in_their_order(parts: list[str]) -> None:
    found = [level.part for level in levels(components("/" + "/".join(parts)))]
    assert len(found) <= len(parts)
