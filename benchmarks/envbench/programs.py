"""Programs of this machine: each is looked up once on the user's PATH, and run and reported by that absolute path."""

import os
import shutil
from pathlib import Path

from envbench.errors import BackendError

USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's for root; what runs inside containers has it, and whatever is started where there is no PATH at all."""


def users_path() -> str:
    """Return the PATH that this program was started with: programs are looked up on it and children get it."""
    return os.environ.get("PATH", USUAL_PATH)


def find_program(name: str) -> Path | None:
    """Return the absolute path of a program on the user's PATH, None where it is not there."""
    found = shutil.which(name, path=users_path())
    return None if found is None else Path(found).absolute()


def require_program(name: str, remedy: str) -> Path:
    """Return the absolute path of a program on the user's PATH. Raises BackendError with this remedy without it."""
    found = find_program(name)
    if found is None:
        raise BackendError(f"no {name} on the PATH", remedy=remedy)
    return found
