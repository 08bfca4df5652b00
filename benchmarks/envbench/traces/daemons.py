"""Which process is the daemon behind a unix socket: the one at its other end, whatever it is called.

Its name is not enough: several engines may run on one machine, each with a dockerd and a containerd of its own.
"""

import contextlib
import os
import socket
import struct
from pathlib import Path

INIT = 1
CONNECT_DEADLINE_S = 1.0
_LISTENS = 0x10000
"""__SO_ACCEPTCON in the column Flags of /proc/net/unix (linux/net.h)."""


def daemon_of(path: Path) -> int | None:
    """Return the process that listens on a unix socket, None where it is no process of this host or cannot be told.

    The kernel names who called listen(2) (SO_PEERCRED, unix(7)). Where that is process 1, which opens sockets for
    daemons that it starts on demand (systemd.socket(5)), it is the process that holds the socket besides.
    """
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(CONNECT_DEADLINE_S)
        client.connect(os.fspath(path))
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", credentials)[0]
        return (_holder(path) if pid == INIT else pid) or None
    return None


def endpoint_socket(endpoint: str) -> Path | None:
    """Return the path in an address such as unix:///run/docker.sock, None for one that is no unix socket."""
    path = endpoint.removeprefix("unix://")
    return Path(path) if path != endpoint else None


def spellings(path: Path) -> frozenset[str]:
    """Return the names under which a daemon may know its socket: as given, without links, and with /var/run for /run.

    /var/run is a link to /run (Filesystem Hierarchy Standard 3.0, section 5.13), and dockerd says /var/run.
    """
    plain = {name.replace("/var/run/", "/run/", 1) for name in (os.fspath(path), os.fspath(path.resolve()))}
    return frozenset({*plain, os.fspath(path), *(f"/var{name}" for name in plain if name.startswith("/run/"))})


def _holder(path: Path) -> int | None:
    """Return the process that has a listening socket open; process 1 only where nobody else has."""
    links = {f"socket:[{inode}]" for inode in _listening_inodes(path)}
    held_by_init = False
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):  # noqa: PTH208 -- names only
        with contextlib.suppress(OSError):
            folder = f"/proc/{pid}/fd"
            if any(os.readlink(f"{folder}/{number}") in links for number in os.listdir(folder)):  # noqa: PTH115, PTH208
                if pid != INIT:
                    return pid
                held_by_init = True
    return INIT if held_by_init else None


def _listening_inodes(path: Path) -> list[str]:
    """Return the kernel's numbers of the sockets that listen under this path (proc_pid_net(5), /proc/net/unix)."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text("utf-8", errors="replace").splitlines()[1:]]
    names = spellings(path)
    return [row[6] for row in rows if len(row) == 8 and int(row[3], 16) & _LISTENS and row[7] in names]
