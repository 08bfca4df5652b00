"""A signal is answered at once, ends a run in order, and one that was ignored before stays ignored."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from envbench.errors import InterruptedRunError
from envbench.run.interruption import SIGNALS, deferred, interruptible, uninterrupted


@pytest.fixture
def ignoring():
    """Return a function that has a signal ignored until the end of the test, as nohup(1) does."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield lambda number: signal.signal(number, signal.SIG_IGN)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_block_and_its_words_come_first(number):
    said: list[str] = []

    def signalled() -> None:
        with interruptible():
            os.kill(os.getpid(), number)
            time.sleep(5)

    with uninterrupted(said.append), pytest.raises(InterruptedRunError, match=number.name):
        signalled()
    assert said == [f"{number.name}: cleaning up …"]


def test_what_notes_an_error_and_goes_on_does_not_take_a_signal_for_one():
    def noting() -> None:
        with interruptible(), contextlib.suppress(Exception):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    with pytest.raises(InterruptedRunError, match="SIGINT"):
        noting()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_comes_while_an_object_is_finalised_is_not_lost():
    """Python prints what is raised there and goes on."""

    class Slow:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)

    with pytest.raises(InterruptedRunError, match="SIGTERM"), interruptible():
        Slow()


@pytest.mark.parametrize("number", SIGNALS)
def test_an_ignored_signal_stays_ignored_and_is_so_again_afterwards(number, ignoring):
    ignoring(number)
    said: list[str] = []
    with uninterrupted(said.append), interruptible():
        os.kill(os.getpid(), number)
    assert said == []
    assert signal.getsignal(number) is signal.SIG_IGN


def test_children_of_a_run_that_ignores_sigterm_can_be_ended_by_it(ignoring):
    ignoring(signal.SIGTERM)
    with uninterrupted(lambda _line: None):
        child = subprocess.Popen(["sleep", "60"])
    child.terminate()
    assert child.wait(10) == -signal.SIGTERM


def test_a_signal_is_answered_while_a_library_waits_in_c():
    """The handler cannot run before the call returns; the words do not wait for it."""
    program = """
import ctypes, os, signal, sys, threading, time
from envbench.run.interruption import deferred, interruptible, uninterrupted
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
begun = time.monotonic()
with uninterrupted(lambda line: print(f"{time.monotonic() - begun:.1f} {line}", flush=True)):
    try:
        with interruptible():
            # sleep(3) in a thread's mask would be interrupted: poll(2) is taken up again by the loop, as libraries do.
            libc, end = ctypes.CDLL(None), time.monotonic() + 2
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            libc.sleep(2)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    except BaseException as error:
        print(f"{time.monotonic() - begun:.1f} {type(error).__name__}", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    words = [line.partition(" ")[2] for line in done.stdout.splitlines()]
    assert words == ["SIGINT: cleaning up …", "InterruptedRunError"]
    first, second = (float(line.split()[0]) for line in done.stdout.splitlines())
    assert second - first > 1, "it was said long before the library gave way"


def test_a_signal_waits_for_the_end_of_what_is_made() -> None:
    made = []

    def make() -> None:
        with interruptible(), deferred():
            signal.raise_signal(signal.SIGTERM)
            made.append("after the signal")

    with pytest.raises(InterruptedRunError):
        make()
    assert made == ["after the signal"]


def test_a_signal_ends_the_block_also_where_no_thread_can_be_started(monkeypatch):
    """As under a limit on processes (ulimit -u, a container's pids)."""

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def signalled() -> None:
        with interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with uninterrupted(lambda _line: None), pytest.raises(InterruptedRunError, match="SIGTERM"):
        signalled()
