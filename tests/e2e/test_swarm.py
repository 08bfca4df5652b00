"""A Swarm service in an engine of the run's own: it gets ready, and nothing of the engine is left, killed or not."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envbench.backend import Usable
from envbench.backends import load as load_backend
from envbench.errors import BackendError
from envbench.experiments.kernel import swarm
from envbench.experiments.shared import own_engine as door
from envbench.payload.kernel import default_cache_dir
from envbench.records.samples import SampleWriter, read_samples
from envbench.run.audit import traces_of
from envbench.run.bench import Bench, Prepared
from envbench.run.reaper import reap
from envbench.run.sampler import Sampler
from envbench.settings import Configuration, Settings, new_run_id
from envbench.traces.journal import Journal

pytestmark = [pytest.mark.engine("docker"), pytest.mark.timeout(120)]

# A process that has an engine of its own, says its address, and waits to be killed.
HOLDER = """\
import sys
import tempfile
from pathlib import Path
from envbench.experiments.shared.own_engine import own_engine
from envbench.settings import Settings
from envbench.traces.journal import Journal
run_id, work_dir, state = sys.argv[1:]
with own_engine(Journal(run_id, Path(state)), Settings(run_id, Path(work_dir), Path(work_dir))) as path:
    print(f"unix://{path}", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def needs_dockerd(engine_missing: Callable[[str], None]) -> None:
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        engine_missing("docker: needs dockerd and root")


@pytest.fixture
def settings() -> Iterator[Settings]:
    run_id = new_run_id()
    with tempfile.TemporaryDirectory(prefix="envbench-") as folder:  # Sockets need a short path.
        yield Settings(run_id, Path(folder), default_cache_dir(), deadline_s=30)


@pytest.fixture
def bench(settings: Settings, tmp_path: Path, engine_missing: Callable[[str], None]) -> Iterator[Bench]:
    journal = Journal(settings.run_id, tmp_path / "state")
    backend = load_backend("docker")(settings, journal)
    answer = backend.check()
    if not isinstance(answer, Usable):
        engine_missing(f"docker: {answer.reason}")
    variant = backend.variants()[0]
    with SampleWriter(tmp_path / "samples.csv") as writer:
        configurations = [Prepared(backend, Configuration("docker", variant))]
        yield Bench(settings, journal, Sampler(settings, writer), configurations)
    backend.close()
    left = journal.entries()
    journal.close()
    assert left == ()


def test_a_service_gets_ready_and_takes_longer_than_a_plain_start(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swarm, "ROUNDS", 2)
    of_users, before = containers(), traces_of(bench.settings.run_id)
    assert swarm.run(bench).startswith("Docker Swarm ")
    rows = list(read_samples(tmp_path / "samples.csv"))
    times = {
        name: [row.value for row in rows if row.phase == name and not row.warmup]
        for name in ("plain_ready", "managed_ready")
    }
    assert all(len(each) == 2 for each in times.values())
    # A plain start takes no less than a process takes to start, and a manager has more to do before it starts the same.
    assert 5e6 < min(times["plain_ready"]) < min(times["managed_ready"]) < 30e9
    assert traces_of(bench.settings.run_id) == before
    assert containers() == of_users
    state = subprocess.run(
        ["docker", "info", "--format", "{{.Swarm.LocalNodeState}}"], capture_output=True, text=True, check=True
    )
    assert state.stdout.strip() == "inactive"


def containers() -> set[str]:
    """Return the ids of the containers of the user's engine that have the label of a service."""
    words = ("docker", "ps", "--all", "--quiet", "--filter", "label=com.docker.swarm.service.id")
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def test_what_a_killed_run_leaves_of_its_engine_is_reaped(settings: Settings, tmp_path: Path) -> None:
    words = (sys.executable, "-c", HOLDER, settings.run_id, settings.work_dir, tmp_path / "state")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        endpoint = holder.stdout.readline().strip()
        image = subprocess.run(
            ["docker", "--host", endpoint, "import", "-"], input=b"\0" * 1024, capture_output=True, check=True
        )
        assert image.stdout.startswith(b"sha256:")
        holder.send_signal(signal.SIGKILL)
    assert traces_of(settings.run_id), "the engine ended by itself: this test shows nothing"
    reaping = reap(tmp_path / "state")
    assert not reaping.failed
    assert traces_of(settings.run_id) == ()
    assert not list(settings.work_dir.glob("engine-*"))


def test_a_path_that_is_too_long_for_its_sockets_is_said(bench: Bench, tmp_path: Path) -> None:
    bench.settings = replace(bench.settings, work_dir=tmp_path / ("long" * 20))
    with pytest.raises(BackendError, match="path of its sockets is too long"):
        swarm.run(bench)


def test_an_engine_that_does_not_come_up_says_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = traces_of(bench.settings.run_id)
    monkeypatch.setattr(door, "ENTRY", "echo no overlay here; exit 3")
    with pytest.raises(BackendError, match="did not come up: no overlay here") as raised:
        swarm.run(bench)
    assert raised.value.remedy == door.REMEDY
    assert traces_of(bench.settings.run_id) == before
