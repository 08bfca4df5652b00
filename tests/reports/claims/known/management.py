"""Runs that support, contradict or leave open each claim on moving, keeping and managing."""

from collections.abc import Mapping

from tests.reports.claims.known.isolation import wsl
from tests.reports.claims.known.rows import (
    MIB,
    SPREAD,
    Build,
    E,
    Known,
    S,
    around,
    both,
    seen,
    series,
)


def exported(vm: float, container: float, factors: tuple[float, ...] = SPREAD) -> Build:
    sized = both(
        seen(E.PORTABILITY, "qemu", export_bytes=int(vm * MIB)),
        seen(E.PORTABILITY, "docker", export_bytes=int(container * MIB)),
    )
    timed = (
        series(E.PORTABILITY, name, qemu=around(vm * S, factors), docker=around(container * S, factors[::-1]))
        for name in ("export", "import", "carry")
    )
    return both(sized, *timed)


def ran_here(containers: tuple[int, int, int], vms: tuple[int, int, int]) -> Build:
    """What was made for another distribution, system and architecture: 1 where it runs here."""
    return both(
        seen(
            E.KERNEL,
            "docker",
            two_userlands_one_kernel=containers[0],
            windows_image_refused=1 - containers[1],
            foreign_arch_runs=containers[2],
        ),
        seen(
            E.KERNEL,
            "qemu",
            kernel_equals_host=1 - vms[0],
            guest_not_linux_ready=vms[1],
            guest_other_arch_ready=vms[2],
        ),
    )


SERVICE = both(
    series(E.KERNEL, "managed_ready", docker=around(0.3 * S)), series(E.KERNEL, "plain_ready", docker=around(0.1 * S))
)
DISK_KEEPS = seen(E.PORTABILITY, "qemu", vm_disk_keeps=1)
KNOWN: Mapping[str, Known] = {
    "portable": Known(
        both(exported(40, 2), ran_here((1, 1, 1), (1, 0, 1))),
        both(exported(2, 40), ran_here((1, 0, 0), (1, 1, 1))),
        both(exported(40, 2), ran_here((1, 0, 1), (1, 1, 1))),
    ),
    "storage-ephemeral": Known(
        both(DISK_KEEPS, seen(E.PORTABILITY, "docker", gone_after_remove=1)),
        both(DISK_KEEPS, seen(E.PORTABILITY, "docker", gone_after_remove=0)),
        both(DISK_KEEPS, seen(E.PORTABILITY, "docker", gone_after_remove=[0, 1])),
    ),
    "wsl-integration": Known(
        wsl(interop=1, interop_back=1, drives_mounted=2),
        wsl(interop=0, interop_back=0, drives_mounted=0),
        wsl(interop=[0, 1], interop_back=1, drives_mounted=1),
    ),
    "managers": Known(both(SERVICE, seen(E.KERNEL, "host", managers__vm=2, managers__container=1)), None, None),
}
