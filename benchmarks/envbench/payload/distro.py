"""Builds the distro profile: a whole Debian or Ubuntu userland from the distribution's own packages.

One tree, kept in the user's cache: containers take it as their image, machines as a disk with systemd as init, where a
unit ordered after multi-user.target says the ready line.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from envbench.errors import BackendError
from envbench.payload.busybox import find_busybox
from envbench.payload.entries import Entry
from envbench.payload.initramfs import cpio
from envbench.payload.modules import module_chain
from envbench.payload.scripts import READY_SCRIPT

PACKAGES = ("systemd-sysv", "dbus")
"""Beside what the distribution calls essential: an init, and the bus that it and its clients speak on."""

SPARE_BYTES = 256 << 20
"""Room on the disk for what a boot writes."""

DISK_MODULES = ("virtio_pci", "virtio_mmio", "virtio_blk", "ext4")

MARKER_UNIT = """\
[Unit]
Description=Says that multi-user.target has been reached
After=multi-user.target

[Service]
ExecStart=/envbench/marker
StandardInput=null
"""

MARKER_SCRIPT = """\
#!/bin/busybox sh
# Runs what the second disk says, on the console; powers off when it has ended or, if asked to stay, at the word "stop".
exec </dev/console >/dev/console 2>&1
stay=
eval "$(/bin/busybox tr -d '\\0' </dev/vdb)"
if [ "$stay" ]; then
  "$@" &
  while read -r word && [ "$word" != stop ]; do :; done
else
  "$@"
fi
exec /bin/systemctl poweroff
"""

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


def distro_folder(cache_dir: Path) -> Path:
    """Return the folder of this distribution's userland in the cache: `tree`, and `disk.img` once it was asked for."""
    release = platform.freedesktop_os_release()
    recipe = (MARKER_UNIT, MARKER_SCRIPT, READY_SCRIPT, *PACKAGES)
    key = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:8]
    return (
        cache_dir
        / "distro"
        / f"{release['ID']}-{release.get('VERSION_CODENAME', 'unknown')}-{os.uname().machine}-{key}"
    )


def distro_tree(cache_dir: Path) -> Path:
    """Return the root of the userland, bootstrapped on the first call (a minute or two, some 200 MB).

    Needs root, mmdebstrap or debootstrap, and the distribution's mirror. Raises BackendError with the remedy.
    """
    folder = distro_folder(cache_dir)
    tree = folder / "tree"
    with locked(folder):
        if not tree.exists():
            # Built beside its place and renamed: a broken bootstrap never looks like a whole one.
            with tempfile.TemporaryDirectory(prefix=".bootstrap-", dir=folder) as scratch:
                made = Path(scratch, "tree")
                _run(_bootstrap_command_here(made))
                _add_payload(made)
                made.rename(tree)
    return tree


def distro_disk(cache_dir: Path) -> Path:
    """Return the userland as an ext4 filesystem in a raw image, made on the first call; nothing is ever mounted."""
    tree = distro_tree(cache_dir)
    disk = tree.parent / "disk.img"
    with locked(tree.parent):
        if not disk.exists():
            size_bytes = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file()) + SPARE_BYTES
            made = disk.with_suffix(".part")
            blocks = str(size_bytes // 4096 * 5 // 4)
            _run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-d", str(tree), "-b", "4096", str(made), blocks])
            made.rename(disk)
    return disk


def distro_initrd(modules: Path) -> bytes:
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


def require_distro(cache_dir: Path) -> None:
    """Raise BackendError, with the remedy, where the userland is neither in the cache nor can be bootstrapped here."""
    if not (distro_folder(cache_dir) / "tree").exists():
        _bootstrap_command_here(Path("tree"))


def bootstrap_command(target: Path, codename: str) -> list[str] | None:
    """Return how to bootstrap this release into `target` with what is installed, None where nothing is."""
    if shutil.which("mmdebstrap"):
        include = f"--include={','.join(PACKAGES)}"
        return ["mmdebstrap", "--quiet", "--variant=minbase", include, codename, str(target)]
    if shutil.which("debootstrap"):
        return ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", codename, str(target)]
    return None


def _bootstrap_command_here(target: Path) -> list[str]:
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME")
    command = bootstrap_command(target, codename) if codename else None
    if command is None:
        raise BackendError("the distro profile needs mmdebstrap on Debian or Ubuntu", remedy="apt install mmdebstrap")
    if os.geteuid() != 0:
        raise BackendError("the distro profile is bootstrapped by root", remedy="sudo, once (it stays in the cache)")
    return command


def _add_payload(tree: Path) -> None:
    shutil.rmtree(tree / "var/cache/apt", ignore_errors=True)
    shutil.copyfile(find_busybox().path, tree / "bin/busybox")
    (tree / "envbench").mkdir()
    (tree / "envbench/ready").write_text(READY_SCRIPT)
    (tree / "envbench/marker").write_text(MARKER_SCRIPT)
    units = tree / "etc/systemd/system"
    (units / "envbench-marker.service").write_text(MARKER_UNIT)
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "envbench-marker.service").symlink_to("../envbench-marker.service")
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    # The console belongs to the marker: a login prompt would answer the word "stop".
    for name in ("serial-getty@.service", "console-getty.service"):
        (units / name).symlink_to("/dev/null")
    (tree / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 0\n")
    (tree / "etc/hostname").write_text("envbench\n")
    for program in ("bin/busybox", "envbench/ready", "envbench/marker"):
        (tree / program).chmod(0o755)


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise BackendError(f"{command[0]}: {error.strerror}", remedy=f"apt install {command[0]}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise BackendError(f"{command[0]} failed: {said}", remedy="apt-get update, and look at the mirror")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep two runs from building the same thing at once (flock(2))."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
