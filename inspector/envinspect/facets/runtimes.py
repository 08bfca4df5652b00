"""What language runtimes make of the CPUs they find: how many each takes for its threads, by what it really reads.

A runtime that reads less than the kernel enforces starts more threads than may run, and is throttled.
"""

from __future__ import annotations

import math

from envinspect.facets.control_groups import Levels
from envinspect.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Runtime(Record):
    """How one runtime counts.

    `levels` is what it reads of the control groups' quota: "none", "own" (the own group only) or "all" (walking up);
    `versions` are the cgroup versions it reads it from. `outermost`: of all levels it takes the last one that
    sets a quota, not the tightest. `round_up` says which way a broken number goes; `least` is the smallest count that
    a quota can bring it to, and 0 where a quota below one CPU counts as none.
    """

    id: str
    name: str
    since: str
    levels: str
    versions: tuple[int, ...]
    round_up: bool
    least: int
    reference: str
    outermost: bool = False


_LIBUV = "https://github.com/libuv/libuv/pull/4746"

RUNTIMES = (
    Runtime("go", "Go GOMAXPROCS", "1.25", "own", (1, 2), True, 2, "https://go.dev/doc/go1.25#container-aware-gomaxprocs"),
    Runtime("jvm", "JVM availableProcessors()", "24", "all", (1, 2), True, 1, "https://bugs.openjdk.org/browse/JDK-8322420"),
    Runtime("jvm-before-24", "JVM availableProcessors()", "11", "own", (1, 2), True, 1, "https://bugs.openjdk.org/browse/JDK-8146115"),
    Runtime("node", "Node.js os.availableParallelism()", "libuv 1.52", "all", (2,), False, 1, _LIBUV, True),
    Runtime("node-libuv-1-51", "Node.js os.availableParallelism()", "libuv 1.51", "all", (2,), False, 0, _LIBUV, True),
    Runtime("dotnet", ".NET Environment.ProcessorCount", "6", "own", (1, 2), True, 1, "https://github.com/dotnet/runtime/blob/main/src/coreclr/pal/src/misc/cgroup.cpp"),
    Runtime("python", "Python os.process_cpu_count()", "3.13", "none", (), True, 1, "https://docs.python.org/3/library/os.html#os.process_cpu_count"),
    Runtime("rust", "Rust available_parallelism()", "1.64", "all", (1, 2), False, 1, "https://doc.rust-lang.org/std/thread/fn.available_parallelism.html"),
)  # fmt: skip
"""One row a runtime; `since` is the first version that counts like this."""


class Quotas(Record):
    """How many CPUs are granted by the tightest level, by the own group, and by the outermost level with a quota.

    None is none.
    """

    tightest: float | None
    own: float | None
    outermost: float | None


def runtimes(allowed: int | None, quotas: Quotas, levels: Levels) -> list[dict[str, Any]]:
    """Return what each runtime takes for its number of CPUs, and whether the kernel will throttle it for that.

    `allowed` is the number of CPUs in the mask. `cpus` is None where that is not known.
    """
    found: list[dict[str, Any]] = []
    for runtime in RUNTIMES:
        of_all = quotas.outermost if runtime.outermost else quotas.tightest
        reads = {"none": None, "own": quotas.own, "all": None if levels.hidden else of_all}[runtime.levels]
        if levels.version not in runtime.versions:
            reads = None
        cpus = _count(runtime, allowed, reads)
        throttled = None if cpus is None else quotas.tightest is not None and cpus > math.ceil(quotas.tightest)
        found.append({
            "id": runtime.id, "name": runtime.name, "since": runtime.since, "cpus": cpus, "throttled": throttled,
            "reads": runtime.levels, "reference": runtime.reference,
        })  # fmt: skip
    return found


def _count(runtime: Runtime, allowed: int | None, quota: float | None) -> int | None:
    if allowed is None or quota is None:
        return allowed
    rounded = max(runtime.least, math.ceil(quota) if runtime.round_up else math.floor(quota))
    return min(allowed, rounded or allowed)
