"""Reads a process's control groups as the process itself sees them: the kernel shows them by the reader's namespace.

A thread of its own joins the other's cgroup namespace and reads there (man 2 setns: only the thread that calls moves),
so that this process stays where it is. An ordinary user must join the user namespace that owns it first, which only a
process of one thread may do: a child does. Where neither is allowed, the files are read as they look from here: the
paths and the mounts' roots then begin at the reader's own group, both of them, and so still belong together
(man 7 cgroup_namespaces).
"""

from __future__ import annotations

import os

from envinspect.model import Found
from envinspect.systems.files import LiveRoot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = ("cgroup", "mountinfo")
_LENGTH_BYTES = 8


def own_control_groups(pid: int) -> dict[str, Found[bytes]] | None:
    """Return /proc/PID/cgroup and mountinfo as seen from the process's cgroup namespace.

    None where the files can only be read as they are from here: it is this process's own namespace, or one that may not
    be joined.
    """
    machine = LiveRoot()
    here, there = machine.link("/proc/self/ns/cgroup"), machine.link(f"/proc/{pid}/ns/cgroup")
    if not isinstance(there, Found) or there == here:
        return None
    texts = _from_thread(pid) or _from_child(pid)
    return None if texts is None else dict(zip(_FILES, map(Found, texts)))


def _from_thread(pid: int) -> list[bytes] | None:
    """Return what a thread that joined the namespace has read, None where it could not join."""
    from threading import Thread  # noqa: PLC0415 - only another cgroup namespace pays for it

    found: list[bytes] = []
    thread = Thread(target=lambda: found.extend(_read_there(pid, ("cgroup",))))
    thread.start()
    thread.join()
    return found or None


def _from_child(pid: int) -> list[bytes] | None:
    """Return what a child that joined the namespaces has read, None where it could not."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as out:
                for text in _read_there(pid, ("user", "cgroup")):
                    out.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
                    status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        data = source.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        return None
    found: list[bytes] = []
    while data:
        end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
        found.append(data[_LENGTH_BYTES:end])
        data = data[end:]
    return found


def _read_there(pid: int, kinds: tuple[str, ...]) -> Iterator[bytes]:
    """Join namespaces of a process, and give its files as they look from there; nothing where one may not be joined."""
    import ctypes  # noqa: PLC0415

    setns = ctypes.CDLL(None, use_errno=True).setns
    for kind in kinds:
        try:
            descriptor = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        joined = setns(descriptor, 0) == 0
        os.close(descriptor)
        if not joined:
            return
    for name in _FILES:
        reading = LiveRoot().read(f"/proc/{pid}/{name}")
        yield reading.value if isinstance(reading, Found) else b""
