"""The matrix: real environments are started and envinspect is asked inside each; the truth stands beside it.

What systemd-detect-virt and virt-what say in the same places is recorded, not asserted: docs/accuracy.md compares.
"""

import base64
import datetime as dt
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from environments import ENVIRONMENTS
from environments.case import ALIKE, AROUND, CPU_FLAGS, REFUSES, Answer, CannotStartError, Environment, parse
from environments.matrix import Matrix, lacking

import envinspect
from envinspect.model import Kind
from envinspect.signatures.catalogue import ENTRIES

CONTAINERS = {entry.id for entry in ENTRIES if entry.kind is Kind.CONTAINER}

# What a VMM's own name may be shortened to where only the CPU can be asked: the accelerator under it.
GENERAL = {"firecracker": "kvm", "qemu": "kvm", "cloud-hypervisor": "kvm", "crosvm": "kvm"}


def _params() -> list[object]:
    rows = sorted(ENVIRONMENTS, key=lambda row: row.slow)
    return [
        pytest.param(
            row,
            id=row.name,
            marks=[
                pytest.mark.engine(row.needs[0] if row.needs else "host"),
                pytest.mark.timeout(row.deadline_s + 600),
                pytest.mark.applies(
                    row.never_with not in CPU_FLAGS, f"it does not start on a CPU with {row.never_with}"
                ),
                pytest.mark.applies(not AROUND or row.within_container != REFUSES, "it does not start in a container"),
            ],
        )
        for row in rows
    ]


@pytest.fixture(scope="module")
def host_layers(matrix: Matrix) -> list[str]:
    """The host's truth: what ENVINSPECT_E2E_HOST says ("" for bare metal), else its firmware, else we.

    Containers around are what whoever made them says; none of them is asked.
    """
    said = os.environ.get("ENVINSPECT_E2E_HOST")
    if said is not None:
        return [*said.split(), *AROUND]
    facp = Path("/sys/firmware/acpi/tables/FACP")
    # The OEM id is at offset 10 of every table (ACPI 6.5, 5.2.6); Firecracker's is in its src/acpi-tables.
    if facp.exists() and facp.read_bytes()[10:16] == b"FIRECK":
        return ["firecracker", *AROUND]
    host = next(row for row in ENVIRONMENTS if row.name == "host")
    layers = parse(matrix.transcript(host)).layers
    assert layers[len(layers) - len(AROUND) :] == AROUND
    return layers


@pytest.fixture(scope="session")
def answer_schema() -> dict[str, object]:
    """The JSON Schema that ships with the package."""
    return json.loads((Path(envinspect.__file__).parent / "schema/envinspect-1.json").read_text())


def judge(row: Environment, answer: Mapping[str, Any], host: Sequence[str]) -> str:
    """Return what is wrong with an answer's layers, "" where they are the truth.

    The host may itself be a container. An answer that says it cannot see what is around it, or cannot tell, may leave
    that one out; one that is alike within a container may leave out itself.
    """
    layers = [layer["id"] for layer in answer["layers"]]
    hosts = [[]] if row.own_kernel else [list(host)]
    if AROUND and row.within_container == ALIKE and layers == list(host):
        return ""
    if "outer" in answer or not answer["determined"]:
        hosts.append([name for name in hosts[0] if name not in CONTAINERS])
    if row.hides_host:
        hosts.append([])
    for names in hosts:
        whole = [_true_names(row, name) for name in names] + [{name} for name in row.layers]
        if len(layers) == len(whole) and all(layer in names for layer, names in zip(layers, whole, strict=True)):
            return ""
    return f"truth is {hosts[0]} + {list(row.layers)}, the answer is {layers}"


def _true_names(row: Environment, layer: str) -> set[str]:
    """What a layer of the host may be called in there."""
    general = {GENERAL[layer]} if layer in GENERAL and (not row.firmware or row.hides_host) else set()
    trapped = {"vm"} if row.traps_cpuid and "cpuid_fault" in CPU_FLAGS else set()
    return {layer, *general, *trapped}


@pytest.mark.parametrize("row", _params())
def test_environment(
    row: Environment,
    matrix: Matrix,
    host_layers: list[str],
    answer_schema: dict[str, object],
    captures: Path,
    engine_missing: Callable[[str], None],
) -> None:
    lack = lacking(row)
    if lack:
        engine_missing(lack)
    try:
        answer = parse(matrix.transcript(row))
    except CannotStartError as error:
        pytest.fail(f"{row.name} could not be started: {error}", pytrace=False)
    wrong = judge(row, answer.envinspect, host_layers)
    _record(row, matrix, answer, wrong, host_layers)
    if answer.capture:
        (captures / f"{row.name}.tar.gz").write_bytes(base64.b64decode(answer.capture))
    assert not wrong, f"{row.how}: {wrong}\n{answer.envinspect['summary']}"
    _check_the_rest(row, answer, host_layers)
    jsonschema.validate(answer.envinspect, answer_schema)


def _check_the_rest(row: Environment, answer: Answer, host: Sequence[str]) -> None:
    claimed = {layer["id"]: layer.get("details", {}) for layer in answer.envinspect["layers"]}
    # What the host is, inside a container of one's own for one, is true of all that share its kernel.
    assert not (row.never - (frozenset() if row.own_kernel else {*host})) & claimed.keys()
    for layer, details in row.details.items():
        assert details.items() <= claimed[layer].items(), (layer, claimed[layer])
    if row.cloud is not None:
        assert (answer.envinspect["cloud"] or {}).get("id") == row.cloud
    if row.orchestrator is not None:
        assert (answer.envinspect["orchestrator"] or {}).get("id") == row.orchestrator
    # A stack that was told is an answer; only an empty one may be left undetermined.
    assert answer.exit_code == (0 if answer.envinspect["determined"] else 3), answer.errors
    if answer.unprivileged is not None:
        seen = {layer["id"] for layer in answer.unprivileged["layers"]}
        true = {*host, *row.layers}
        general = {GENERAL[name] for name in true if name in GENERAL} | {"vm", "container"}
        assert seen <= true | general, "without root the answer contradicts the one with root"
    if row.same_for_users:
        assert answer.unprivileged is not None
        wrong = judge(replace(row, firmware=False), answer.unprivileged, host)
        assert not wrong, f"without root: {wrong}"


def _record(row: Environment, matrix: Matrix, answer: Answer, wrong: str, host: Sequence[str]) -> None:
    matrix.rows.append(
        {
            "name": row.name,
            "how": row.how,
            "truth": list(row.layers) if row.own_kernel else [*host, *row.layers],
            "envinspect": answer.layers,
            "right": not wrong,
            "systemd_vm": answer.systemd_vm,
            "systemd_container": answer.systemd_container,
            "virt_what": list(answer.virt_what),
            "cloud": (answer.envinspect["cloud"] or {}).get("id"),
            "details": {layer["id"]: layer.get("details", {}) for layer in answer.envinspect["layers"]},
            "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        }
    )
