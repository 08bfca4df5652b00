"""Removes what the operating system holds: processes, cgroups, mounts and folders. Each says whether it was there."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from time import sleep

from envbench.errors import EnvbenchError
from envbench.errors.causes import cause_of_errno, remedy_for
from envbench.traces.mounts import filesystem_of, mounts_under
from envbench.traces.procfs import CGROUP_ROOT, process_start_ticks


def end_process(
    pid: int, start_ticks: int | None = None, wait_s: float = 5.0, number: signal.Signals = signal.SIGKILL
) -> bool:
    """Send this process the signal if it is (still) the one that started then; return whether it was there.

    Raises EnvbenchError where it does not end in `wait_s` or may not be ended. A pidfd (pidfd_open(2)) makes sure
    that no other process is hit.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        started = process_start_ticks(pid)
        if started is None or (start_ticks is not None and started != start_ticks):
            return False
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            raise EnvbenchError(
                f"process {pid} may not be ended: {error.strerror}; run envbench clean as its owner"
            ) from error
    finally:
        os.close(descriptor)
    for _ in range(int(wait_s / 0.02)):
        if process_start_ticks(pid) != started:
            return True
        sleep(0.02)
    raise EnvbenchError(
        f"process {pid} was sent {number.name} and has not ended in {wait_s:g} s; look at its state in /proc/{pid}/stat"
    )


def remove_cgroup(path: Path) -> bool:
    """Kill what is in this cgroup and remove it with its children; return whether it was there (cgroups(7))."""
    if not path.is_dir():
        return False
    if filesystem_of(path) not in {"cgroup", "cgroup2"}:
        # A runtime that took a plain folder for a hierarchy left it; the ids in its cgroup.procs are mere text.
        shutil.rmtree(path)
        return True
    for folder in sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True):
        _empty_cgroup(folder)
    _empty_cgroup(path)
    return True


def remove_cgroups(name: str) -> bool:
    """Remove the cgroup of this name right below each hierarchy's root; return whether there was any."""
    hierarchies = (CGROUP_ROOT, *CGROUP_ROOT.glob("*/"))
    return bool(sum(remove_cgroup(root / name) for root in hierarchies))


def _empty_cgroup(path: Path) -> None:
    for _ in range(50):
        # A threaded cgroup names no processes (EOPNOTSUPP); they stand in the one above it (cgroup-v2.rst, Threads).
        with contextlib.suppress(OSError):
            for pid in (path / "cgroup.procs").read_text("ascii").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            sleep(0.02)  # A killed process leaves its cgroup only when it has been torn down.
        else:
            return
    raise EnvbenchError(f"{path}: still has processes", remedy=f"cat {path}/cgroup.procs")


def unmount_under(path: Path) -> bool:
    """Unmount all that is mounted at or below this path; return whether there was any. Raises EnvbenchError."""
    points = mounts_under(path)
    for point in points:
        done = subprocess.run(["umount", "--lazy", "--", point], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise EnvbenchError(f"{point}: cannot be unmounted: {done.stderr.strip()}")
    return bool(points)


def remove_folder(path: Path) -> bool:
    """Remove this folder and all in it, mounts first (never through them); return whether it was there."""
    unmount_under(path)
    if not path.is_dir():
        return False
    shutil.rmtree(path)
    return True


def remove_handler(path: Path) -> bool:
    """Unregister a handler for foreign programs; return whether it was there (kernel documentation, binfmt-misc)."""
    if not path.exists():
        return False
    try:
        path.write_text("-1", "ascii")
    except OSError as error:
        cause = cause_of_errno(error.errno)
        raise EnvbenchError(f"{path}: {error.strerror}", remedy=remedy_for(cause), cause=cause) from error
    return True
