"""The questions to ask of the machine this process runs on: its files, its CPU, its environment."""

import os
import sys

from envinspect.facts import Facts, Uname
from envinspect.model import ABSENT, Found, Reading
from envinspect.systems.cpuid import live_cpuid
from envinspect.systems.files import LiveRoot, Root


def live_facts() -> Facts:
    """Return facts that ask the running machine."""
    known = os.uname() if hasattr(os, "uname") else None
    uname = Uname(known.sysname, known.release, known.version, known.machine) if known else Uname(sysname="Windows")
    euid = os.geteuid() if hasattr(os, "geteuid") else None
    return Facts(_root(), live_cpuid(), uname=uname, euid=euid, environ=_environ)


def _root() -> Root:
    """Return the door to files; macOS and Windows keep in sysctls and the registry what Linux keeps in files."""
    if sys.platform == "darwin":
        from envinspect.systems.darwin import DarwinRoot  # noqa: PLC0415 - only there

        return DarwinRoot()
    if sys.platform == "win32":
        from envinspect.systems.windows import WindowsRoot  # noqa: PLC0415 - only there

        return WindowsRoot()
    return LiveRoot()


def _environ(name: str) -> Reading[str]:
    value = os.environ.get(name)
    return ABSENT if value is None else Found(value)
