"""What an engine says is checked before it becomes a figure: its processes, its daemons.

Each daemon is one of the test's own, configured so that it says what is not so.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from own_daemon import OWN_NETWORK, own_containerd, own_daemon

from envbench.backend import Instance, Unusable, Usable, Workload
from envbench.backends import load
from envbench.backends.docker import DockerBackend
from envbench.backends.podman import Service
from envbench.backends.shared.stored import allocated_bytes
from envbench.backends.shared.try_start import try_start
from envbench.errors import BackendError
from envbench.experiments.shared.running import Running
from envbench.records.phases import Outcome, Phase
from envbench.records.samples import SampleWriter, read_samples
from envbench.run.sampler import Sampler, Ticket
from envbench.settings import Configuration, Settings, new_nonce, new_run_id
from envbench.surroundings.programs import require_program
from envbench.traces.journal import Journal
from envbench.traces.procfs import command_line, descendants_of, shim_of

pytestmark = pytest.mark.engine("docker")


@pytest.fixture(autouse=True)
def needs_dockerd(engine_missing: Callable[[str], None]) -> None:
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        engine_missing("docker: needs dockerd and root")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    return Settings(new_run_id(), work_dir, tmp_path / "cache", deadline_s=30)


@pytest.fixture
def backend(settings: Settings, tmp_path: Path) -> Iterator[DockerBackend]:
    """A Docker backend that has looked at nothing yet."""
    journal = Journal(settings.run_id, tmp_path / "state")
    made = DockerBackend(settings, journal)
    yield made
    made.close()
    journal.close()


def test_a_process_that_an_engine_counts_elsewhere_is_not_taken_for_the_instances(
    backend: DockerBackend, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = (*OWN_NETWORK, "--pid", "--fork", "--kill-child", "--mount-proc")
    with own_daemon(before=elsewhere) as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        assert isinstance(backend.check(), Usable)
        variant = backend.variants()[0]
        backend.prepare(variant)
        instance = backend.start(Workload(new_nonce(), keep_running=True), variant, lambda _mark: None)
        try:
            assert instance.processes() == ()
            told = backend.api.inspect_container(instance.name)["State"]["Pid"]
            assert told > 0, "the engine tells a process id, of its own namespace"
            assert instance.cgroup() is None
            with pytest.raises(BackendError, match="no process of this host proves to be the instance's"):
                Running(instance, "", 0).host_processes()
        finally:
            instance.destroy()
        with SampleWriter(tmp_path / "samples.csv") as writer:
            start = Sampler(settings, writer).measure(backend, Ticket(Configuration("docker", variant), 0, 0))
        assert start.outcome is Outcome.OK, start.detail
        assert Phase.READY in start.phases
        assert Phase.HOST_CPU not in start.phases, "the CPU time of nobody knows whom"
        backend.close()


def test_the_daemons_are_those_behind_the_socket(backend: DockerBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    with own_daemon() as beside, own_daemon() as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        assert isinstance(backend.check(), Usable)
        dockerd, containerd = backend.engine_processes() or (0, 0)
        assert dockerd == daemon.pid != beside.pid
        assert str(daemon.folder) in command_line(containerd)
        variant = backend.variants()[0]
        backend.prepare(variant)
        instance = backend.start(Workload(new_nonce(), keep_running=True), variant, lambda _mark: None)
        try:
            payload, *stemming, shim = instance.processes()
            assert "/envbench/ready" in command_line(payload)
            assert set(stemming) == set(descendants_of(payload))
            assert "containerd-shim" in command_line(shim)
            assert shim_of(payload, "no such id") == ()
        finally:
            instance.destroy()
            backend.close()


def test_containerd_is_the_one_behind_its_socket(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_daemon() as daemon:
        monkeypatch.setenv("CONTAINERD_ADDRESS", f"{daemon.folder}/exec/containerd/containerd.sock")
        journal = Journal(settings.run_id, tmp_path / "state")
        found = load("containerd")(settings, journal).engine_processes()
        journal.close()
        assert found is not None
        assert [str(daemon.folder) in command_line(pid) for pid in found] == [True]


def test_the_size_on_the_disk_is_what_an_import_adds_to_it(
    backend: DockerBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_daemon() as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        backend.close()
        before = allocated_bytes([daemon.folder / "data"])
        assert isinstance(backend.check(), Usable)
        backend.prepare(backend.variants()[0])
        added = allocated_bytes([daemon.folder / "data"]) - before
        stored = backend.stored_bytes({})
        # The engine's own notes of the image and of the container that was tried take some blocks besides.
        assert stored <= added < stored + 200_000
        backend.close()


def test_the_context_of_the_docker_command_is_followed(
    backend: DockerBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the command itself makes one; Colima, Docker Desktop and rootless Docker each come with a context."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with own_daemon() as daemon:
        for words in (("create", "ours", "--docker", f"host={daemon.socket}"), ("use", "ours")):
            subprocess.run(["docker", "context", *words], check=True, capture_output=True)
        found = backend.check()
        assert isinstance(found, Usable)
        assert (found.facts["endpoint"], found.facts["endpoint_chosen_by"]) == (daemon.socket, "context ours")
        backend.close()


@pytest.mark.engine("podman")
def test_podman_behind_dockers_socket_is_podman(
    backend: DockerBackend, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    podman, runc = require_program("podman", ""), require_program("runc", "")
    service = Service(podman, tmp_path / "docker.sock", runc, settings)
    try:
        monkeypatch.setenv("DOCKER_HOST", service.endpoint)
        answer = backend.check()
        backend.close()
    finally:
        service.close()
    assert isinstance(answer, Unusable)
    assert "is Podman Engine, not Docker" in answer.reason
    assert "--backend podman" in answer.remedy


def test_a_listed_runtime_that_starts_nothing_is_left_out_unless_it_was_asked_for(
    backend: DockerBackend, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_daemon({"runtimes": {"broken": {"path": "/no/such/runtime"}}}) as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        answer = backend.check()
        assert isinstance(answer, Usable)
        assert [one["runtime"] for one in backend.variants()] == ["runc"]
        assert "/no/such/runtime" in answer.facts["broken_unusable"]
        asked = DockerBackend(replace(settings, runtimes=("broken",)), backend.journal)
        refused = asked.check()
        backend.close()
        asked.close()
    assert isinstance(refused, Unusable)
    assert "/no/such/runtime" in refused.reason


def test_a_default_that_is_broken_gives_way_in_a_quick_run(
    backend: DockerBackend, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_daemon({"runtimes": {"broken": {"path": "/no/such/runtime"}}, "default-runtime": "broken"}) as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        quick = DockerBackend(replace(settings, quick=True), backend.journal)
        answer = quick.check()
        assert isinstance(answer, Usable), answer.reason
        assert [one["runtime"] for one in quick.variants()] == ["runc"]
        quick.close()


def test_an_init_that_an_engine_puts_before_every_program_is_not_taken_unasked(
    backend: DockerBackend, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_daemon({"init": True}) as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        for asked in (False, True):
            one = DockerBackend(replace(settings, init=asked), backend.journal)
            assert isinstance(one.check(), Usable)
            (variant,) = one.variants()
            assert ("init" in variant) == asked
            one.prepare(variant)
            seen: list[str] = []

            def look(_instance: Instance, seen: list[str] = seen) -> None:
                docker = ["docker", "--host", daemon.socket]
                # The payload may be ready before the engine says that it runs.
                while not (running := subprocess.check_output([*docker, "ps", "--quiet"], text=True).split()):
                    time.sleep(0.05)
                seen += subprocess.check_output([*docker, "top", running[0], "-o", "pid,args"], text=True).splitlines()[
                    1:
                ]

            try_start(one.start, variant, 30, asked=Workload("", init=asked, keep_running=True), look=look)
            one.close()
            assert seen
            assert any("docker-init" in line for line in seen) == asked, seen


def test_a_runtime_asked_for_by_its_shims_name_is_tried(
    backend: DockerBackend, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_daemon() as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        asked = replace(settings, runtimes=("io.containerd.runc.v2",))
        one = DockerBackend(asked, backend.journal)
        answer = one.check()
        assert isinstance(answer, Usable), answer.reason
        assert [each["runtime"] for each in one.variants()] == ["io.containerd.runc.v2"]
        one.close()


def test_an_engine_whose_log_driver_is_broken_is_not_usable(
    backend: DockerBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_daemon({"log-driver": "syslog", "log-opts": {"syslog-address": "tcp://127.0.0.1:1"}}) as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        answer = backend.check()
        backend.close()
    assert isinstance(answer, Unusable)
    assert "logging driver" in answer.reason


def test_containerd_without_a_runtime_is_not_usable(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "containerd-shim-runc-v2").symlink_to(str(shutil.which("containerd-shim-runc-v2")))
    with own_containerd({"PATH": str(programs)}) as socket:
        monkeypatch.setenv("CONTAINERD_ADDRESS", socket)
        journal = Journal(settings.run_id, tmp_path / "state")
        one = load("containerd")(settings, journal)
        answer = one.check()
        one.close()
        journal.close()
    assert isinstance(answer, Unusable)
    assert "runc" in answer.reason


def run_record(folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Run `envbench startup` with these words; return its exit code and its run.json."""
    program = str(Path(sys.executable).with_name("envbench"))
    command = [program, "startup", "--profile", "minimal", "--runs", "1", "--warmup", "0", "--output", str(folder)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=240, check=False)
    return done.returncode, json.loads((folder / "run.json").read_text())


def test_a_bridge_without_an_interface_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with own_daemon() as daemon:  # It has no bridge, takes the word, and gives nothing but lo.
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        words = ("--backend", "docker", "--network", "none", "--network", "bridge")
        code, record = run_record(tmp_path / "out", *words)
    assert code == 0
    (left_out,) = record["backends"]["skipped"]
    assert left_out["variant"]["network"] == "bridge"
    assert "no interface but lo" in left_out["reason"]


def test_limits_that_are_set_are_no_reason_to_leave_a_backend_out(tmp_path: Path) -> None:
    words = ("--backend", "docker", "--backend", "runc", "--backend", "containerd", "--backend", "podman")
    code, record = run_record(tmp_path / "out", *words, "--memory", "64M", "--cpus", "0.5", "--read-only")
    assert code == 0
    assert [one for one in record["backends"]["skipped"] if "else than was asked" in one["reason"]] == []
    assert {one["name"] for one in record["backends"]["used"]} >= {"docker", "runc", "containerd"}


@pytest.mark.engine("runsc")
def test_limits_that_a_sandbox_does_not_set_are_no_label(tmp_path: Path) -> None:
    code, record = run_record(tmp_path / "out", "--backend", "gvisor", "--backend", "runc", "--memory", "64M")
    assert code == 0
    (left_out,) = record["backends"]["skipped"]
    assert left_out["name"] == "gvisor"
    assert "its cgroup's limit is none" in left_out["reason"]


@pytest.mark.engine("runsc")
def test_a_sandbox_of_docker_leaves_the_machines_own_devices_whose_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--network=none", "--ignore-cgroups", "--platform=ptrace"]
    with own_daemon({"runtimes": {"runsc": {"path": str(shutil.which("runsc")), "runtimeArgs": flags}}}) as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.socket)
        before = Path("/dev/null").stat()
        code, _ = run_record(tmp_path / "out", "--backend", "docker")
        after = Path("/dev/null").stat()
    assert code == 0
    started = {row.variant for row in read_samples(tmp_path / "out/samples.csv") if row.backend == "docker"}
    assert {word for variant in started for word in variant.split(";") if word.startswith("runtime=")} == {
        "runtime=runc",
        "runtime=runsc",
    }
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
