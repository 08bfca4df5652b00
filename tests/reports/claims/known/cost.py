"""Runs that support, contradict or leave open each claim on what instances cost."""

from collections.abc import Mapping
from typing import Any

from tests.reports.claims.known.rows import (
    KVM,
    MIB,
    SPREAD,
    WIDE,
    Build,
    E,
    Known,
    S,
    around,
    both,
    joined,
    pair,
    seen,
    series,
)

from envbench.records.phases import Phase


def density(vm: tuple[float, ...], container: tuple[float, ...]) -> Build:
    def build(rows: Any) -> object:
        for backend, variant, costs in (("qemu", f"{KVM};mode=sequence", vm), ("docker", "mode=sequence", container)):
            for number in (1, 2, 3, 4, 6, 8):
                for cost in costs:
                    rows.add(E.DENSITY, backend, "memory_n", [number * cost * MIB], variant=f"{variant};n={number}")
            rows.add(E.DENSITY, backend, "instances", [8], variant=f"{variant};n=8")
        return rows

    return build


def wsl_light(vm: float, distribution: float, container: float, factors: tuple[float, ...] = SPREAD) -> Build:
    return both(
        series(E.STARTUP, Phase.READY, qemu=around(vm * S), docker=around(container * S)),
        series(E.WSL, "distribution_start", wsl=around(distribution * S, factors)),
    )


def resized(value: int | list[int]) -> Build:
    return both(*(seen(E.RESIZE, backend, **dict.fromkeys(RESIZE, value)) for backend in ("docker", "qemu")))


RESIZE = ("memory_grown", "memory_shrunk", "cpu_changed")
KNOWN: Mapping[str, Known] = {
    "memory-overhead": pair(E.MEMORY, "total", "qemu", "docker", base=10 * MIB),
    "memory-app-only": Known(
        both(
            series(E.MEMORY, "total", docker=around(MIB)), series(E.MEMORY, "payload_bare", process=around(1.2 * MIB))
        ),
        both(series(E.MEMORY, "total", docker=around(12 * MIB)), series(E.MEMORY, "payload_bare", process=around(MIB))),
        both(
            series(E.MEMORY, "total", docker=around(MIB, WIDE)), series(E.MEMORY, "payload_bare", process=around(MIB))
        ),
    ),
    "memory-minimum": Known(
        both(seen(E.MEMORY, "docker", minimum_ready=6 * MIB), seen(E.MEMORY, "qemu", minimum_ready=40 * MIB)),
        both(seen(E.MEMORY, "docker", minimum_ready=40 * MIB), seen(E.MEMORY, "qemu", minimum_ready=6 * MIB)),
        both(seen(E.MEMORY, "docker", minimum_ready=40 * MIB), seen(E.MEMORY, "qemu", minimum_ready=41 * MIB)),
    ),
    "cpu-overhead": joined(
        pair(E.STARTUP, Phase.HOST_CPU, "qemu", "docker"), pair(E.IDLE, "cpu_ns_per_min", "qemu", "docker")
    ),
    "idle-cost": joined(
        pair(E.IDLE, "cpu_ns_per_min", "qemu", "docker"), pair(E.IDLE, "idle_memory", "qemu", "docker")
    ),
    "release-clean": Known(
        seen(E.RELEASE, "docker", leaked__total=0),
        seen(E.RELEASE, "docker", leaked__total=3),
        seen(E.RELEASE, "docker", leaked__total=[0, 2]),
    ),
    "hot-resize": Known(resized(1), None, resized(0)),
    "density": Known(density((60, 61, 62), (8, 9)), density((8, 9), (60, 61, 62)), density((5, 60), (5, 60))),
    "wsl-light": Known(wsl_light(5, 1, 0.3), wsl_light(1, 5, 6), wsl_light(1, 1, 0.3, WIDE)),
}
