"""Runs that support, contradict or leave open each claim on speed."""

from collections.abc import Mapping

from tests.reports.claims.known.rows import SPREAD, WIDE, Build, E, Known, around, both, series


def speed(
    container: float, *, metrics: tuple[str, ...] = ("cpu_int", "syscall"), factors: tuple[float, ...] = SPREAD
) -> Build:
    narrow = tuple(1 + (factor - 1) / 10 for factor in SPREAD)
    used = narrow if factors is SPREAD else factors
    return both(
        *(
            series(E.SPEED, each, process=around(1000, narrow), docker=around(1000 / container, used))
            for each in metrics
        )
    )


NATIVE, SLOW, UNCLEAR = speed(1.0), speed(1.3), speed(1.0, factors=WIDE)
KNOWN: Mapping[str, Known] = {
    "speed-container-native": Known(NATIVE, SLOW, UNCLEAR),
    "speed-container-not-bare": Known(SLOW, NATIVE, UNCLEAR),
    "speed-vm-slower": Known(
        series(E.SPEED, "cpu_int", docker=around(1000), qemu=around(500)),
        series(E.SPEED, "cpu_int", docker=around(500), qemu=around(1000)),
        series(E.SPEED, "cpu_int", docker=around(1000, WIDE), qemu=around(1000, WIDE[::-1])),
    ),
    "wsl-interop": Known(None, None, None),
}
