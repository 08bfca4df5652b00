"""Mount tables: the kernel's, the older one, WSL's unescaped one; and whose storage a path leads through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinspect.probes.mounts import chain_in, is_moved, on_whole_disk
from envinspect.sources.mounts import Mount, parse_mountinfo, parse_mounts

ID = "5d1f0c7a" * 8


def test_reads_optional_fields_and_escapes() -> None:
    text = "36 35 98:0 /mnt\\0401 /a\\134b rw,noatime shared:1 master:2 - ext3 /dev/x rw,errors=continue\n"
    assert parse_mountinfo(text) == (
        Mount("/mnt 1", "/a\\b", "ext3", "/dev/x", "rw,errors=continue", 36, "98:0", "rw,noatime", 35),
    )


def test_reads_spaces_that_windows_left_in_the_options() -> None:
    text = (
        "77 73 0:149 / /mnt/c rw,noatime - 9p drvfs rw,aname=drvfs;path=C:\\Program Files\\x;symlinkroot=/mnt/,mmap\n"
    )
    (mount,) = parse_mountinfo(text)
    assert (mount.fstype, mount.source, mount.option("aname")) == (
        "9p",
        "drvfs",
        "drvfs;path=C:\\Program Files\\x;symlinkroot=/mnt/",
    )


@pytest.mark.parametrize(
    "line", ["", "1 2 3", "36 35 98:0 / /a rw", "a b c d e f - ext4 x rw", "36 35 98:0 / - ext4 /dev/x rw"]
)
def test_leaves_out_what_is_cut_short(line: str) -> None:
    assert parse_mountinfo(line) == ()


def test_reads_the_older_table() -> None:
    text = "C:\\134 /mnt/c 9p rw,aname=drvfs 0 0\n/dev/sdd / ext4 rw 0 0\nbroken\n"
    assert parse_mounts(text) == (
        Mount("", "/mnt/c", "9p", "C:\\", "rw,aname=drvfs"),
        Mount("", "/", "ext4", "/dev/sdd", "rw"),
    )


@pytest.mark.parametrize(
    ("path", "chain"),
    [
        (f"/var/lib/docker/overlay2/{ID}/diff", ["docker"]),
        (f"/home/ada/.local/share/docker/overlay2/{ID}/diff", ["docker"]),
        (f"/data/moby/containers/{ID}/hosts", ["docker"]),
        (f"/docker/containers/{ID}/hostname", ["docker"]),
        ("/var/lib/docker/231072.231072/overlay2/l/QZ", ["docker"]),
        (f"/containers/overlay-containers/{ID}/userdata/hosts", ["podman"]),
        ("/var/lib/containers/storage/overlay/l/QZ", ["podman"]),
        (f"/var/lib/nerdctl/1935db59/containers/default/{ID}/resolv.conf", ["containerd"]),
        (f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/rootfs", ["containerd"]),
        (f"/run/containerd/io.containerd.runtime.v2.task/moby/{ID}/rootfs", ["docker"]),
        ("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/4/fs", ["containerd"]),
        ("/var/lib/buildkit/runc-overlayfs/snapshots/snapshots/4/fs", ["buildkit"]),
        ("/var/lib/docker/buildkit/executor/resolv.conf", ["buildkit"]),
        ("/var/tmp/buildah2618890512/hosts", ["buildah"]),
        ("/var/lib/lxc/web/rootfs", ["lxc"]),
        ("/var/snap/lxd/common/lxd/storage-pools/default/containers/web/rootfs", ["lxd"]),
        ("/var/lib/incus/storage-pools/default/containers/web/rootfs", ["incus"]),
        ("/var/lib/machines/deb", ["systemd-nspawn"]),
        (f"/var/lib/lxc/web/rootfs/var/lib/docker/containers/{ID}/hosts", ["lxc", "docker"]),
        (
            f"/var/lib/docker/volumes/{ID}/_data/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname",
            ["docker", "containerd"],
        ),
        ("/var/tmp/ada.ch/mnt", ["charliecloud"]),
        ("/", []),
        ("", []),
        ("/srv/docker", []),
        ("/home/ada/containers/overlay", []),
        ("/var/lib/machines", []),
        ("/home/ada/buildahx", []),
    ],
)
def test_storages_along_a_path(path: str, chain: list[str]) -> None:
    assert [row.id for row in chain_in(path)] == chain


@pytest.mark.parametrize(
    "root",
    [
        Mount("/", "/", "ext4", "/dev/sda1", "rw"),
        Mount("", "/", "xfs", "/dev/mapper/rl-root", "rw"),
        Mount("/@", "/", "btrfs", "/dev/nvme0n1p2", "rw"),
        Mount("/root", "/", "btrfs", "/dev/vda3", "rw"),
        Mount("/ostree/deploy/fedora/deploy/0a1b.0", "/", "xfs", "/dev/vda3", "rw"),
    ],
)
def test_a_machines_root(root: Mount) -> None:
    assert on_whole_disk(root)
    assert not is_moved(root)


@pytest.mark.parametrize(
    "root",
    [
        Mount("/", "/", "overlay", "overlay", "rw"),
        Mount("/rootfs", "/", "ext4", "/dev/mapper/docker-8:2-41-0a", "rw"),
        Mount("/", "/", "ext4", "/dev/mapper/docker-8:2-41-0a", "rw"),
        Mount("/srv/bundle/rootfs", "/", "ext4", "/dev/sda1", "rw"),
        Mount("/var/lib/lxc/web/rootfs", "/", "ext4", "/dev/sda1", "rw"),
        Mount("/", "/", "squashfs", "/dev/loop4", "ro"),
    ],
)
def test_a_root_that_was_made(root: Mount) -> None:
    assert is_moved(root)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for mount in (*parse_mountinfo(text), *parse_mounts(text)):
        assert isinstance(on_whole_disk(mount), bool)
        chain_in(mount.root)


@given(
    st.lists(
        st.sampled_from(
            ["docker", "containers", ID, "overlay2", "lib", "lxc", "x", "rootfs", "buildah7", "", "storage-pools"]
        )
    )
)
def test_a_chain_is_never_longer_than_the_path(parts: list[str]) -> None:
    assert len(chain_in("/".join(parts))) <= len(parts)
