"""Where it was measured: the answer and the engines of run.json in, layers and tables for the report out."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from msgspec import to_builtins

from envbench.phases import Unit
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


def machine_facts(results: Results) -> Iterator[Fact]:
    """Yield the machine in short, what was recorded of it: processor, memory, kernel, layers, engines."""
    host, resources, noise = results.host.machine, results.host.resources, results.run.noise
    cpus = resources.get("cpus_allowed") or resources.get("cpus_online")
    governor = noise.get("governor")
    pieces = (
        ("Processor", ", ".join(str(each) for each in (f"{cpus} CPUs" if cpus else None, results.host.cpu) if each)),
        ("Frequency governor", governor if governor != UNKNOWN else None),
        ("Clock source", noise.get("clocksource")),
        ("Memory", units.quantity(host["memory_bytes"], Unit.BYTES) if host.get("memory_bytes") else None),
        ("Disk", host.get("disk")),
        ("File system", host.get("filesystem")),
        ("Kernel", " ".join(str(host[key]) for key in ("system", "kernel", "architecture") if host.get(key))),
        ("cgroup version", host.get("cgroup_version")),
        ("Mitigations", host.get("mitigations")),
        ("Distribution", host.get("distribution")),
        ("Layers around it", INSIDE.join(each.title for each in results.host.layers)),
        ("Engines", ", ".join(f"{name} {version}" for name, version in _engine_versions(results))),
    )
    yield from (Fact(name, str(value)) for name, value in pieces if value)


def _engine_versions(results: Results) -> Iterator[tuple[str, str]]:
    for name, facts in results.run.engines.items():
        if version := facts.get("version"):
            yield name, version


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
    name, shown = key.replace("_", " "), HOME.sub("~", value)
    return shown if shown.startswith(f"{name} ") else f"{name} {shown}"


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
