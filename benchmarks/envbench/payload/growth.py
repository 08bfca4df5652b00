"""Tells how much of something that is downloaded or built is there, while another program works on it."""

import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOOK_EVERY_S = 5.0

Grew = Callable[[str, int], None]
"""Takes what grows, and how many bytes of it are there."""


def tell_grown(what: str, size_bytes: int) -> None:
    """Say to people how much is there."""
    sys.stderr.write(f"{what}: {size_bytes / 1e6:.0f} MB so far\n")
    sys.stderr.flush()


@contextmanager
def growing(what: str, tree: Path, grew: Grew, every_s: float = LOOK_EVERY_S) -> Iterator[None]:
    """Tell every few seconds, and at the end, how many bytes are below a folder that others fill meanwhile."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(every_s):
            grew(what, size_of_tree(tree))

    watcher = threading.Thread(target=watch, name=f"growth of {what}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    grew(what, size_of_tree(tree))


def size_of_tree(tree: Path) -> int:
    """Return the length of all files of a tree that may be changing, in bytes; what is mounted in it is none of it.

    Nothing of a mounted filesystem is opened: a bootstrap that wants to unmount its /proc just then could not.
    """
    total = 0
    for folder, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if not _is_mounted(folder, name)]
        for name in names:
            with suppress(OSError):
                found = Path(folder, name).lstat()
                total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


def _is_mounted(folder: str, name: str) -> bool:
    """Return whether a folder is of another filesystem than the one that it is in, or is gone meanwhile."""
    try:
        return Path(folder, name).lstat().st_dev != Path(folder).lstat().st_dev
    except OSError:
        return True
