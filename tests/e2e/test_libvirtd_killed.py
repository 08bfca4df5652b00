"""libvirtd killed under a run, and with the run: on a libvirtd of the test's own, the machine's is never touched."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from own_libvirtd import OwnLibvirtd

from envbench.records.phases import Outcome, Phase
from envbench.records.samples import Sample, read_samples
from envbench.run.audit import traces_of
from envbench.settings import new_nonce
from envbench.traces.procfs import marked_processes

pytestmark = [pytest.mark.engine("libvirt"), pytest.mark.timeout(300)]

BACKENDS = ("--backend", "process", "--backend", "libvirt", "--accel", "tcg", "--profile", "minimal")
RUN = ("startup", *BACKENDS, "--runs", "6", "--warmup", "0")


@pytest.fixture
def daemon(engine_missing: Callable[[str], None]) -> Iterator[OwnLibvirtd]:
    folder = Path(f"/tmp/envbench-daemon-{new_nonce()}")
    folder.mkdir(mode=0o700)
    made = OwnLibvirtd(folder)
    try:
        if not made.usable:
            engine_missing("a mount namespace for a libvirtd of its own needs root")
        made.start("virtlogd", "libvirtd")
        yield made
    finally:
        made.close()
        subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


@pytest.fixture
def begin(daemon: OwnLibvirtd) -> "Iterator[Callable[[Path], subprocess.Popen[str]]]":
    begun: list[subprocess.Popen[str]] = []

    def start(out: Path) -> "subprocess.Popen[str]":
        words = daemon.command(sys.executable, "-m", "envbench", *RUN, "--format", "csv", "--output", out)
        begun.append(subprocess.Popen(words, env=daemon.env, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
    daemon.run(sys.executable, "-m", "envbench", "clean")


def rows_of(out: Path, phase: Phase = Phase.READY) -> list[Sample]:
    return [row for row in read_samples(out / "samples.csv") if row.backend == "libvirt" and row.phase == phase]


def until(process: "subprocess.Popen[str]", what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.02)
    pytest.fail("the run came to no such moment")


def guest_after_a_row(process: "subprocess.Popen[str]", out: Path) -> str:
    """Wait until one machine has been measured and the next one runs; return the run's id."""
    until(process, lambda: (out / "samples.csv").exists() and bool(rows_of(out)))
    run_id = str(json.loads((out / "run.json").read_text())["run_id"])
    until(process, lambda: bool(guests_of(run_id)))
    time.sleep(0.7)  # libvirt's call has returned, and the guest boots for some seconds.
    return run_id


def guests_of(run_id: str) -> list[int]:
    """Return the run's machines; the daemon's own canary of a binary's abilities is none of them."""
    return [pid for pid in marked_processes(run_id) if f"guest=envbench-{run_id}".encode() in command_line(pid)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def assert_nothing_is_left(daemon: OwnLibvirtd, run_id: str) -> None:
    assert traces_of(run_id) == ()
    assert daemon.files_of(run_id) == []


def test_a_daemon_that_stays_dead_ends_its_backend_and_no_other(daemon, begin, tmp_path):
    process = begin(tmp_path / "out")
    run_id = guest_after_a_row(process, tmp_path / "out")
    daemon.kill()
    _, said = process.communicate(timeout=200)
    assert process.returncode == 4, said
    assert "starts failed" in said.splitlines()[-1]
    good = [row for row in rows_of(tmp_path / "out") if row.outcome is Outcome.OK]
    failed = [row for row in read_samples(tmp_path / "out/samples.csv") if row.outcome is not Outcome.OK]
    assert good
    assert {row.backend for row in failed} == {"libvirt"}
    assert all("libvirtd -d" in row.detail and "\n" not in row.detail for row in failed)
    process_rows = [row for row in read_samples(tmp_path / "out/samples.csv") if row.backend == "process"]
    assert len([row for row in process_rows if row.phase == Phase.READY]) == 6
    assert json.loads((tmp_path / "out/run.json").read_text())["cleanup"]["leaked"] == []
    assert_nothing_is_left(daemon, run_id)
    daemon.start("libvirtd")
    assert daemon.domains() == []
    assert_nothing_is_left(daemon, run_id)


def test_a_run_goes_on_with_a_daemon_that_was_started_again(daemon, begin, tmp_path):
    process = begin(tmp_path / "out")
    run_id = guest_after_a_row(process, tmp_path / "out")
    process.send_signal(signal.SIGSTOP)  # Else it would have taken all its starts before the daemon is back.
    daemon.kill()
    daemon.start("libvirtd")
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=200)
    ready = rows_of(tmp_path / "out")
    assert len(ready) == 6, said
    assert ready[-1].outcome is Outcome.OK
    failed = [row for row in read_samples(tmp_path / "out/samples.csv") if row.outcome is not Outcome.OK]
    assert len(failed) <= 1, "only the start that was under way may have failed"
    assert process.returncode == (4 if failed else 0)
    assert daemon.domains() == []
    assert_nothing_is_left(daemon, run_id)


@pytest.mark.parametrize("again", [False, True], ids=["daemon-dead", "daemon-again"])
@pytest.mark.parametrize("way", [("clean",), ("startup", "--backend", "process", "--runs", "1")], ids=["clean", "run"])
def test_daemon_and_harness_killed_leave_nothing_after_a_clean_up(daemon, begin, tmp_path, again, way):
    process = begin(tmp_path / "out")
    run_id = guest_after_a_row(process, tmp_path / "out")
    process.send_signal(signal.SIGSTOP)  # So that neither can end the guest for the other.
    daemon.kill()
    process.kill()
    process.communicate()
    if again:
        daemon.start("libvirtd")
    assert guests_of(run_id), "the guest has ended by itself: nothing is proved"
    more = ("--output", tmp_path / "next") if way[0] == "startup" else ()
    done = daemon.run(sys.executable, "-m", "envbench", *way, *more)
    assert done.returncode == 0, done.stderr
    assert_nothing_is_left(daemon, run_id)
    if not again:
        daemon.start("libvirtd")
    assert daemon.domains() == []
    assert_nothing_is_left(daemon, run_id)
