"""Every form of the answer, from stacks put together by hand: wording, trees, and what the peers would print."""

from __future__ import annotations

import json

import pytest
from tests.inspector.captured_systems import answer_for

from envinspect.inspection import Inspection
from envinspect.model import Evidence, Kind, Layer, Mark, Overruled, Stack, Strength, Unknown
from envinspect.model.facts import Facts, Uname, no_environ
from envinspect.render import FORMATS, Rendered, render
from envinspect.render.terminal import COLOURED
from envinspect.signatures.catalogue import ENTRIES, entry_of, name_of
from envinspect.systems.archive import Tree
from envinspect.systems.captured import CapturedRoot
from envinspect.systems.cpuid import RecordedCpuid

URL = "https://example.org/"


def piece(kind: Kind, name: str, strength: Strength = Strength.STRONG, source: str = "/x") -> Evidence:
    return Evidence(kind, name, strength, source, "seen", URL)


def layer(kind: Kind, name: str, **details: str) -> Layer:
    entry = entry_of(kind, name)
    level = entry.hypervisor_type if entry else None
    return Layer(
        kind, name, name_of(kind, name), level, Strength.STRONG, tuple(sorted(details.items())), (piece(kind, name),)
    )


def mark(kind: Kind, name: str) -> Mark:
    return Mark(kind, name, name_of(kind, name), (piece(kind, name),))


def answer(
    *layers: Layer, cloud: str = "", roles: tuple[str, ...] = (), determined: bool = True, **more: object
) -> Inspection:
    marks = [mark(Kind.CLOUD, cloud)] if cloud else []
    found = [mark(Kind.ROLE, role) for role in roles]
    evidence = tuple(item for holder in (*layers, *marks, *found) for item in holder.evidence)
    root = CapturedRoot(Tree({}, {}), links={}, listings={}, stats={}, denied={})
    stack = Stack(layers, tuple(found), marks[0] if marks else None, (), None, evidence, (), (), determined).replace(
        **more
    )
    return Inspection(stack, Facts(root, RecordedCpuid({}), uname=Uname(), euid=0, environ=no_environ))


VM, BOX = Kind.VM, Kind.CONTAINER
METAL = answer()
NESTED = answer(layer(VM, "firecracker", accelerator="kvm"), layer(BOX, "docker"))


@pytest.mark.parametrize(
    ("found", "word", "code"),
    [
        (METAL, "none", 1),
        (answer(layer(VM, "kvm")), "kvm", 0),
        (answer(layer(VM, "firecracker")), "kvm", 0),
        (answer(layer(VM, "qemu", accelerator="tcg")), "qemu", 0),
        (answer(layer(VM, "qemu", accelerator="kvm")), "kvm", 0),
        (answer(layer(VM, "kvm"), cloud="aws"), "amazon", 0),
        (answer(layer(VM, "xen"), cloud="aws"), "xen", 0),
        (answer(layer(VM, "kvm"), cloud="gcp"), "google", 0),
        (answer(layer(VM, "hyper-v")), "microsoft", 0),
        (answer(layer(VM, "virtualbox")), "oracle", 0),
        (answer(layer(VM, "hyper-v"), layer(Kind.WSL, "wsl2")), "wsl", 0),
        (answer(layer(VM, "hyper-v"), layer(Kind.WSL, "wsl2"), layer(BOX, "docker")), "docker", 0),
        (NESTED, "docker", 0),
        (answer(layer(BOX, "containerd")), "container-other", 0),
        (answer(layer(BOX, "docker"), layer(Kind.CHROOT, "chroot")), "docker", 0),
        (answer(layer(VM, "kvm"), layer(Kind.SANDBOX, "proot")), "proot", 0),
    ],
)
def test_systemd_detect_virt(found: Inspection, word: str, code: int) -> None:
    assert render("systemd-detect-virt", found) == Rendered(f"{word}\n", code)


@pytest.mark.parametrize(
    ("found", "facts"),
    [
        (METAL, []),
        (answer(layer(VM, "kvm"), cloud="aws"), ["aws", "kvm"]),
        (answer(cloud="alibaba"), ["alibaba_cloud-ebm"]),
        (answer(layer(VM, "kvm"), cloud="alibaba"), ["alibaba_cloud", "kvm"]),
        (answer(layer(VM, "xen", mode="hvm")), ["xen", "xen-hvm"]),
        (answer(layer(VM, "xen", mode="pv")), ["xen", "xen-domU"]),
        (answer(roles=("xen-dom0",)), ["xen", "xen-dom0"]),
        (answer(layer(VM, "qemu", accelerator="kvm", platform="ovirt")), ["ovirt", "kvm"]),
        (answer(layer(VM, "hyper-v")), ["hyperv"]),
        (NESTED, ["kvm", "docker"]),
        (answer(layer(VM, "qemu", accelerator="tcg")), ["qemu"]),
    ],
)
def test_virt_what(found: Inspection, facts: list[str]) -> None:
    rendered = render("virt-what", found)
    text, code = rendered.text, rendered.exit_code
    assert (text.splitlines(), code) == (facts, 0)


@pytest.mark.parametrize(
    ("found", "kind", "role", "guest", "host"),
    [
        (METAL, "NA", "NA", [], []),
        (NESTED, "docker", "guest", ["docker", "kvm"], []),
        (answer(roles=("kvm-host",)), "kvm", "host", [], ["kvm"]),
        (answer(layer(VM, "hyper-v")), "VirtualPC", "guest", ["VirtualPC"], []),
        (answer(layer(VM, "qemu", platform="openstack")), "openstack", "guest", ["kvm", "openstack"], []),
        (answer(layer(BOX, "incus")), "lxc", "guest", ["lxc"], []),
        (answer(layer(Kind.SANDBOX, "bubblewrap")), "NA", "NA", [], []),
    ],
)
def test_ansible(found: Inspection, kind: str, role: str, guest: list[str], host: list[str]) -> None:
    assert json.loads(render("ansible", found).text) == {
        "virtualization_type": kind,
        "virtualization_role": role,
        "virtualization_tech_guest": guest,
        "virtualization_tech_host": host,
    }


@pytest.mark.parametrize(
    ("found", "virtual", "is_virtual", "provider"),
    [
        (METAL, "physical", False, None),
        (NESTED, "docker", True, None),
        (answer(layer(VM, "kvm"), cloud="gcp"), "gce", True, "gce"),
        (answer(layer(VM, "hyper-v"), cloud="azure"), "hyperv", True, "azure"),
        (answer(cloud="aws"), "physical", False, "aws"),
        (answer(roles=("xen-dom0",)), "xen0", False, None),
        (answer(layer(VM, "xen", mode="pv")), "xenu", True, None),
    ],
)
def test_facter(found: Inspection, virtual: str, is_virtual: bool, provider: str | None) -> None:
    facts = json.loads(render("facter", found).text)
    assert (facts["virtual"], facts["is_virtual"], facts.get("cloud", {}).get("provider")) == (
        virtual,
        is_virtual,
        provider,
    )
    assert is_virtual is bool(set(facts["hypervisors"]) - {"xen0", "openvzhn"})


def test_the_text_of_a_nested_stack() -> None:
    docker, vmm = piece(BOX, "docker"), piece(VM, "firecracker", Strength.PROOF, "/acpi")
    stale = Overruled(piece(BOX, "podman", Strength.HINT, "/run/.containerenv"), "stale", "It is a leftover.")
    found = answer(
        layer(VM, "firecracker", accelerator="kvm").replace(evidence=(vmm, vmm, vmm, vmm)),
        layer(BOX, "docker"),
        overruled=(stale,),
        unknown=tuple(Unknown(f"/u{number}", "EACCES", "much") for number in range(6)),
    )
    rendered = render("text", found)
    text, code = rendered.text, rendered.exit_code
    assert code == 0
    assert text == (
        "Docker container in a Firecracker virtual machine (KVM).\n"
        "\n"
        "machine\n"
        "└─ Firecracker  virtual machine, type 2 hypervisor, accelerator kvm, strong\n"
        "   └─ Docker container  strong\n"
        "      └─ the inspected process\n"
        "\n"
        "Because:\n"
        "  proof  /acpi: seen → firecracker\n"
        "  proof  /acpi: seen → firecracker\n"
        f"  strong {docker.source}: seen → docker\n"
        "\n"
        "Seen, but not believed:\n"
        "  /run/.containerenv: It is a leftover. (podman; stale)\n"
        "\n"
        "Could not be read:\n"
        "  /u0 (EACCES): much\n"
        "  /u1 (EACCES): much\n"
        "  /u2 (EACCES): much\n"
        "  … and 3 more: envinspect --explain\n"
    )


def test_bare_metal_and_not_determined() -> None:
    assert render("text", METAL).text.splitlines()[2:] == ["bare metal", "└─ the inspected process"]
    lost = answer(determined=False)
    assert render("text", lost).exit_code == 3
    assert "could not be determined" in render("text", lost).text
    assert render("brief", METAL).text.startswith("bare-metal: ")
    assert render("brief", lost).text.startswith("unknown: ")
    assert render("brief", NESTED).text.startswith("firecracker/docker: ")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_colour_changes_nothing_but_colour(name: str) -> None:
    coloured = render(name, NESTED, COLOURED).text
    for sequence in COLOURED.to_dict().values():
        coloured = coloured.replace(sequence, "")
    assert coloured == render(name, NESTED).text


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.kind <= Kind.CHROOT], ids=lambda entry: entry.id)
def test_every_layer_has_a_form_everywhere(entry: object) -> None:
    found = answer(layer(entry.kind, entry.id))
    for name in FORMATS:
        # virt-what has no word for most, and then says nothing.
        assert render(name, found).text or (name == "virt-what" and not entry.virt_what)
    systemd = render("systemd-detect-virt", found).text.strip()
    assert systemd == (entry.systemd or "none")


def test_explain_shows_every_piece_with_its_reference() -> None:
    text = render("explain", answer(layer(VM, "kvm"), cloud="aws", roles=("docker-host",))).text
    assert text.count(URL) == 3
    assert "note: Debated" in text


def test_an_open_machine_below_known_layers_is_said_plainly_and_exits_with_3() -> None:
    answer = answer_for("docker-cgroup-v2")
    for form in ("text", "explain"):
        rendered = render(form, answer)
        text, code = rendered.text, rendered.exit_code
        assert "Not determined: whether the machine below is virtual or bare metal." in text
        assert "Docker container" in text
        assert code == 3
    assert "Not determined" not in render("text", answer_for("real-qemu-user")).text
