"""A check that is run inside until it ends with 0: what it says, how far off the moment is, and what ends the wait."""

import os
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from envbench.errors import BackendError, StartTimeoutError
from envbench.readiness.output import reader_for
from envbench.readiness.probe import wait_until_ready
from envbench.settings.condition import ExecReady
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

READY = ExecReady(("test", "-e", "/ready"), interval_s=0.01)


@pytest.fixture
def output():
    """What is read, and a file for what the instance says."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", buffering=0) as said:
        yield reader, said
    os.close(reader)


def wait(output: int, check: Callable[[], str], deadline_s: float = 10.0):
    instance = SimpleNamespace(
        name="one",
        output_fileno=lambda: output,
        decode=lambda chunk: chunk,
        console_tail=lambda: "",
        failed_check=check,
    )
    reader = reader_for("abc", READY)
    return reader, wait_until_ready(instance, reader, READY, None, monotonic_ns() + int(deadline_s * NS_PER_S))


def test_it_is_ready_at_the_end_of_the_first_check_that_succeeds(output):
    output[1].write(b"coming up")
    said = iter(["exit code 1", "exit code 1", ""])
    begun: list[int] = []

    def check() -> str:
        begun.append(monotonic_ns())
        time.sleep(0.02)
        return next(said)

    reader, answered = wait(output[0], check)
    assert len(begun) == 3
    assert begun[2] < answered.ready_ns <= monotonic_ns()
    assert begun[1] <= answered.ready_ns - answered.gap_ns + NS_PER_S // 100
    assert answered.gap_ns > 0.04 * NS_PER_S, "two checks and the interval lie between"
    assert reader.tail() == "coming up"


def test_a_check_that_never_succeeds_ends_at_the_deadline_with_its_words(output):
    def refused() -> str:
        raise BackendError("not running")

    with pytest.raises(
        StartTimeoutError, match=r"no exit code 0 of test -e /ready within .*its last check: not running"
    ):
        wait(output[0], refused, deadline_s=0.2)


def test_a_check_that_hangs_ends_at_the_deadline(output):
    begun_ns = monotonic_ns()
    with pytest.raises(StartTimeoutError, match="its first check has not ended; it said nothing"):
        wait(output[0], lambda: time.sleep(2) or "", deadline_s=0.2)
    assert monotonic_ns() - begun_ns < 1.5 * NS_PER_S


def test_an_instance_that_ends_is_not_asked_until_the_deadline(output):
    output[1].write(b"no configuration\n")
    output[1].close()
    with pytest.raises(BackendError, match="ended before it answered; its last words: no configuration"):
        wait(output[0], lambda: "exit code 1")
