"""What a link counts, and how long it holds back."""

import pytest

from envbench.experiments.deploy.link import BURST_S, Link, read_bandwidth
from envbench.surroundings.clock import NS_PER_S


@pytest.mark.parametrize(
    ("text", "bytes_per_s"),
    [("100Mbit", 12.5e6), ("1Gbit", 125e6), ("1.5mbit/s", 187_500), ("8kbit", 1000), (" 10Mbit ", 1.25e6)],
)
def test_a_bandwidth_is_bits_in_a_second_by_powers_of_1000(text: str, bytes_per_s: float) -> None:
    assert read_bandwidth(text) == bytes_per_s


@pytest.mark.parametrize("text", ["", "100", "100MB", "0Mbit", "-1Mbit", "100 Mibit", "Mbit", "1e3kbit", "\u0661Mbit"])
def test_what_is_no_bandwidth_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no bandwidth; try: 100Mbit"):
        read_bandwidth(text)


class Clock:
    """A clock that only waiting moves on."""

    def __init__(self) -> None:
        self.now_ns = 0

    def read_ns(self) -> int:
        return self.now_ns

    def wait_s(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)


def test_what_passes_takes_as_long_as_the_bandwidth_says() -> None:
    clock = Clock()
    link = Link(1e6, clock.read_ns, clock.wait_s)
    for _ in range(1000):
        link.let_pass(10_000)
    assert link.passed_bytes == 10_000_000
    assert clock.now_ns / NS_PER_S == pytest.approx(10 - BURST_S, rel=0.001)


def test_a_pause_earns_one_burst_and_no_more() -> None:
    clock = Clock()
    link = Link(1e6, clock.read_ns, clock.wait_s)
    clock.wait_s(60)
    before_ns = clock.now_ns
    link.let_pass(1_000_000)
    assert (clock.now_ns - before_ns) / NS_PER_S == pytest.approx(1 - BURST_S, rel=0.001)


def test_without_a_bandwidth_nothing_waits_and_all_is_counted() -> None:
    clock = Clock()
    link = Link(None, clock.read_ns, clock.wait_s)
    link.let_pass(10**9)
    assert (link.passed_bytes, clock.now_ns) == (10**9, 0)


def test_it_begins_again_from_0_with_another_bandwidth() -> None:
    clock = Clock()
    link = Link(None, clock.read_ns, clock.wait_s)
    link.let_pass(5)
    link.begin(1e6)
    link.let_pass(1_000_000)
    assert link.passed_bytes == 1_000_000
    assert clock.now_ns / NS_PER_S == pytest.approx(1 - BURST_S, rel=0.001)
