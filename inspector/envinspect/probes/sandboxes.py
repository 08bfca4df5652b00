"""Sandboxes around a program on a host or in a container: bubblewrap, Flatpak, Firejail, snap, PRoot, Nix's builds."""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Strength
from envinspect.model.facts import Facts
from envinspect.probes.cgroup import cgroups
from envinspect.probes.mounts import is_sandbox_root
from envinspect.sources.mounts import mount_table
from envinspect.sources.process import own_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BWRAP = "https://github.com/containers/bubblewrap/blob/main/bubblewrap.c"
_MKOSI = "https://github.com/systemd/mkosi/blob/main/mkosi/sandbox.py"
_NIX = "https://nix.dev/manual/nix/stable/command-ref/conf-file.html#conf-sandbox"
_NIX_ROOT = ".drv.chroot"
"""How the folder of a build's root ends, in the store beside what is built; Guix's daemon does the same."""
_FAKECHROOT = "https://github.com/dex4er/fakechroot/blob/master/man/fakechroot.pod"
_FLATPAK = "https://docs.flatpak.org/en/latest/flatpak-command-reference.html#flatpak-metadata"
_FIREJAIL = "https://github.com/netblue30/firejail/blob/master/src/include/rundefs.h"
_SNAP = "https://github.com/canonical/snapd/blob/master/cmd/snap-confine/snap-confine.rst"
_SNAP_VARIABLES = "https://snapcraft.io/docs/environment-variables"
_PROOT = "https://github.com/proot-me/proot/blob/master/doc/proot/manual.rst"

_ANCESTORS_LIMIT = 24
"""Deeper than any shell in a terminal in a session; a chain that is longer is cut."""


def sandbox_evidence(facts: Facts) -> tuple[Evidence, ...]:
    """Return all that speaks for a sandbox."""
    return (*_mounts(facts), *_processes(facts), *_files_and_variables(facts), *_labels(facts))


def probe_sandboxes(facts: Facts) -> Iterator[Evidence]:
    """Look for a sandbox in the mounts, the ancestors, the marker files, the variables and the security label."""
    yield from facts.derived(sandbox_evidence)


def _evidence(sandbox_id: str, strength: Strength, source: str, observed: str, reference: str) -> Evidence:
    return Evidence(Kind.SANDBOX, sandbox_id, strength, source, observed[:200], reference)


def _mounts(facts: Facts) -> Iterator[Evidence]:
    table = facts.derived(mount_table)
    if table.root is not None and is_sandbox_root(table.root):
        # Both make the root in the same place; bubblewrap alone mounts it without set-user-id programs and devices.
        own = {"nosuid", "nodev"} <= set(table.root.flags.split(",")) or not table.root.flags
        own = own or facts.str_or("/proc/1/comm") == "bwrap" or facts.exists("/.flatpak-info")
        sandbox_id, reference = ("bubblewrap", _BWRAP) if own else ("mkosi-sandbox", _MKOSI)
        yield _evidence(sandbox_id, Strength.PROOF, table.source, "/ is tmpfs /newroot", reference)
    if table.root is not None and any(part.endswith(_NIX_ROOT) for part in table.root.root.split("/")):
        yield _evidence("nix-build", Strength.PROOF, table.source, f"/ is {table.root.root}", _NIX)
    for mount in table.mounts:
        if mount.target == "/run/firejail/mnt" and mount.fstype == "tmpfs":
            yield _evidence("firejail", Strength.PROOF, table.source, "a tmpfs on /run/firejail/mnt", _FIREJAIL)
        elif mount.target == "/var/lib/snapd/hostfs":
            yield _evidence("snap", Strength.PROOF, table.source, "the host's root on /var/lib/snapd/hostfs", _SNAP)


def _processes(facts: Facts) -> Iterator[Evidence]:
    status = facts.derived(own_status)
    tracer = status.get("TracerPid", "0")
    if tracer not in {"", "0"} and tracer.isdecimal():
        comm = facts.str_or(f"/proc/{tracer}/comm")
        if comm.startswith(("proot", "libproot")):  # Android's programs carry it as a library
            yield _evidence("proot", Strength.PROOF, f"/proc/{tracer}/comm", f"traced by {comm}", _PROOT)
    first = facts.str_or("/proc/1/comm")
    if first in {"bwrap", "firejail"}:
        sandbox_id, reference = ("bubblewrap", _BWRAP) if first == "bwrap" else ("firejail", _FIREJAIL)
        yield _evidence(sandbox_id, Strength.STRONG, "/proc/1/comm", first, reference)
    elif status.get("NoNewPrivs") == "1":  # bubblewrap always sets it
        for path, comm in _ancestors(facts, status.get("PPid", "")):
            if comm == "bwrap":
                yield _evidence("bubblewrap", Strength.STRONG, path, "an ancestor of this process is bwrap", _BWRAP)
                break


def _ancestors(facts: Facts, pid: str) -> Iterator[tuple[str, str]]:
    """Return the files and names of the processes above this one, nearest first; ends where none can be seen."""
    for _ in range(_ANCESTORS_LIMIT):
        if not pid.isdecimal() or pid == "0":
            return
        path = f"/proc/{pid}/stat"
        _, opened, rest = facts.str_or(path).partition("(")
        comm, closed, after = rest.rpartition(")")
        if not opened or not closed:
            return
        yield path, comm
        fields = after.split()
        pid = fields[1] if len(fields) > 1 else "0"


def _files_and_variables(facts: Facts) -> Iterator[Evidence]:
    if isinstance(facts.stat("/.flatpak-info"), Found):
        yield _evidence("flatpak", Strength.PROOF, "/.flatpak-info", "present", _FLATPAK)
    manager = facts.str_or("/run/host/container-manager")
    if manager == "flatpak":
        yield _evidence("flatpak", Strength.STRONG, "/run/host/container-manager", manager, _FLATPAK)
    own = facts.environ("container")
    if isinstance(own, Found) and own.value in {"flatpak", "firejail"}:
        reference = _FLATPAK if own.value == "flatpak" else _FIREJAIL
        yield _evidence(own.value, Strength.HINT, "environ container", own.value, reference)
    base, loaded = facts.environ("FAKECHROOT_BASE"), facts.environ("LD_PRELOAD")
    if isinstance(base, Found):
        strength = Strength.STRONG if isinstance(facts.environ("FAKECHROOT"), Found) else Strength.HINT
        yield _evidence("fakechroot", strength, "environ FAKECHROOT_BASE", "set", _FAKECHROOT)
    if isinstance(loaded, Found) and "libfakechroot" in loaded.value:
        yield _evidence("fakechroot", Strength.STRONG, "environ LD_PRELOAD", "libfakechroot.so", _FAKECHROOT)
    for name, sandbox_id, reference in (
        ("FLATPAK_ID", "flatpak", _FLATPAK),
        ("SNAP_NAME", "snap", _SNAP_VARIABLES),
    ):
        value = facts.environ(name)
        if isinstance(value, Found):
            yield _evidence(sandbox_id, Strength.HINT, f"environ {name}", value.value, reference)


def _labels(facts: Facts) -> Iterator[Evidence]:
    label = facts.str_or("/proc/self/attr/current")
    if label.startswith("snap.") and label.count(".") >= 2:
        enforced = label.endswith("(enforce)")
        strength = Strength.PROOF if enforced else Strength.STRONG
        yield _evidence("snap", strength, "/proc/self/attr/current", label, _SNAP)
    seen = facts.derived(cgroups)
    for path in seen.paths:
        for part in path:
            if part.startswith("snap.") and part.endswith((".scope", ".service")):
                yield _evidence("snap", Strength.HINT, seen.source, part, _SNAP)
                return
            if part.startswith("app-flatpak-"):
                yield _evidence("flatpak", Strength.HINT, seen.source, part, _FLATPAK)
                return
