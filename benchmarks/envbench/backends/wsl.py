"""The backend `wsl`: a program started in a WSL distribution through Windows' own wsl.exe, from inside WSL.

Written against the documented commands (learn.microsoft.com/windows/wsl/basic-commands) and interop; it has not been
verified on a Windows machine. Timed is the request to wsl.exe until the payload's first word, the utility VM being up
already.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from envbench.backend import Unusable, Usable, Workload, unusable
from envbench.backends.shared.child import environment
from envbench.backends.shared.spawned import SpawnedInstance, SpawningBackend
from envbench.errors import BackendError, CommandError
from envbench.payload.words import argv_for
from envbench.records.phases import BackendKind

NOT_WSL = "this is not a WSL distribution"
REMEDY = "run it inside a WSL distribution on Windows (wsl.exe --install), with interop on"
WINDOWS_FOLDERS = ("/mnt/c/Windows/System32", "/mnt/c/WINDOWS/system32")
COMMAND_DEADLINE_S = 60.0
_RELEASE = re.compile(r"microsoft", re.IGNORECASE)


def wsl_version(release: str | None = None) -> int | None:
    """Return 1 or 2 by the kernel's release (…-Microsoft: 1, …-microsoft-standard-WSL2: 2), None outside WSL.

    The spelling is the documented one of microsoft/WSL's own checks; a kernel of the user's own build may lack it.
    """
    found = os.uname().release if release is None else release
    if not _RELEASE.search(found):
        return None
    return 1 if found.endswith("-Microsoft") else 2


def wsl_exe() -> str:
    """Return the path of wsl.exe. Raises BackendError where interop does not show it."""
    for candidate in (shutil.which("wsl.exe"), *(f"{folder}/wsl.exe" for folder in WINDOWS_FOLDERS)):
        if candidate and Path(candidate).exists():
            return candidate
    raise BackendError("no wsl.exe: interop or automount is off", remedy="[interop] enabled=true in /etc/wsl.conf")


def run_windows(words: Sequence[str]) -> str:
    """Return what a Windows program prints. Raises BackendError where it cannot be started, fails or does not end."""
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(f"{words[0]}: {error}", remedy="[interop] enabled=true in /etc/wsl.conf") from error
    if done.returncode != 0:
        said = decode_windows(done.stderr or done.stdout).strip()[:200]
        raise CommandError(words[0], exit_status=done.returncode, said=said)
    return decode_windows(done.stdout)


def decode_windows(output: bytes) -> str:
    """Return the text of a Windows program: wsl.exe itself prints UTF-16, what runs inside a distribution UTF-8."""
    encoding = "utf-16-le" if b"\0" in output[:64] else "utf-8"
    return output.decode(encoding, errors="replace").replace("\r\n", "\n").lstrip("\ufeff")


def distributions() -> tuple[str, ...]:
    """Return the names of the installed distributions (wsl.exe --list --quiet). Raises BackendError."""
    return tuple(name for line in run_windows((wsl_exe(), "--list", "--quiet")).splitlines() if (name := line.strip()))


class WslInstance(SpawnedInstance):
    """A program behind wsl.exe: what is a process here is the client, the payload is its relay's child."""

    def _ask_to_end(self) -> None:
        self._child.send(signal.SIGINT)


class WslBackend(SpawningBackend):
    """A program in this very distribution, started from Windows' side."""

    name: ClassVar[str] = "wsl"
    title: ClassVar[str] = "WSL"
    kind: ClassVar[BackendKind] = BackendKind.WSL
    variant_keys: ClassVar[frozenset[str]] = frozenset({"version"})
    instance: ClassVar[type[SpawnedInstance]] = WslInstance

    def check(self) -> Usable | Unusable:
        """Find out whether this is WSL with interop on."""
        version = wsl_version()
        if version is None:
            return Unusable(NOT_WSL, REMEDY)
        try:
            path = wsl_exe()
        except BackendError as error:
            return unusable(error, REMEDY)
        distribution = os.environ.get("WSL_DISTRO_NAME", "")
        if not distribution:
            return Unusable("WSL_DISTRO_NAME is not set, so wsl.exe cannot be told which distribution this is", REMEDY)
        return Usable({"wsl_version": str(version), "wsl_exe": path, "distribution": distribution})

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return the one way there is, with the version of WSL."""
        return ({"version": str(wsl_version() or "")},)

    def command(self, workload: Workload) -> Sequence[str | Path]:
        """Return wsl.exe, which runs the payload in this distribution."""
        ready, *words = argv_for(workload)
        busybox = str(self._tree / "bin/busybox")
        carried = environment(self._settings.run_id, ENVBENCH_BUSYBOX=busybox)
        # --exec: no login shell in between; env sets what a process of ours always carries.
        return (
            *(wsl_exe(), "-d", os.environ["WSL_DISTRO_NAME"], "--exec", "/usr/bin/env"),
            *(f"{key}={value}" for key, value in carried.items()),
            *(busybox, "sh", f"{self._tree}{ready}", *words),
        )
