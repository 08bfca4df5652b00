"""A check by trying: one start that has to get ready; nothing of it is kept."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from envbench.backend import Instance, MarkCallback, Workload
from envbench.readiness.output import reader_for
from envbench.readiness.probe import ports_for, wait_until_ready
from envbench.settings import new_nonce
from envbench.settings.condition import Ready
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

TRIAL_DEADLINE_S = 30.0
"""Longest wait for a container that a check starts: a busy or emulated machine takes seconds."""


def _look_at_nothing(_instance: Instance) -> None:
    """Take no look."""


def try_start(
    start: Callable[[Workload, Mapping[str, str], MarkCallback], Instance],
    variant: Mapping[str, str],
    deadline_s: float,
    ready: Ready | None = None,
    *,
    asked: Workload | None = None,
    look: Callable[[Instance], None] = _look_at_nothing,
) -> None:
    """Start one instance, wait until its payload is ready and destroy it. Raises BackendError where it does not.

    `ready` is what means so, None where the payload says its ready line. `asked` is a workload with limits; `look` is
    called while the instance is ready.
    """
    nonce = new_nonce()
    workload = replace(asked or Workload(nonce), nonce=nonce, deadline_s=deadline_s, ports=ports_for(ready))
    instance = start(workload, variant, lambda _mark: None)
    reader, deadline_ns = reader_for(nonce, ready), monotonic_ns() + int(deadline_s * NS_PER_S)
    try:
        wait_until_ready(instance, reader, ready, workload, deadline_ns)
        look(instance)
    finally:
        instance.destroy()
