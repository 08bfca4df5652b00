"""Whether a limit that was asked for is there: an engine may warn, start without it, and leave nothing to enforce."""

from envbench.errors import EnvbenchError
from envbench.experiments.shared.running import running
from envbench.run.bench import Bench, Prepared
from envbench.traces.limits import memory_limit_bytes

IGNORED = "run as root, or delegate the memory controller (systemd: Delegate=memory)"


def require_memory_limit(bench: Bench, prepared: Prepared, memory_bytes: int) -> None:
    """Start one container with this limit and check its cgroup. Raises EnvbenchError where the limit is not there."""
    with running(bench, prepared, memory_bytes=memory_bytes) as run_:
        cgroup = run_.instance.cgroup()
        if cgroup is None:
            raise EnvbenchError("no cgroup of its own is known here: a limit cannot be seen", remedy=IGNORED)
        found = memory_limit_bytes(cgroup)
    if found is None or found > memory_bytes:
        shown = "none" if found is None else f"{found} bytes"
        raise EnvbenchError(
            f"the memory limit was not set: asked for {memory_bytes} bytes, its cgroup has {shown}", remedy=IGNORED
        )
