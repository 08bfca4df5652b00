"""Builds the rows of runs whose answers are known."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from envbench.records.phases import Experiment

E = Experiment
MS, S, MIB, GB = 1_000_000, 1_000_000_000, 2**20, 10**9
KVM, TCG = "accel=kvm", "accel=tcg"
SPREAD = (0.97, 0.98, 0.99, 1.0, 1.0, 1.01, 1.02, 1.03)
WIDE = (0.3, 0.5, 0.8, 0.95, 1.06, 1.3, 2.0, 3.0)
Build = Callable[[Any], object]


class Known(NamedTuple):
    supports: Build | None
    contradicts: Build | None
    leaves_open: Build | None
    meta: Mapping[str, Any] = {}


def around(middle: float, factors: tuple[float, ...] = SPREAD) -> list[float]:
    return [middle * factor for factor in factors]


def series(experiment: E, phase: str, **backends: list[float]) -> Build:
    """Each backend by name; VM backends are KVM unless the name ends in _tcg."""

    def build(rows: Any) -> object:
        for name, values in backends.items():
            backend = name.removesuffix("_tcg")
            variant = (TCG if name.endswith("_tcg") else KVM) if backend in {"qemu", "libvirt"} else ""
            rows.add(experiment, backend, phase, values, variant=variant)
        return rows

    return build


def seen(experiment: E, backend: str, *, profile: str = "minimal", **facts: int | list[int]) -> Build:
    def build(rows: Any) -> object:
        variant = KVM if backend == "qemu" else ""
        for name, value in facts.items():
            rows.add(
                experiment,
                backend,
                name.replace("__", "."),
                value if isinstance(value, list) else [value],
                variant=variant,
                profile=profile,
            )
        return rows

    return build


def both(*builds: Build) -> Build:
    def build(rows: Any) -> object:
        for each in builds:
            each(rows)
        return rows

    return build


def pair(experiment: E, phase: str, over: str, under: str, *, ratio: float = 10.0, base: float = 100.0 * MS) -> Known:
    """Claims that `over` has more of it than `under`."""
    return Known(
        series(experiment, phase, **{over: around(ratio * base), under: around(base)}),
        series(experiment, phase, **{over: around(base), under: around(ratio * base)}),
        series(experiment, phase, **{over: around(base, WIDE), under: around(base, WIDE[::-1])}),
    )


def joined(*parts: Known) -> Known:
    return Known(
        both(*(part.supports for part in parts if part.supports)),
        both(*(part.contradicts for part in parts if part.contradicts)),
        both(*(part.leaves_open for part in parts if part.leaves_open)),
    )


def facts(experiment: E, backend: str, **expected: int) -> Known:
    """Observations: as claimed, the opposite, and seen both ways."""
    return Known(
        seen(experiment, backend, **expected),
        seen(experiment, backend, **{name: 1 - value for name, value in expected.items()}),
        seen(experiment, backend, **{name: [0, 1] for name in expected}),
    )


def host(*layers: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"host": {"layers": list(layers)}}
