"""The one sentence that most people read."""

from __future__ import annotations

import pytest

from envinspect.answer import summarise
from envinspect.model import Evidence, Kind, Strength
from envinspect.resolver.resolve import resolve

VM, CONTAINER, SANDBOX = Kind.VM, Kind.CONTAINER, Kind.SANDBOX


def piece(kind: Kind, layer_id: str, depth: int = 0, **details: str) -> Evidence:
    return Evidence(kind, layer_id, Strength.PROOF, "/x", "y", "https://x", depth, tuple(details.items()))


@pytest.mark.parametrize(
    ("pieces", "looked_at", "sentence"),
    [
        ([], True, "Bare metal"),
        ([], False, "Not determined: too little of the machine could be read"),
        ([piece(Kind.CLOUD, "aws")], True, "Bare metal, Amazon Web Services"),
        (
            [piece(Kind.CLOUD, "aws")],
            False,
            "Not determined: too little of the machine could be read; cloud: Amazon Web Services",
        ),
        ([piece(Kind.ROLE, "xen-dom0")], True, "Bare metal; Xen control domain (dom0)"),
        ([piece(VM, "vm")], True, "Virtual machine"),
        ([piece(VM, "firecracker", accelerator="kvm")], True, "Firecracker virtual machine (KVM)"),
        ([piece(VM, "kvm", accelerator="kvm")], True, "KVM virtual machine"),
        ([piece(VM, "qemu", accelerator="tcg")], True, "QEMU virtual machine (TCG)"),
        (
            [piece(VM, "firecracker", accelerator="kvm"), piece(CONTAINER, "docker")],
            True,
            "Docker container in a Firecracker virtual machine (KVM)",
        ),
        ([piece(CONTAINER, "docker")], False, "Docker container on an undetermined machine"),
        ([piece(CONTAINER, "docker")], True, "Docker container on bare metal"),
        ([piece(CONTAINER, "gvisor"), piece(VM, "kvm")], True, "gVisor container in a KVM virtual machine"),
        (
            [piece(CONTAINER, "lxd"), piece(CONTAINER, "docker", 1)],
            True,
            "Docker container in an LXD container on bare metal",
        ),
        (
            [piece(Kind.WSL, "wsl2"), piece(CONTAINER, "docker")],
            False,
            "Docker container in Windows Subsystem for Linux 2 in a Hyper-V virtual machine",
        ),
        (
            [piece(VM, "kvm", platform="openstack"), piece(Kind.CLOUD, "openstack")],
            True,
            "KVM virtual machine, OpenStack",
        ),
        (
            [piece(VM, "lpar"), piece(VM, "zvm", 1), piece(VM, "kvm", 2, confidential="protvirt")],
            True,
            (
                "KVM virtual machine (Secure Execution) in an IBM z/VM virtual machine "
                "in an IBM Z logical partition (PR/SM)"
            ),
        ),
    ],
)
def test_sentence(pieces: list[Evidence], looked_at: bool, sentence: str) -> None:
    assert summarise(resolve(pieces, [], enough_was_read=looked_at)) == sentence
