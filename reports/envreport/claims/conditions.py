"""The conditions under which every figure of a run stands: nested, noisy, storage driver.

Never left out of a verdict.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from envreport.results import Results
from envreport.statistics.steadiness import noise_of

SHORT: Mapping[str, str] = {
    "software emulation (TCG)": "TCG",
    "hardware virtualisation (KVM)": "KVM",
    "nested": "nested",
    "noisy machine": "noisy",
    "network: none": "no network",
    "payload: minimal": "minimal payload",
}


def host_layers(results: Results) -> list[Mapping[str, Any]]:
    """Return the layers around the machine that measured, outermost first.

    [] on bare metal and where it is not known.
    """
    return results.records("host", "layers")


def is_nested(results: Results) -> bool:
    """Return whether the machine that measured is itself a virtual machine."""
    return any(layer.get("kind") in {"vm", "wsl"} for layer in host_layers(results))


INSIDE = " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "


@lru_cache(maxsize=4)
def run_conditions(results: Results) -> tuple[str, ...]:
    """Return what applies to every figure of the run."""
    return tuple(_conditions(results))


def _conditions(results: Results) -> Iterator[str]:
    names = [str(layer.get("name") or layer.get("id")) for layer in host_layers(results)]
    if is_nested(results):
        yield f"nested: this machine is itself a guest ({INSIDE.join(names)})"
    elif names:
        yield f"measured inside {INSIDE.join(names)}"
    if any(noise_of(results.noise)):
        yield "noisy machine"
    drivers = {
        str(facts[key])
        for each in results.records("backends", "used")
        if isinstance(facts := each.get("facts"), Mapping)
        for key in ("storage_driver", "storage")
        if facts.get(key)
    }
    if drivers:
        yield f"storage driver: {', '.join(sorted(drivers))}"


def in_short(condition: str) -> str:
    """Return a condition in a word or two; the whole of it stands with the evidence."""
    return next((short for start, short in SHORT.items() if condition.startswith(start)), condition)
