"""A backend is added from outside: one file and one line, and it works in every command, row, report and gate.

The file is written into a folder of its own and the line is put into `BACKENDS` before the command line starts, in a
process of its own. Nothing else of the program is touched, and nothing stands in for anything: real processes are
started, fail, are killed and cleared up.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from envbench.records.phases import Outcome, Phase
from envbench.records.samples import read_samples

FILE = '''
"""Runs the payload below nice(1), and keeps a list of what runs in a folder, as an engine does."""

import os
from pathlib import Path

from envbench.backend import Usable, unusable
from envbench.backends.shared.spawned import SpawnedInstance, SpawningBackend
from envbench.errors import BackendError
from envbench.payload.words import argv_for
from envbench.records.phases import BackendKind
from envbench.traces.journal import Kind

STORE = Path(os.environ["NICE_STORE"])


class NiceInstance(SpawnedInstance):
    def stop(self, deadline_ns):
        if os.environ.get("NICE_FAILS") == "stop":
            raise BackendError("nice keeps it")
        super().stop(deadline_ns)

    def destroy(self):
        super().destroy()
        self.made.unlink(missing_ok=True)
        self.journal.forget(self.number)


class NiceBackend(SpawningBackend):
    name = "nice"
    title = "Nice"
    kind = BackendKind.CONTAINER
    program = "nice"
    install = "apt install coreutils"
    variant_keys = frozenset({"level"})
    leftover_commands = {"container": ("ls", str(STORE))}
    instance = NiceInstance

    def __init__(self, settings, journal):
        super().__init__(settings, journal)
        self.journal, self.run_id = journal, settings.run_id

    def check(self):
        try:
            return Usable({"path": str(self.program_path)})
        except BackendError as error:
            return unusable(error, self.install)

    def variants(self):
        return ({"level": "1"}, {"level": "5"})

    def start(self, workload, variant, mark):
        if os.environ.get("NICE_FAILS") == "start":
            raise BackendError("nice refuses", remedy="another level")
        self.level = variant["level"]
        made = STORE / f"{self.run_id}-{len(list(STORE.iterdir()))}"
        number = self.journal.intend(Kind.CONTAINER, made.name, self.name)
        made.touch()
        instance = super().start(workload, variant, mark)
        instance.made, instance.journal, instance.number = made, self.journal, number
        return instance

    def command(self, workload):
        busybox, (ready, *words) = self._tree / "bin/busybox", argv_for(workload)
        payload = (busybox, "sh", f"{self._tree}{ready}", *words)
        if os.environ.get("NICE_FAILS") == "ready":
            payload = (busybox, "sleep", "60")
        return (self.program_path, "-n", self.level, "/usr/bin/env", f"ENVBENCH_BUSYBOX={busybox}", *payload)

    def remaining(self):
        return tuple(path.name for path in STORE.iterdir() if self.run_id in path.name)

    @classmethod
    def reap(cls, entry, run_id):
        was_there = (STORE / entry.name).exists()
        (STORE / entry.name).unlink(missing_ok=True)
        return was_there
'''

PROGRAM = """
import sys
from envbench.backends import BACKENDS
BACKENDS["nice"] = "nice_backend:NiceBackend"
from envbench.commands.cli import main
sys.exit(main())
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder in which the backend notes what runs."""
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def words(tmp_path: Path, store: Path) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """The command line with the backend in it, and its environment."""
    (tmp_path / "nice_backend.py").write_text(FILE, encoding="utf-8")
    more = {"PYTHONPATH": str(tmp_path), "NICE_STORE": str(store), "XDG_STATE_HOME": str(tmp_path / "state")}
    return (sys.executable, "-c", PROGRAM), {**os.environ, **more}


@pytest.fixture
def envbench(words: tuple[tuple[str, ...], Mapping[str, str]], tmp_path: Path) -> Run:
    """Return a function that runs the command line to its end."""
    argv, environment = words

    def run(*more: str, fails: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (*argv, *more), env={**environment, "NICE_FAILS": fails}, cwd=tmp_path, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    return run


def startup(*more: str, runs: int = 6) -> tuple[str, ...]:
    words = ("startup", "--backend", "nice", "--backend", "process", "--runs", str(runs), "--warmup", "1")
    return (*words, "--deadline", "5", "--output", "out", *more)


@pytest.mark.slow
def test_it_is_timed_reported_and_gated(envbench: Run, tmp_path: Path, store: Path) -> None:
    gates = ("nice[level=5].ready < 1min", "nice.ready > 1min", "nice.cycle.max > 1min", "nice.failed > 0")
    done = envbench(*startup("--format", "markdown", "--format", "json", *(f"--fail-if={gate}" for gate in gates)))
    assert done.returncode == 5, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines() if line.startswith("gate ")] == [
        "gate fail",
        *("gate pass",) * 3,
    ]
    rows = [row for row in read_samples(tmp_path / "out/samples.csv") if row.backend == "nice" and not row.warmup]
    assert {row.variant for row in rows} == {"level=1", "level=5"}
    assert {row.outcome for row in rows} == {Outcome.OK}
    orders = sorted({row.order for row in rows if row.phase == Phase.READY})
    assert len(orders) == 2 * 6
    for order in orders:
        phases = {row.phase: row.value for row in rows if row.order == order}
        assert phases[Phase.START] <= phases[Phase.READY] <= phases[Phase.CYCLE]
        assert {Phase.STOP, Phase.REMOVE} <= phases.keys()
    record = json.loads((tmp_path / "out/run.json").read_text("utf-8"))
    used = next(one for one in record["backends"]["used"] if one["name"] == "nice")
    assert (used["title"], used["kind"], used["images"], used["is_vm"]) == ("Nice", "container", "none", False)
    assert record["cleanup"]["leaked"] == []
    assert list(store.iterdir()) == []
    markdown = (tmp_path / "out/report.md").read_text("utf-8")
    assert "| nice (level 5) |" in markdown
    assert "a minimal container (nice" in markdown, "its kind is told by its class, through run.json"


@pytest.mark.parametrize(
    ("fails", "outcome", "reason"),
    [
        ("start", Outcome.FAILED, "nice refuses"),
        ("stop", Outcome.FAILED, "nice keeps it"),
        ("ready", Outcome.TIMED_OUT, "no ready line within"),
    ],
)
@pytest.mark.slow
def test_what_fails_is_a_row_with_a_reason_and_leaves_nothing(
    fails: str, outcome: Outcome, reason: str, envbench: Run, tmp_path: Path, store: Path
) -> None:
    done = envbench(*startup("--deadline", "0.5", "--format", "csv", runs=2), fails=fails)
    assert done.returncode == 4, done.stderr
    rows = [row for row in read_samples(tmp_path / "out/samples.csv") if row.backend == "nice"]
    failed = [row for row in rows if row.outcome is not Outcome.OK]
    assert {row.outcome for row in failed} == {outcome}
    assert all(reason in row.detail for row in failed)
    assert list(store.iterdir()) == []
    assert json.loads((tmp_path / "out/run.json").read_text("utf-8"))["cleanup"]["leaked"] == []


def test_a_gate_on_a_key_that_it_never_writes_is_refused(envbench: Run) -> None:
    done = envbench(*startup("--fail-if", "nice[levle=5].ready > 1s"))
    assert done.returncode == 2
    assert "did you mean level?" in done.stderr


def test_the_doctor_knows_it_with_its_remedy(envbench: Run, words: tuple[tuple[str, ...], dict[str, str]]) -> None:
    assert json.loads(envbench("doctor", "--backend", "nice", "--json").stdout)["nice"]["usable"] is True
    words[1]["PATH"] = "/nowhere"
    answer = json.loads(envbench("doctor", "--backend", "nice", "--json").stdout)["nice"]
    assert answer == {"usable": False, "reason": "no nice on the PATH", "remedy": "apt install coreutils"}


def test_a_killed_run_is_found_and_cleared_up(
    envbench: Run, words: tuple[tuple[str, ...], Mapping[str, str]], tmp_path: Path, store: Path
) -> None:
    argv, environment = words
    victim = subprocess.Popen(
        (*argv, *startup(runs=1000)),
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        samples = tmp_path / "out/samples.csv"
        deadline = time.monotonic() + 60
        while not (samples.exists() and samples.read_text("utf-8").count("nice") > 2 and list(store.iterdir())):
            assert victim.poll() is None
            assert time.monotonic() < deadline
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    assert list(store.iterdir()), "it was killed between its start and its end"
    done = envbench("clean")
    assert done.returncode == 0, done.stderr
    assert list(store.iterdir()) == []
