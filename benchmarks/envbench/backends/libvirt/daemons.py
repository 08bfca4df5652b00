"""The daemons behind a libvirt URI, found by the sockets that a client of this URI connects to."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from envbench.backends.libvirt.connection import is_embedded
from envbench.traces.daemons import daemon_of

QEMU_SOCKETS = ("libvirt-sock", "virtqemud-sock")
"""Of libvirtd, and of the modular daemon for QEMU (libvirt, daemons: sockets)."""
LOG_SOCKET = "virtlogd-sock"


def daemons_of(uri: str) -> tuple[int, ...] | None:
    """Return the daemons of a URI, () where the driver runs in this process, None where they cannot be told."""
    if is_embedded(uri):
        return ()
    parts = urlsplit(uri)
    if parts.netloc or "+" in parts.scheme:
        return None
    folder = _socket_folder(parts.path)
    found = {name: daemon_of(folder / name) for name in (*QEMU_SOCKETS, LOG_SOCKET) if (folder / name).exists()}
    if not any(found.get(name) for name in QEMU_SOCKETS):
        return None
    return tuple(dict.fromkeys(pid for pid in found.values() if pid is not None))


def _socket_folder(path: str) -> Path:
    if path != "/session" or os.geteuid() == 0:
        return Path("/run/libvirt")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "libvirt") if runtime else Path.home() / ".cache/libvirt"
