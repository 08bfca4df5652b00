"""The one door to what only asking tells: whether an engine's socket answers, whether a device opens. Live only."""

from __future__ import annotations

import os
import socket

from envinspect.model import ABSENT, Denied, Found, Reading
from envinspect.systems.files import refused

TIMEOUT_S = 1.0
_KVM_GET_API_VERSION = 0xAE00
"""Linux, include/uapi/linux/kvm.h; every kernel since 2.6.22 answers 12."""
_PR_GET_NO_NEW_PRIVS = 39
"""Linux, include/uapi/linux/prctl.h."""
_PING = b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n"


def connects(path: str, *, http: bool) -> Reading[str]:
    """Return what a unix socket says to `GET /_ping` (Docker's and Podman's API), for others that it takes the call."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(path)
            if not http:
                return Found("takes connections")
            connection.sendall(_PING)
            answer = connection.recv(4096)
    except (TimeoutError, socket.timeout):  # one and the same from Python 3.10 on
        return Denied("ETIMEDOUT")
    except AttributeError:
        return ABSENT  # a system without unix sockets
    except OSError as error:
        return refused(error)
    status = answer.partition(b"\r\n")[0].decode("latin-1")
    return Found(status) if " 200" in status else Denied(f"answered {status or 'nothing'}")


def kvm_api_version(path: str = "/dev/kvm") -> Reading[int]:
    """Return the KVM API version that the device answers."""
    try:
        import fcntl  # noqa: PLC0415 - not there on Windows

        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return Found(fcntl.ioctl(descriptor, _KVM_GET_API_VERSION))
        finally:
            os.close(descriptor)
    except ImportError:
        return ABSENT  # a system without ioctl
    except OSError as error:
        return refused(error)


def no_new_privs() -> bool | None:
    """Return whether this process has the flag no_new_privs (man 2 prctl); None where it cannot be asked."""
    try:
        import ctypes  # noqa: PLC0415 - only a place without /proc pays for it

        answer = ctypes.CDLL(None).prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return None
    return {0: False, 1: True}.get(answer)
