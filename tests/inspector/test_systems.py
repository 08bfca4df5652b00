"""Every captured or constructed system under tests/systems against every probe.

To add one: a folder with a capture (contract 1), ORIGIN.md, and expect.toml.
`python tests/inspector/test_systems.py NAME` prints the present answer in that form, for reading before it is believed.
"""

import functools
import json
import sys
import tomllib
from pathlib import Path

import pytest

from envinspect import inspect
from envinspect.captured import read_capture
from envinspect.facts import Facts
from envinspect.inspection import Answer
from envinspect.model import Evidence, Kind, Stack
from envinspect.overrules import Rule
from envinspect.parse.acpi import oem_ids
from envinspect.parse.cpuinfo import fields
from envinspect.parse.dmi import matches
from envinspect.probes import acpi, devices, dmi
from envinspect.rules import MACHINE_RULES
from envinspect.signatures import acpi as acpi_rows
from envinspect.signatures import cloud, cpuid, cpuinfo, devicetree, machines, pci
from envinspect.signatures import dmi as dmi_rows
from envinspect.signatures.catalogue import ENTRIES, entry_of

SYSTEMS = Path(__file__).parent.parent / "systems"
NAMES = sorted(folder.name for folder in SYSTEMS.iterdir() if (folder / "expect.toml").is_file())


@functools.cache
def answer_for(name: str) -> Answer:
    return inspect(read_capture(str(SYSTEMS / name)))


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
        f'orchestrator = "{stack.orchestrator.id if stack.orchestrator else ""}"',
        f'engine = "{stack.engine.id if stack.engine else ""}"',
        f"determined = {str(stack.determined).lower()}",
        f"overruled = {_quoted(sorted({f'{item.rule} {item.evidence.id}' for item in stack.overruled}))}",
        f"evidence = {_quoted(sorted({_golden(piece) for piece in stack.evidence}))}",
    ]
    for layer in stack.layers:
        if layer.details:
            lines.append(f"\n[details.{layer.id}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in sorted(layer.details.items())]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_answer_is_the_expected_one(name: str) -> None:
    expected = tomllib.loads((SYSTEMS / name / "expect.toml").read_text())
    got = tomllib.loads(expectation(answer_for(name).stack))
    for layer_id, details in expected.get("details", {}).items():
        assert details.items() <= got.get("details", {}).get(layer_id, {}).items()
    expected.pop("details", None)
    got.pop("details", None)
    assert got == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_probe_fails(name: str) -> None:
    assert not [item for item in answer_for(name).stack.unknown if item.source.startswith("probe:")]


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_the_system_is_read(name: str) -> None:
    facts = answer_for(name).facts
    asked = facts.files.keys() | facts.stats.keys()
    root = SYSTEMS / name / "root"
    present = {"/" + str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert present <= asked | _resolved(asked), f"no probe reads {sorted(present - asked)}"


def _resolved(asked: set[str]) -> set[str]:
    """The two spellings of the dmi-id folder hold the same files on a live machine."""
    return {path.replace("/sys/class/dmi/id/", "/sys/devices/virtual/dmi/id/") for path in asked}


@pytest.mark.parametrize("name", NAMES)
def test_origin_says_whether_it_was_captured(name: str) -> None:
    origin = (SYSTEMS / name / "ORIGIN.md").read_text().lower()
    assert "constructed" in origin or "captured" in origin


@pytest.mark.parametrize("name", NAMES)
def test_every_id_is_in_the_catalogue_and_every_piece_of_evidence_is_cited(name: str) -> None:
    for piece in answer_for(name).stack.evidence:
        assert entry_of(piece.kind, piece.id), piece
        assert piece.reference.startswith("https://"), piece


def facts_of_all() -> list[Facts]:
    return [answer_for(name).facts for name in NAMES]


@functools.cache
def evidence_of_all() -> frozenset[tuple[Kind, str, str, str]]:
    """Every piece: kind, id, source and reference."""
    return frozenset(
        (piece.kind, piece.id, piece.source, piece.reference)
        for name in NAMES
        for piece in answer_for(name).stack.evidence
    )


@functools.cache
def dmi_fields() -> list[dict[str, str]]:
    return [{field: text.casefold() for field, text in dmi.strings(facts).items()} for facts in facts_of_all()]


@pytest.mark.parametrize(
    "row", [*dmi_rows.ROWS, *cloud.CLOUD_ROWS], ids=lambda row: f"{row.id}-{row.when[0][0]}-{row.when[0][2]}"
)
def test_smbios_row_is_witnessed(row: dmi_rows.DmiRow) -> None:
    assert any(matches(row, found) for found in dmi_fields())


@pytest.mark.parametrize("signature", cpuid.SIGNATURES, ids=ascii)
def test_cpuid_signature_is_witnessed_and_twelve_bytes_long(signature: str) -> None:
    assert len(signature) == 12
    seen = [
        reading.value.ascii()
        for facts in facts_of_all()
        for (leaf, _), reading in facts.leaves.items()
        if leaf >= 0x4000_0000 and hasattr(reading, "value")
    ]
    assert signature in seen


@pytest.mark.parametrize("names", [*acpi_rows.OEM_IDS, *acpi_rows.OEM_TABLE_IDS])
def test_acpi_name_is_witnessed(names: str) -> None:
    tables = [facts.bytes(path) for facts in facts_of_all() for path in acpi.TABLES]
    seen = {name for table in tables if hasattr(table, "value") for name in oem_ids(table.value)}
    assert names in seen


@pytest.mark.parametrize("device", acpi_rows.DEVICE_IDS)
def test_acpi_device_is_witnessed(device: str) -> None:
    readings = [facts.listing(acpi.DEVICES) for facts in facts_of_all()]
    assert any(
        name.startswith(device + ":") for reading in readings if hasattr(reading, "value") for name in reading.value
    )


@pytest.mark.parametrize("number", pci.DEVICES)
def test_pci_device_is_witnessed(number: str) -> None:
    assert any(number in devices.pci_ids(facts) for facts in facts_of_all())


@pytest.mark.parametrize("port", pci.VIRTIO_PORTS)
def test_virtio_port_is_witnessed(port: str) -> None:
    texts = [
        answer.value
        for facts in facts_of_all()
        for path, answer in facts.files.items()
        if "virtio-ports" in path and hasattr(answer, "value")
    ]
    assert any(port.encode() in text for text in texts)


@pytest.mark.parametrize("word", cloud.CLOUD_IDS)
def test_word_of_cloud_init_is_witnessed(word: str) -> None:
    assert word in {facts.str_or("/run/cloud-init/cloud-id") for facts in facts_of_all()}


@pytest.mark.parametrize("row", cpuinfo.ROWS, ids=lambda row: f"{row.id}-{row.start}")
def test_cpuinfo_row_is_witnessed(row: cpuinfo.CpuinfoRow) -> None:
    texts = [fields(facts.str_or("/proc/cpuinfo")) for facts in facts_of_all()]
    assert any(found.get(row.field, "").startswith(row.start) for found in texts)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("/proc/device-tree/hypervisor/compatible", name) for name in devicetree.HYPERVISOR),
        *(("/proc/device-tree/compatible", name) for name in devicetree.COMPATIBLE),
        *(("/proc/device-tree/model", name) for name in devicetree.MODEL),
    ],
)
def test_devicetree_row_is_witnessed(path: str, name: str) -> None:
    assert any(part.startswith(name) for facts in facts_of_all() for part in facts.str_or(path).split("\0"))


UNREACHED = {
    (Kind.VM, "utm"): "shows QEMU's or Apple's own names and none of its own",
    (
        Kind.CLOUD,
        "rackspace",
    ): "its machines show Xen's or OpenStack's names; the provider's name is only in a file of its agent",
}
"""Ids of the catalogue that no file can give away, and why."""


@pytest.mark.parametrize("entry", machines.MACHINES, ids=lambda entry: f"{entry.kind.word}-{entry.id}")
def test_machine_id_is_answered_for_some_system(entry: machines.Entry) -> None:
    if (entry.kind, entry.id) in UNREACHED:
        pytest.skip(UNREACHED[entry.kind, entry.id])
    stacks = [answer_for(name).stack for name in NAMES]
    marks = {(mark.kind, mark.id) for stack in stacks for mark in (*stack.layers, *stack.roles, stack.cloud) if mark}
    assert (entry.kind, entry.id) in marks


@pytest.mark.parametrize("rule", MACHINE_RULES, ids=lambda rule: rule.name)
def test_rule_is_witnessed_and_cited(rule: Rule) -> None:
    assert rule.reference.startswith("https://")
    assert any(rule.name == item.rule for name in NAMES for item in answer_for(name).stack.overruled)


def test_no_id_stands_twice_in_the_catalogue() -> None:
    keys = [(entry.kind, entry.id) for entry in ENTRIES]
    assert sorted(keys) == sorted(set(keys))


if __name__ == "__main__":
    for asked_name in sys.argv[1:]:
        sys.stdout.write(f"# {asked_name}\n{expectation(answer_for(asked_name).stack)}\n")
