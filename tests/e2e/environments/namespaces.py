"""The host itself, single namespaces of it, and other roots: what is no container and must not be called one."""

from environments.case import Environment
from environments.lab import Lab

CONTAINERS = frozenset({"docker", "podman", "lxc", "container", "systemd-nspawn"})

_SINGLE = {
    "pid": ["--pid", "--fork", "--mount-proc"],
    "mount": ["--mount"],
    "uts": ["--uts"],
    "ipc": ["--ipc"],
    "net": ["--net"],
    "user": ["--user", "--map-root-user"],
    "cgroup": ["--cgroup"],
    "time": ["--time", "--fork", "--boottime", "100000000"],
}


def _host(lab: Lab) -> str:
    return lab.run(lab.ask_here)


def _unshare(flags: list[str]):
    return lambda lab: lab.run(["unshare", *flags, "--", *lab.ask_here])


def _chroot(lab: Lab) -> str:
    root = lab.root
    with lab.mounted("--bind", root, lab.folder("chroot")) as inside:
        for kind, name in (("proc", "proc"), ("sysfs", "sys")):
            lab.run(["mount", "-t", kind, kind, inside / name])
        lab.run(["mount", "--bind", "/dev", inside / "dev"])
        return lab.run(["chroot", inside, *lab.ask_inside])


def _chroot_bare(lab: Lab) -> str:
    """Without /proc nothing can be read; the answer must be "not determined", or right."""
    with lab.mounted("--bind", lab.root, lab.folder("chroot")) as inside:
        lab.run(["mount", "--bind", "/dev", inside / "dev"])
        return lab.run(["chroot", inside, *lab.ask_inside])


NAMESPACES = (
    Environment("host", (), _host, (), "the machine itself", never=CONTAINERS),
    *(
        Environment(
            f"unshare-{name}",
            ("unshare",),
            _unshare(flags),
            (),
            f"unshare {' '.join(flags)}",
            never=CONTAINERS,
        )
        for name, flags in _SINGLE.items()
    ),
    Environment(
        "chroot",
        ("chroot",),
        _chroot,
        ("chroot",),
        "chroot into a Debian tree with /proc, /sys, /dev",
        never=CONTAINERS,
    ),
    Environment(
        "chroot-without-proc",
        ("chroot",),
        _chroot_bare,
        ("chroot",),
        "chroot without /proc and /sys",
        firmware=False,
        never=CONTAINERS,
    ),
)
