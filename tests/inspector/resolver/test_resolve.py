"""The resolver's laws, for any evidence; and that no bytes whatever make a probe fail."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinspect.answer import answer_as_json, summarise
from envinspect.inspection import inspect
from envinspect.model import ABSENT, Denied, Evidence, Found, Kind, Reading, Strength, Unknown
from envinspect.model.facts import Facts, Registers, Stat, Uname
from envinspect.resolver.resolve import resolve
from envinspect.signatures.catalogue import ENTRIES
from envinspect.systems.cpuid import RecordedCpuid

SOURCES = ("CPUID 0x00000001", "CPUID 0x40000000", "/sys/class/dmi/id/sys_vendor", "/proc/cpuinfo", "/proc/self/cgroup")


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    entry = draw(st.sampled_from(ENTRIES))
    strength = draw(st.sampled_from(list(Strength)))
    source = draw(st.sampled_from(SOURCES))
    depth = draw(st.integers(0, 2)) if entry.kind <= Kind.CHROOT else 0
    details = draw(st.sampled_from([(), (("accelerator", "kvm"),), (("platform", "openstack"),)]))
    return Evidence(entry.kind, entry.id, strength, source, draw(st.text(max_size=4)), "https://x", depth, details)


@given(st.lists(evidence(), max_size=12), st.randoms(use_true_random=False))
def test_order_does_not_matter(pieces: list[Evidence], shuffler: random.Random) -> None:
    shuffled = list(pieces)
    shuffler.shuffle(shuffled)
    assert resolve(pieces, [], enough_was_read=True) == resolve(shuffled, [], enough_was_read=True)


@given(st.lists(evidence(), max_size=12))
def test_nothing_disappears(pieces: list[Evidence]) -> None:
    stack = resolve(pieces, [], enough_was_read=True)
    marks = [mark for mark in (*stack.roles, stack.cloud, *stack.orchestrators, stack.engine) if mark]
    supporting = {piece for holder in (*stack.layers, *marks) for piece in holder.evidence}
    overruled = {item.evidence for item in stack.overruled}
    assert supporting | overruled == set(pieces) == set(stack.evidence)
    assert not supporting & overruled


@given(st.lists(evidence().map(lambda piece: piece.replace(strength=Strength.HINT)), max_size=12))
def test_hints_alone_decide_nothing(pieces: list[Evidence]) -> None:
    stack = resolve(pieces, [], enough_was_read=True)
    assert not stack.layers
    assert not stack.roles
    assert stack.cloud is stack.orchestrator is stack.engine is None
    assert stack.bare_metal


@given(st.lists(evidence(), max_size=12))
def test_layers_stand_in_the_order_of_the_stack_and_rest_on_evidence(pieces: list[Evidence]) -> None:
    stack = resolve(pieces, [], enough_was_read=False)
    kinds = [layer.kind for layer in stack.layers]
    assert kinds == sorted(kinds)
    for layer in stack.layers:
        assert layer.evidence
        assert layer.confidence is max(piece.strength for piece in layer.evidence)
        assert layer.confidence is not Strength.HINT


@given(st.lists(evidence(), max_size=12))
def test_any_answer_can_be_said_and_written(pieces: list[Evidence]) -> None:
    stack = resolve(pieces, [Unknown("/x", "EACCES", "y")], enough_was_read=False)
    document = answer_as_json(stack)
    assert document["summary"] == summarise(stack) != ""
    for layer in document["layers"]:
        assert [document["evidence"][place] for place in layer["evidence"]]


def test_nothing_known_is_not_bare_metal() -> None:
    stack = resolve([], [], enough_was_read=False)
    assert not stack.determined
    assert not stack.bare_metal
    assert "not determined" in summarise(stack).lower()


def test_a_container_on_an_unknown_machine_is_not_on_bare_metal() -> None:
    piece = Evidence(Kind.CONTAINER, "docker", Strength.PROOF, "/x", "y", "https://x")
    stack = resolve([piece], [], enough_was_read=False)
    assert [layer.id for layer in stack.layers] == ["docker"]
    assert not stack.determined
    assert not stack.bare_metal


class AnyRoot:
    """A machine whose every file, link, folder and inode answers with given junk."""

    live = False

    def __init__(self, data: bytes, name: str, *, refused: str = "") -> None:
        self._data = data
        self._name = name
        self._refused = refused

    def read(self, path: str) -> Reading[bytes]:
        return Denied(self._refused) if self._refused else Found(self._data)

    def link(self, path: str) -> Reading[str]:
        return Denied(self._refused) if self._refused else Found(self._name)

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        return Denied(self._refused) if self._refused else Found((self._name,))

    def stat(self, path: str) -> Reading[Stat]:
        return Denied(self._refused) if self._refused else Found(Stat(len(self._data), 7))


class AnyCpuid:
    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:
        return Found(self._registers)


words = st.integers(0, 2**32 - 1)


@given(
    st.binary(max_size=200),
    st.text(max_size=20),
    st.builds(Registers, words, words, words, words),
    st.text(max_size=20),
)
def test_no_bytes_make_a_probe_fail(data: bytes, name: str, registers: Registers, release: str) -> None:
    uname = Uname("Linux", release, release, "x86_64")
    facts = Facts(AnyRoot(data, name), AnyCpuid(registers), uname=uname, euid=0, environ=lambda _: Found(name))
    answer = inspect(facts)
    assert not [item for item in answer.stack.unknown if item.source.startswith("probe:")]
    assert answer.summary


@pytest.mark.parametrize("error", ["EACCES", "EPERM", "EIO", "not-recorded"])
def test_where_everything_is_denied_nothing_is_determined_and_the_gaps_are_named(error: str) -> None:
    facts = Facts(
        AnyRoot(b"", "", refused=error), RecordedCpuid({}), uname=Uname(), euid=65534, environ=lambda _: ABSENT
    )
    stack = inspect(facts).stack
    assert not stack.layers
    assert not stack.determined
    named = {item.source for item in stack.unknown}
    assert {"/proc/cpuinfo", "CPUID 0x00000001", "/sys/class/dmi/id"} <= named


def test_a_probe_that_fails_shows_as_a_gap_and_takes_no_other_with_it() -> None:
    class Broken(AnyRoot):
        def read(self, path: str) -> Reading[bytes]:
            if path == "/proc/cpuinfo":
                raise RuntimeError(path)
            return ABSENT

        def listing(self, path: str) -> Reading[tuple[str, ...]]:
            return ABSENT

        def link(self, path: str) -> Reading[str]:
            return ABSENT

        def stat(self, path: str) -> Reading[Stat]:
            return ABSENT

    leaves = {(1, 0): Registers(0, 0, 1 << 31, 0)}
    facts = Facts(Broken(b"", ""), RecordedCpuid(leaves), uname=Uname(), euid=0, environ=lambda _: ABSENT)
    with pytest.raises(RuntimeError):
        facts.str_or("/proc/cpuinfo")
    stack = inspect(facts).stack
    assert any(item.source == "probe:cpu.probe_cpuinfo" and item.error == "RuntimeError" for item in stack.unknown)
    assert [layer.id for layer in stack.layers] == ["vm"]
