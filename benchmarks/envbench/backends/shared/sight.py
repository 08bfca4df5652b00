"""Whether an engine sees a folder of ours: a file lies in it, and the engine is asked for it before the first start.

An engine of a snap's, behind PrivateTmp, in a container or on another machine has a /tmp, or a whole root, of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from envbench.errors import BackendError
from envbench.errors.causes import Cause, remedy_for
from envbench.settings import new_nonce


@contextmanager
def nonce_file(folder: Path) -> Iterator[Path]:
    """Give a file that holds its own name, a nonce, alone in a new folder inside `folder`; both are gone afterwards."""
    with TemporaryDirectory(prefix="sight-", dir=folder) as place:
        nonce = new_nonce()
        path = Path(place, nonce)
        path.write_text(nonce, "ascii")
        yield path


def unseen(path: Path, place: str, said: str = "") -> BackendError:
    """Return the error of an engine that does not see the folder of a file of ours, with what it `said` of it.

    `place` chooses the remedy (`envbench.errors.causes`).
    """
    words = f"the engine does not see our folder {path.parent.parent}" + (f" ({said})" if said else "")
    return BackendError(words, remedy=remedy_for(Cause.UNSEEN, place), cause=Cause.UNSEEN)
