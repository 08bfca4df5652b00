"""A run's private folder in the place for temporary files, under a path that every engine can take.

TMPDIR may have any name and length. In a URL, a list of options or the address of a socket (108 bytes, unix(7)) not
every path can stand: there a short link leads to the folder.
"""

import contextlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from envbench.traces.journal import Journal, Kind

_PLAIN = re.compile(r"[A-Za-z0-9/._-]{1,40}")
_PLAIN_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 -- for a link, in a journal, to a folder that is closed


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder that was made: `path` is what to hand to engines, `real` where the files lie."""

    path: Path
    real: Path
    journal: Journal
    numbers: tuple[int, ...]

    def remove(self) -> None:
        """Remove the folder with all in it, and the link; safe to call twice. What cannot be removed stays listed."""
        shutil.rmtree(self.real, ignore_errors=True)
        if self.path != self.real:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
        if not self.real.exists() and not self.path.is_symlink():
            for number in self.numbers:
                self.journal.forget(number)


def make_run_folder(journal: Journal, name: str) -> RunFolder:
    """Make a folder of this name, which carries the run's id, for this user alone. Raises OSError."""
    real = Path(tempfile.gettempdir()) / name
    number = journal.intend(Kind.FOLDER, str(real))
    real.mkdir(mode=0o700)
    if not _PLAIN.fullmatch(str(real.parent)):
        for place in _PLAIN_PLACES:
            link = Path(place, name)
            link_number = journal.intend(Kind.FILE, str(link))
            try:
                link.symlink_to(real)
            except OSError:
                journal.forget(link_number)
            else:
                return RunFolder(link, real, journal, (number, link_number))
    return RunFolder(real, real, journal, (number,))
