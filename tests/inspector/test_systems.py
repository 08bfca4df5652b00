"""Every captured or constructed system under tests/systems against every probe.

To add one: a folder with a capture (contract 1), ORIGIN.md, and expect.toml.
`python -m tests.inspector.test_systems NAME` prints the present answer in that form, for reading before it is believed.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterable
from typing import TypeVar

import pytest
from tests.inspector.captured_systems import NAMES, SYSTEMS, answer_for, answers

from envinspect.inspection import Inspection
from envinspect.model import Evidence, Found, Kind, Reading, Stack, Strength
from envinspect.model.facts import Facts
from envinspect.probes import acpi, devices, dmi
from envinspect.resolver.resolve import OVERRULES
from envinspect.signatures import acpi as acpi_rows
from envinspect.signatures import cloud, cpuid, cpuinfo, devicetree, machines, pci
from envinspect.signatures import dmi as dmi_rows
from envinspect.signatures.catalogue import ENTRIES, entry_of
from envinspect.sources.cpu import fields
from envinspect.sources.firmware import oem_ids

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")


def _quoted(words: list[str]) -> str:
    return "[" + "".join(f"\n  {json.dumps(word, ensure_ascii=False)}," for word in words) + ("\n]" if words else "]")


def _golden(piece: Evidence) -> str:
    return f"{piece.kind.word} {piece.id} {piece.strength.name.lower()} {piece.source}"


def expectation(stack: Stack) -> str:
    """Return the answer in expect.toml's form."""
    lines = [
        f"layers = {_quoted([f'{layer.kind.word}:{layer.id}' for layer in stack.layers])}",
        f"roles = {_quoted([role.id for role in stack.roles])}",
        f'cloud = "{stack.cloud.id if stack.cloud else ""}"',
        *(
            [f"orchestrators = {_quoted([mark.id for mark in stack.orchestrators])}"]
            if len(stack.orchestrators) > 1
            else [f'orchestrator = "{stack.orchestrator.id if stack.orchestrator else ""}"']
        ),
        *([f"undecided = {_quoted([kind.word for kind in stack.undecided])}"] if stack.undecided else []),
        f'engine = "{stack.engine.id if stack.engine else ""}"',
        f"determined = {str(stack.determined).lower()}",
        f"overruled = {_quoted(sorted({f'{item.rule} {item.evidence.id}' for item in stack.overruled}))}",
        f"evidence = {_quoted(sorted({_golden(piece) for piece in stack.evidence}))}",
    ]
    for layer in stack.layers:
        if layer.details:
            lines.append(f"\n[details.{layer.id}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in layer.details]
    return "\n".join(lines) + "\n"


def as_expected(name: str, answer: Inspection) -> str:
    """Compare with expect.toml, whose details may name fewer than there are."""
    expected = tomllib.loads((SYSTEMS / name / "expect.toml").read_text())
    got = tomllib.loads(expectation(answer.stack))
    wanted, shown = expected.pop("details", {}), got.pop("details", {})
    wrong = [
        f"{key}: expected {expected.get(key)!r}, got {got.get(key)!r}"
        for key in sorted(expected.keys() | got.keys())
        if expected.get(key) != got.get(key)
    ]
    wrong += [
        f"details of {layer_id}: expected {details}, got {shown.get(layer_id, {})}"
        for layer_id, details in wanted.items()
        if not details.items() <= shown.get(layer_id, {}).items()
    ]
    return "\n".join(wrong)


def no_probe_fails(name: str, answer: Inspection) -> str:
    return " ".join(str(item) for item in answer.stack.unknown if item.source.startswith("probe:"))


def every_file_is_read(name: str, answer: Inspection) -> str:
    asked = answer.facts.files.keys() | answer.facts.stats.keys()
    # The two spellings of the dmi-id folder hold the same files on a live machine.
    asked |= {path.replace("/sys/class/dmi/id/", "/sys/devices/virtual/dmi/id/") for path in asked}
    root = SYSTEMS / name / "root"
    present = {"/" + str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return " ".join(sorted(present - asked))


def origin_says_whether_it_was_captured(name: str, answer: Inspection) -> str:
    origin = (SYSTEMS / name / "ORIGIN.md").read_text().lower()
    return "" if "constructed" in origin or "captured" in origin else origin


def every_id_is_in_the_catalogue_and_every_piece_is_cited(name: str, answer: Inspection) -> str:
    return " ".join(
        str(piece)
        for piece in answer.stack.evidence
        if not entry_of(piece.kind, piece.id) or not piece.reference.startswith("https://")
    )


def hints_alone_make_no_inner_layer(name: str, answer: Inspection) -> str:
    inner = [layer for layer in answer.stack.layers if layer.kind in {Kind.CONTAINER, Kind.SANDBOX, Kind.CHROOT}]
    return " ".join(layer.id for layer in inner if all(piece.strength is Strength.HINT for piece in layer.evidence))


def no_scheduler_statistics_are_asked_for(name: str, answer: Inspection) -> str:
    """Until Linux 4.14 it showed the host's PID of a container's init; it misleads since."""
    return "/proc/1/sched" if "/proc/1/sched" in answer.facts.files else ""


LAWS = (
    as_expected,
    no_probe_fails,
    every_file_is_read,
    origin_says_whether_it_was_captured,
    every_id_is_in_the_catalogue_and_every_piece_is_cited,
    hints_alone_make_no_inner_layer,
    no_scheduler_statistics_are_asked_for,
)
"""Each returns what breaks it, "" where it holds."""


@pytest.mark.parametrize("name", NAMES)
def test_system(name: str) -> None:
    answer = answer_for(name)
    broken = {law.__name__: found for law in LAWS if (found := law(name, answer))}
    assert not broken, "\n".join(f"{law}: {found}" for law, found in broken.items())


def facts_of_all() -> list[Facts]:
    return [answer.facts for answer in answers()]


@functools.cache
def dmi_fields() -> list[dict[str, str]]:
    return [{field: text.casefold() for field, text in dmi.strings(facts).items()} for facts in facts_of_all()]


def found(readings: Iterable[Reading[T]]) -> list[T]:
    return [reading.value for reading in readings if isinstance(reading, Found)]


def test_every_smbios_row_is_witnessed() -> None:
    rows = [*dmi_rows.ROWS, *cloud.CLOUD_ROWS]
    assert [row for row in rows if not any(row.holds(fields_) for fields_ in dmi_fields())] == []


def test_every_cpuid_signature_is_witnessed_and_twelve_bytes_long() -> None:
    leaves = [facts.leaves.items() for facts in facts_of_all()]
    seen = {
        registers.ascii()
        for registers in found(reading for items in leaves for (leaf, _), reading in items if leaf >= 0x4000_0000)
    }
    assert cpuid.SIGNATURES.keys() - seen == set()
    assert {len(signature) for signature in cpuid.SIGNATURES} == {12}


def test_every_acpi_name_is_witnessed() -> None:
    tables = found(facts.bytes(path) for facts in facts_of_all() for path in acpi.TABLES)
    seen = {name for table in tables for name in oem_ids(table)}
    assert {*acpi_rows.OEM_IDS, *acpi_rows.OEM_TABLE_IDS} - seen == set()


def test_every_acpi_device_is_witnessed() -> None:
    listings = found(facts.listing(acpi.DEVICES) for facts in facts_of_all())
    seen = {name.partition(":")[0] for names in listings for name in names}
    assert set(acpi_rows.DEVICE_IDS) - seen == set()


def test_every_pci_device_is_witnessed() -> None:
    assert set(pci.DEVICES) - {number for facts in facts_of_all() for number in devices.pci_ids(facts)} == set()


def test_every_virtio_port_is_witnessed() -> None:
    files = [facts.files.items() for facts in facts_of_all()]
    texts = found(reading for items in files for path, reading in items if "virtio-ports" in path)
    assert [port for port in pci.VIRTIO_PORTS if not any(port.encode() in text for text in texts)] == []


def test_every_word_of_cloud_init_is_witnessed() -> None:
    seen = {facts.str_or("/run/cloud-init/cloud-id") for facts in facts_of_all()}
    assert set(cloud.CLOUD_IDS) - seen == set()


def test_every_cpuinfo_row_is_witnessed() -> None:
    texts = [fields(facts.str_or("/proc/cpuinfo")) for facts in facts_of_all()]
    rows = cpuinfo.ROWS
    assert [row for row in rows if not any(text.get(row.field, "").startswith(row.start) for text in texts)] == []


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("/proc/device-tree/hypervisor/compatible", devicetree.HYPERVISOR),
        ("/proc/device-tree/compatible", devicetree.COMPATIBLE),
        ("/proc/device-tree/model", devicetree.MODEL),
    ],
)
def test_every_devicetree_row_is_witnessed(path: str, table: dict[str, object]) -> None:
    parts = [part for facts in facts_of_all() for part in facts.str_or(path).split("\0")]
    assert [name for name in table if not any(part.startswith(name) for part in parts)] == []


UNREACHED = {
    (Kind.VM, "utm"): "shows QEMU's or Apple's own names and none of its own",
    (
        Kind.CLOUD,
        "rackspace",
    ): "its machines show Xen's or OpenStack's names; the provider's name is only in a file of its agent",
}
"""Ids of the catalogue that no file can give away, and why."""


def test_every_machine_id_is_answered_for_some_system() -> None:
    stacks = [answer.stack for answer in answers()]
    marks = {(mark.kind, mark.id) for stack in stacks for mark in (*stack.layers, *stack.roles, stack.cloud) if mark}
    assert {(entry.kind, entry.id) for entry in machines.MACHINES} - marks == UNREACHED.keys()


def test_every_rule_is_witnessed_and_cited() -> None:
    used = {item.rule for answer in answers() for item in answer.stack.overruled}
    assert {rule.name for rule in OVERRULES} - used == set()
    assert [rule.name for rule in OVERRULES if not rule.reference.startswith("https://")] == []


def test_no_id_stands_twice_in_the_catalogue() -> None:
    keys = [(entry.kind, entry.id) for entry in ENTRIES]
    assert sorted(keys) == sorted(set(keys))


if __name__ == "__main__":
    for asked_name in sys.argv[1:]:
        sys.stdout.write(f"# {asked_name}\n{expectation(answer_for(asked_name).stack)}\n")
