"""What the figures depend on beside envinspect's answer: clock rate, governor, disk, control groups, mitigations.

This machine goes in, looked at once when the run begins; the `Machine` of run.json comes out, each part of it found,
absent or denied. Sources: psutil for clock rates and mounts; in sysfs cpufreq (Documentation/admin-guide/pm/
cpufreq.rst), block devices (Documentation/ABI/stable/sysfs-block) and the weaknesses of CPUs
(Documentation/ABI/testing/sysfs-devices-system-cpu).
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psutil

from envbench.records.run_json import Answer, ClockRate, Disk, Machine, Seen

SYSFS = Path("/sys")
CPUS = "devices/system/cpu"
HZ_PER_MHZ = 1e6
SECTOR_BYTES = 512
"""What the kernel counts the size of every block device in, whatever its own sectors are."""
CGROUP_VERSIONS = {"cgroup": "1", "cgroup2": "2"}
"""Type of a mounted file system → the version of control groups that it is."""


class Mount(Protocol):
    """A mounted file system as psutil describes it."""

    device: str
    mountpoint: str
    fstype: str


def machine(work_dir: Path, sysfs: Path = SYSFS) -> Machine:
    """Return what can be seen of the machine now; disk and file system are those that `work_dir` lies on."""
    mounted = mounts()
    below = mount_of(work_dir, mounted)
    return Machine(
        clock_rate=clock_rate(sysfs),
        governor=governor(sysfs),
        filesystem=below if below.value is None else Seen(Answer.FOUND, below.value.fstype),
        disk=below if below.value is None else disk(work_dir, below.value, sysfs),
        cgroup_version=cgroup_version(mounted),
        mitigations=mitigations(sysfs),
    )


def clock_rate(sysfs: Path = SYSFS) -> Seen[ClockRate]:
    """Return the CPUs' clock rate now, as cpufreq or /proc/cpuinfo tells it."""
    try:
        told: Any = psutil.cpu_freq()  # None where no CPU is listed, which its type stubs do not know.
    except NotImplementedError as error:  # psutil's word for files that are not there and for those it may not read
        there = (sysfs / CPUS / "cpu0/cpufreq").is_dir()
        return Seen(Answer.DENIED if there else Answer.ABSENT, because=str(error))
    except OSError as error:
        return _failed(error)
    if told is None or not told.current:
        return Seen(Answer.ABSENT, because="neither cpufreq nor /proc/cpuinfo tells one")
    return Seen(Answer.FOUND, ClockRate(told.current * HZ_PER_MHZ, told.max * HZ_PER_MHZ if told.max else None))


def governor(sysfs: Path = SYSFS) -> Seen[str]:
    """Return the governors in use, joined by ", "; most virtual machines have none."""
    try:
        cpus = sorted((sysfs / CPUS).iterdir())
    except OSError as error:
        return _failed(error)
    files = {each.name: each / "cpufreq/scaling_governor" for each in cpus if each.name.removeprefix("cpu").isdigit()}
    found = _together(files, "the kernel shows no cpufreq here")
    names = ", ".join(sorted(set((found.value or {}).values())))
    return Seen(found.answer, names or None, found.because)


def mitigations(sysfs: Path = SYSFS) -> Seen[dict[str, str]]:
    """Return what the kernel says of each weakness of CPUs that it knows."""
    try:
        files = {each.name: each for each in sorted((sysfs / CPUS / "vulnerabilities").iterdir())}
    except OSError as error:
        return _failed(error)
    return _together(files, "the kernel names no weakness")


def mounts() -> Seen[list[Any]]:
    """Return all mounted file systems in the order in which they were mounted."""
    try:
        found = psutil.disk_partitions(all=True)
    except OSError as error:
        return _failed(error)
    return Seen(Answer.FOUND, list(found)) if found else Seen(Answer.ABSENT, because="no mounts are shown")


def mount_of(folder: Path, mounted: Seen[list[Any]]) -> Seen[Any]:
    """Return the mount that a folder lies on: the deepest above it, and of several at one place the last."""
    if mounted.value is None:
        return mounted
    place = folder.resolve()
    above = [each for each in mounted.value if place.is_relative_to(each.mountpoint)]
    if not above:
        return Seen(Answer.ABSENT, because="no mount is shown that it lies on")
    depth = max(len(Path(each.mountpoint).parts) for each in above)
    return Seen(Answer.FOUND, [each for each in above if len(Path(each.mountpoint).parts) == depth][-1])


def disk(folder: Path, mount: Mount, sysfs: Path = SYSFS) -> Seen[Disk]:
    """Return the block device that a folder lies on; absent for tmpfs, and for overlay and others that show none."""
    numbers = []
    with suppress(OSError):
        numbers.append(folder.stat().st_dev)
    with suppress(OSError):  # Btrfs and ZFS give their files numbers of their own; their mounts name a device.
        numbers.append(Path(mount.device).stat().st_rdev)
    for number in filter(os.major, numbers):
        try:
            device = (sysfs / f"dev/block/{os.major(number)}:{os.minor(number)}").resolve(strict=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            return _failed(error)
        # A partition has no queue and no model: its disk, the folder above, has.
        whole = device if (device / "queue").is_dir() else device.parent
        return Seen(Answer.FOUND, _described(whole))
    return Seen(Answer.ABSENT, because=f"{mount.fstype} shows no block device below it")


def _described(folder: Path) -> Disk:
    sectors, rotational, model = (_read(folder / each) for each in ("size", "queue/rotational", "device/model"))
    return Disk(
        name=folder.name,
        size_bytes=int(sectors.value) * SECTOR_BYTES if sectors.value else None,
        rotational=rotational.value == "1" if rotational.value else None,
        model=model.value,
    )


def cgroup_version(mounted: Seen[list[Any]]) -> Seen[str]:
    """Return which version of control groups is mounted: "1", "2", or "1 and 2" where both are."""
    if mounted.value is None:
        return Seen(mounted.answer, because=mounted.because)
    found = sorted({CGROUP_VERSIONS[each.fstype] for each in mounted.value if each.fstype in CGROUP_VERSIONS})
    return Seen(Answer.FOUND, " and ".join(found)) if found else Seen(Answer.ABSENT, because="none is mounted")


def _together(files: Mapping[str, Path], none: str) -> Seen[dict[str, str]]:
    """Return what stands in these files; found where one could be read, and it then says which others could not."""
    seen = {name: _read(path) for name, path in files.items()}
    found = {name: each.value for name, each in seen.items() if each.value is not None}
    denied = [name for name, each in seen.items() if each.answer is Answer.DENIED]
    because = f"cannot be read: {', '.join(denied)}" if denied else ""
    if found:
        return Seen(Answer.FOUND, found, because)
    return Seen(Answer.DENIED, because=because) if denied else Seen(Answer.ABSENT, because=none)


def _read(path: Path) -> Seen[str]:
    try:
        text = path.read_text("utf-8", errors="replace").strip()
    except OSError as error:
        return _failed(error)
    return Seen(Answer.FOUND, text) if text else Seen(Answer.ABSENT, because=f"{path} is empty")


def _failed(error: OSError) -> Seen[Any]:
    """Return absent where nothing is there; whatever else kept us from reading it is no proof of that."""
    answer = Answer.ABSENT if isinstance(error, FileNotFoundError | NotADirectoryError) else Answer.DENIED
    return Seen(answer, because=f"{error.filename or 'it'}: {error.strerror or error}")
