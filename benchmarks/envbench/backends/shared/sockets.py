"""The socket of an engine on this machine: whether somebody listens there who may be asked, found by connecting."""

import contextlib
import grp
import os
import socket
import stat
from pathlib import Path

from envbench.backend import Unusable
from envbench.errors.causes import Cause, cause_of_errno, remedy_for
from envbench.traces.daemons import CONNECT_DEADLINE_S

_REASONS: dict[Cause | None, str] = {
    Cause.ABSENT: "not there",
    Cause.REFUSED: "nothing listens there",
    Cause.PERMISSION: "no permission",
}
"""What is said of a socket; of any other cause, what the kernel says."""


def socket_problem(path: Path, place: str, **words: str) -> Unusable | None:
    """Return why a socket cannot be used, None where somebody takes the connection.

    `place` and `words` choose the remedy (`envbench.errors.causes`). A listener too busy for another connection is no
    problem yet: whether it answers is found out by asking.
    """
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return Unusable(f"{path} is no socket", remedy_for(Cause.ABSENT, place, **words), Cause.ABSENT)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(CONNECT_DEADLINE_S)
            client.connect(os.fspath(path))
    except OSError as error:
        cause = cause_of_errno(error.errno)
        if cause is Cause.NO_ANSWER:
            return None
        if cause is Cause.PERMISSION and (group := group_of_socket(path)):
            place, words = "group of the socket", {"group": group}
        reason = _REASONS.get(cause) or error.strerror or str(error)
        return Unusable(f"no engine at {path}: {reason}", remedy_for(cause, place, **words), cause)
    return None


def is_listened_on(path: Path) -> bool:
    """Return whether a connection to a unix socket is taken.

    The file is there from bind(2) on, and connections are refused until listen(2).
    """
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(CONNECT_DEADLINE_S)
        client.connect(os.fspath(path))
        return True
    return False


def group_of_socket(path: Path) -> str:
    """Return the group whose members may use a socket, "" where there is none or it cannot be seen (unix(7))."""
    with contextlib.suppress(OSError, KeyError):
        status = path.stat()
        if status.st_gid and stat.S_IMODE(status.st_mode) & 0o060 == 0o060:
            return grp.getgrgid(status.st_gid).gr_name
    return ""
