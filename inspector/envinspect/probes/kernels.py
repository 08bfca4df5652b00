"""Containers that their kernel or file systems show: gVisor, illumos, OpenVZ, Linux-VServer, Kata, Sysbox."""

from __future__ import annotations

from envinspect.model import Denied, Evidence, Found, Kind, Strength
from envinspect.model.facts import Facts
from envinspect.probes.mounts import evidence_of_mount, filesystem_rows
from envinspect.sources.mounts import Mount, mount_table
from envinspect.sources.process import own_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_GVISOR = "https://github.com/google/gvisor/blob/master/pkg/sentry/syscalls/linux/linux64.go"
_GVISOR_BUILD = "Sun Jan 10 15:06:54 PST 2016"
"""The build date that gVisor gives its made-up kernel."""
_ILLUMOS = "https://github.com/omniosorg/illumos-omnios/tree/master/usr/src/uts/common/brand/lx"
_KATA = "https://github.com/kata-containers/runtime/issues/1071"
_KATA_FOLDER = "/kata-containers/"
_OPENVZ = "https://wiki.openvz.org/Download/kernel"
_VSERVER = "https://en.wikipedia.org/wiki/Linux-VServer"


def kernel_evidence(facts: Facts) -> tuple[Evidence, ...]:
    """Return what the kernel's own words and file systems say of the container around this process."""
    return tuple(_evidence(facts))


def _evidence(facts: Facts) -> Iterator[Evidence]:
    version = facts.str_or("/proc/version")
    if _GVISOR_BUILD in version or _GVISOR_BUILD in facts.uname.version or "gvisor" in facts.uname.release:
        yield _piece("gvisor", Strength.PROOF, "/proc/version", version or facts.uname.version, _GVISOR)
    if "BrandZ virtual linux" in version or "BrandZ virtual linux" in facts.uname.version:
        yield _piece("illumos-lx", Strength.PROOF, "/proc/version", "BrandZ virtual linux", _ILLUMOS)
    table = facts.derived(mount_table)
    for row, mount in filesystem_rows(table):
        if row.id in {"kata", "sysbox"} and _KATA_FOLDER not in mount.target:
            yield evidence_of_mount(mount, table.source, row.id, Strength.PROOF, row.reference)
            break
    copied = next((mount for mount in table.mounts if _is_katas(mount)), None)
    if copied is not None:
        yield evidence_of_mount(copied, table.source, "kata", Strength.PROOF, _KATA)
    yield from _openvz(facts)
    status = facts.derived(own_status)
    for name in ("VxID", "s_context"):
        context = status.get(name, "0")
        if context.isdecimal() and context != "0":
            yield _piece("linux-vserver", Strength.PROOF, "/proc/self/status", f"{name}: {context}", _VSERVER)


def _is_katas(mount: Mount) -> bool:
    """Say whether something is mounted from where Kata's agent keeps a container's files inside the machine.

    Where the VMM shares no folder (Firecracker, confidential machines) they are copied there. On the host, and for the
    agent itself, such mounts lie below that folder.
    """
    layers = mount.options if mount.target == "/" else ""
    return (_KATA_FOLDER in mount.root or _KATA_FOLDER in layers) and _KATA_FOLDER not in mount.target


def _openvz(facts: Facts) -> Iterator[Evidence]:
    """Tell a guest, which lacks /proc/bc, from the host; CloudLinux has /proc/vz too, and /proc/lve beside it."""
    status = facts.derived(own_status)
    guest = status.get("envID", "0")
    if guest.isdecimal() and guest != "0":
        yield _piece("openvz", Strength.PROOF, "/proc/self/status", f"envID: {guest}", _OPENVZ)
    if not isinstance(facts.stat("/proc/vz"), Found) or isinstance(facts.stat("/proc/lve"), Found):
        return
    host = facts.stat("/proc/bc")
    if not isinstance(host, Found) and not (isinstance(host, Denied) and host.refused):
        yield _piece("openvz", Strength.PROOF, "/proc/vz", "present, and /proc/bc is not", _OPENVZ)
        if (
            isinstance(facts.stat("/etc/virtuozzo-release"), Found)
            or "virtuozzo" in facts.str_or("/proc/version").lower()
        ):
            yield _piece("virtuozzo", Strength.PROOF, "/proc/version", "Virtuozzo's kernel", _OPENVZ)


def _piece(container_id: str, strength: Strength, source: str, observed: str, reference: str) -> Evidence:
    return Evidence(Kind.CONTAINER, container_id, strength, source, observed[:200], reference)
