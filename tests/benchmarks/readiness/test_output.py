"""The ready line is found however it is cut, its first byte has the moment of its own chunk, memory stays bounded."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbench.readiness.output import LINE_BYTES, TAIL_BYTES, OutputReader, marker_for, reader_for
from envbench.settings.condition import log_ready

NONCE = "0123456789abcdef"
LINE = f"ENVBENCH-READY {NONCE} realtime_ns=17 uptime_s=2.5\n".encode()


def fed(*chunks: bytes) -> OutputReader:
    reader = OutputReader(marker_for(NONCE))
    for at_ns, chunk in enumerate(chunks):
        reader.feed(chunk, at_ns)
    return reader


@given(st.binary(max_size=300), st.binary(max_size=100), st.lists(st.integers(0, 500), max_size=8))
def test_every_cut_finds_the_line_and_the_moment_of_its_first_byte(before, after, cuts):
    whole = before.replace(b"ENVBENCH", b"envbench") + LINE + after
    at = sorted({cut for cut in cuts if cut < len(whole)} | {0, len(whole)})
    chunks = [whole[begin:end] for begin, end in itertools.pairwise(at)]
    reader = fed(*chunks)
    first = whole.index(b"ENVBENCH-READY")
    expected = next(index for index, end in enumerate(at[1:]) if first < end)
    assert reader.ready_ns == expected
    assert reader.ready_values == {"realtime_ns": "17", "uptime_s": "2.5"}


def test_another_nonce_or_an_echoed_command_line_is_not_ready():
    reader = fed(b"Command line: envbench.nonce=" + NONCE.encode(), b"\nENVBENCH-READY ffff realtime_ns=1 uptime_s=1\n")
    assert reader.ready_ns is None


def test_facts_follow_the_line():
    reader = fed(LINE, b"ENVBENCH-FACT boot_id=ab", b"c=d\r\nENVBENCH-FACT end=1\n")
    assert reader.facts == {"boot_id": "abc=d", "end": "1"}
    assert reader.facts_complete


def test_a_flood_before_and_after_is_not_kept():
    reader = OutputReader(marker_for(NONCE))
    for _ in range(200):
        reader.feed(b"y" * 65536, 1)
    reader.feed(LINE, 2)
    for number in range(200):
        reader.feed(b"z" * 65536, 3)
        reader.feed(b"\nENVBENCH-FACT k%d=v" % number * 100, 3)
    held = sum(len(part) for part in (reader._held, reader._line, reader._tail))
    assert reader.ready_ns == 2
    assert held <= 3 * TAIL_BYTES
    assert len(reader.facts) <= 256


def seen(regex: str, *chunks: bytes) -> int | None:
    """Return the number of the chunk in which the user's line begins, None where it has not come."""
    reader = reader_for("unused", log_ready(regex))
    for number, chunk in enumerate(chunks):
        reader.feed(chunk, number)
    assert reader.line_complete == (reader.ready_ns is not None)
    return reader.ready_ns


@pytest.mark.parametrize(
    ("regex", "chunks", "place"),
    [
        ("login:", (b"Debian lo", b"gin: "), 0),
        (r"ready in \d+ ms", (b"not ready\n", b"it is ready in", b" 17 m", b"s\r\n"), 1),
        ("^started$", (b"not started\nstarted now\n", b"start", b"ed", b"\r", b"\n"), 1),
        ("^started$", (b"star", b"ted", b" not yet\n"), None),
        (r"port 80\b", (b"port 80", b"80\n", b"port 80\n"), 2),
        ("[äö]ffne", ("ich ö".encode()[:-1], "ö".encode()[-1:] + b"ffne"), 0),
        ("a.*b", (b"a\n", b"b\n"), None),
        ("(?i)READY", (b"\xff\xfe ", b"Ready"), 1),
        ("^late", (b"x" * 70000, b"late\n", b"late\n"), 2),
        ("late", (b"x" * 70000, b"la", b"te"), 1),
    ],
)
def test_a_line_of_the_users_own_matches_a_regular_expression(regex, chunks, place):
    assert seen(regex, *chunks) == place


@given(st.lists(st.integers(0, 60), max_size=8))
def test_no_cut_changes_what_a_regular_expression_finds(cuts):
    whole = "not ready\r\nörtlich ready in 12 s, ready\r\nmore\n".encode()
    at = sorted({cut for cut in cuts if cut < len(whole)} | {0, len(whole)})
    first = whole.index(b"ready in")
    expected = next(index for index, end in enumerate(at[1:]) if first < end)
    assert seen(r"ready in \d+ s\b", *(whole[begin:end] for begin, end in itertools.pairwise(at))) == expected


def test_memory_stays_bounded_in_a_line_that_never_ends():
    reader = reader_for("unused", log_ready("never"))
    for _ in range(100):
        reader.feed(b"y" * 65536, 1)
    assert len(reader._held) <= LINE_BYTES


@pytest.mark.parametrize("noise", [b"\x00\xff\xfe", "Grüße\n".encode(), b"\r\r\n"])
def test_tail_is_text_whatever_was_said(noise):
    assert isinstance(fed(noise).tail(), str)
