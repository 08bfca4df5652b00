"""Runs that support, contradict or leave open each claim on isolation."""

from collections.abc import Mapping

from tests.reports.claims.known.rows import Build, E, Known, both, seen

MUTUAL = (
    "mutual__processes_seen",
    "mutual__mounts_seen",
    "mutual__memory_seen",
    "mutual__files_seen",
)


def counts(first: int, second: int) -> Build:
    return both(
        seen(E.ISOLATION, "qemu", host_facts_readable=first, host_kernel_interfaces=first),
        seen(E.ISOLATION, "docker", host_facts_readable=second, host_kernel_interfaces=second),
    )


def wsl(**values: int | list[int]) -> Build:
    return seen(E.WSL, "wsl", **values)


KNOWN: Mapping[str, Known] = {
    "isolation-namespaces": Known(
        seen(E.ISOLATION, "docker", namespaces_own=7, cgroup_own=1, memory_limit_enforced=1, cpu_limit_enforced=1),
        seen(E.ISOLATION, "docker", namespaces_own=0, cgroup_own=0, memory_limit_enforced=0, cpu_limit_enforced=0),
        seen(E.ISOLATION, "docker", namespaces_own=7, cgroup_own=1, memory_limit_enforced=[0, 1], cpu_limit_enforced=1),
    ),
    "isolation-mutual": Known(
        seen(E.ISOLATION, "docker", mutual__indirect=4, **dict.fromkeys(MUTUAL, 0)),
        seen(E.ISOLATION, "docker", **dict.fromkeys(MUTUAL, 2)),
        seen(E.ISOLATION, "docker", **{name: [0, 1] for name in MUTUAL}),
    ),
    "isolation-vm-stronger": Known(
        counts(0, 9), counts(9, 0), both(counts(0, 9), seen(E.ISOLATION, "docker", host_facts_readable=0))
    ),
    "isolation-wsl": Known(
        wsl(interop=1, kernel_shared_by_distributions=1, drives_mounted=1),
        wsl(interop=0, kernel_shared_by_distributions=0, drives_mounted=0),
        wsl(interop=[0, 1], kernel_shared_by_distributions=1, drives_mounted=1),
    ),
}
