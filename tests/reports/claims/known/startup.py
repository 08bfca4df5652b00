"""Runs that support, contradict or leave open each claim on starting."""

from collections.abc import Mapping
from typing import Any

from tests.reports.claims.known.rows import KVM, SPREAD, WIDE, Build, E, Known, S, around, pair, series

from envbench.records.phases import Phase


def startup_shares(kernel_share: tuple[float, ...]) -> Build:
    def build(rows: Any) -> object:
        for order, share in enumerate(kernel_share):
            ready = 2 * S
            for phase, value in ((Phase.READY, ready), (Phase.KERNEL, ready * share)):
                rows.add(E.STARTUP, "qemu", phase, [value], variant=KVM, orders=[order])
        return rows

    return build


KNOWN: Mapping[str, Known] = {
    "start-faster": pair(E.STARTUP, Phase.READY, "qemu", "docker"),
    "start-container-seconds": Known(
        series(E.STARTUP, Phase.READY, docker=around(0.3 * S)),
        series(E.STARTUP, Phase.READY, docker=around(30 * S)),
        series(E.STARTUP, Phase.READY, docker=around(5 * S, WIDE)),
    ),
    "start-container-ms": Known(
        series(E.STARTUP, Phase.READY, docker=around(0.05 * S)),
        series(E.STARTUP, Phase.READY, docker=around(0.3 * S)),
        series(E.STARTUP, Phase.READY, docker=around(0.1 * S)),
    ),
    "start-vm-minutes": Known(
        series(E.STARTUP, Phase.READY, qemu=around(90 * S)),
        series(E.STARTUP, Phase.READY, qemu=around(5 * S)),
        series(E.STARTUP, Phase.READY, qemu=around(60 * S)),
    ),
    "start-why-kernel": Known(
        startup_shares(tuple(0.8 * each for each in SPREAD)),
        startup_shares(tuple(0.2 * each for each in SPREAD)),
        startup_shares(tuple(0.5 * each for each in SPREAD)),
    ),
    "cycle-rapid": pair(E.STARTUP, Phase.CYCLE, "qemu", "docker"),
}
