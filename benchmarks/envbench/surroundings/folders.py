"""Where envbench keeps what outlives a run: the journals, and what it fetched or built once.

The user's folders (XDG Base Directory Specification), and where there is no home or it cannot be written (a container
run as an arbitrary user), one of this user's own in the place for temporary files.
"""

import os
import tempfile
from pathlib import Path

from envbench.errors import UsageError


def state_folders() -> tuple[Path, ...]:
    """Return every folder in which journals may lie, the one to write first; the others may not be there."""
    return _folders("XDG_STATE_HOME", ".local/state", "state")


def cache_folder() -> Path:
    """Return the folder of what was fetched or built once; it may not be there yet."""
    return _folders("XDG_CACHE_HOME", ".cache", "cache")[0]


def _folders(variable: str, below_home: str, purpose: str) -> tuple[Path, ...]:
    """Return the user's folder, then the fallback; the fallback first where the user's cannot be written."""
    fallback = _temporary() / f"envbench-{purpose}-of-{os.geteuid()}"
    usual = _usual(variable, below_home)
    if usual is None:
        return (fallback,)
    return (usual, fallback) if _can_be_written(usual) else (fallback, usual)


def _temporary() -> Path:
    """Return the place for temporary files. Raises UsageError where there is none that can be written."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        words = "no folder for temporary files can be written"
        raise UsageError(words, remedy="TMPDIR=DIR, a folder that this user may write to") from error


def _usual(variable: str, below_home: str) -> Path | None:
    named = os.environ.get(variable, "")
    if named.startswith("/"):  # XDG Base Directory Specification: a relative path is to be ignored.
        return Path(named) / "envbench"
    try:
        home = Path.home()
    except RuntimeError:  # No HOME, and no entry for this user in the system's list of users.
        return None
    # A relative HOME would be another folder wherever the next command, which is to clean up, is run. One that is not
    # there (/nonexistent, of users who are to have none) is not for us to make.
    if not home.is_absolute() or not _is_there(home):
        return None
    return home / below_home / "envbench"


def _is_there(home: Path) -> bool:
    try:
        home.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def _can_be_written(folder: Path) -> bool:
    """Return whether files can be made in this folder, or in the one above it in which it would be made."""
    # What may not be looked into raises in pathlib, and here it only means: nothing can be made there.
    there = next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)  # noqa: PTH110
    return os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)  # noqa: PTH112


def make_private(folder: Path) -> None:
    """Make this folder for this user alone, with those above it. Raises OSError, also where it is someone else's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.parent == Path(tempfile.gettempdir()) and folder.lstat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
