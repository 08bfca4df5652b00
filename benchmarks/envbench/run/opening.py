"""Opens one backend. What its library raises makes this backend unusable, and never ends the others."""

import contextlib

from envbench.backend import Backend, Unusable, Usable, unusable
from envbench.backends import load
from envbench.errors import foreseen
from envbench.settings import Settings
from envbench.traces.journal import Journal


def open_backend(name: str, settings: Settings, journal: Journal) -> tuple[Backend | None, Usable | Unusable]:
    """Load a backend and ask whether it can run here; one that cannot is closed again and None.

    Raises only what is no Exception (an interruption), after it has closed the backend.
    """
    backend: Backend | None = None
    answer: Usable | Unusable
    try:
        backend = load(name)(settings, journal)
        answer = backend.check()
    except ImportError as error:
        answer = Unusable(f"cannot be loaded: {error}", "pip install 'envinspect[bench]'")
    except Exception as error:  # noqa: BLE001 -- whatever it is, the other backends can do without this one
        answer = unusable(foreseen(error), f"envbench doctor --backend {name} --debug")
    except BaseException:
        # Nobody else knows this backend yet, and its check has started programs of its own.
        if backend is not None:
            close_backend(backend)
        raise
    if isinstance(answer, Unusable) and backend is not None:
        close_backend(backend)
        return None, answer
    return backend, answer


def close_backend(backend: Backend) -> None:
    """Close a backend; what it cannot remove stays in the journal."""
    with contextlib.suppress(Exception):
        backend.close()
