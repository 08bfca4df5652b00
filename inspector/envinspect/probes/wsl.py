"""Windows Subsystem for Linux and its machine: kernel's name, own file systems, its init's traces, its variables."""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Strength
from envinspect.model.facts import Facts
from envinspect.sources.mounts import mount_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_KERNEL = "https://github.com/microsoft/WSL2-Linux-Kernel"
_COMPARE = "https://learn.microsoft.com/en-us/windows/wsl/compare-versions"
_INTEROP = "https://learn.microsoft.com/en-us/windows/wsl/filesystems#run-windows-tools-from-linux"
_DRVFS = "https://learn.microsoft.com/en-us/windows/wsl/wsl-config#automount-options"
_INIT = "https://github.com/microsoft/WSL/blob/master/src/linux/init/main.cpp"
_WSLG = "https://github.com/microsoft/wslg"
_SHARED = "https://github.com/sindresorhus/is-wsl/issues/13"
"""What all distributions share, whatever kernel they run on."""


def probe_wsl(facts: Facts) -> Iterator[Evidence]:
    """Look for WSL, and tell version 1 (Linux calls served by Windows) from version 2 (a Linux kernel in Hyper-V)."""
    yield from _kernel(facts)
    yield from _mounts(facts)
    version = _version_by_root(facts)
    for path, what in (
        ("/proc/sys/fs/binfmt_misc/WSLInterop", "a handler for Windows programs"),
        ("/proc/sys/fs/binfmt_misc/WSLInterop-late", "a handler for Windows programs"),
        ("/run/WSL", "sockets to Windows"),
    ):
        if isinstance(facts.stat(path), Found):
            yield _evidence(version, Strength.STRONG, path, what, _INTEROP)
    if facts.str_or("/run/systemd/container") == "wsl":
        yield _evidence(version, Strength.STRONG, "/run/systemd/container", "wsl", _INIT)
    if "WSL_ROOT_INIT=1" in facts.str_or("/proc/cmdline").split():
        yield _evidence("wsl2", Strength.STRONG, "/proc/cmdline", "WSL_ROOT_INIT=1", _INIT)
    for name in ("WSL_DISTRO_NAME", "WSL_INTEROP"):
        value = facts.environ(name)
        if isinstance(value, Found):
            yield _evidence(version, Strength.HINT, f"environ {name}", value.value, _INTEROP)


def _evidence(wsl_id: str, strength: Strength, source: str, observed: str, reference: str) -> Evidence:
    return Evidence(Kind.WSL, wsl_id, strength, source, observed[:200], reference)


def _kernel(facts: Facts) -> Iterator[Evidence]:
    """Read the names that Microsoft gave its kernels: 4.4.0-19041-Microsoft is WSL 1, -microsoft-standard(-WSL2) WSL 2.

    The kernels of Azure images (-azure, .azl3, .cm2) carry neither.
    """
    release, source = facts.uname.release, "uname release"
    if not release:
        release, source = facts.str_or("/proc/sys/kernel/osrelease"), "/proc/sys/kernel/osrelease"
    version = facts.str_or("/proc/version")
    if not release:
        words = version.split()
        release, source = (words[2] if len(words) > 2 else ""), "/proc/version"
    if "microsoft-standard" in release or "WSL2" in release:
        yield _evidence("wsl2", Strength.PROOF, source, release, _KERNEL)
    elif "-wsl2" in release.lower():
        yield _evidence("wsl2", Strength.STRONG, source, release, _KERNEL)  # a kernel of somebody's own
    elif release.endswith("-Microsoft"):
        yield _evidence("wsl1", Strength.PROOF, source, release, _COMPARE)
    elif "(Microsoft@Microsoft.com)" in version:
        yield _evidence("wsl1", Strength.PROOF, "/proc/version", "built by Microsoft@Microsoft.com", _COMPARE)


def _version_by_root(facts: Facts) -> str:
    root = facts.derived(mount_table).root
    old = facts.uname.release.endswith("-Microsoft") or "(Microsoft@Microsoft.com)" in facts.str_or("/proc/version")
    return "wsl1" if old or (root is not None and root.fstype in {"wslfs", "lxfs"}) else "wsl2"


def _mounts(facts: Facts) -> Iterator[Evidence]:
    table = facts.derived(mount_table)
    if table.root is not None and table.root.fstype in {"wslfs", "lxfs"}:
        yield _evidence("wsl1", Strength.PROOF, table.source, f"/ is {table.root.fstype}", _COMPARE)
    windows, guest, shared = False, False, False
    for mount in table.mounts:
        if mount.fstype == "drvfs":
            yield _evidence("wsl1", Strength.STRONG, table.source, f"{mount.target} is drvfs", _DRVFS)
            return
        if mount.fstype == "9p" and not windows and (mount.source == "drvfs" or "aname=drvfs" in mount.options):
            windows = True
            yield _evidence("wsl2", Strength.STRONG, table.source, f"{mount.target} is drvfs over 9p", _DRVFS)
        elif mount.target == "/mnt/wsl" and mount.fstype == "tmpfs" and not shared:
            shared = True
            yield _evidence("wsl2", Strength.STRONG, table.source, "a tmpfs on /mnt/wsl", _SHARED)
        elif not guest and (mount.target.startswith("/mnt/wslg") or mount.target.startswith("/usr/lib/wsl/")):
            guest = True
            yield _evidence("wsl2", Strength.HINT, table.source, f"a mount on {mount.target}", _WSLG)


def probe_wsl_machine(facts: Facts) -> Iterator[Evidence]:
    """Yield Hyper-V for the kernel that Microsoft builds for WSL2's utility machine and for nothing else."""
    for source, text in (("uname", facts.uname.release), ("/proc/version", facts.str_or("/proc/version"))):
        lowered = text.lower()
        if "microsoft-standard" in lowered or "-wsl2" in lowered:
            yield Evidence(Kind.VM, "hyper-v", Strength.STRONG, source, text[:80], _COMPARE)
