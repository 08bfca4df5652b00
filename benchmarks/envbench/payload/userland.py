"""Builds whole userlands of this distribution from its own packages, once, into the user's cache.

`distro` is a whole Debian (or Ubuntu): containers take its tree as their image, machines a disk of it with systemd as
init, where a unit ordered after the default target says the ready line. `service` is nginx in a slim image, without an
init, and the `distro` disk with nginx on it. `another` is a slim userland of the distribution's other release. `login`
is `distro` with an SSH server.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from envbench.errors import BackendError
from envbench.payload.busybox import find_busybox
from envbench.payload.entries import Entry
from envbench.payload.growth import Grew, growing, size_of_tree, tell_grown
from envbench.payload.initramfs import cpio
from envbench.payload.modules import module_chain
from envbench.payload.packages import ANOTHER_RELEASE, require_apt, unpack_onto
from envbench.payload.scripts import (
    LOGIN_UNIT,
    MARKER_SCRIPT,
    MARKER_UNIT,
    NETWORK,
    PAGE_SCRIPT,
    PAGE_UNIT,
    READY_SCRIPT,
    SERVE_SCRIPT,
    STOP_SCRIPT,
)

Say = Callable[[str], None]

SYSTEM_PACKAGES = ("systemd-sysv", "dbus", "udev", "kmod", "procps", "iproute2", "busybox-static")
"""Beside what the distribution calls essential: init, the message bus that it uses, devices and their drivers, and the
usual tools; the payload's scripts need a BusyBox."""

BUILT_AT = "1735689600"
"""SOURCE_DATE_EPOCH of everything that is built (reproducible-builds.org): 2025-01-01, not the day of the build."""
DISK_ID = "e4be0000-0000-4000-8000-000000000001"
"""The filesystem's UUID and hash seed: fixed, so that the same packages give the same disk."""

SPARE_BYTES = 256 << 20
"""Room on the disk for what a boot writes."""

DISK_MODULES = ("virtio_pci", "virtio_mmio", "virtio_blk", "ext4")

INITRD_INIT = """\
#!/bin/busybox sh
echo ENVBENCH-INIT
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /modules/order); do
  /bin/busybox insmod "/modules/$module"
done
/bin/busybox mount -t ext4 "${envbench_root:-/dev/vda}" /root
exec /bin/busybox switch_root /root /sbin/init
"""

_UNITS = "etc/systemd/system"
# The console belongs to the marker: a login prompt would answer the word "stop".
_SYSTEM_LINKS = {
    f"{_UNITS}/serial-getty@.service": "/dev/null",
    f"{_UNITS}/console-getty.service": "/dev/null",
    f"{_UNITS}/multi-user.target.wants/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
    f"{_UNITS}/network-online.target.wants/systemd-networkd-wait-online.service": (
        "/lib/systemd/system/systemd-networkd-wait-online.service"
    ),
}
_SYSTEM_FILES = {
    "etc/fstab": "/dev/vda / ext4 defaults 0 0\n",
    "etc/hostname": "envbench\n",
    "etc/systemd/network/80-dhcp.network": NETWORK,
}


@dataclass(frozen=True, slots=True)
class Userland:
    """One tree: packages beside the essential ones, and what is added to them (programs are made executable)."""

    packages: tuple[str, ...]
    programs: Mapping[str, str]
    files: Mapping[str, str]
    links: Mapping[str, str]
    slim: bool = False
    """Without manuals, other languages and documentation, as base images of containers are."""
    writes: tuple[str, ...] = ()
    """Folders that its service writes to: where the root is read-only each needs a file system of its own."""
    another: bool = False
    """Of another release of the distribution, not of this machine's."""
    onto: str = ""
    """The userland onto a copy of which the packages are unpacked, not installed; "": one is bootstrapped of them."""

    @property
    def key(self) -> str:
        """Return what changes with anything that the tree is made of."""
        parts: tuple[object, ...] = (self.packages, self.programs, self.files, self.links, self.slim, BUILT_AT)
        parts += (USERLANDS[self.onto].key,) if self.onto else ()
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


USERLANDS: dict[str, Userland] = {
    "distro": Userland(
        SYSTEM_PACKAGES,
        # Debian's own shell runs it, as it would a user's script; bash reads the clock by itself like BusyBox's ash.
        {
            "envbench/ready": READY_SCRIPT.replace("#!/bin/busybox sh", "#!/bin/bash", 1),
            "envbench/marker": MARKER_SCRIPT,
        },
        {**_SYSTEM_FILES, f"{_UNITS}/envbench-marker.service": MARKER_UNIT},
        {**_SYSTEM_LINKS, f"{_UNITS}/graphical.target.wants/envbench-marker.service": "../envbench-marker.service"},
    ),
    "service": Userland(
        ("nginx-light",),
        {"envbench/serve": SERVE_SCRIPT},
        {},
        {"var/log/nginx/access.log": "/dev/stdout", "var/log/nginx/error.log": "/dev/stderr"},
        slim=True,
        writes=("/run", "/var/lib/nginx", "/var/www/html"),
    ),
    "service-machine": Userland(
        (*SYSTEM_PACKAGES, "nginx-light"),
        {"envbench/page": PAGE_SCRIPT, "envbench/stop": STOP_SCRIPT},
        {**_SYSTEM_FILES, f"{_UNITS}/envbench-page.service": PAGE_UNIT},
        {**_SYSTEM_LINKS, f"{_UNITS}/multi-user.target.wants/envbench-page.service": "../envbench-page.service"},
    ),
    "another": Userland(
        ("busybox-static",),
        {"envbench/ready": READY_SCRIPT.replace("#!/bin/busybox sh", "#!/bin/bash", 1)},
        {},
        {},
        slim=True,
        another=True,
    ),
    "login": Userland(
        ("dropbear-bin",),
        {},
        {f"{_UNITS}/envbench-login.service": LOGIN_UNIT},
        {
            f"{_UNITS}/multi-user.target.wants/envbench-login.service": "../envbench-login.service",
            # It powers off a machine that has no second disk with words to run.
            f"{_UNITS}/envbench-marker.service": "/dev/null",
        },
        onto="distro",
    ),
}
IMAGES = {"distro": "distro", "service": "service"}
"""Profile → the userland that its containers' image is."""
MACHINES = {"distro": "distro", "service": "service-machine"}
"""Profile → the userland on its machines' disk."""


def tell(line: str) -> None:
    """Say a line of progress to people."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def userland_folder(cache_dir: Path, name: str) -> Path:
    """Return the folder of this userland in the cache: `tree`, `packages.txt`, and disks once they were asked for."""
    release = platform.freedesktop_os_release()
    codename = release.get("VERSION_CODENAME", "unknown")
    if USERLANDS[name].another:
        codename = ANOTHER_RELEASE.get(codename, codename)
    words = (release["ID"], codename, os.uname().machine, USERLANDS[name].key)
    return cache_dir / name / "-".join(words)


def userland_tree(
    cache_dir: Path, name: str, say: Say = tell, *, offline: bool = False, grew: Grew = tell_grown
) -> Path:
    """Return the root of a userland, bootstrapped on the first call (a minute or two, some 200 MB).

    Needs root, mmdebstrap or debootstrap, and the distribution's mirror; `offline` forbids that. Raises BackendError
    with the remedy.
    """
    require_userland(cache_dir, name, offline=offline)
    folder = userland_folder(cache_dir, name)
    tree = folder / "tree"
    with locked(folder):
        if not tree.exists():
            # Built beside its place and renamed: a broken bootstrap never looks like a whole one.
            with tempfile.TemporaryDirectory(prefix=".bootstrap-", dir=folder) as scratch:
                made, userland = Path(scratch, "tree"), USERLANDS[name]
                if userland.onto:
                    base = userland_tree(cache_dir, userland.onto, say, offline=offline, grew=grew)
                    # Hard links: what is unpacked onto the copy, or removed from it, does not reach the tree.
                    _run(["cp", "--archive", "--link", str(base), str(made)])
                    unpack_onto(made, userland.packages, grew)
                else:
                    _bootstrap(_bootstrap_command_here(made, userland), made, name, say, grew)
                _add_payload(made, userland)
                (folder / "packages.txt").write_text(_installed(made))
                made.rename(tree)
    return tree


def root_disk(cache_dir: Path, name: str, modules: Path) -> Path:
    """Return a userland, with a kernel's modules, as an ext4 filesystem in a raw image, made on the first call.

    Nothing is ever mounted. `modules` is the kernel's module folder, named by its release. Raises BackendError.
    """
    tree = userland_tree(cache_dir, name)
    disk = tree.parent / f"root-{modules.name}.img"
    with locked(tree.parent):
        if not disk.exists():
            with tempfile.TemporaryDirectory(prefix=".root-", dir=tree.parent) as scratch:
                root, made = Path(scratch, "root"), Path(scratch, "disk.img")
                # Hard links: what is added to the copy does not reach the tree.
                _run(["cp", "--archive", "--link", str(tree), str(root)])
                (root / "lib/modules").mkdir(exist_ok=True)
                _run(["cp", "--archive", str(modules), str(root / "lib/modules")])
                _run(["chroot", str(root), "depmod", modules.name])
                _run(_filesystem_command(root, made))
                made.rename(disk)
    return disk


def disk_initrd(modules: Path) -> bytes:
    """Return the initramfs that finds the disk: BusyBox, the disk's modules, and an init that hands over to systemd."""
    busybox = find_busybox()
    chain = module_chain(modules, DISK_MODULES)
    folder, program, plain = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFREG | 0o644
    return cpio(
        (
            *(Entry(name, folder, b"") for name in ("bin", "dev", "modules", "root")),
            Entry("bin/busybox", program, busybox.path.read_bytes()),
            Entry("init", program, INITRD_INIT.encode()),
            Entry("modules/order", plain, "\n".join(name for name, _ in chain).encode()),
            *(Entry(f"modules/{name}", plain, data) for name, data in chain),
        )
    )


def is_cached(cache_dir: Path, name: str) -> bool:
    """Say whether a userland has been built already."""
    return (userland_folder(cache_dir, name) / "tree").exists()


def require_userland(cache_dir: Path, name: str, *, offline: bool = False) -> None:
    """Raise BackendError, with the remedy, where a userland is neither in the cache nor can be bootstrapped here."""
    if is_cached(cache_dir, name):
        return
    if offline:
        raise BackendError(
            f"no {name} userland in {cache_dir}, and nothing may be downloaded", remedy=f"sudo envbench fetch {name}"
        )
    onto = USERLANDS[name].onto
    if onto:
        require_apt()
        _require_root()
        require_userland(cache_dir, onto)
    else:
        _bootstrap_command_here(Path("tree"), USERLANDS[name])


def bootstrap_command(target: Path, codename: str, userland: Userland) -> list[str] | None:
    """Return how to bootstrap this release into `target` with what is installed, None where nothing is."""
    include = f"--include={','.join(userland.packages)}"
    if shutil.which("mmdebstrap"):
        left_out = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*") if userland.slim else ()
        # Without waiting for the disk after each package: the tree is renamed into its place only when it is whole.
        options = ["--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={path}" for path in left_out)]
        return ["mmdebstrap", "--quiet", "--variant=minbase", *options, include, codename, str(target)]
    if shutil.which("debootstrap"):
        return ["debootstrap", "--variant=minbase", include, codename, str(target)]
    return None


def _bootstrap_command_here(target: Path, userland: Userland) -> list[str]:
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME")
    if userland.another and codename not in ANOTHER_RELEASE:
        raise BackendError(f"no other release to go with {codename or 'this system'}", remedy="Debian or Ubuntu")
    if userland.another:
        codename = ANOTHER_RELEASE[codename or ""]
    command = bootstrap_command(target, codename, userland) if codename else None
    if command is None:
        raise BackendError("a whole userland needs mmdebstrap on Debian or Ubuntu", remedy="apt install mmdebstrap")
    _require_root()
    return command


def _require_root() -> None:
    if os.geteuid() != 0:
        remedy = "sudo envbench fetch, once (it stays in that user's cache)"
        raise BackendError("a whole userland is bootstrapped by root", remedy=remedy)


def _bootstrap(command: Sequence[str], tree: Path, name: str, say: Say, grew: Grew) -> None:
    """Run the bootstrap and tell now and then how far it is."""
    say(f"{name}: building its userland from the distribution's packages with {command[0]}, once (about two minutes)")
    with growing(name, tree, grew):
        _run(command, within=_own_mounts())
    say(f"{name}: {size_of_tree(tree) / 1e6:.0f} MB, built")


def _own_mounts() -> tuple[str, ...]:
    """Return what runs a command in a mount namespace of its own, which no mount outlives; () where it gets none."""
    within = ("unshare", "--mount")
    if shutil.which(within[0]) is None:
        return ()
    return within if subprocess.run((*within, "true"), capture_output=True, check=False).returncode == 0 else ()


def _installed(tree: Path) -> str:
    """Return what is installed in a tree, a package with its version a line."""
    return _run(["chroot", str(tree), "dpkg-query", "--show"])


def _add_payload(tree: Path, userland: Userland) -> None:
    shutil.rmtree(tree / "var/cache/apt", ignore_errors=True)
    (tree / "etc/dpkg/dpkg.cfg.d/99mmdebstrap").unlink(missing_ok=True)  # How it was built is no part of it.
    for name, text in {**userland.programs, **userland.files}.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name in userland.programs else 0o644)
    for name, target in userland.links.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _filesystem_command(root: Path, made: Path) -> list[str]:
    blocks = str((size_of_tree(root) + SPARE_BYTES) // 4096 * 5 // 4)
    fixed = ["-U", DISK_ID, "-E", f"hash_seed={DISK_ID}"]
    return ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", *fixed, "-d", str(root), "-b", "4096", str(made), blocks]


def _run(command: Sequence[str], within: Sequence[str] = ()) -> str:
    """Return what a command said, run in a session that an interruption ends as a whole. Raises BackendError.

    `within` is what runs it: a command of its own, which takes it as its last words.
    """
    environment = {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": BUILT_AT, "E2FSPROGS_FAKE_TIME": BUILT_AT}
    try:
        child = subprocess.Popen(
            [*within, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise BackendError(f"{command[0]}: {error.strerror}", remedy=f"apt install {command[0]}") from error
    try:
        said, _ = child.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        child.wait()
        raise
    if child.returncode != 0:
        last = (said.strip() or "no message").splitlines()[-1]
        raise BackendError(f"{command[0]} failed: {last}", remedy="apt-get update, and look at the mirror")
    return said


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep two runs from building the same thing at once (flock(2))."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
