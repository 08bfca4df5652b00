"""The wire: every captured system survives it, and what is not whole, or not ours, is refused or made no difference."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.inspector.answering_place import payload_of, write_round
from tests.inspector.captured_systems import NAMES, SYSTEMS, holds_for_all

from envinspect.capture.every_question import ask_everything
from envinspect.inspection import inspect
from envinspect.model.errors import CaptureError
from envinspect.systems.answered import AnsweredFacts, recorded_answers
from envinspect.systems.captured import read_capture
from envinspect.systems.collector.answers import Answers
from envinspect.systems.collector.first_round import first_round
from envinspect.systems.collector.wire import LINE_LIMIT_BYTES, Reader, read_rounds

PAYLOAD = b"\n/./. system\nLinux 6.1 x86_64\n\n/./. asked\nS /x\n\n/./. identities\n1 2 41ed 0 /././x\n\n/./. end\n"


@pytest.mark.slow
def test_every_captured_system_gives_the_same_answer_over_the_wire() -> None:
    def law(name: str) -> None:
        facts = read_capture(str(SYSTEMS / name))
        expected = inspect(facts).to_json()
        wire = write_round(1, payload_of(facts)).encode()
        found = inspect(recorded_answers(wire, name)).to_json()
        for key in ("subject", "observer"):
            found.pop(key)
        assert found == expected

    holds_for_all(law)


def test_what_was_never_asked_is_not_recorded() -> None:
    answers = Answers()
    answers.add(PAYLOAD, "here")
    facts = AnsweredFacts(answers)
    assert facts.exists("/x")
    assert facts.stat("/y") != facts.stat("/x")
    assert facts.text("/etc/os-release").error == "not-recorded"
    assert {question.path for question in facts.unasked} == {"/y", "/etc/os-release"}


@pytest.mark.slow
def test_the_first_round_asks_what_nearly_all_captured_systems_were_asked() -> None:
    first = {(question.kind, question.path) for question in first_round(ask_everything).questions}
    patterns = ("/sys/bus/pci/devices/", "/sys/class/virtio-ports/", "/proc/")
    surplus = {}
    for name in NAMES:
        facts = read_capture(str(SYSTEMS / name))
        ask_everything(facts)
        questions = {("R", path) for path in facts.files} | {("S", path) for path in facts.stats}
        named = {(kind, path.replace(f"/run/user/{facts.euid}/", "/run/user/~u/")) for kind, path in questions}
        groups = _groups(facts.str_or("/proc/self/cgroup"))
        asked = {(kind, path.replace("/~", group, 1)) for kind, path in first for group in groups if "/~u" not in path}
        left = {path for _, path in named - first - asked if not path.startswith(patterns)}
        if left:
            surplus[name] = left
    assert len(surplus) < len(NAMES) / 50, surplus


def _groups(membership: str) -> set[str]:
    """Return each control group of a /proc/self/cgroup, and each above it, without a slash at the end."""
    own = [line.split(":", 2)[-1].rstrip("/").split("/") for line in membership.splitlines()]
    return {"/".join(parts[:count]) for parts in own for count in range(1, len(parts) + 1)}


@pytest.mark.parametrize("encoding", ["crlf", "banner", "blank lines"])
def test_what_happens_on_the_way_does_no_harm(encoding: str) -> None:
    wire = write_round(1, PAYLOAD)
    mangled = {
        "crlf": wire.replace("\n", "\r\n"),
        "banner": f"Welcome!\nLast login: today\n{wire}\nbye\n",
        "blank lines": wire.replace("end", "end") + "\n\n",
    }[encoding]
    assert read_rounds(mangled.encode(), "x")[0].payload == PAYLOAD


def test_hexadecimal_digits_will_do() -> None:
    body = PAYLOAD.hex()
    wire = f"envinspect-wire/1 begin 1 hex\n{body}\nenvinspect-wire/1 end 1 {len(body)}\n"
    assert read_rounds(wire.encode(), "x")[0].payload == PAYLOAD


@given(st.integers(1, len(write_round(1, PAYLOAD)) - 2))
def test_an_answer_that_is_cut_short_anywhere_is_refused(length: int) -> None:
    with pytest.raises(CaptureError):
        read_rounds(write_round(1, PAYLOAD).encode()[:length], "x")


@given(st.binary(max_size=400))
def test_no_payload_whatever_it_holds_does_more_than_be_refused(noise: bytes) -> None:
    for payload in (noise, PAYLOAD[:60] + noise, PAYLOAD.replace(b"Linux", noise)):
        wire = write_round(1, payload).encode()
        with contextlib.suppress(CaptureError):
            inspect(recorded_answers(wire, "x"))


def test_an_endless_line_takes_no_memory_and_an_endless_answer_ends() -> None:
    reader = Reader("x")
    for _ in range(64):
        assert not list(reader.feed(b"a" * 65_536))
    assert len(reader._rest) <= LINE_LIMIT_BYTES
    with pytest.raises(CaptureError, match="does not end"):
        _endless(reader)


def _endless(reader: Reader) -> None:
    for _ in range(2000):
        list(reader.feed((b"a" * 1023 + b"\n") * 64))


def test_a_file_cannot_pass_for_what_a_tool_says() -> None:
    forged = b"\n==> /etc/b <==\nforged\n/./. end\n"
    payload = (
        b"\n/.//. asked\nR /a\nR /etc/b\n\n/.//. files\n==> /.//./a <==\n" + forged + b"\n/.//. words\n\n\n/.//. end\n"
    )
    answers = Answers()
    answers.add(payload, "x")
    assert answers.files["/a"].value == forged
    assert "/etc/b" not in answers.files
