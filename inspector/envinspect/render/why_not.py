"""Answers --why-not NAME: where it was looked for, what was found there instead, and what could not be read."""

from __future__ import annotations

from typing import Any

from envinspect.inspection import Inspection
from envinspect.model import Absent, Denied, Evidence, Found, Kind, Reading, Record
from envinspect.model.errors import counted, printable
from envinspect.model.facts import Facts
from envinspect.probes.acpi import DEVICES, TABLES
from envinspect.probes.cgroup import cgroups
from envinspect.probes.cpu import AVAILABLE
from envinspect.probes.devices import PCI, PORTS, pci_ids
from envinspect.probes.dmi import FOLDERS, strings
from envinspect.probes.firmware import TREE
from envinspect.probes.isolation import isolation
from envinspect.render import Rendered, answered
from envinspect.render.terminal import Palette
from envinspect.render.text import overruled_line, unknown_line
from envinspect.signatures.catalogue import ENTRIES, lineage
from envinspect.signatures.names import BARE_METAL, holds
from envinspect.signatures.rows import SignatureRow, signature_rows
from envinspect.sources.cpu import CPUINFO
from envinspect.sources.mounts import mount_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATTERNS_SHOWN = 8
_NOTHING = "nothing is there"


def why_not(name: str, answer: Inspection, palette: Palette) -> Rendered:
    """Return the text for one name that `names.known` has passed."""
    stack = answer.stack
    ids = meant(name)
    if name == BARE_METAL:
        lines = _not_bare_metal(answer, palette)
    elif holds(stack, name):
        lines = [f"It is: {printable(answer.summary, 500)}. `envinspect --explain` shows the evidence."]
    else:
        places = [line for place in _places(ids) for line in _sentences(place, answer, ids, palette)]
        lines = [f"{printable(answer.summary, 500)}. Nothing that was found and believed makes it {name}."]
        lines += _titled("Looked for", places or [f"{name} is told by a combination of signs: see docs/evidence.md"])
    seen = [item for item in stack.overruled if item.evidence.id in ids]
    lines += _titled("Seen, but not believed", [overruled_line(item, palette) for item in seen])
    if not holds(stack, name):
        lines += _titled("Could not be read", [unknown_line(item, palette) for item in stack.unknown])
    return Rendered("\n".join(lines) + "\n", answered(answer))


def meant(name: str) -> frozenset[str]:
    """Return the ids that would make a name true: itself, all that refine it, all of a kind."""
    return frozenset(
        entry.id for entry in ENTRIES if entry.kind.word == name or name in lineage(entry.kind, entry.id)
    ) | {name}


def _not_bare_metal(answer: Inspection, palette: Palette) -> list[str]:
    stack = answer.stack
    if stack.bare_metal:
        return ["It is bare metal: enough was looked at, and nothing speaks for a virtual machine."]
    machines = [layer for layer in stack.layers if layer.kind in {Kind.VM, Kind.WSL}]
    if not machines:
        return ["Nothing speaks for a virtual machine, but too little could be read to call it bare metal."]
    pieces = [_seen(piece, palette) for layer in machines for piece in layer.evidence]
    return [f"{printable(answer.summary, 500)}.", *_titled("Speaking for a virtual machine", pieces)]


def _seen(piece: Evidence, palette: Palette) -> str:
    strength = piece.strength.name.lower()
    return (
        f"{strength:<6} {printable(piece.source)}: {printable(piece.observed)} {palette.dim}→ {piece.id}{palette.end}"
    )


class _Place(Record):
    """Where something was looked for: `what` begins the sentence; evidence from there has a source of `sources`."""

    what: str
    sources: tuple[str, ...]
    instead: Callable[[Facts], str]
    patterns: tuple[str, ...]


def _places(ids: frozenset[str]) -> Iterator[_Place]:
    """Yield the places in which signs of the ids are looked for, each with all that is looked for there."""
    patterns: dict[tuple[str, str], dict[str, None]] = {}
    kinds: dict[tuple[str, str], tuple[str, tuple[str, ...], Callable[[Facts], str]]] = {}
    for row in signature_rows():
        if row.id in ids:
            what, sources, instead, pattern = _where(row)
            kinds.setdefault((what, sources[0]), (what, sources, instead))
            patterns.setdefault((what, sources[0]), {})[pattern] = None
    for key, (what, sources, instead) in kinds.items():
        yield _Place(what, sources, instead, tuple(patterns[key]))


def _where(row: SignatureRow) -> tuple[str, tuple[str, ...], Callable[[Facts], str], str]:
    """Return for one row: how the sentence begins, the sources of its evidence, what is there instead, the pattern."""
    if row.source:
        source, sign = row.source, row.pattern
        if source == "/proc/self/mountinfo":
            return *_WHERE["containers.storage"], sign
        if source == "/proc/self/cgroup":
            return *_WHERE["containers.scopes"], sign
        return source, (source,), lambda facts: _at(facts, source), sign
    if row.when:
        return "SMBIOS strings", FOLDERS, lambda facts: _smbios(facts, [field for field, _, _ in row.when]), row.pattern
    return *_WHERE[row.table], row.pattern


def _sentences(place: _Place, answer: Inspection, ids: frozenset[str], palette: Palette) -> Iterator[str]:
    shown = [printable(pattern, 100) for pattern in place.patterns[:PATTERNS_SHOWN]]
    more = len(place.patterns) - len(shown)
    yield f"{printable(place.what)}: {'; '.join(shown)}{f'; and {more} more' if more > 0 else ''}"
    found = any(piece.id in ids and piece.source.startswith(place.sources) for piece in answer.stack.evidence)
    result = "found, but not believed: see below" if found else place.instead(answer.facts)
    yield f"   {palette.dim}→ {result}{palette.end}"


def _at(facts: Facts, source: str) -> str:
    """Return what was found at a source that one probe asks: a file, a link, a variable, a CPUID leaf."""
    for start, instead in _BY_SOURCE.items():
        if source.startswith(start):
            return instead(facts)
    if source.startswith("environ "):
        return _state(facts.variables.get(source.partition(" ")[2]), "it is not set")
    known: tuple[dict[str, Any], ...] = (facts.files, facts.links, facts.listings, facts.stats)
    return _state(next((answers[source] for answers in known if source in answers), None), _NOTHING)


def _state(reading: Reading[Any] | None, absent: str, *, said: str = "it says") -> str:
    if reading is None:
        return "not looked at"
    if isinstance(reading, Denied):
        recorded = reading.error != "not-recorded"
        return f"it could not be read ({reading.error})" if recorded else "it is not recorded in the capture"
    if isinstance(reading, Absent):
        return absent
    value = reading.value
    text = value.decode("utf-8", "replace").strip("\0 \n") if isinstance(value, bytes) else value
    if isinstance(text, str):
        return f"{said} {_quoted(text)}" if "\n" not in text and text else f"{said} nothing of the kind"
    return "something is there, but nothing of the kind"


def _quoted(text: str) -> str:
    return f'"{printable(text, 60)}"'


def _cgroup(facts: Facts) -> str:
    seen = facts.derived(cgroups)
    if not seen.paths:
        return _state(facts.files.get("/proc/self/cgroup"), "there is no /proc/self/cgroup")
    paths = ["/" + "/".join(path) for path in seen.paths]
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"none; this process is in {', '.join(map(_quoted, paths[:3]))}{more}"


def _mounts(facts: Facts) -> str:
    table = facts.derived(mount_table)
    if not table.mounts:
        return _state(facts.files.get(table.source), f"there is no {table.source}")
    root = f"; / is {printable(table.root.fstype)} from {printable(table.root.source, 60)}" if table.root else ""
    return f"none among {counted(len(table.mounts), 'mount')}{root}"


def _smbios(facts: Facts, asked: list[str]) -> str:
    found = strings(facts)
    if not found:
        return _state(facts.listings.get(FOLDERS[0]), "this machine shows no SMBIOS strings")
    fields = dict.fromkeys(("sys_vendor", "product_name", *asked))
    return "; ".join(f"{field} is {_quoted(found[field])}" for field in fields if field in found)


def _cpuid(facts: Facts) -> str:
    first, features = facts.leaves.get((0x4000_0000, 0)), facts.leaves.get((1, 0))
    if isinstance(first, Found):
        return f"the CPU says {_quoted(first.value.ascii().rstrip(chr(0)))}"
    return "the CPU shows no hypervisor bit" if isinstance(features, Found) else _state(features, "no CPUID here")


def _namespaces(facts: Facts) -> str:
    return printable(facts.derived(isolation).observed) or "they are the host's, or could not be compared"


def _release(facts: Facts) -> str:
    return f"it is {_quoted(facts.uname.release)}" if facts.uname.release else "it is not known"


def _acpi(facts: Facts) -> str:
    return _state(facts.files.get(TABLES[0]), "this machine has no ACPI tables", said="the table says")


def _pci(facts: Facts) -> str:
    count = len(pci_ids(facts))
    return (
        f"none among {counted(count, 'kind')} of devices"
        if count
        else _state(facts.files.get(PCI), "there is no PCI bus")
    )


def _listed(folder: str, absent: str) -> Callable[[Facts], str]:
    def instead(facts: Facts) -> str:
        reading = facts.listings.get(folder)
        return f"none among {len(reading.value)}" if isinstance(reading, Found) else _state(reading, absent)

    return instead


def _file(path: str) -> Callable[[Facts], str]:
    return lambda facts: _at(facts, path)


_BY_SOURCE: dict[str, Callable[[Facts], str]] = {
    "CPUID ": _cpuid,
    FOLDERS[0]: lambda facts: _smbios(facts, []),
    "/proc/self/ns": _namespaces,
    "uname release": _release,
}
_TABLES = ("/sys/firmware/acpi/tables",)
_MOUNT_TABLES = ("/proc/self/mountinfo", "/proc/mounts")
_WHERE: dict[str, tuple[str, tuple[str, ...], Callable[[Facts], str]]] = {
    "containers.scopes": ("a part of the cgroup path", ("/proc/self/cgroup", "/proc/1/cgroup"), _cgroup),
    "containers.folders": ("a part of the cgroup path", ("/proc/self/cgroup", "/proc/1/cgroup"), _cgroup),
    "containers.storage": ("among the mounts and the folders they come from", _MOUNT_TABLES, _mounts),
    "containers.filesystems": ("a file system", _MOUNT_TABLES, _mounts),
    "orchestrators.engine_mounts": ("a mount of the engine's machine", _MOUNT_TABLES, _mounts),
    "orchestrators.variables": ("environment variables", ("environ ",), lambda _: "not set"),
    "acpi.oem_ids": ("the maker in the ACPI tables", _TABLES, _acpi),
    "acpi.oem_table_ids": ("the name of an ACPI table", _TABLES, _acpi),
    "acpi.device_ids": ("an ACPI device", (DEVICES,), _listed(DEVICES, "there are no ACPI devices")),
    "pci.devices": ("a PCI device", (PCI,), _pci),
    "pci.guest_filesystems": ("a file system of a guest's", _MOUNT_TABLES, _mounts),
    "clocksource.clocks": ("a clock source", (AVAILABLE,), _file(AVAILABLE)),
    "pci.virtio_ports": ("a virtio serial port", (PORTS,), _listed(PORTS, "there are no virtio serial ports")),
    "cloud.cloud_ids": ("cloud-init's answer", ("/run/cloud-init/cloud-id",), _file("/run/cloud-init/cloud-id")),
    "cpuid.signatures": ("a CPUID signature", ("CPUID 0x4",), _cpuid),
    "cpuinfo.rows": ("a line of /proc/cpuinfo", (CPUINFO,), _file(CPUINFO)),
    "devicetree.hypervisor": (
        "the hypervisor in the device tree",
        (f"{TREE}/hypervisor/compatible",),
        _file(f"{TREE}/hypervisor/compatible"),
    ),
    "devicetree.compatible": ("the machine in the device tree", (f"{TREE}/compatible",), _file(f"{TREE}/compatible")),
    "devicetree.model": ("the model in the device tree", (f"{TREE}/model",), _file(f"{TREE}/model")),
}
"""For each table of signatures: what is looked for, the sources of its evidence, and what stands there instead."""


def _titled(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []
