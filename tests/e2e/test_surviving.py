"""What a run must survive on the real engine: a daemon that dies, comes back or hangs; a full disk; a lost folder.

The daemon is one of the test's own, so that nobody else's containers are touched.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from own_daemon import OwnDaemon, own_containerd, own_daemon

from envbench.backend import Backend, Usable, Workload
from envbench.backends import load
from envbench.backends.containerd.backend import namespace_of, remove_namespace
from envbench.backends.containerd.folders import shim_sockets
from envbench.backends.containerd.shims import shims
from envbench.backends.shared.images import oci_archive, payload_tar
from envbench.payload.tree import tree_of_run
from envbench.records.phases import Outcome, Phase
from envbench.records.samples import Sample, read_samples
from envbench.run.audit import traces_of
from envbench.settings import Settings, new_nonce, new_run_id
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.surroundings.programs import require_program
from envbench.traces.journal import Journal
from envbench.traces.procfs import command_line

LONG = ("--runs", "400", "--budget", "60", "--format", "csv")
"""More starts than any of these tests waits for."""


@pytest.fixture
def daemon(engine_missing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnDaemon]:
    """A Docker daemon of the test's own, for this test and all that it starts."""
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        engine_missing("docker: needs dockerd and root")
    with own_daemon() as made:
        monkeypatch.setenv("DOCKER_HOST", made.socket)
        yield made


class Run:
    """An `envbench startup` of the minimal payload in the background, with a state folder of its own."""

    def __init__(self, folder: Path, *words: object, before: tuple[str, ...] = ()) -> None:
        self.out = folder / "out"
        self.env = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "400"}
        program = (*before, sys.executable, "-m", "envbench")
        command = [*program, "startup", "--profile", "minimal", *map(str, words), "--output", str(self.out)]
        self.process = subprocess.Popen(
            command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def run_id(self) -> str:
        return str(json.loads((self.out / "run.json").read_text())["run_id"])

    def rows(self, backend: str = "docker") -> list[Sample]:
        """Return what each start came to: its ready row, or the row that says why there is none."""
        kept = (row for row in read_samples(self.out / "samples.csv") if row.backend == backend)
        return [row for row in kept if row.phase == Phase.READY or row.outcome is not Outcome.OK]

    def wait_for(self, reached: Callable[[], bool]) -> None:
        deadline_ns = monotonic_ns() + 90 * NS_PER_S
        while not ((self.out / "samples.csv").exists() and reached()):
            assert self.process.poll() is None, self.process.communicate()
            assert monotonic_ns() < deadline_ns, "the run came to nothing"
            time.sleep(0.05)

    def end(self, timeout_s: float = 150) -> tuple[int, str]:
        """Return the exit code and what was said to people."""
        _, said = self.process.communicate(timeout=timeout_s)
        assert "Traceback" not in said, said
        return self.process.returncode, said

    def clean(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "envbench", "clean"]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=150)


@pytest.mark.engine("docker")
def test_a_daemon_that_dies_costs_its_backend_and_nothing_else(daemon: OwnDaemon, tmp_path: Path) -> None:
    run = Run(tmp_path, "--backend", "process", "--backend", "docker", *LONG)
    run.wait_for(lambda: len(run.rows()) > 4)
    daemon.kill()
    code, said = run.end()
    assert code == 4, said
    outcomes = [row.outcome for row in run.rows()]
    assert outcomes.count(Outcome.OK) >= 4
    assert set(outcomes[-3:]) == {Outcome.FAILED}
    assert all(row.detail for row in run.rows() if row.outcome is Outcome.FAILED)
    assert {row.outcome for row in run.rows("process")} == {Outcome.OK}
    assert "given up after 3 failures in a row" in said
    daemon.start()
    assert run.clean().returncode == 0
    assert traces_of(run.run_id) == ()


@pytest.mark.engine("docker")
def test_a_daemon_that_comes_back_is_measured_on(daemon: OwnDaemon, tmp_path: Path) -> None:
    run = Run(tmp_path, "--backend", "docker", "--runs", "40", "--budget", "60", "--format", "csv")
    run.wait_for(lambda: len(run.rows()) > 4)
    # Between two failures of the backend: a third in a row would have it given up.
    daemon.kill()
    daemon.start()
    code, said = run.end()
    assert traces_of(run.run_id) == () or run.clean().returncode == 0
    assert traces_of(run.run_id) == ()
    outcomes = [row.outcome for row in run.rows()]
    assert outcomes.count(Outcome.OK) > 4
    assert code == (4 if Outcome.FAILED in outcomes else 0), said


@pytest.mark.engine("docker")
def test_a_daemon_that_hangs_does_not_hang_the_run(daemon: OwnDaemon, tmp_path: Path) -> None:
    run = Run(tmp_path, "--backend", "process", "--backend", "docker", *LONG, "--deadline", "4")
    run.wait_for(lambda: len(run.rows()) > 4)
    daemon.send(signal.SIGSTOP)
    code, said = run.end(400)
    assert code == 4, said
    assert [row for row in run.rows() if row.outcome is not Outcome.OK]
    assert {row.outcome for row in run.rows("process")} == {Outcome.OK}
    assert "the engine does not answer" in said
    daemon.send(signal.SIGCONT)
    assert run.clean().returncode == 0
    assert traces_of(run.run_id) == ()


@pytest.fixture
def small_disk(tmp_path: Path, engine_missing: Callable[[str], None]) -> Iterator[Path]:
    """A filesystem with room for some rows."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "none", folder], check=False).returncode:
        engine_missing("namespaces: needs root, to mount a small filesystem")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.engine("namespaces")
def test_a_disk_that_is_full_costs_no_row_that_was_measured(small_disk: Path) -> None:
    run = Run(small_disk, "--backend", "process", "--backend", "namespaces", *LONG)
    code, said = run.end()
    assert code == 1
    assert "No space left on device" in said
    assert len(run.rows("process")) > 4
    assert traces_of(run.run_id) == ()


@pytest.mark.engine("namespaces")
def test_a_folder_that_is_removed_ends_the_run_in_one_line(tmp_path: Path) -> None:
    run = Run(tmp_path, "--backend", "process", "--backend", "namespaces", *LONG)
    run.wait_for(lambda: len(run.rows("namespaces")) > 4)
    run_id = run.run_id
    shutil.rmtree(run.out)
    code, said = run.end()
    assert code == 1
    assert str(run.out) in said
    assert traces_of(run_id) == ()


@pytest.mark.engine("namespaces")
@pytest.mark.parametrize("descriptors", [16, 24])
def test_too_few_descriptors_are_said_and_leave_nothing(descriptors: int, tmp_path: Path) -> None:
    limit = ("prlimit", f"--nofile={descriptors}:{descriptors}")
    run = Run(tmp_path, "--backend", "process", "--backend", "namespaces", "--runs", "3", before=limit)
    code, said = run.end()
    assert code in {0, 1, 3, 4}
    assert code == 0 or "Too many open files" in said
    if (run.out / "run.json").exists():
        assert traces_of(run.run_id) == ()


@pytest.mark.engine("qemu")
@pytest.mark.engine("runc")
def test_a_guest_that_never_gets_ready_costs_one_start_and_the_others_nothing(tmp_path: Path) -> None:
    """Its kernel boots and then runs cat, which waits for ever."""
    backends = ("--backend", "process", "--backend", "runc", "--backend", "qemu")
    run = Run(tmp_path, *backends, "--quick", "--append", "rdinit=/bin/cat", "--format", "csv")
    code, said = run.end()
    assert code == 4, said
    (hung,) = run.rows("qemu")
    assert hung.outcome is Outcome.TIMED_OUT
    for name in ("process", "runc"):
        ready = [row for row in run.rows(name) if row.phase == Phase.READY and not row.warmup]
        assert [row.outcome for row in ready] == [Outcome.OK] * 6
    assert "given up after 1 start that was not ready in time" in said
    record = json.loads((run.out / "run.json").read_text())
    assert record["cleanup"]["leaked"] == []
    assert traces_of(run.run_id) == ()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(new_run_id(), tmp_path / "work", tmp_path / "cache", deadline_s=30)
    made.work_dir.mkdir()
    return made


@pytest.fixture
def needs_containerd(engine_missing: Callable[[str], None]) -> None:
    if shutil.which("containerd") is None or os.geteuid() != 0:
        engine_missing("containerd: needs containerd and root")


@dataclass(frozen=True)
class OwnContainerd:
    """A containerd of the test's own, the folder that it keeps its things in, and a backend that uses it."""

    folder: Path
    journal: Journal
    backend: Backend


@pytest.fixture
def containerd(
    settings: Settings, tmp_path: Path, needs_containerd: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OwnContainerd]:
    with own_containerd() as socket:
        monkeypatch.setenv("CONTAINERD_ADDRESS", socket)
        journal = Journal(settings.run_id, tmp_path / "state")
        yield OwnContainerd(Path(socket).parent, journal, load("containerd")(settings, journal))
        journal.close()


@pytest.mark.engine("containerd")
def test_a_container_that_is_given_up_while_it_starts_leaves_no_shim(
    containerd: OwnContainerd, settings: Settings
) -> None:
    """containerd starts the shim before it knows the task; a request that ends in between leaves it alone with it."""
    containerd.backend.prepare({})
    for delay_ms in range(0, 160, 8):
        instance = containerd.backend.start(Workload(nonce=new_nonce()), {}, lambda *_: None)
        time.sleep(delay_ms / 1000)
        instance.destroy()
    containerd.backend.close()
    assert containerd.journal.entries() == ()
    time.sleep(1)  # A shim on its way would be there by now.
    pids = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    assert [pid for pid in pids if settings.run_id in command_line(pid)] == []
    assert traces_of(settings.run_id) == ()


@pytest.mark.engine("containerd")
def test_nothing_in_containerds_folders_is_named_after_a_run_that_has_ended(
    containerd: OwnContainerd, settings: Settings
) -> None:
    """containerd, runc and a ctr that is killed leave folders named after the run's namespace and containers."""
    assert isinstance(containerd.backend.check(), Usable)
    for _ in range(5):
        containerd.backend.start(Workload(nonce=new_nonce()), {}, lambda *_: None).destroy()
    places = (containerd.folder, Path("/run/containerd"))
    assert list(containerd.folder.rglob(f"*{settings.run_id}")), "nothing was made: this test looks elsewhere"
    containerd.backend.close()
    assert [path for place in places for path in place.rglob(f"*{settings.run_id}*")] == []
    assert containerd.journal.entries() == ()


@pytest.mark.engine("containerd")
def test_a_shim_that_is_killed_leaves_no_socket(containerd: OwnContainerd) -> None:
    """Its socket's name is a digest: no search for the run's id finds it."""
    containerd.backend.prepare({})
    instance = containerd.backend.start(Workload(nonce=new_nonce()), {}, lambda *_: None)
    namespace = namespace_of(containerd.journal.run_id)
    sockets = shim_sockets(str(containerd.folder / "socket"), namespace, instance.name)
    deadline_ns = monotonic_ns() + 20 * NS_PER_S
    while not (pids := shims(namespace)) or not any(path.exists() for path in sockets):
        assert monotonic_ns() < deadline_ns, "shims listen elsewhere"
        time.sleep(0.02)
    os.kill(pids[0], signal.SIGKILL)
    instance.destroy()
    containerd.backend.close()
    assert [path for path in sockets if path.exists()] == []


@pytest.mark.engine("containerd")
@pytest.mark.usefixtures("needs_containerd")
def test_an_import_that_is_broken_off_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    """Its lease holds what it has unpacked for a day, and a namespace that is not empty cannot be removed."""
    archive = tmp_path / "payload.tar"
    archive.write_bytes(oci_archive(payload_tar(tree_of_run(settings).path), "envbench.invalid/payload:1", {}))
    with own_containerd() as socket:
        for delay_ms in range(20, 200, 6):
            namespace = f"envbench-{settings.run_id}-{delay_ms}"
            command = (str(require_program("ctr", "")), "--address", socket, "--namespace", namespace)
            with subprocess.Popen([*command, "image", "import", archive], stdout=subprocess.DEVNULL) as importing:
                time.sleep(delay_ms / 1000)
                importing.kill()
            remove_namespace(command, namespace, settings.run_id)
            left = subprocess.check_output([*command[:3], "namespace", "ls", "--quiet"], text=True)
            assert namespace not in left.split()
