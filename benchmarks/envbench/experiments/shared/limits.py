"""Whether a limit that was asked for is there: an engine may warn, start without it, and leave nothing to enforce."""

from pathlib import Path

from envbench.errors import EnvbenchError
from envbench.experiments.shared.running import running
from envbench.run.bench import Bench, Prepared

LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")
"""Of version 2 and 1 (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst)."""
IGNORED = "run as root, or delegate the memory controller (systemd: Delegate=memory)"


def memory_limit_bytes(cgroup: Path) -> int | None:
    """Return the memory limit of this cgroup; None where it has none, or no memory controller.

    Raises OSError where it may not be read.
    """
    for name in LIMIT_FILES:
        try:
            text = (cgroup / name).read_text("ascii").strip()
        except FileNotFoundError:
            continue
        return int(text) if text.isdigit() else None
    return None


def require_memory_limit(bench: Bench, prepared: Prepared, memory_bytes: int) -> None:
    """Start one container with this limit and see that its cgroup has it. Raises EnvbenchError where it has not."""
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
