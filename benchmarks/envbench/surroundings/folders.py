"""Where envbench keeps what outlives a run: the journals, and what it fetched or built once.

The user's folders (XDG Base Directory Specification), and where there is no home or it cannot be written (a container
run as an arbitrary user), one of this user's own in the place for temporary files.
"""

import os
import tempfile
from pathlib import Path


def state_folders() -> tuple[Path, ...]:
    """Return every folder in which journals may lie, the one to write first; the others may not be there."""
    return _folders("XDG_STATE_HOME", ".local/state", "state")


def cache_folder() -> Path:
    """Return the folder of what was fetched or built once; it may not be there yet."""
    return _folders("XDG_CACHE_HOME", ".cache", "cache")[0]


def _folders(variable: str, below_home: str, purpose: str) -> tuple[Path, ...]:
    """Return the user's folder, then the fallback; the fallback first where the user's cannot be written."""
    fallback = Path(tempfile.gettempdir()) / f"envbench-{purpose}-of-{os.geteuid()}"
    usual = _usual(variable, below_home)
    if usual is None:
        return (fallback,)
    return (usual, fallback) if _can_be_written(usual) else (fallback, usual)


def _usual(variable: str, below_home: str) -> Path | None:
    named = os.environ.get(variable, "")
    if named.startswith("/"):  # XDG Base Directory Specification: a relative path is to be ignored.
        return Path(named) / "envbench"
    try:
        return Path.home() / below_home / "envbench"
    except RuntimeError:  # No HOME, and no entry for this user in the system's list of users.
        return None


def _can_be_written(folder: Path) -> bool:
    """Return whether files can be made in this folder, or in the one above it in which it would be made."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def make_private(folder: Path) -> None:
    """Make this folder for this user alone, with those above it. Raises OSError, also where it is someone else's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.parent == Path(tempfile.gettempdir()) and folder.lstat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
