"""Xen's guests inside other hypervisors: which of the two lies outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.inspector.captured_systems import made_of

from envinspect.inspection import inspect
from envinspect.model import Kind
from envinspect.signatures.names import open_question

VMWARE, VIRIDIAN = (0x61774D56, 0x4D566572, 0x65726177), (0x7263694D, 0x666F736F, 0x76482074)
XEN = (0x566E6558, 0x65584D4D, 0x4D4D566E)


@pytest.mark.parametrize(
    ("leaves", "layers"),
    [
        ({"0x40000000": VMWARE}, ["vmware", "xen"]),
        ({"0x40000000": XEN}, ["xen"]),
        ({"0x40000000": VIRIDIAN, "0x40000100": XEN}, ["xen"]),
    ],
)
def test_a_guest_that_does_not_tell_its_mode(
    tmp_path: Path, leaves: dict[str, tuple[int, ...]], layers: list[str]
) -> None:
    """Kernels before 4.13 have no guest_type: a PV guest shows the CPUID of the machine around it."""
    cpuid = {"0x00000001": [0, 0, 1 << 31, 0], **{leaf: [0x40000001, *words] for leaf, words in leaves.items()}}
    facts = made_of(tmp_path, {"cpuid": cpuid}, {"/sys/hypervisor/type": "xen\n"})
    assert [layer.id for layer in inspect(facts).stack.layers] == layers


CONTAINER = {"/proc/self/ns/pid": "pid:[4026532601]", "/proc/self/ns/mnt": "mnt:[4026532602]"}


@pytest.mark.parametrize(
    ("links", "files", "layers", "open_"),
    [
        ({}, {}, ["xen"], False),
        (CONTAINER, {}, [], True),
        (CONTAINER, {"/sys/hypervisor/type": "xen\n"}, ["xen"], False),
        (CONTAINER, {"/sys/hypervisor/properties/features": "00002705\n"}, ["xen"], False),
    ],
)
def test_xens_folder_alone_says_nothing_in_a_container(
    tmp_path: Path, links: dict[str, str], files: dict[str, str], layers: list[str], open_: bool
) -> None:
    """A container's own /proc has the folder empty, in a guest and in the control domain alike."""
    stat = {"/proc/xen": {"dev": 4, "ino": 4026532000, "mode": 16749}}
    stack = inspect(made_of(tmp_path, {"links": links, "stat": stat}, files)).stack
    assert [layer.id for layer in stack.layers if layer.kind is Kind.VM] == layers
    assert open_question(stack, "xen") is open_
