"""Other roots: chroot and pivot_root into all kinds of mounts, by users too, and the host's root from elsewhere."""

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from environments.case import ALIKE, Environment
from environments.containers import ASK, docker_run
from environments.lab import INSIDE, Lab

Start = Callable[[Lab], str]
Root = Callable[[Lab], contextlib.AbstractContextManager[Path]]
ENGINES = frozenset({"docker", "podman", "lxc", "systemd-nspawn", "container", "containerd"})


def _skeleton(lab: Lab, place: Path) -> Path:
    """Make the root tree's folders and links, without what is in them."""
    for name in lab.root.iterdir():
        if name.is_symlink():
            (place / name.name).symlink_to(name.readlink())
        elif name.is_dir():
            (place / name.name).mkdir(exist_ok=True)
    return place


@contextlib.contextmanager
def _mounted(lab: Lab, place: Path, *arguments: str | Path) -> Iterator[Path]:
    """Mount a root, put the tree's programs and the kernel's folders into it."""
    with lab.mounted(*arguments, place):
        if not (place / "usr").exists():
            _skeleton(lab, place)
        if not (place / "usr/bin").exists():
            for name in ("usr", "etc", "opt"):
                lab.run(["mount", "--bind", lab.root / name, place / name])
        lab.run(["mount", "-t", "proc", "proc", place / "proc"])
        lab.run(["mount", "-t", "sysfs", "sysfs", place / "sys"])
        lab.run(["mount", "--bind", "/dev", place / "dev"])
        yield place


def _overlay(lab: Lab) -> contextlib.AbstractContextManager[Path]:
    layers = f"lowerdir={_skeleton(lab, lab.folder('lower'))}:{lab.root}"
    return _mounted(lab, lab.folder("overlay"), "-t", "overlay", "-o", layers, "overlay")


def _tmpfs(lab: Lab) -> contextlib.AbstractContextManager[Path]:
    return _mounted(lab, lab.folder("tmpfs"), "-t", "tmpfs", "-o", "mode=755", "tmpfs")


def _squashfs(lab: Lab) -> contextlib.AbstractContextManager[Path]:
    image = lab.scratch / f"{lab.folder('squashfs').name}.img"
    lab.run(["mksquashfs", _skeleton(lab, lab.folder("skeleton")), image, "-quiet", "-no-progress"])
    return _mounted(lab, lab.folder("squashfs"), "-o", "loop,ro", image)


def _ext4(lab: Lab) -> contextlib.AbstractContextManager[Path]:
    image = lab.scratch / f"{lab.folder('ext4').name}.img"
    lab.run(["mke2fs", "-q", "-t", "ext4", "-d", _skeleton(lab, lab.folder("skeleton")), image, "4M"])
    return _mounted(lab, lab.folder("ext4"), "-o", "loop", image)


def _chroot(root: Root, *before: str, inside: str = ASK) -> Start:
    def start(lab: Lab) -> str:
        with root(lab) as place:
            return lab.run([*before, "chroot", place, "sh", "-c", inside])

    return start


def _arch_chroot(lab: Lab) -> str:
    """As arch-chroot does it: the tree bound to itself, its mounts made in a mount namespace of its own."""
    script = (
        f"mount --bind {lab.root} {lab.root} && mount -t proc proc {lab.root}/proc && "
        f"mount -t sysfs sys {lab.root}/sys && mount --rbind /dev {lab.root}/dev && exec chroot {lab.root} {ASK}"
    )
    return lab.run(["unshare", "--mount", "sh", "-c", script])


def _unshare_root(*flags: str) -> Start:
    def start(lab: Lab) -> str:
        with _overlay(lab) as place:
            if "--mount-proc" in flags:
                lab.run(["umount", place / "proc"])  # two of them are a live system's as well
            return lab.run(["unshare", *flags, f"--root={place}", "--", "sh", "-c", ASK])

    return start


def _pivot_root(lab: Lab) -> str:
    with _tmpfs(lab) as place:
        script = f"mkdir {place}/old && cd {place} && pivot_root . old && umount -l /old && exec {ASK}"
        return lab.run(["unshare", "--mount", "sh", "-c", script])


WITHOUT = "-sys_resource,-sys_ptrace"
"""What lets root read who PID 1 is where PID 1 can do more than root here."""

CHROOT = functools.partial(
    Environment, layers=("chroot",), never=ENGINES, same_for_users=True, needs=("chroot",), firmware=True
)

_ROOTS: tuple[Environment, ...] = (
    CHROOT(name="chroot-overlay", start=_chroot(_overlay), how="chroot into an overlay"),
    CHROOT(name="chroot-tmpfs", start=_chroot(_tmpfs), how="chroot into a tmpfs"),
    CHROOT(
        name="chroot-squashfs",
        start=_chroot(_squashfs),
        how="chroot into a squashfs image",
        needs=("mksquashfs",),
    ),
    CHROOT(name="chroot-ext4", start=_chroot(_ext4), how="chroot into an ext4 image", needs=("mke2fs",)),
    CHROOT(
        name="chroot-fewer-capabilities",
        start=_chroot(_overlay, "setpriv", "--bounding-set", WITHOUT),
        how="chroot into an overlay as root without CAP_SYS_RESOURCE and CAP_SYS_PTRACE",
    ),
    CHROOT(name="arch-chroot", start=_arch_chroot, how="a tree bound to itself, in a mount namespace of its own"),
    CHROOT(name="unshare-root", start=_unshare_root("--mount"), how="unshare --mount --root into an overlay"),
    CHROOT(
        name="unshare-root-pid",
        start=_unshare_root("--mount", "--pid", "--fork", "--mount-proc"),
        how="unshare --mount --pid --root into an overlay",
        within_container=ALIKE,
    ),
    CHROOT(name="pivot-root", start=_pivot_root, how="pivot_root to a tmpfs in a mount namespace of its own"),
    Environment(
        "fakechroot",
        ("fakechroot",),
        lambda lab: lab.run(["fakechroot", *lab.ask_here]),
        ("fakechroot",),
        "fakechroot around the host's programs",
        never=ENGINES,
    ),
)


# --- the host's root from a container, and a sandbox in one ---------------------------------------------------------


def _nsenter(lab: Lab) -> str:
    """All of the host's namespaces again, as a node's shell in a pod has them: only the control group is left.

    They are taken from this process: PID 1 may have capabilities that a container on this machine cannot be given.
    """
    script = f"exec nsenter -t {os.getpid()} -a {' '.join(lab.ask_here)}"
    return docker_run("--privileged", "--pid=host", script=script)(lab)


def _chroot_host(lab: Lab) -> str:
    return docker_run("--privileged", "--volume=/:/host", script=f"exec chroot /host {' '.join(lab.ask_here)}")(lab)


def _without_engine_files(lab: Lab) -> str:
    return docker_run("--privileged", script=f"umount /etc/hosts /etc/hostname /etc/resolv.conf; exec {ASK}")(lab)


def _bwrap(*flags: str) -> Start:
    program = shutil.which("bwrap") or "bwrap"
    words = " ".join(flags)
    return docker_run(
        "--privileged",
        f"--volume={program}:/usr/bin/bwrap:ro",
        script=f"exec bwrap {words} --dev /dev --proc /proc {ASK}",
    )


OWN_ROOT = (
    *("--ro-bind /usr /usr", "--ro-bind /etc /etc", f"--ro-bind {INSIDE} {INSIDE}", "--tmpfs /tmp", "--tmpfs /run"),
    *(f"--symlink usr/{name} /{name}" for name in ("bin", "lib", "lib64", "sbin")),
)

_AROUND: tuple[Environment, ...] = (
    Environment(
        "nsenter-from-docker",
        ("docker", "nsenter"),
        _nsenter,
        (),
        "nsenter --all into the host in docker run --privileged --pid=host",
        never=ENGINES,
    ),
    Environment(
        "chroot-host-in-docker",
        ("docker",),
        _chroot_host,
        ("docker", "chroot"),
        "chroot /host in docker run --privileged --volume /:/host",
        never=ENGINES - {"docker"},
    ),
    Environment(
        "docker-without-engine-files",
        ("docker",),
        _without_engine_files,
        ("docker",),
        "docker run --privileged, the files that Docker binds unmounted",
        never=(ENGINES - {"docker"}) | {"chroot"},
    ),
    Environment(
        "bubblewrap-in-docker",
        ("docker", "bwrap"),
        _bwrap("--ro-bind / /"),
        ("docker", "bubblewrap"),
        "bwrap over the root of docker run --privileged",
        firmware=False,
        never=(ENGINES - {"docker"}) | {"chroot"},
    ),
    Environment(
        "bubblewrap-unshare-all-in-docker",
        ("docker", "bwrap"),
        _bwrap(*OWN_ROOT, "--unshare-all"),
        ("docker", "bubblewrap"),
        "bwrap --unshare-all with a root of its own in docker run --privileged",
        firmware=False,
        never=(ENGINES - {"docker"}) | {"chroot"},
    ),
)

ROOTS: tuple[Environment, ...] = (*_ROOTS, *_AROUND)
