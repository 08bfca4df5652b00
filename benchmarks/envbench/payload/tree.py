"""Builds the payload: one root filesystem tree, the same bytes on every rung, and the argv that runs inside it.

The tree says nothing about which rung it runs on. Containers and processes run `argv_for(workload)`; a machine's kernel
runs /init, which runs the same argv. The first thing printed is always the ready line:

    ENVBENCH-READY <nonce> realtime_ns=<CLOCK_REALTIME, to the microsecond> uptime_s=<seconds since the kernel booted>

where a value that cannot be read is empty. On request `ENVBENCH-FACT key=value` lines follow; a command's output is
followed by `ENVBENCH-EXIT <nonce> status=<n>`.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envbench.backends.protocol import Workload
from envbench.errors import BackendError
from envbench.payload.busybox import BusyBox, find_busybox
from envbench.plan import Settings

READY = "/envbench/ready"
START = "/envbench/start"
"""Only in a machine's per-start initramfs segment: a shell line that sets the argv for /init."""

READY_WORD = b"ENVBENCH-READY"
FACT_WORD = "ENVBENCH-FACT"
EXIT_WORD = "ENVBENCH-EXIT"
INIT_WORD = b"ENVBENCH-INIT"
"""What /init of a machine says before anything else: its userspace is up."""

APPLETS = (
    "awk", "cat", "chroot", "cp", "date", "dd", "df", "echo", "env", "false", "free", "grep", "head", "hostname", "id",
    "insmod", "ip", "kill", "ls", "mkdir", "modprobe", "mount", "mv", "nproc", "poweroff", "ps", "reboot", "rm", "sed",
    "sh", "sha256sum", "sleep", "stat", "sync", "tail", "tr", "true", "umount", "uname", "wc",
)  # fmt: skip
"""Names under /bin that lead to BusyBox; it runs all its other applets as `/bin/busybox NAME`."""

FOLDERS = ("bin", "dev", "envbench", "etc", "proc", "root", "run", "sys", "tmp")
"""Mount points and homes that kernels, runtimes and engines expect."""

READY_SCRIPT = """\
#!/bin/busybox sh
# ready NONCE [facts] [idle] [-- COMMAND ARGUMENT...]
# Shell built-ins only until the line is out: a fork would be timed as part of the start.
facts= idle= nonce=
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    facts) facts=1 ;;
    idle) idle=1 ;;
    *) nonce=$1 ;;
  esac
  shift
done
# Before the ready line: process 1 of a container ignores a SIGTERM without a handler, and takes 10 s to stop then.
[ "$idle" ] && trap 'kill $! 2>/dev/null; exit 0' TERM INT
{ read -r uptime _ </proc/uptime; } 2>/dev/null
# ash reads the clock by itself (microseconds); its `date` knows no %N.
realtime=$EPOCHREALTIME
echo "ENVBENCH-READY $nonce realtime_ns=${realtime:+${realtime/./}000} uptime_s=$uptime"
fact() {
  { read -r value <"$2"; } 2>/dev/null && echo "ENVBENCH-FACT $1=$value"
}
if [ "$facts" ]; then
  fact boot_id /proc/sys/kernel/random/boot_id
  fact kernel_release /proc/sys/kernel/osrelease
  fact kernel_version /proc/version
  fact hostname /proc/sys/kernel/hostname
  fact clocksource /sys/devices/system/clocksource/clocksource0/current_clocksource
  [ "$uptime" ] && echo "ENVBENCH-FACT uptime_s=$uptime"
  echo "ENVBENCH-FACT pid=$$"
  echo "ENVBENCH-FACT end=1"
fi
if [ $# -gt 0 ]; then
  "$@"
  echo "ENVBENCH-EXIT $nonce status=$?"
fi
if [ "$idle" ]; then
  # A child in `wait`: as process 1 a plain sleep would never see SIGTERM, and a loop would cost CPU.
  while :; do
    "${ENVBENCH_BUSYBOX:-/bin/busybox}" sleep 86400 &
    wait $!
  done
fi
exit 0
"""

INIT_SCRIPT = """\
#!/bin/busybox sh
# First process of a machine: run the payload on the console, then power off or wait for the word "stop".
echo ENVBENCH-INIT
/bin/busybox mount -t proc proc /proc
stay=
if [ -r /envbench/start ]; then
  . /envbench/start
else
  set -- /envbench/ready
  for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in
      envbench.nonce=*) set -- "$@" "${word#*=}" ;;
      envbench.facts=1) set -- "$@" facts ;;
      envbench.stay=1) stay=1 ;;
    esac
  done
fi
mounts() {
  /bin/busybox mount -t sysfs sys /sys
  /bin/busybox mount -t devtmpfs dev /dev
}
case " $* " in
  # Only these need more than /proc; the plain ready line does not wait for mounts it never reads.
  *" facts "* | *" -- "*) mounts ;;
esac
if [ "$stay" ]; then
  # ash opens this for what it runs in the background, and there is no devtmpfs yet: an empty file will do.
  [ -e /dev/null ] || : >/dev/null
  "$@" &
  while read -r word && [ "$word" != stop ]; do :; done
else
  "$@"
fi
# Machines without ACPI cannot power off: a reset ends them too, for the VMM runs with -no-reboot.
/bin/busybox poweroff -f
/bin/busybox reboot -f
"""


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree as every archive format needs it: always owned by root, dated 0, never a device.

    `content` is the file's bytes or the link's target; empty for a folder.
    """

    path: str
    mode: int
    content: bytes


def build_tree(target: Path, profile: str = "minimal") -> PayloadTree:
    """Write the tree of this profile to `target`, which must not exist or be empty, and return it.

    The same BusyBox gives the same digest, whoever builds it and whatever the umask. Raises BackendError without a
    usable BusyBox or where `target` is taken.
    """
    if profile != "minimal":
        raise BackendError(f"no payload profile {profile!r}; try: minimal")
    busybox = find_busybox()
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise BackendError(f"{target} is not empty; try: another folder for the payload")
        _write_minimal(target, busybox)
    except OSError as error:
        raise BackendError(f"cannot write the payload tree: {error}") from error
    return describe_tree(target, profile, busybox)


def tree_of_run(settings: Settings) -> PayloadTree:
    """Return the run's one tree, built on the first call; every rung starts from it. Raises BackendError."""
    if settings.profile == "distro":
        from envbench.payload.distro import distro_tree  # noqa: PLC0415 -- it builds on this module

        return describe_tree(distro_tree(settings.cache_dir), settings.profile, find_busybox())
    path = settings.work_dir / "tree"
    if path.exists():
        return describe_tree(path, settings.profile, find_busybox())
    return build_tree(path, settings.profile)


def describe_tree(path: Path, profile: str, busybox: BusyBox) -> PayloadTree:
    """Return digest and size of a tree that stands at `path`."""
    digest = hashlib.sha256()
    size_bytes = 0
    for entry in entries(path):
        content = hashlib.sha256(entry.content).hexdigest()
        digest.update(f"{entry.mode:o} {entry.path} {len(entry.content)} {content}\n".encode())
        size_bytes += len(entry.content) if stat.S_ISREG(entry.mode) else 0
    return PayloadTree(path, profile, digest.hexdigest(), size_bytes, busybox)


def entries(path: Path) -> Iterator[Entry]:
    """Yield a tree's folders, files and links, sorted by path, parents first; the root itself is left out."""
    for found in sorted(path.rglob("*")):
        mode = found.lstat().st_mode
        name = found.relative_to(path).as_posix()
        if stat.S_ISLNK(mode):
            yield Entry(name, stat.S_IFLNK | 0o777, os.fsencode(found.readlink()))
        elif stat.S_ISREG(mode):
            yield Entry(name, mode, found.read_bytes())
        elif stat.S_ISDIR(mode):
            yield Entry(name, mode, b"")


def argv_for(workload: Workload) -> tuple[str, ...]:
    """Return the argv to run inside the tree for this workload, the nonce and the idle word included.

    The ready script takes the workload's own words ("facts"); any other program is run by it after the ready line.
    """
    idle = ("idle",) if workload.keep_running else ()
    if workload.argv[0] == READY:
        return (READY, workload.nonce, *idle, *workload.argv[1:])
    return (READY, workload.nonce, *idle, "--", *workload.argv)


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
