"""Reads a process's control groups as the process itself sees them: the kernel shows them by the reader's namespace.

A child of this process joins the other's cgroup namespace and reads there (man 7 cgroup_namespaces), so that this
process stays where it is. Where that is not allowed, nothing is known of the inner view.
"""

from __future__ import annotations

import os

from envinspect.model import Denied, Found, Reading
from envinspect.systems.files import LiveRoot

_FILES = ("cgroup", "mountinfo")
_LENGTH_BYTES = 8


def own_control_groups(pid: int) -> dict[str, Reading[bytes]] | None:
    """Return /proc/PID/cgroup and mountinfo as seen from the process's cgroup namespace.

    None where it is this process's own namespace, so that the files can be read as they are; denied where the namespace
    may not be joined.
    """
    machine = LiveRoot()
    here, there = machine.link("/proc/self/ns/cgroup"), machine.link(f"/proc/{pid}/ns/cgroup")
    if not isinstance(there, Found) or there == here:
        return None
    data = _from_child(pid)
    if data is None:
        return dict.fromkeys(_FILES, Denied("EPERM"))
    found: dict[str, Reading[bytes]] = {}
    for name in _FILES:
        length = int.from_bytes(data[:_LENGTH_BYTES], "little")
        found[name], data = Found(data[_LENGTH_BYTES : _LENGTH_BYTES + length]), data[_LENGTH_BYTES + length :]
    return found


def _from_child(pid: int) -> bytes | None:
    """Return what a child that joined the namespace has read, None where it could not."""
    import ctypes  # noqa: PLC0415 - only another cgroup namespace pays for it

    setns = ctypes.CDLL(None, use_errno=True).setns
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            if _join(setns, pid):
                with os.fdopen(writer, "wb") as out:
                    for name in _FILES:
                        reading = LiveRoot().read(f"/proc/{pid}/{name}")
                        text = reading.value if isinstance(reading, Found) else b""
                        out.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
                status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        data = source.read()
    _, status = os.waitpid(child, 0)
    return data if status == 0 and data else None


def _join(setns: object, pid: int) -> bool:
    """Join the cgroup namespace; an ordinary user must first join the user namespace that owns it."""
    for kinds in (("cgroup",), ("user", "cgroup")):
        joined = True
        for kind in kinds:
            try:
                descriptor = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return False
            joined = joined and callable(setns) and setns(descriptor, 0) == 0
            os.close(descriptor)
        if joined:
            return True
    return False
