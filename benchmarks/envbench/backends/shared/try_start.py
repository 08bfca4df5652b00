"""A check by doing: one start that has to get ready, of which nothing is kept."""

from collections.abc import Callable, Mapping

from envbench.backend import Instance, MarkCallback, Workload
from envbench.clock import NS_PER_S, monotonic_ns
from envbench.readiness import OutputReader, marker_for, wait_ready
from envbench.settings import new_nonce


def try_start(
    start: Callable[[Workload, Mapping[str, str], MarkCallback], Instance],
    variant: Mapping[str, str],
    deadline_s: float,
) -> None:
    """Start one instance, wait until its payload is ready and destroy it. Raises BackendError where it does not."""
    nonce = new_nonce()
    instance = start(Workload(nonce), variant, lambda _mark: None)
    try:
        wait_ready(instance, OutputReader(marker_for(nonce)), monotonic_ns() + int(deadline_s * NS_PER_S))
    finally:
        instance.destroy()
