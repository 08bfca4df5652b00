"""What container runtimes leave in cgroup paths, mounts, files and variables. The first row that fits counts."""

from __future__ import annotations

from envinspect.model import Record

_MOBY = "https://github.com/moby/moby/blob/master/daemon/daemon_unix.go"
_PODMAN = "https://github.com/containers/podman/blob/main/libpod/container_internal_linux.go"
_CRIO = "https://github.com/cri-o/cri-o/blob/main/internal/config/cgmgr/cgmgr_linux.go"
_CONTAINERD = "https://github.com/containerd/containerd/blob/main/internal/cri/server/helpers_linux.go"
_LXC = "https://github.com/lxc/lxc/blob/main/src/lxc/cgroups/cgfsng.c"
_NSPAWN = "https://github.com/systemd/systemd/blob/main/src/nspawn/nspawn-cgroup.c"
_BUILDKIT = "https://github.com/moby/buildkit/blob/master/executor/runcexecutor/executor.go"


class Scope(Record):
    """A cgroup folder `prefix` + name. Where `needs_id`, the name has to be hexadecimal to be more than a hint."""

    prefix: str
    id: str
    reference: str
    needs_id: bool = True


HOST_SCOPES = ("libpod-conmon-", "crio-conmon-", "conmon-", "lxc.monitor", "kata-overhead", "machine-qemu-")
"""Folders of processes that belong to the host: container monitors, and QEMU started by libvirt."""

HOST_UNITS = (".mount", ".socket", ".swap", ".automount", ".device", ".timer", ".path", ".target")
"""Kinds of systemd's units that are no groups of a container's processes."""

SCOPES: tuple[Scope, ...] = (
    Scope("cri-containerd-", "containerd", _CONTAINERD, needs_id=False),
    Scope("crio-", "cri-o", _CRIO, needs_id=False),
    Scope("libpod-payload-", "podman", _PODMAN, needs_id=False),
    Scope("libpod-", "podman", _PODMAN, needs_id=False),
    Scope("docker-", "docker", _MOBY),
    Scope(
        "nerdctl-",
        "containerd",
        "https://github.com/containerd/nerdctl/blob/main/pkg/cmd/container/run_cgroup_linux.go",
    ),
    Scope("containerd-", "containerd", _CONTAINERD),
    Scope(
        "pouch-", "pouch", "https://github.com/AliyunContainerService/pouch/blob/master/cri/ocicni/ocicni_manager.go"
    ),
    Scope(
        "buildah-buildah", "buildah", "https://github.com/containers/buildah/blob/main/run_common.go", needs_id=False
    ),
    Scope("lxc.payload.", "lxc", _LXC, needs_id=False),
    Scope("machine-rkt-", "rkt", "https://github.com/rkt/rkt/blob/master/common/cgroup/cgroup.go", needs_id=False),
    Scope("machine-lxc-", "lxc-libvirt", "https://libvirt.org/cgroups.html", needs_id=False),
    Scope("systemd-nspawn@", "systemd-nspawn", _NSPAWN, needs_id=False),
    Scope("apptainer-", "apptainer", "https://apptainer.org/docs/user/latest/cgroups.html", needs_id=False),
    Scope("singularity-", "apptainer", "https://apptainer.org/docs/user/latest/cgroups.html", needs_id=False),
    Scope("kata_", "kata", "https://github.com/kata-containers/kata-containers/blob/main/docs/design/host-cgroups.md"),
)


class Folder(Record):
    """A cgroup folder in which a runtime keeps one folder for each container. `needs_id` as in Scope."""

    name: str
    id: str
    reference: str
    needs_id: bool = True


FOLDERS: tuple[Folder, ...] = (
    Folder("docker", "docker", _MOBY, needs_id=False),
    Folder("docker-ce", "docker", _MOBY, needs_id=False),
    Folder("moby", "docker", _MOBY),
    Folder(
        "actions_job", "docker", "https://docs.github.com/en/actions/how-tos/write-workflows/choose-where-workflows-run"
    ),
    Folder("azpl_job", "docker", "https://learn.microsoft.com/en-us/azure/devops/pipelines/process/container-phases"),
    Folder("libpod", "podman", _PODMAN),
    Folder("lxc", "lxc", _LXC, needs_id=False),
    Folder("lxc.payload", "lxc", _LXC, needs_id=False),
    Folder(
        "garden", "garden", "https://github.com/cloudfoundry/guardian/blob/main/rundmc/cgroups/path.go", needs_id=False
    ),
    Folder("buildkit", "buildkit", _BUILDKIT, needs_id=False),
    Folder("pouch", "pouch", "https://github.com/AliyunContainerService/pouch/blob/master/daemon/mgr/spec_linux.go"),
    Folder("k8s.io", "containerd", _CONTAINERD),
    Folder("nerdctl", "containerd", _CONTAINERD),
    Folder("singularity", "apptainer", "https://apptainer.org/docs/user/latest/cgroups.html", needs_id=False),
    Folder("apptainer", "apptainer", "https://apptainer.org/docs/user/latest/cgroups.html", needs_id=False),
    Folder(
        "mesos", "container", "https://mesos.apache.org/documentation/latest/containerizer-internals/", needs_id=False
    ),
)


class Storage(Record):
    """Parts that follow each other in the path of a container's files on its host; "*" stands for any one part.

    `engine` rows name who started the container; the others only say whose storage it lies on, which engines share.
    """

    parts: tuple[str, ...]
    id: str
    reference: str
    engine: bool = False


_ID = "<id>"
"""In `Storage.parts`: a full container id."""
_UID = "<uid>"
"""In `Storage.parts`: a pod's UID."""
_NUMBERED = "<n>"
"""At the end of a part in `Storage.parts`: digits."""

_BUILDAH = "https://github.com/containers/buildah/blob/main/run_linux.go"
_LXD = "https://documentation.ubuntu.com/lxd/en/latest/reference/storage_drivers/"
_INCUS = "https://linuxcontainers.org/incus/docs/main/reference/storage_drivers/"
_MOBY_STORAGE = "https://docs.docker.com/engine/storage/drivers/"
_STORAGE = "https://github.com/containers/storage/blob/main/docs/containers-storage.conf.5.md"

STORAGE: tuple[Storage, ...] = (
    Storage(("buildkit", "executor"), "buildkit", _BUILDKIT, engine=True),
    Storage(("buildkit", "net"), "buildkit", _BUILDKIT, engine=True),
    Storage((f"buildkit-mount{_NUMBERED}",), "buildkit", _BUILDKIT, engine=True),
    Storage(("runc-overlayfs", "snapshots"), "buildkit", _BUILDKIT, engine=True),
    Storage(("runc-native", "snapshots"), "buildkit", _BUILDKIT, engine=True),
    Storage(("runc-stargz", "snapshots"), "buildkit", _BUILDKIT, engine=True),
    Storage((f"buildah{_NUMBERED}",), "buildah", _BUILDAH, engine=True),
    Storage(("nerdctl", "*", "containers", "*", _ID), "containerd", _CONTAINERD, engine=True),
    Storage(("nerdctl", "*", "etchosts", "*", _ID), "containerd", _CONTAINERD, engine=True),
    Storage(("pouch", "containers", _ID), "pouch", "https://github.com/AliyunContainerService/pouch", engine=True),
    Storage(("overlay-containers", "*", "userdata"), "podman", _STORAGE, engine=True),
    Storage(("vfs-containers", "*", "userdata"), "podman", _STORAGE, engine=True),
    Storage(("btrfs-containers", "*", "userdata"), "podman", _STORAGE, engine=True),
    Storage(("zfs-containers", "*", "userdata"), "podman", _STORAGE, engine=True),
    Storage(("io.containerd.grpc.v1.cri", "*", "*"), "containerd", _CONTAINERD, engine=True),
    Storage(("io.containerd.runtime.v2.task", "moby", _ID), "docker", _MOBY, engine=True),
    Storage(("io.containerd.runtime.v2.task", "*"), "containerd", _CONTAINERD, engine=True),
    Storage(("io.containerd.runtime.v1.linux", "*"), "containerd", _CONTAINERD, engine=True),
    Storage(("containers", _ID), "docker", _MOBY, engine=True),
    Storage(("docker", "containers", _ID), "docker", _MOBY, engine=True),
    Storage(("docker", "overlay2"), "docker", _MOBY_STORAGE),
    Storage(("docker", "overlay"), "docker", _MOBY_STORAGE),
    Storage(("docker", "aufs"), "docker", _MOBY_STORAGE),
    Storage(("docker", "btrfs"), "docker", _MOBY_STORAGE),
    Storage(("docker", "devicemapper"), "docker", _MOBY_STORAGE),
    Storage(("docker", "fuse-overlayfs"), "docker", _MOBY_STORAGE),
    Storage(("docker", "vfs"), "docker", _MOBY_STORAGE),
    Storage(("docker", "zfs"), "docker", _MOBY_STORAGE),
    Storage(("docker", "rootfs"), "docker", _MOBY_STORAGE),
    Storage(("docker", "containers"), "docker", _MOBY_STORAGE),
    Storage(("docker", "volumes"), "docker", _MOBY_STORAGE),
    Storage(("overlay2", _ID), "docker", _MOBY_STORAGE),
    Storage(("overlay2", "l"), "docker", _MOBY_STORAGE),
    # Docker's and Podman's driver alike, wherever the storage was moved to (Synology's is called @docker).
    Storage(("btrfs", "subvolumes", _ID), "container", "https://docs.docker.com/engine/storage/drivers/btrfs-driver/"),
    Storage(("docker", "*", "overlay2"), "docker", "https://docs.docker.com/engine/security/userns-remap/"),
    Storage(("containers", "storage", "overlay"), "podman", _STORAGE),
    Storage(("containers", "storage", "vfs"), "podman", _STORAGE),
    Storage(("containers", "storage", "btrfs"), "podman", _STORAGE),
    Storage(("storage", "overlay", "l"), "podman", _STORAGE),
    # Wherever the storage was moved to (graphroot): Docker's driver calls its folder overlay2.
    Storage(("overlay", "l"), "podman", _STORAGE),
    Storage(("overlay", _ID, "diff"), "podman", _STORAGE),
    Storage(
        ("io.containerd.snapshotter.v1.*",),
        "containerd",
        "https://github.com/containerd/containerd/blob/main/docs/snapshotters/README.md",
    ),
    Storage(("pods", _UID), "container", "https://kubernetes.io/docs/reference/node/kubelet-files/"),
    Storage(("lxd", "storage-pools", "*", "containers", "*"), "lxd", _LXD, engine=True),
    Storage(("incus", "storage-pools", "*", "containers", "*"), "incus", _INCUS, engine=True),
    Storage(("storage-pools", "*", "containers", "*"), "lxc", _LXD, engine=True),
    Storage(("lxd", "containers", "*", "rootfs"), "lxd", _LXD, engine=True),
    Storage(("lib", "lxc", "*", "rootfs"), "lxc", _LXC, engine=True),
    Storage(("lib", "lxc", "*", "overlay"), "lxc", _LXC, engine=True),
    Storage(("lib", "lxc", "*", "delta0"), "lxc", _LXC, engine=True),
    Storage(("share", "lxc", "*", "rootfs"), "lxc", _LXC, engine=True),
    Storage(("lib", "lxc", "rootfs"), "lxc", _LXC, engine=True),
    Storage(
        ("lib", "machines", "*"),
        "systemd-nspawn",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd-nspawn.html",
    ),
    Storage(
        ("nspawn", "propagate"),
        "systemd-nspawn",
        "https://github.com/systemd/systemd/blob/main/src/nspawn/nspawn.c",
        engine=True,
    ),
    Storage(
        ("nspawn", "unix-export"),
        "systemd-nspawn",
        "https://github.com/systemd/systemd/blob/main/src/nspawn/nspawn.c",
        engine=True,
    ),
    Storage(
        (".lxc-boot-id",), "lxc", "https://github.com/lxc/lxc/blob/main/src/lxc/conf.c", engine=True
    ),  # lxc_setup_boot_id(): a random boot id of the container's own
    Storage(
        (".#proc-sys-kernel-random-boot-id*",),
        "systemd-nspawn",
        "https://github.com/systemd/systemd/blob/main/src/nspawn/nspawn.c",
        engine=True,
    ),  # setup_boot_id()
    Storage(("grootfs", "store"), "garden", "https://github.com/cloudfoundry/grootfs", engine=True),
    Storage(
        ("apptainer", "mnt", "session"),
        "apptainer",
        "https://apptainer.org/docs/admin/latest/configfiles.html",
        engine=True,
    ),
    Storage(
        ("singularity", "mnt", "session"), "apptainer", "https://docs.sylabs.io/guides/latest/admin-guide/", engine=True
    ),
    Storage(
        ("rkt", "pods"),
        "rkt",
        "https://github.com/rkt/rkt/blob/master/Documentation/devel/architecture.md",
        engine=True,
    ),
    Storage(("*.ch", "mnt"), "charliecloud", "https://hpc.github.io/charliecloud/ch-run.html", engine=True),
    Storage(("sysbox", "*"), "sysbox", "https://github.com/nestybox/sysbox", engine=True),
)

BOUND_FILES = frozenset(
    {
        *("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv", "/run/secrets"),
        "/proc/sys/kernel/random/boot_id",
    }
)
"""What engines bind into a container from its own folder on the host; the source path names the engine."""


class Filesystem(Record):
    """A file system that shows a container.

    `targets` are what the mount point begins with ("/" exactly: the root; "": any).
    """

    fstype: str
    source: str
    targets: tuple[str, ...]
    id: str
    reference: str


_KATA = "https://github.com/kata-containers/kata-containers/tree/main/docs/design/architecture"

FILESYSTEMS: tuple[Filesystem, ...] = (
    Filesystem("simfs", "", ("/",), "openvz", "https://wiki.openvz.org/Simfs"),
    Filesystem("reiserfs", "/dev/simfs", ("/",), "openvz", "https://wiki.openvz.org/Simfs"),
    Filesystem("", "/dev/ploop", ("/",), "openvz", "https://wiki.openvz.org/Ploop"),
    Filesystem("fuse.lxcfs", "", ("/proc/", "/sys/"), "lxc", "https://linuxcontainers.org/lxcfs/"),
    Filesystem("fuse.sysboxfs", "", ("/proc/", "/sys/"), "sysbox", "https://github.com/nestybox/sysbox-fs"),
    Filesystem("fuse", "sysboxfs", ("/proc/", "/sys/"), "sysbox", "https://github.com/nestybox/sysbox-fs"),
    Filesystem("virtiofs", "kataShared", ("",), "kata", _KATA),
    Filesystem("9p", "kataShared", ("",), "kata", _KATA),
    Filesystem("", "kataShared", ("",), "kata", _KATA),
)

MANAGERS: dict[str, str] = {
    "docker": "docker",
    "podman": "podman",
    "containerd": "containerd",
    "crio": "cri-o",
    "cri-o": "cri-o",
    "lxc": "lxc",
    "lxc-libvirt": "lxc-libvirt",
    "lxd": "lxd",
    "incus": "incus",
    "systemd-nspawn": "systemd-nspawn",
    "openvz": "openvz",
    "rkt": "rkt",
    "pouch": "pouch",
    "garden": "garden",
    "buildah": "buildah",
    "apptainer": "apptainer",
    "singularity": "apptainer",
    "charliecloud": "charliecloud",
    "kata": "kata",
    "gvisor": "gvisor",
    "toolbox": "toolbox",
}
"""What `container=` and /run/host/container-manager may say, and our ids (https://systemd.io/CONTAINER_INTERFACE/)."""

TOLD_ELSEWHERE = frozenset({"oci", "wsl", "flatpak", "firejail", "proot", "none"})
"""Values that name no container manager: `oci` stands in images of every kind, other probes know the rest."""

CONTAINER_INTERFACE = "https://systemd.io/CONTAINER_INTERFACE/"
