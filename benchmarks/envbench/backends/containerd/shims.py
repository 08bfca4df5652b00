"""Finds and ends the shims of a run's containerd namespace.

A shim (containerd, core/runtime/v2/README.md) is the process that holds a container. containerd starts it before it
knows the task: where the call that asked for the task is broken off in between, the container can be removed, no
command of containerd names the shim any more, and it lives on.
"""

import signal
from collections.abc import Iterator

from envbench.errors import BackendError, EnvbenchError
from envbench.traces.procfs import process_start_ticks, processes_with_words
from envbench.traces.removal import end_process


def shims(namespace: str, container: str | None = None) -> tuple[int, ...]:
    """Return the ids of this namespace's shims, or of one container's; () where there are none in sight."""
    return tuple(pid for pid, _ in _found(namespace, container))


def end_shims(namespace: str, container: str | None = None) -> bool:
    """Have these shims end; return whether there were any. Raises BackendError where one stays.

    SIGTERM comes first: a shim removes its socket then, and containerd, which sees it go, the container's folder.
    """
    found = tuple(_found(namespace, container))
    for pid, started in found:
        try:
            end_process(pid, started, number=signal.SIGTERM)
        except EnvbenchError:
            _kill(pid, started)
    return bool(found)


def _kill(pid: int, started: int) -> None:
    try:
        end_process(pid, started)
    except EnvbenchError as error:
        raise BackendError(f"containerd's shim stays: {error}", remedy=error.remedy) from error


def _found(namespace: str, container: str | None) -> Iterator[tuple[int, int]]:
    """Yield process ids, each with its start in clock ticks since boot."""
    words = ("-namespace", namespace, *(() if container is None else ("-id", container)))
    for pid in processes_with_words(*words):
        started = process_start_ticks(pid)
        if started is not None:
            yield pid, started
