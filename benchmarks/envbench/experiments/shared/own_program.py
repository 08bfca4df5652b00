"""A program of the run's own that others ask over HTTP: started, waited for until it answers, ended with the block."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import sleep

from envbench.backends.shared.child import Child, environment
from envbench.errors import BackendError
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Journal, Kind
from envbench.traces.procfs import process_start_ticks

SHOWN = 300
"""Characters of its last words that an error shows, from their end."""


@contextmanager
def own_program(
    journal: Journal,
    run_id: str,
    argv: Sequence[str | Path],
    log: Path,
    is_up: Callable[[], bool],
    *,
    name: str,
    remedy: str,
    up_deadline_s: float,
    end: Callable[[Child], object] = Child.kill,
    **variables: str,
) -> Iterator[None]:
    """Run a program for the length of the block, which begins when `is_up` says so; what it says goes to `log`.

    `variables` are added to its environment. Raises BackendError where it is not to be had, or not up in time.
    """
    with log.open("wb") as output:
        child = Child(argv, environment(run_id, **variables), output.fileno())
    number = journal.intend(Kind.PROCESS, str(child.pid), start_ticks=str(process_start_ticks(child.pid) or 0))
    try:
        deadline_ns = monotonic_ns() + int(up_deadline_s * NS_PER_S)
        while not is_up():
            if child.wait(monotonic_ns()) or monotonic_ns() > deadline_ns:
                said = log.read_text("utf-8", errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                raise BackendError(f"{name} did not come up: {said[0][-SHOWN:]}", remedy=remedy)
            sleep(0.02)
        yield
    finally:
        end(child)
        journal.forget(number)


def answers(asked: HTTPConnection, place: str) -> bool:
    """Say whether there is a good answer to GET `place`; the connection is closed then."""
    try:
        asked.request("GET", place)
        return asked.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        asked.close()
