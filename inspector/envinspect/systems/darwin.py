"""macOS: its sysctls as files below /sysctl, so that probes, captures and tests read them as they read Linux's files.

Not looked at, and said so in the answer: IOKit's device tree, which names the devices of VMware, Parallels and
VirtualBox. Tested with recorded sysctls only.
"""

from __future__ import annotations

import ctypes
import ctypes.util

from envinspect.model import ABSENT, Denied, Found, Reading
from envinspect.systems.files import LiveRoot

FOLDER = "/sysctl/"
VALUE_LIMIT_BYTES = 4096
NUMBERS = frozenset({"kern.hv_vmm_present", "sysctl.proc_translated", "hw.logicalcpu", "hw.memsize"})
"""sysctls whose value is a number of 4 or 8 bytes; the others are text."""


class DarwinRoot(LiveRoot):
    """The files of a Mac, and /sysctl/NAME for sysctlbyname(3)."""

    def read(self, path: str) -> Reading[bytes]:
        """Return a sysctl's value as text, or a file's bytes."""
        if not path.startswith(FOLDER):
            return super().read(path)
        return sysctl(path.removeprefix(FOLDER))


def sysctl(name: str) -> Reading[bytes]:
    """Return a sysctl's value as text; absent where this system has none of that name."""
    library = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    size = ctypes.c_size_t(VALUE_LIMIT_BYTES)
    buffer = ctypes.create_string_buffer(VALUE_LIMIT_BYTES)
    try:
        failed = library.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0))
    except AttributeError:
        return Denied("ENOSYS")
    if failed:
        return ABSENT
    return Found(decoded(name, buffer.raw[: size.value]))


def decoded(name: str, raw: bytes) -> bytes:
    """Return a value's text: numbers in decimal, strings without their NUL."""
    if name in NUMBERS and len(raw) in {4, 8}:
        return str(int.from_bytes(raw, "little")).encode()
    return raw.rstrip(b"\0")
