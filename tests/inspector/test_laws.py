"""Laws of the answer, over all captured systems: a denied question is neither a no nor a reason for another name."""

from __future__ import annotations

import functools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.inspector.captured_systems import NAMES, SYSTEMS, made_of

from envinspect.inspection import inspect
from envinspect.model import Denied, Found, Kind, Reading, Stack
from envinspect.model.facts import Facts, Registers, Root, Stat
from envinspect.signatures.catalogue import ENTRIES
from envinspect.signatures.names import holds, open_question
from envinspect.systems.captured import read_capture

DENIED = Denied("EACCES")
NAMES_ASKED = tuple(
    entry.id for entry in ENTRIES if entry.kind in {Kind.WSL, Kind.CONTAINER, Kind.SANDBOX, Kind.CHROOT, Kind.CLOUD}
)


class Denying:
    """A system's files, some of which may not be read."""

    def __init__(self, root: Root, paths: frozenset[str]) -> None:
        self._root, self._paths = root, paths

    def read(self, path: str) -> Reading[bytes]:
        return DENIED if path in self._paths else self._root.read(path)

    def link(self, path: str) -> Reading[str]:
        return DENIED if path in self._paths else self._root.link(path)

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        return DENIED if path in self._paths else self._root.listing(path)

    def stat(self, path: str) -> Reading[Stat]:
        return DENIED if path in self._paths else self._root.stat(path)


class DenyingCpu:
    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:
        return DENIED


@functools.cache
def _read(name: str) -> tuple[Facts, Stack, tuple[str, ...]]:
    facts = read_capture(str(SYSTEMS / name))
    stack = inspect(facts).stack
    tables = (facts.files, facts.links, facts.listings, facts.stats)
    paths = sorted({path for table in tables for path, reading in table.items() if isinstance(reading, Found)})
    return facts, stack, tuple(paths)


def _without(facts: Facts, paths: frozenset[str], *, cpu: bool) -> Stack:
    denied = Facts(
        Denying(facts.root, paths),
        DenyingCpu() if cpu else facts._cpuid,
        uname=facts.uname,
        euid=facts.euid,
        environ=facts._environ,
    )
    return inspect(denied).stack


WEAKER_NAMES = frozenset({"real-charliecloud", "real-docker-fake-container-lxc", "real-docker-fake-containerenv"})
"""Where a marker that anybody can set is all that is left when the mounts or the namespaces are denied."""


def test_a_flatpak_whose_own_file_is_denied_is_no_plain_no() -> None:
    facts, before, _ = _read("flatpak-as-mount-flags-are-lost")
    after = _without(facts, frozenset({"/.flatpak-info"}), cpu=False)
    assert holds(before, "flatpak")
    assert open_question(after, "flatpak")


@pytest.mark.parametrize(
    "path", ["/proc/self/mountinfo", "/proc/1/mountinfo", "/proc/self/cgroup", "/proc/1/cgroup", "/proc/self/ns/mnt"]
)
def test_the_hosts_root_in_a_container_is_no_plain_no_where_what_tells_it_is_denied(path: str) -> None:
    facts, before, _ = _read("chroot-host-in-docker-in-a-nameless-container")
    after = _without(facts, frozenset({path}), cpu=False)
    assert holds(before, "chroot")
    assert open_question(after, "chroot")


def test_a_container_around_a_sandbox_is_no_plain_no_where_the_first_mounts_are_denied() -> None:
    facts, before, _ = _read("bubblewrap-in-a-nameless-container")
    after = _without(facts, frozenset({"/", "/proc/1/comm", "/proc/1/mountinfo"}), cpu=False)
    assert holds(before, "container")
    assert not holds(after, "container")
    assert open_question(after, "container")


@given(st.data())
def test_what_is_denied_makes_no_plain_no(data: st.DataObject) -> None:
    """Of containers, sandboxes, chroots, WSL and clouds: a name that held is held still, or cannot be told."""
    name = data.draw(st.sampled_from([name for name in NAMES if name not in WEAKER_NAMES]))
    facts, before, paths = _read(name)
    taken = frozenset(data.draw(st.sets(st.sampled_from(paths), max_size=4))) if paths else frozenset()
    after = _without(facts, taken, cpu=data.draw(st.booleans()))
    lost = [
        asked
        for asked in NAMES_ASKED
        if holds(before, asked) and not holds(after, asked) and not open_question(after, asked)
    ]
    assert not lost, (name, sorted(taken))


FIRST_ROOT = "/proc/1/root/."
MOUNTS = "/proc/self/mountinfo"


@pytest.mark.parametrize(
    ("name", "denied", "layers", "undecided"),
    [
        ("docker-files-unmounted", {"/proc/1/mountinfo"}, ["docker"], set()),
        ("docker-files-unmounted", {"/proc/1/mountinfo", FIRST_ROOT}, ["docker"], {Kind.CHROOT}),
        ("docker-pid-host", {MOUNTS}, ["docker"], {Kind.CHROOT, Kind.SANDBOX}),
        ("docker-pid-host", {MOUNTS, "/proc/self/ns/mnt"}, ["docker"], {Kind.CHROOT, Kind.SANDBOX}),
        ("real-unshare-uts", {MOUNTS, "/proc/self/ns/pid", "/proc/2/comm"}, [], {Kind.CONTAINER}),
    ],
)
def test_a_refused_file_makes_no_layer(name: str, denied: set[str], layers: list[str], undecided: set[Kind]) -> None:
    """Where it would have told that there is none, none is found for want of it: it cannot be told."""
    facts, _, paths = _read(name)
    assert denied <= {*paths, "/proc/1/mountinfo"}
    after = _without(facts, frozenset(denied), cpu=False)
    assert [layer.id for layer in after.layers if layer.kind is not Kind.VM] == layers
    assert undecided <= set(after.undecided)


@pytest.mark.parametrize(
    ("name", "denied", "guest", "asked"),
    [
        ("bare-metal-gce-as-user", "/proc/cpuinfo", "kvm", "kvm"),
        ("xen-dom0-in-virtualbox", "/proc/xen/capabilities", "xen", "xen-dom0"),
        ("openvz-host", "/proc/bc", "openvz", "openvz"),
    ],
)
def test_a_refused_file_makes_no_guest_of_a_host(name: str, denied: str, guest: str, asked: str) -> None:
    """What tells the host from its guests was refused: no guest is named, and what was asked for is no plain no."""
    facts, before, _ = _read(name)
    after = _without(facts, frozenset({denied}), cpu=False)
    assert not holds(before, guest)
    assert not holds(after, guest)
    assert open_question(after, asked)
    assert not after.bare_metal


def test_a_cpu_that_may_not_be_asked_makes_no_virtual_machine_of_a_clouds_whole_one() -> None:
    facts, _, _ = _read("bare-metal-gce")
    after = _without(facts, frozenset({"/proc/cpuinfo"}), cpu=True)
    assert after.layers == ()
    assert open_question(after, "vm")


CPU_SAYS_REAL = frozenset({"qemu-bit-off"})
"""A VMM that takes the hypervisor's bit from its CPU is told by its devices alone: where ACPI's tables, which are
root's on every machine, and the PCI bus are denied, nothing is left but a CPU that says that it is a real one."""


@given(st.data())
def test_what_is_denied_makes_no_bare_metal(data: st.DataObject) -> None:
    """A virtual machine is never called bare metal because of a file that may not be read."""
    name = data.draw(st.sampled_from([name for name in NAMES if name not in CPU_SAYS_REAL]))
    facts, before, paths = _read(name)
    if before.bare_metal or not paths:
        return
    after = _without(facts, frozenset(data.draw(st.sets(st.sampled_from(paths), min_size=1, max_size=4))), cpu=False)
    assert not after.bare_metal or not before.determined


UNRELATED = ("/etc/motd", "/home/user/.bashrc", "/opt/app/config", "/srv/data", "/usr/share/doc/docker/README")
BARE = tuple(name for name in NAMES if name.startswith("bare-metal"))


@pytest.mark.parametrize("name", BARE)
def test_unrelated_mounts_and_files_make_no_layer_on_bare_metal(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Disks, user's folders and files named after engines beside all that a real machine shows."""
    facts, before, _ = _read(name)
    assert not [layer for layer in before.layers if layer.kind is not Kind.ROLE]
    mounts = facts.str_or("/proc/self/mountinfo") or "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    mounts += (
        "\n90 30 8:17 / /data rw - ext4 /dev/sdb1 rw"
        "\n91 30 0:77 / /home/user/docker rw - fuse.sshfs host:/docker rw"
        "\n92 30 8:1 /srv/images/overlay2 /mnt/images rw - ext4 /dev/sda1 rw\n"
    )
    files = {
        path: reading.value.decode("latin-1")
        for path, reading in facts.files.items()
        if isinstance(reading, Found) and reading.value.isascii()
    }
    document = json.loads((SYSTEMS / name / "facts.json").read_text())
    added = dict.fromkeys(UNRELATED, "docker kvm vmware container\n")
    after = inspect(
        made_of(tmp_path_factory.mktemp(name), document, {**files, **added, "/proc/self/mountinfo": mounts})
    ).stack
    assert [layer.id for layer in after.layers] == []
