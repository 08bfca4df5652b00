"""envbench on real engines: start, ready, stop, gone without a trace; what a run must survive and never touch."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envbench.backend import Mark, Unusable, Workload
from envbench.backends import load
from envbench.backends.shared import engine_api
from envbench.backends.vm.emulator import architecture
from envbench.errors import BackendError
from envbench.experiments.shared.running import Output, finish, shell
from envbench.payload.kernel import default_cache_dir
from envbench.readiness.output import reader_for
from envbench.readiness.probe import free_port
from envbench.records.phases import BackendKind, Outcome, Phase
from envbench.records.samples import SampleWriter, read_samples
from envbench.run.audit import Witness, traces_of
from envbench.run.reaper import reap_entries
from envbench.run.sampler import Sampler, Ticket
from envbench.settings import Configuration, Settings, new_nonce, new_run_id
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Entry, Journal, Kind

NAMES = ("process", "namespaces", "runc", "crun", "gvisor", "docker", "podman", "containerd", "qemu", "libvirt")
UNIFIED = Path("/sys/fs/cgroup/unified")
"""Where a hybrid hierarchy has its second version; crun before 1.9 refuses to run beside it."""
BACKENDS_HERE = [
    pytest.param(name, marks=pytest.mark.engine(name)) for name in NAMES if not (name == "crun" and UNIFIED.exists())
]


class Ground:
    """A run of its own around one backend."""

    def __init__(self, name: str, folder: Path, missing, **more: Any) -> None:
        self.run_id = new_run_id()
        self.folder = folder
        # The run's folder is as in real runs: sockets' paths are short, and the audit looks for its name.
        self.work_dir = Path(tempfile.gettempdir()) / f"envbench-{self.run_id}"
        self.work_dir.mkdir(mode=0o700)
        settings = Settings(self.run_id, self.work_dir, default_cache_dir(), deadline_s=60.0, accelerators=("tcg",))
        self.settings = replace(settings, **more)
        self.journal = Journal(self.run_id, folder / "state")
        self.backend = load(name)(self.settings, self.journal)
        self.witness = Witness(self.run_id)
        self.witness.watch(name, self.backend)
        self.writer = SampleWriter(folder / "samples.csv")
        self.sampler = Sampler(self.settings, self.writer)
        self.sampler.on_instance = self.witness.note
        answer = self.backend.check()
        if isinstance(answer, Unusable):
            self.close()
            missing(f"{name}: {answer.reason}; {answer.remedy}")
        self.facts = answer.facts
        self.variant = self.backend.variants()[0]
        try:
            self.backend.prepare(self.variant)
        except BackendError:
            self.close()
            raise

    def measure(self, number: int = 0):
        configuration = Configuration(self.backend.name, self.variant)
        return self.sampler.measure(self.backend, Ticket(configuration, order=number, iteration=number))

    def close(self) -> tuple[str, ...]:
        self.backend.close()
        reap_entries(self.journal.entries(), self.run_id)
        self.writer.close()
        self.journal.close()
        shutil.rmtree(self.work_dir, ignore_errors=True)
        return (*self.witness.left(), *traces_of(self.run_id))


@pytest.fixture
def ground(request, tmp_path, engine_missing) -> Iterator[Ground]:
    made: list[Ground] = []

    def make(name: str, **more: object) -> Ground:
        made.append(Ground(name, tmp_path, engine_missing, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("name", BACKENDS_HERE)
def test_two_starts_get_ready_stop_and_leave_no_trace(name, ground):
    device = Path("/dev/null").stat()
    run = ground(name)
    for number in range(2):
        start = run.measure(number)
        assert start.outcome is Outcome.OK, start.detail
        assert 0 < start.phases[Phase.READY] < start.phases[Phase.CYCLE]
        assert {entry.kind for entry in run.journal.entries()} <= {Kind.IMAGE, Kind.FOLDER, Kind.CGROUP}
        if run.backend.kind is not BackendKind.VM:
            assert 0 <= start.phases[Phase.OBSERVER_LAG] < start.phases[Phase.READY] + NS_PER_S // 1000
    assert run.witness.checked()["instances"] == 2
    assert run.close() == ()
    after = Path("/dev/null").stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (device.st_uid, device.st_gid, device.st_mode)


@pytest.mark.parametrize("name", BACKENDS_HERE)
def test_a_payload_that_never_gets_ready_is_ended_at_its_deadline(name, ground, monkeypatch):
    run = ground(name)
    run.sampler._settings = replace(run.settings, deadline_s=2.0 if run.backend.kind is not BackendKind.VM else 4.0)
    # It says its ready line with another nonce: what a payload of another start, or an echo, would say.
    monkeypatch.setattr("envbench.run.sampler.reader_for", lambda _nonce, ready: reader_for(new_nonce(), ready))
    start = run.measure()
    assert start.outcome is Outcome.TIMED_OUT
    assert start.wall_ns < 30 * NS_PER_S
    assert run.close() == ()


@pytest.mark.parametrize("name", [name for name in BACKENDS_HERE if load(str(name.values[0])).publishes_ports])
def test_nothing_is_asked_at_a_port_before_its_start_call_has_returned(name, ground):
    """Docker's proxy takes a connection before the container has a network; the answer then comes a second late."""
    run = ground(name)
    network = "bridge" if run.backend.kind is BackendKind.CONTAINER else "none"
    marks: list[Mark] = []
    workload = Workload(new_nonce(), keep_running=True, network=network, ports=((free_port(), 80),))
    instance = run.backend.start(workload, run.variant, marks.append)
    seen = tuple(marks)
    instance.destroy()
    assert Mark.STARTED in seen
    assert run.close() == ()


@pytest.mark.parametrize("name", BACKENDS_HERE)
def test_destroy_works_twice_at_any_moment(name, ground):
    run = ground(name)
    instance = run.backend.start(Workload(new_nonce(), keep_running=True), run.variant, lambda _mark: None)
    instance.destroy()
    instance.destroy()
    assert run.close() == ()


@pytest.mark.parametrize(
    ("name", "program", "fact"),
    [
        pytest.param(name, program, fact, marks=pytest.mark.engine(name))
        for name, program, fact in (
            ("namespaces", "unshare", "path"),
            ("runc", "runc", "path"),
            ("gvisor", "runsc", "path"),
            ("containerd", "ctr", "path"),
            ("podman", "podman", "path"),
            ("podman", "runc", "runc_path"),
            ("qemu", architecture().qemu, "path"),
        )
    ],
)
def test_what_is_first_on_the_path_is_what_is_run_and_what_is_reported(
    name, program, fact, tmp_path, monkeypatch, ground
):
    real = shutil.which(program)
    if real is None:
        pytest.skip(f"no {program}")
    wrapper, log = tmp_path / "first" / program, tmp_path / "log"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$0 $*" >>{log}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    run = ground(name, runtimes=("runc",) if name == "podman" else ())
    assert run.facts[fact] == str(wrapper)
    before = len(log.read_text().splitlines())
    start = run.measure()
    assert start.outcome is Outcome.OK, start.detail
    used = log.read_text().splitlines()[before:]
    if (name, program) != ("podman", "podman"):  # Its service has been started once, before the start.
        assert used
    assert {line.split()[0] for line in used} <= {str(wrapper)}
    assert run.close() == ()


@pytest.mark.engine("containerd")
def test_containerd_itself_says_when_a_task_has_started(ground):
    run = ground("containerd")
    starts = [run.measure(number) for number in range(2)]
    assert all(0 < one.phases[Phase.START] < one.phases[Phase.CYCLE] for one in starts), [one.detail for one in starts]
    assert run.close() == ()


@pytest.mark.engine("docker")
def test_a_program_that_is_not_there_fails_at_once_with_the_engines_words(ground, monkeypatch):
    run = ground("docker")
    monkeypatch.setattr(engine_api, "argv_for", lambda workload: ("/no/such/program",))
    start = run.measure()
    assert start.outcome is Outcome.FAILED
    assert start.wall_ns < 20 * NS_PER_S
    assert "/no/such/program" in start.detail
    assert run.close() == ()


@pytest.mark.engine("docker")
def test_foreign_containers_and_images_are_untouched(ground, tmp_path):
    run = ground("docker")
    api = run.backend.api
    foreign = api.create_container(
        run.backend.image({}),
        command=["/bin/busybox", "sleep", "600"],
        name=f"foreign-{os.getpid()}",
        host_config=api.create_host_config(network_mode="none"),
    )
    try:
        api.start(foreign["Id"])
        before = api.inspect_container(foreign["Id"])["State"]
        few = ("--backend", "docker", "--profile", "minimal", "--runs", "2", "--warmup", "0")
        assert envbench("startup", *few, "--output", tmp_path / "out") == 0
        assert api.inspect_container(foreign["Id"])["State"] == before
    finally:
        api.remove_container(foreign["Id"], force=True)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.engine(name)) for name in ("docker", "podman")])
def test_a_container_that_is_just_ending_is_removed(name, ground):
    """Podman refuses to kill what has just ended: the container stayed until the run's end."""
    run = ground(name)
    for _ in range(60):
        workload = Workload(nonce=new_nonce(), argv=shell("echo"), keep_running=False)
        instance = run.backend.start(workload, run.backend.variants()[0], lambda _mark: None)
        finish(Output(instance, workload.nonce, 0), 30)
        instance.destroy()
    assert run.backend.remaining() == ()


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.engine(name)) for name in ("docker", "podman")])
def test_a_volume_of_a_killed_run_is_reaped_and_no_other(name, ground):
    run = ground(name)
    kept, foreign = f"envbench-{run.run_id}-kept", f"foreign-{os.getpid()}"
    for volume in (kept, foreign):
        subprocess.run([name, "volume", "create", volume], check=True, capture_output=True)
    endpoint = getattr(run.backend, "endpoint", str)()
    entries = [Entry(n, Kind.VOLUME, volume, name, {"endpoint": endpoint}) for n, volume in enumerate((kept, foreign))]
    try:
        done = {one.entry.name: one for one in reap_entries(entries, run.run_id)}
        assert (done[kept].was_there, done[kept].error) == (True, "")
        assert "left alone" in done[foreign].error
        left = subprocess.run([name, "volume", "ls", "--quiet"], check=True, capture_output=True, text=True).stdout
        assert kept not in left.split()
        assert foreign in left.split()
        assert [one.was_there for one in reap_entries(entries[:1], run.run_id)] == [False]
    finally:
        subprocess.run([name, "volume", "rm", "--force", kept, foreign], check=True, capture_output=True)


def envbench(*words: object, **more: object) -> int:
    command = [sys.executable, "-m", "envbench", *map(str, words)]
    return subprocess.run(command, check=False, timeout=250, **more).returncode


@pytest.fixture
def begin(tmp_path):
    """Return a function that starts a run in the background; whatever the test does, it is ended afterwards."""
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    begun: list[subprocess.Popen[bytes]] = []

    def start(*words: object) -> "subprocess.Popen[bytes]":
        begun.append(subprocess.Popen([sys.executable, "-m", "envbench", *map(str, words)], env=env))
        return begun[-1]

    yield start
    for process in begun:
        process.send_signal(signal.SIGINT)
        process.wait(90)
    envbench("clean", env=env)


def wait_for_rows(process: "subprocess.Popen[bytes]", folder: Path) -> str:
    deadline_ns = monotonic_ns() + 120 * NS_PER_S
    while monotonic_ns() < deadline_ns and process.poll() is None:
        if (folder / "samples.csv").exists() and (folder / "samples.csv").stat().st_size > 3000:
            return json.loads((folder / "run.json").read_text())["run_id"]
        time.sleep(0.05)
    pytest.fail("the run measured nothing")


ENGINES = ("--backend", "docker", "--backend", "runc", "--backend", "namespaces", "--profile", "minimal")
LONG = (*ENGINES, "--runs", "500", "--format", "csv")


@pytest.mark.applies(UNIFIED.exists(), "cgroups are not hybrid here: crun is tested above")
@pytest.mark.engine("crun")
def test_crun_starts_where_the_hybrid_hierarchy_is_out_of_its_sight(tmp_path):
    out = tmp_path / "out"
    # A filesystem of its own in that place: crun writes there all the same, and it must go with the namespace.
    hidden = f'mount -t tmpfs none {UNIFIED} && exec "$@"'
    envbench = [sys.executable, "-m", "envbench", "startup", "--backend", "crun", "--runs", "3", "--warmup", "1"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hidden, "sh", *envbench, "--output", str(out)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ready = [row for row in read_samples(out / "samples.csv") if row.phase == Phase.READY]
    assert [(row.backend, row.outcome) for row in ready] == [("crun", Outcome.OK)] * 4
    assert json.loads((out / "run.json").read_text())["cleanup"]["leaked"] == []


@pytest.mark.engine("docker")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cleans_up_and_keeps_the_rows(number, begin, tmp_path):
    process = begin("startup", *LONG, "--output", tmp_path / "out")
    run_id = wait_for_rows(process, tmp_path / "out")
    process.send_signal(number)
    assert process.wait(60) == 130
    assert traces_of(run_id) == ()
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert (record["outcome"], record["cleanup"]["leaked"]) == ("interrupted", [])
    assert any(row.phase == Phase.READY for row in read_samples(tmp_path / "out/samples.csv"))


@pytest.mark.engine("docker")
def test_after_sigkill_the_next_run_reaps_and_a_run_beside_it_lives_on(begin, tmp_path):
    state = tmp_path / "state"
    killed = begin("startup", *LONG, "--output", tmp_path / "killed")
    lives = begin("startup", *LONG, "--output", tmp_path / "lives")
    killed_id, lives_id = wait_for_rows(killed, tmp_path / "killed"), wait_for_rows(lives, tmp_path / "lives")
    killed.kill()
    killed.wait()
    assert traces_of(killed_id), "nothing had to be cleaned up: nothing is proved"
    assert envbench("clean", env={**os.environ, "XDG_STATE_HOME": str(state)}) == 0
    assert traces_of(killed_id) == ()
    assert lives.poll() is None, "the run beside it was hit"
    rows = len((tmp_path / "lives/samples.csv").read_text().splitlines())
    time.sleep(3)
    assert len((tmp_path / "lives/samples.csv").read_text().splitlines()) > rows
    lives.send_signal(signal.SIGINT)
    assert lives.wait(60) == 130
    assert traces_of(lives_id) == ()
    outcomes = {row.outcome for row in read_samples(tmp_path / "lives/samples.csv")}
    assert outcomes == {Outcome.OK}


@pytest.mark.engine("docker")
def test_selftest_proves_it_on_this_machine(capfd):
    assert envbench("selftest", "--crash", "--backend", "docker", "--backend", "namespaces") == 0
    said = capfd.readouterr().out
    assert "after the clean-up (0):" in said


@pytest.mark.engine("docker")
def test_an_image_of_the_users_own_gets_ready_through_the_mounted_payload(ground):
    first = ground("docker")
    run = ground("docker", images=(first.backend.image({}),))
    start = run.measure()
    assert start.outcome is Outcome.OK, start.detail


@pytest.mark.engine("docker")
def test_an_image_that_is_not_there_is_refused_and_never_pulled(ground):
    with pytest.raises(BackendError, match="a run never pulls one"):
        ground("docker", images=("no.such.invalid/image:1",))
