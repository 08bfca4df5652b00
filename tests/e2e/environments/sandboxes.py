"""Sandboxes, user-space roots and emulation of other architectures: programs that wrap one program."""

import functools
from collections.abc import Callable

from environments.case import REFUSES, Environment
from environments.lab import INSIDE, Lab

ENGINES = frozenset({"docker", "podman", "lxc", "systemd-nspawn", "container", "containerd"})

Start = Callable[[Lab], str]


def _bwrap(*flags: str) -> Start:
    """Over the host's own root."""
    return lambda lab: lab.run(["bwrap", "--bind", "/", "/", *flags, "--", *lab.ask_here])


def _bwrap_tree(*flags: str) -> Start:
    """Over a root of its own, as a sandboxed application has."""

    def start(lab: Lab) -> str:
        return lab.run(
            [
                *("bwrap", "--bind", lab.root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),
                *("--tmpfs", "/run", *flags, "--", *lab.ask_inside),
            ]
        )

    return start


def _mkosi(*flags: str) -> Start:
    """As mkosi calls it: a root made of links, the tree's /usr and /etc."""

    def start(lab: Lab) -> str:
        program = lab.cache / "mkosi/usr/lib/python3/dist-packages/mkosi/sandbox.py"
        links = [word for name in ("bin", "lib", "lib64", "sbin") for word in ("--symlink", f"usr/{name}", f"/{name}")]
        tree = [word for name in ("usr", "etc", "opt") for word in ("--ro-bind", lab.root / name, f"/{name}")]
        return lab.run(
            [
                *("/usr/bin/python3", program, *tree, *links, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),
                *("--tmpfs", "/run", *flags, "--", *lab.ask_inside),
            ]
        )

    return start


def _firejail(*flags: str) -> Start:
    # A private home hides Pythons that live there; the system's own stays.
    python = ["/usr/bin/python3"] if "--private" in flags else []
    return lambda lab: lab.run(
        ["firejail", "--quiet", "--noprofile", *flags, "--", *(lab.ask_here[:-1] + python if python else lab.ask_here)]
    )


def _firejail_chroot(lab: Lab) -> str:
    """Firejail wants a root-owned tree of its own that has the folders it mounts over."""
    return lab.run(["firejail", "--quiet", "--noprofile", f"--chroot={lab.root}", "--", *lab.ask_inside])


def _proot(lab: Lab) -> str:
    return lab.run(["proot", "-R", lab.root, *lab.ask_inside], timeout_s=120)


def _proot_host(lab: Lab) -> str:
    return lab.run(["proot", *lab.ask_here], timeout_s=120)


def _charliecloud(*flags: str) -> Start:
    return lambda lab: lab.run(["ch-run", "--write", *flags, lab.root, "--", *lab.ask_inside], env={"USER": "root"})


def _apptainer(*flags: str) -> Start:
    """From a Debian tree that has the program: pivoted to in a mount namespace, with the host's kernel files."""

    def start(lab: Lab) -> str:
        place = lab.folder("apptainer")
        script = f"""
            mount --bind {lab.apptainer_tree} {place}
            for d in proc sys dev; do mount --rbind /$d {place}/$d; done
            mount -t tmpfs tmpfs {place}/tmp
            mkdir -p {place}/tmp/root {place}/tmp/old
            mount --bind {lab.root} {place}/tmp/root
            cd {place} && pivot_root . tmp/old && umount -l /tmp/old
            export HOME=/root PATH=/usr/bin:/bin:/usr/sbin:/sbin
            exec apptainer --silent exec {" ".join(flags)} /tmp/root {" ".join(lab.ask_inside)}
        """
        return lab.run(["unshare", "--mount", "sh", "-euc", script], timeout_s=90)

    return start


def _flatpak(lab: Lab) -> str:
    """A runtime and an application made from the root tree, installed for this call only."""
    home = lab.folder("flatpak")
    repository, build = home / "repository", home / "runtime"
    environment = {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "FLATPAK_USER_DIR": str(home / "user")}
    for ref, kind in (("org.envinspect.Platform", "runtime"), ("org.envinspect.Ask", "app")):
        folder = build.with_name(kind)
        folder.mkdir()
        sections = {
            "runtime": f"[Runtime]\nname={ref}\nruntime={ref}/x86_64/1\nsdk={ref}/x86_64/1\n",
            "app": f"[Application]\nname={ref}\nruntime=org.envinspect.Platform/x86_64/1\n"
            "sdk=org.envinspect.Platform/x86_64/1\n"
            "command=/usr/opt/ask.sh\n",
        }
        (folder / "metadata").write_text(sections[kind])
        if kind == "runtime":
            (folder / "files").mkdir()
            lab.run(["cp", "-a", f"{lab.root}/usr", folder / "usr"])
            lab.run(["cp", "-a", lab.stage, folder / "usr/opt"])
            lab.run(["cp", "-a", f"{lab.root}/etc", folder / "usr/etc"])
            lab.run(
                ["flatpak", "build-export", "--runtime", "--disable-sandbox", repository, folder, "1"], env=environment
            )
        else:
            (folder / "files").mkdir()
            (folder / "export").mkdir()
            lab.run(["flatpak", "build-export", "--disable-sandbox", repository, folder, "1"], env=environment)
    flatpak = functools.partial(lab.run, env=environment, timeout_s=90)
    flatpak(["flatpak", "--user", "remote-add", "--no-gpg-verify", "here", f"file://{repository}"])
    for ref in ("org.envinspect.Platform//1", "org.envinspect.Ask//1"):
        flatpak(["flatpak", "--user", "install", "--noninteractive", "here", ref])
    return flatpak(
        ["dbus-run-session", "flatpak", "--user", "run", "--command=/usr/opt/ask.sh", "org.envinspect.Ask", "-c", "-u"]
    )


def _qemu_user(lab: Lab) -> str:
    """The arm64 interpreter alone is foreign: the peers have no emulated counterpart and are not asked."""
    root = lab.foreign_root("arm64")
    python = ["qemu-aarch64-static", "-L", root, root / "usr/bin/python3"]
    environment = {"PYTHONPATH": str(root / INSIDE.lstrip("/") / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    answer = lab.run([*python, "-m", "envinspect", "--json"], env=environment, timeout_s=120, check=False)
    captured = lab.folder("qemu-user") / "capture.tar.gz"
    lab.run([*python, "-m", "envinspect", "capture", captured], env=environment, timeout_s=120, check=False)
    coded = lab.run(["base64", captured]) if captured.exists() else ""
    silent = "".join(f"=== {name}\n-\n" for name in ("systemd-vm", "systemd-container", "virt-what"))
    exit_code = 0 if '"determined": true' in answer or '"determined":true' in answer else 3
    return (
        f"=== envinspect\n{answer}\n=== envinspect.stderr\n=== envinspect.exit\n{exit_code}\n"
        f"{silent}=== capture\n{coded}\n=== end\n"
    )


BWRAP = functools.partial(Environment, needs=("bwrap",), layers=("bubblewrap",), never=ENGINES)

MKOSI = functools.partial(Environment, needs=("tree:mkosi",), layers=("mkosi-sandbox",), never=ENGINES | {"bubblewrap"})

SANDBOXES = (
    BWRAP(name="bubblewrap", start=_bwrap("--dev", "/dev", "--proc", "/proc"), how="bwrap over the host's root"),
    BWRAP(
        name="bubblewrap-unshare-all",
        start=_bwrap("--unshare-all", "--dev", "/dev", "--proc", "/proc"),
        how="bwrap --unshare-all over the host's root",
    ),
    BWRAP(
        name="bubblewrap-own-root",
        start=_bwrap_tree("--unshare-all"),
        how="bwrap --unshare-all over a Debian tree, without /sys",
        firmware=False,
    ),
    BWRAP(
        name="bubblewrap-own-root-as-user",
        start=_bwrap_tree("--unshare-all", "--uid", "1000", "--gid", "1000", "--ro-bind", "/sys", "/sys"),
        how="bwrap --unshare-all --uid 1000 over a Debian tree",
    ),
    MKOSI(
        name="mkosi-sandbox",
        start=_mkosi(),
        how="mkosi-sandbox over a Debian tree's /usr, without /sys",
        firmware=False,
    ),
    MKOSI(
        name="mkosi-sandbox-unshared",
        start=_mkosi("--become-root", "--unshare-net", "--unshare-ipc", "--ro-bind", "/sys", "/sys"),
        how="mkosi-sandbox --become-root --unshare-net --unshare-ipc over a Debian tree's /usr",
    ),
    Environment(
        "firejail",
        ("firejail",),
        _firejail(),
        ("firejail",),
        "firejail --noprofile",
        never=ENGINES,
        within_container=REFUSES,
    ),
    Environment(
        "firejail-private",
        ("firejail",),
        _firejail("--private", "--private-dev", "--net=none"),
        ("firejail",),
        "firejail --private --private-dev --net=none",
        never=ENGINES,
        within_container=REFUSES,
    ),
    Environment("proot", ("proot",), _proot, ("proot",), "proot -R over a Debian tree", never=ENGINES),
    Environment("proot-host", ("proot",), _proot_host, ("proot",), "proot over the host's root", never=ENGINES),
    Environment(
        "charliecloud", ("ch-run",), _charliecloud(), ("charliecloud",), "ch-run over a Debian tree", never=ENGINES
    ),
    Environment(
        "apptainer",
        ("unshare", "tree:apptainer"),
        _apptainer("--no-privs"),
        ("apptainer",),
        "apptainer exec --no-privs of a Debian tree, as root",
        never=ENGINES,
    ),
    Environment(
        "apptainer-contained",
        ("unshare", "tree:apptainer"),
        _apptainer("--containall", "--userns"),
        ("apptainer",),
        "apptainer exec --containall --userns",
        never=ENGINES,
    ),
    Environment(
        "flatpak",
        ("flatpak", "dbus-run-session"),
        _flatpak,
        ("flatpak",),
        "flatpak run, with a runtime made from a Debian tree",
        slow=True,
        firmware=False,
        never=ENGINES,
    ),
    Environment(
        "qemu-user",
        ("qemu-aarch64-static", "tree:arm64"),
        _qemu_user,
        ("qemu-user",),
        "an arm64 Python under qemu-aarch64",
        never=ENGINES,
        slow=True,
    ),
)
