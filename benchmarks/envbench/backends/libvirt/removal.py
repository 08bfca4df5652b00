"""Ends domains and removes all that belongs to them: through libvirt, or without it where its daemon is dead."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

from envbench.backends.libvirt.connection import NoDaemonError, connected, is_embedded, load_libvirt, translated
from envbench.backends.libvirt.domain import METADATA_NAMESPACE
from envbench.errors import BackendError
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.procfs import CGROUP_ROOT, marked_processes, processes_of
from envbench.traces.removal import end_process, remove_cgroup

END_DEADLINE_S = 30.0


def domain_log(uri: str, name: str) -> Path:
    """Return where libvirt keeps a domain's log under this URI (libvirt, drvqemu: log files)."""
    if is_embedded(uri):
        return _embedded_root(uri) / "log/qemu" / f"{name}.log"
    if _is_own_session(uri):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "libvirt/qemu/log" / f"{name}.log"
    return Path("/var/log/libvirt/qemu", f"{name}.log")


def remove_domain(uri: str, name: str, run_id: str) -> bool:
    """End a domain that carries the run's id and remove its log; return whether it was there.

    Where its daemon is dead, its QEMU is killed and what the daemon noted of it is removed: the daemon, started again,
    would go on with it. Raises BackendError where it is not the run's, or cannot be ended.
    """
    if is_embedded(uri) and not _embedded_root(uri).is_dir():
        return False  # Opening the URI would make the folder.
    try:
        with connected(uri) as connection:
            was_there = end_domain(connection, name, run_id)
    except NoDaemonError:
        was_there = _remove_orphan(uri, name, run_id)
    # A daemon that finds QEMU already dead does not look for its cgroups.
    for cgroup in _cgroups_of(name):
        remove_cgroup(cgroup)
    domain_log(uri, name).unlink(missing_ok=True)
    return was_there


def end_domain(connection: Any, name: str, run_id: str) -> bool:
    """Destroy a domain of the run and wait until libvirt has forgotten it; return whether it was there.

    Raises BackendError where it is not the run's or stays.
    """
    libvirt = load_libvirt()
    deadline_ns = monotonic_ns() + int(END_DEADLINE_S * NS_PER_S)
    was_there = False
    while True:
        try:
            domain = connection.lookupByName(name)
            if not any(run_id in words for words in _words_of(domain)):
                raise BackendError(f"domain {name} does not carry the run's id {run_id}; left alone")
            was_there = True
            if domain.isPersistent():
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
            domain.destroy()
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return was_there
            # A domain that is ending by itself cannot be destroyed, and is still listed.
            ending = error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID
            if not ending or monotonic_ns() > deadline_ns:
                with translated(libvirt, what=f"domain {name}"):
                    raise
            sleep(0.02)


def _words_of(domain: Any) -> Iterator[str]:
    """Yield what a domain says of whose it is: in our own metadata, or in the description that a manager gives it."""
    libvirt = load_libvirt()
    for kind, place in (
        (libvirt.VIR_DOMAIN_METADATA_ELEMENT, METADATA_NAMESPACE),
        (libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None),
    ):
        try:
            yield domain.metadata(kind, place)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                raise


def _remove_orphan(uri: str, name: str, run_id: str) -> bool:
    """Kill the QEMU of a domain whose daemon is dead, and remove what that daemon noted of it."""
    pids = set(processes_of(name)) & set(marked_processes(run_id))
    for pid in pids:
        end_process(pid)
    status = _state_folder(uri) / f"{name}.xml"
    was_there = bool(pids) or status.exists()
    for folder in _noted_folders(status):
        shutil.rmtree(folder, ignore_errors=True)
    # The daemon's note goes last: if this run is killed before that, the daemon still finds the rest by it.
    for path in (status.with_suffix(".pid"), status):
        path.unlink(missing_ok=True)
    return was_there


def _noted_folders(status: Path) -> tuple[Path, ...]:
    """Return the folders that libvirt made for a domain, as its note of the running domain names them."""
    try:
        noted = ET.parse(status).getroot()  # noqa: S314 -- libvirt's own file, which only it and root may write
    except (OSError, ET.ParseError):
        return ()
    found = (noted.find(name) for name in ("libDir", "channelTargetDir"))
    return tuple(Path(one.get("path", "")) for one in found if one is not None and one.get("path"))


def _cgroups_of(name: str) -> list[Path]:
    """Return the cgroups that libvirt makes for a domain where there is no systemd (libvirt, cgroups)."""
    hierarchies = (CGROUP_ROOT, *CGROUP_ROOT.glob("*/"))
    return [found for parent in hierarchies for found in parent.glob(f"machine/*{name}.libvirt-qemu")]


def _state_folder(uri: str) -> Path:
    """Return where the daemon of this URI notes its running domains."""
    if _is_own_session(uri):
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        return Path(runtime, "libvirt/qemu/run") if runtime else Path.home() / ".cache/libvirt/qemu/run"
    return Path("/run/libvirt/qemu")


def _is_own_session(uri: str) -> bool:
    return urlsplit(uri).path == "/session" and os.geteuid() != 0


def _embedded_root(uri: str) -> Path:
    return Path(dict(parse_qsl(urlsplit(uri).query)).get("root", ""))
