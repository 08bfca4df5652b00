"""Where it was measured: the answer and the engines of run.json in, layers and tables for the report out."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, TypeVar

from msgspec import UnsetType, to_builtins

from envbench.records.phases import Unit, counted
from envbench.records.run_json import Answer, ClockRate, Disk, Seen
from envreport import units
from envreport.claims.conditions import INSIDE
from envreport.document.model import Cell, Fact, Layer, Table
from envreport.document.sections.cells import number, text
from envreport.results import Results

IDENTIFYING_KEYS = frozenset({"engine_id", "boot_time_s"})
HIDDEN_KEYS = IDENTIFYING_KEYS | {"hostname", "name", "user"}
"""Names are left out; a boot time or an engine's id only identifies a machine."""
HOME = re.compile(r"^(/home/[^/]+|/Users/[^/]+|/root)(?=/)")
"""The beginning of a path that names a user."""
NS_PER_S = 1e9
UNKNOWN = "unknown"
NOT_AFFECTED = "not affected by"
MITIGATION_WORDS = {
    "vulnerable to": ("vulnerable", "processor vulnerable"),
    "mitigations for": ("mitigation",),
    NOT_AFFECTED: ("not affected",),
}
"""What is said of a weakness → how the kernel's words on it begin.

Source: Documentation/ABI/testing/sysfs-devices-system-cpu.
"""
Value = TypeVar("Value")


def machine_facts(results: Results) -> Iterator[Fact]:
    """Yield the machine in short, what was recorded of it: processor, memory, disk, kernel, layers, engines."""
    host, resources, noise, machine = (
        results.host.machine,
        results.host.resources,
        results.run.noise,
        results.run.machine,
    )
    cpus = resources.get("cpus_allowed") or resources.get("cpus_online")
    recorded = {name: value for name, value in noise.items() if value != UNKNOWN}
    pieces = (
        (
            "Processor",
            ", ".join(str(each) for each in (counted(cpus, "CPU") if cpus else None, results.host.cpu) if each),
        ),
        ("CPU frequency", _seen(machine.clock_rate, _clock_rate)),
        ("Frequency governor", _seen(machine.governor) or recorded.get("governor")),
        ("Clock source", recorded.get("clocksource")),
        ("Memory", units.quantity(host["memory_bytes"], Unit.BYTES) if host.get("memory_bytes") else None),
        ("Disk of the work folder", _seen(machine.disk, _disk)),
        ("File system of the work folder", _seen(machine.filesystem)),
        ("Kernel", " ".join(str(host[key]) for key in ("system", "kernel", "architecture") if host.get(key))),
        ("cgroup version", _seen(machine.cgroup_version)),
        ("CPU vulnerabilities", _seen(machine.mitigations, _mitigations)),
        ("Distribution", host.get("distribution")),
        ("Layers around it", INSIDE.join(each.title for each in results.host.layers)),
        ("Engines", ", ".join(starting_with(name, version) for name, version in results.engine_versions.items())),
    )
    yield from (Fact(name, str(value)) for name, value in pieces if value)


def _seen(seen: Seen[Value] | UnsetType, words: Callable[[Value], str] = str) -> str | None:
    """Return one look at the machine in words; None where nobody looked. What was denied is never called none."""
    if isinstance(seen, UnsetType):
        return None
    because = f" ({seen.because})" if seen.because else ""
    if seen.value is not None:
        return f"{words(seen.value)}{because}"
    return f"{'none' if seen.answer is Answer.ABSENT else 'cannot be read'}{because}"


def _clock_rate(rate: ClockRate) -> str:
    highest = f"; highest {units.frequency(rate.highest_hz)}" if rate.highest_hz else ""
    return f"{units.frequency(rate.mean_hz)} when the run began, mean of all CPUs{highest}"


def _disk(disk: Disk) -> str:
    size = None if disk.size_bytes is None else units.quantity(disk.size_bytes, Unit.BYTES)
    kind = {True: "rotating, the kernel says", False: "not rotating, the kernel says", None: None}[disk.rotational]
    return ", ".join(each for each in (disk.model, disk.name, size, kind) if each)


def _mitigations(said: Mapping[str, str]) -> str:
    """Return which weaknesses are open, mitigated or told in other words, by name, and how many are not there."""
    found: dict[str, list[str]] = {kind: [] for kind in (*MITIGATION_WORDS, "not known:")}
    for name, words in said.items():
        known = words.removeprefix("KVM: ").lower()
        kind = next((kind for kind, starts in MITIGATION_WORDS.items() if known.startswith(starts)), "not known:")
        found[kind].append(name)
    unaffected = len(found.pop(NOT_AFFECTED))
    parts = [f"{kind} {', '.join(names)}" for kind, names in found.items() if names]
    if unaffected:
        parts.append(
            f"{NOT_AFFECTED} {unaffected} other{'s' * (unaffected > 1)}"
            if parts
            else f"{NOT_AFFECTED} any of {unaffected}"
        )
    return "; ".join(parts)


def starting_with(name: str, value: str) -> str:
    """Return "docker 20.10"; a value that begins with the name does not say it twice."""
    return value if value.startswith(f"{name} ") else f"{name} {value}"


def environment_layers(results: Results) -> Iterator[Layer]:
    """Yield the layers around the machine, outermost first, each with its evidence in words."""
    for layer in results.host.layers:
        words = [f"{key}: {value}" for key, value in layer.details.items()]
        if layer.hypervisor_type:
            words.insert(0, f"type {layer.hypervisor_type} hypervisor")
        yield Layer(
            layer.kind, layer.title, ", ".join(words), tuple(_evidence(results, each) for each in layer.evidence)
        )


def _evidence(results: Results, position: object) -> str:
    """Return a piece of the answer's evidence in words; what it is called by where there is no such piece."""
    pieces = results.host.evidence
    if not isinstance(position, int) or not 0 <= position < len(pieces):
        return str(position)
    piece = pieces[position]
    return f"{piece.strength}: {piece.source} says {piece.observed!r}"


def environment_tables(results: Results) -> Iterator[Table]:
    """Yield the machine, what was overruled or unreadable, the ways of starting, and what KVM does here."""
    host = results.host
    if host.machine:
        rows = tuple(_flat_rows({key: value for key, value in host.machine.items() if key not in HIDDEN_KEYS}))
        yield Table("machine", "This machine", ("what", "value"), rows)
    for name, caption, found in (
        ("overruled", "Signs that were overruled", host.overruled),
        ("unknown", "What could not be read", host.unknown),
    ):
        if found:
            columns = tuple(dict.fromkeys(key for each in found for key in each))
            cells = tuple(
                tuple(
                    text(_evidence(results, each[key]) if key == "evidence" and key in each else each.get(key, ""))
                    for key in columns
                )
                for each in found
            )
            yield Table(name, caption, tuple(column.replace("_", " ") for column in columns), cells)
    backends = (*_used_backends(results), *_skipped_backends(results))
    if backends:
        head = ("backend", "used", "facts, or why not", "remedy")
        yield Table("backends", "Ways of starting that were used or skipped", head, backends)
    kvm = results.run.accelerator.kvm
    if kvm:
        rows = tuple(_flat_rows(to_builtins(kvm)))
        yield Table("accelerator", "Hardware virtualisation (KVM)", ("what", "value"), rows)


def _used_backends(results: Results) -> Iterator[tuple[Cell, ...]]:
    for each in results.run.backends.used:
        words = (
            _fact(key, value)
            for key, value in each.facts.items()
            if key not in HIDDEN_KEYS and (is_path_of_program(key) or not is_path(value))
        )
        yield text(each.name), text("yes"), text(", ".join(words)), text("")


def _fact(key: str, value: str) -> str:
    """Return "storage driver overlay2"; a value that begins with its own name does not say it twice."""
    if key.endswith("_s") and value.replace(".", "", 1).isdigit():
        return f"{key.removesuffix('_s').replace('_', ' ')} {units.quantity(float(value) * NS_PER_S, Unit.NS)}"
    return starting_with(key.replace("_", " "), HOME.sub("~", value))


def is_path_of_program(key: str) -> bool:
    """Return whether a fact says which program was run: a machine may have two programs of one name."""
    return key == "path" or key.endswith("_path")


def _skipped_backends(results: Results) -> Iterator[tuple[Cell, ...]]:
    for each in results.run.backends.skipped:
        yield text(each.name), text("no"), text(each.reason), text(each.remedy)


def is_path(value: object) -> bool:
    """Return whether a value names a file or a socket of this machine."""
    return isinstance(value, str) and "/" in value and PurePath(value.split("://")[-1]).is_absolute()


def _flat_rows(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[Cell, ...]]:
    for key, value in record.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat_rows(value, f"{name}: ")
        elif str(key).endswith("_bytes") and isinstance(value, int | float) and not isinstance(value, bool):
            yield text(name.removesuffix(" bytes")), number(value, Unit.BYTES)
        elif str(key).endswith("_s") and isinstance(value, int | float) and not isinstance(value, bool):
            yield text(name.removesuffix(" s")), number(value * NS_PER_S, Unit.NS)
        elif isinstance(value, list):
            yield text(name), text(", ".join(str(each) for each in value))
        elif value is not None:
            yield text(name), text({True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value)
