"""Programs of this machine: each is looked up once on the user's PATH, and run and reported by that absolute path."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from envbench.errors import BackendError, CommandError
from envbench.errors.causes import Cause, remedy_for_lack

USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's for root; what runs inside containers has it, and whatever is started where there is no PATH at all."""

ANSWER_DEADLINE_S = 60.0
"""How long a program may take to say what it knows at once, such as its version; a busy machine takes 10 s for it."""


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


def answer_of(argv: Sequence[str | Path], remedy: str, within_s: float = ANSWER_DEADLINE_S) -> bytes:
    """Return what a program prints about itself.

    Raises BackendError: with this remedy where it cannot be started or fails; where it does not end in time, that may
    be the machine's fault, and the cause says so.
    """
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=within_s, check=False)
    except OSError as error:
        words = f"{argv[0]} does not run: {error.strerror}"
        if error.filename == os.devnull:
            words, remedy = f"{os.devnull}: {error.strerror}", "mknod -m 666 /dev/null c 1 3"
        raise BackendError(words, remedy=remedy_for_lack(error) or remedy) from error
    except subprocess.TimeoutExpired as error:
        patience = f"wait until the machine is less busy; if it never ends: {remedy}"
        raise BackendError(
            f"{argv[0]} did not end within {within_s:g} s", remedy=patience, cause=Cause.NO_ANSWER
        ) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-200:]
        raise CommandError(str(argv[0]), exit_status=done.returncode, said=said, remedy=remedy)
    return done.stdout
