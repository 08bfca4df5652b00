"""Builds the payload: one root filesystem tree, the same bytes on every backend.

Nothing in the tree depends on the backend that it runs on. Containers and processes run `words.argv_for(workload)`; a
machine's kernel runs /init, which runs the same argv.
"""

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from envbench.errors import BackendError
from envbench.payload.busybox import BusyBox, find_busybox
from envbench.payload.entries import entries
from envbench.payload.scripts import INIT_SCRIPT, READY_SCRIPT
from envbench.payload.userland import IMAGES, userland_tree
from envbench.settings import Settings

APPLETS = (
    "awk", "cat", "chroot", "cp", "date", "dd", "df", "echo", "env", "false", "free", "grep", "head", "hostname", "id",
    "insmod", "ip", "kill", "ls", "mkdir", "modprobe", "mount", "mv", "nproc", "poweroff", "ps", "reboot", "rm", "sed",
    "sh", "sha256sum", "sleep", "stat", "sync", "tail", "tr", "true", "umount", "uname", "wc",
)  # fmt: skip
"""Names under /bin that lead to BusyBox; it runs all its other applets as `/bin/busybox NAME`."""

FOLDERS = ("bin", "dev", "envbench", "etc", "proc", "root", "run", "sys", "tmp")
"""Mount points and homes that kernels, runtimes and engines expect."""


@dataclass(frozen=True, slots=True)
class PayloadTree:
    """A built tree.

    `digest` is SHA-256 over its sorted entries (kind, mode, path, content); `size_bytes` sums its files.
    """

    path: Path
    profile: str
    digest: str
    size_bytes: int
    busybox: BusyBox


def build_tree(target: Path, profile: str = "minimal") -> PayloadTree:
    """Write the tree of this profile to `target`, which must not exist or be empty, and return it.

    The same BusyBox gives the same digest, whoever builds it and whatever the umask. Raises BackendError without a
    usable BusyBox or where `target` is taken.
    """
    if profile != "minimal":
        raise BackendError(f"no payload profile {profile!r}", remedy="minimal")
    busybox = find_busybox()
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise BackendError(f"{target} is not empty", remedy="another folder for the payload")
        _write_minimal(target, busybox)
    except OSError as error:
        raise BackendError(f"cannot write the payload tree: {error}") from error
    return describe_tree(target, profile, busybox)


def tree_of_run(settings: Settings) -> PayloadTree:
    """Return the run's one tree, built on the first call; every backend starts from it. Raises BackendError."""
    if settings.profile in IMAGES:
        tree = userland_tree(settings.cache_dir, IMAGES[settings.profile], offline=settings.offline)
        return describe_tree(tree, settings.profile, find_busybox())
    path = settings.work_dir / "tree"
    with settings.making:
        if not path.exists():
            shutil.rmtree(part := path.with_name("tree.part"), ignore_errors=True)
            build_tree(part, settings.profile)
            part.rename(path)  # Only now: what stands at the place is whole.
    return describe_tree(path, settings.profile, find_busybox())


def require_runnable(folder: Path) -> None:
    """Raise BackendError where programs that lie in this folder cannot be run: its filesystem is mounted noexec."""
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        raise BackendError(f"{folder} is mounted noexec", remedy="TMPDIR=DIR, a folder where programs may be run")


def describe_tree(path: Path, profile: str, busybox: BusyBox) -> PayloadTree:
    """Return digest and size of a tree that stands at `path`."""
    digest = hashlib.sha256()
    size_bytes = 0
    for entry in entries(path):
        content = hashlib.sha256(entry.content).hexdigest()
        digest.update(f"{entry.mode:o} {entry.path} {len(entry.content)} {content}\n".encode())
        size_bytes += len(entry.content) if stat.S_ISREG(entry.mode) else 0
    return PayloadTree(path, profile, digest.hexdigest(), size_bytes, busybox)


def _write_minimal(target: Path, busybox: BusyBox) -> None:
    for name in FOLDERS:
        (target / name).mkdir()
    shutil.copyfile(busybox.path, target / "bin/busybox")
    for applet in APPLETS:
        (target / "bin" / applet).symlink_to("busybox")
    (target / "envbench/ready").write_text(READY_SCRIPT)
    (target / "init").write_text(INIT_SCRIPT)
    (target / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (target / "etc/group").write_text("root:x:0:\n")
    _settle(target)


def _settle(target: Path) -> None:
    """Give every entry the same mode and date: the builder's umask and clock must not show in the digest."""
    programs = {target / "bin/busybox", target / "envbench/ready", target / "init"}
    for found in sorted(target.rglob("*"), reverse=True):
        if not found.is_symlink():
            found.chmod(0o755 if found.is_dir() or found in programs else 0o644)
        os.utime(found, (0, 0), follow_symlinks=False)
    (target / "tmp").chmod(0o1777)
    target.chmod(0o755)
    os.utime(target, (0, 0))
