"""The questions to ask of the machine this process runs on: its files, its CPU, its environment."""

from __future__ import annotations

import os
import sys

from envinspect.model import ABSENT, Denied, Found, Reading
from envinspect.model.facts import Disk, Facts, Root, Uname
from envinspect.systems.cpuid import live_cpuid
from envinspect.systems.files import LiveRoot


def live_facts() -> Facts:
    """Return facts that ask the running machine."""
    euid = os.geteuid() if hasattr(os, "geteuid") else None
    variables = dict(os.environ)  # more than a hundred are asked for, and os.environ encodes the name of each

    def environ(name: str) -> Reading[str]:
        return Found(variables[name]) if name in variables else ABSENT

    return Facts(_root(), live_cpuid(), uname=_uname(), euid=euid, environ=environ, running=RunningMachine())


def _uname() -> Uname:
    """Return uname(2); where a seccomp filter refuses it, what /proc/sys/kernel says (man 5 proc)."""
    if not hasattr(os, "uname"):
        return Uname(sysname="Windows")
    try:
        known = os.uname()
    except OSError:
        told = (LiveRoot().read(f"/proc/sys/kernel/{name}") for name in ("ostype", "osrelease", "version", "arch"))
        return Uname(*(reading.value.decode().strip() if isinstance(reading, Found) else "" for reading in told))
    return Uname(known.sysname, known.release, known.version, known.machine)


def _root() -> Root:
    """Return the door to files; macOS and Windows keep in sysctls and the registry what Linux keeps in files."""
    if sys.platform == "darwin":
        from envinspect.systems.darwin import DarwinRoot  # noqa: PLC0415 - only there

        return DarwinRoot()
    if sys.platform == "win32":
        from envinspect.systems.windows import WindowsRoot  # noqa: PLC0415 - only there

        return WindowsRoot()
    return LiveRoot()


class RunningMachine:
    """What only this machine can be asked; each library and door is loaded when its question comes up."""

    def connects(self, path: str, *, http: bool) -> Reading[str]:
        """Return what the engine behind a unix socket answers."""
        from envinspect.systems.engines import connects  # noqa: PLC0415

        return connects(path, http=http)

    def no_new_privs(self) -> bool | None:
        """Return what prctl(2) says, for where /proc/self/status is not there."""
        if not sys.platform.startswith("linux"):
            return None
        from envinspect.systems.engines import no_new_privs  # noqa: PLC0415

        return no_new_privs()

    def kvm_api_version(self) -> Reading[int]:
        """Return the KVM API version that /dev/kvm answers."""
        from envinspect.systems.engines import kvm_api_version  # noqa: PLC0415

        return kvm_api_version()

    def cpus_allowed(self) -> tuple[int | None, str]:
        """Return how many CPUs the scheduler may put this process on."""
        if hasattr(os, "sched_getaffinity"):
            try:
                return len(os.sched_getaffinity(0)), "sched_getaffinity(2)"
            except OSError as error:  # a filter may refuse it
                return None, f"sched_getaffinity(2): {error.strerror}"
        return os.cpu_count(), "what the operating system reports"

    def disk(self) -> Reading[Disk]:
        """Return what statvfs(2) says of the working folder; absent on a system without that call."""
        if not hasattr(os, "statvfs"):
            return ABSENT
        try:
            found = os.statvfs(".")
        except OSError as error:
            return Denied(os.strerror(error.errno or 0))
        return Found(Disk(found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail))

    def memory_bytes(self) -> int | None:
        """Return what psutil says, which knows best on systems without /proc."""
        try:
            import psutil  # noqa: PLC0415 - takes longer than the inspection, and the single-file build has none

            return int(psutil.virtual_memory().total)
        except _PSUTIL_ERRORS:
            return None

    def boot_time_s(self) -> int | None:
        """Return what psutil says."""
        try:
            import psutil  # noqa: PLC0415

            return int(psutil.boot_time())
        except _PSUTIL_ERRORS:
            return None

    def cpu_brand(self) -> str | None:
        """Return what macOS's sysctl or Windows's environment says at once; no program is started for a name."""
        if sys.platform == "darwin":
            told = _root().read("/sysctl/machdep.cpu.brand_string")
            return told.value.decode("utf-8", "replace").strip("\0 \n") or None if isinstance(told, Found) else None
        return os.environ.get("PROCESSOR_IDENTIFIER") or None


_PSUTIL_ERRORS = (ImportError, OSError, RuntimeError, ValueError, KeyError, IndexError)
