"""Which figure is meant: `docker[network=none]/minimal.ready.p95`, as gates, comparisons and histories read it.

figure      = backend "." metric [ "." statistic ]
backend     = name [ "[" key "=" value { "," key "=" value } "]" ] [ "/" profile ]
metric      = a phase of a start (ready, create, cycle, …), a metric of an experiment, or "failed"
statistic   = median (default) | p5 | p25 | p75 | p95 | p99 | min | max
"""

import re
from dataclasses import dataclass

from envbench.records.metrics import METRICS, metric
from envbench.records.phases import Unit
from envbench.records.samples import variant_keys
from envreport.units import nearest

QUANTILES = {"median": 0.5, "p5": 0.05, "p25": 0.25, "p75": 0.75, "p95": 0.95, "p99": 0.99}
EXACT = ("min", "max")
FAILED = "failed"
PATTERN = r"(?P<backend>[\w-]+)(?:\[(?P<variant>[^\]]*)\])?(?:/(?P<profile>[\w-]+))?\.(?P<metric>[\w.]+)"
"""Of a figure, for those who read more around it. Of any case: a wrong name is told with the nearest right one."""


@dataclass(frozen=True, slots=True)
class Selector:
    """One figure of one backend; `variant` and `profile` narrow it down, empty ones match all. `unit` is its rows'."""

    backend: str
    variant: tuple[tuple[str, str], ...]
    profile: str
    metric: str
    statistic: str
    unit: Unit

    def fits(self, backend: str, variant: str, profile: str) -> bool:
        """Return whether rows of this backend, variant column and profile are meant."""
        keys = variant_keys(variant)
        named = all(keys.get(key) == value for key, value in self.variant)
        return backend == self.backend and named and (not self.profile or profile == self.profile)


def backend_name(backend: str, variant: str, profile: str) -> str:
    """Return what a figure's name begins with for these rows: `docker[network=none,runtime=runc]/minimal`."""
    keys = ",".join(f"{key}={value}" for key, value in variant_keys(variant).items())
    return backend + (f"[{keys}]" if keys else "") + (f"/{profile}" if profile else "")


def parse_selector(text: str) -> Selector:
    """Return what a figure's name means. Raises ValueError with one line that says what is wrong with it."""
    found = re.fullmatch(rf"\s*{PATTERN}\s*", text)
    if found is None:
        raise ValueError(
            f"{text!r} names no figure; write BACKEND.METRIC, e.g. docker.ready or 'qemu[accel=tcg].ready'"
        )
    return selector_of(found, text)


def selector_of(found: re.Match[str], text: str) -> Selector:
    """Return the selector in a match of `PATTERN`. Raises ValueError, which quotes `text`, for an unknown metric."""
    name, statistic = _split_statistic(found["metric"])
    return Selector(
        backend=found["backend"],
        variant=_variant(found["variant"], text),
        profile=found["profile"] or "",
        metric=name,
        statistic=statistic,
        unit=_unit_of(name, text),
    )


def _split_statistic(name: str) -> tuple[str, str]:
    head, _, tail = name.rpartition(".")
    return (head, tail) if head and (tail in QUANTILES or tail in EXACT) else (name, "median")


def _unit_of(name: str, text: str) -> Unit:
    if name == FAILED:
        return Unit.COUNT
    try:
        return metric(name).unit
    except KeyError:
        near = nearest(name, (*METRICS, FAILED)) or "docs/results-format.md lists them"
        raise ValueError(f"{text!r}: no metric {name!r}; {near}") from None


def _variant(given: str | None, text: str) -> tuple[tuple[str, str], ...]:
    if given is None:
        return ()
    parts = [part.strip().partition("=") for part in given.split(",")]
    if not all(key and equals and value for key, equals, value in parts):
        raise ValueError(f"{text!r}: in brackets stand KEY=VALUE pairs, e.g. qemu[accel=tcg]")
    return tuple((key.strip(), value.strip()) for key, _, value in parts)
