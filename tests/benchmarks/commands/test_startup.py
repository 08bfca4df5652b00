"""The command line around a run, with fake backends: files, exit codes, one-line errors, an end that leaves nothing."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.benchmarks.run.test_scheduler import Machine

from envbench.commands.cli import COMMANDS, cli, main
from envbench.commands.startup import looks_s
from envbench.records.phases import Outcome
from envbench.records.samples import read_samples
from envbench.run.course import Course
from envbench.run.scheduler import Scheduler
from envbench.run.session import Session, ignored_by_guests
from envbench.settings import Configuration, Plan, Settings
from envbench.surroundings.clock import NS_PER_S


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results"


def run_json(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def startup(out: Path, *more: str) -> int:
    words = ("startup", "--backend", "process", "--backend", "namespaces", "--output", str(out))
    return main([*words, "--runs", "3", "--warmup", "1", "--deadline", "0.3", "--format", "csv", *more])


def test_a_run_leaves_its_files_and_nothing_else(use_fake, out, tmp_path):
    assert startup(out, "--seed", "5") == 0
    record = run_json(out)
    assert record["outcome"] == "done"
    assert record["exit_code"] == 0
    assert record["seed"] == 5
    assert record["cleanup"]["leaked"] == []
    assert record["ended_at"] is not None
    assert [used["name"] for used in record["backends"]["used"]] == ["process", "namespaces"]
    rows = [row for row in read_samples(out / "samples.csv") if row.phase == "ready"]
    assert len(rows) == 8
    assert sum(row.warmup for row in rows) == 2
    assert {path.name for path in out.iterdir()} >= {"run.json", "samples.csv", "summary.csv", "claims.csv"}
    assert not list((tmp_path / "state-home/envbench").iterdir()), "the journal is gone with what it listed"
    assert all(fake.log[-1] == "close" for fake in use_fake())


def test_a_run_that_leaves_something_behind_does_not_end_with_0(use_fake, out, capsys, monkeypatch):
    from tests.benchmarks.conftest import FakeBackend

    from envbench.traces.journal import Kind

    def prepare(self, variant):
        self.journal.intend(Kind.FILE, "/not/this/runs")

    def init(self, settings, journal, made=FakeBackend.__init__):
        made(self, settings, journal)
        self.journal = journal

    monkeypatch.setattr(FakeBackend, "__init__", init)
    monkeypatch.setattr(FakeBackend, "prepare", prepare)
    assert startup(out) == 1
    said = capsys.readouterr().err
    assert "left behind" in said
    assert "envbench clean" in said
    assert run_json(out)["exit_code"] == 1
    assert "/not/this/runs" in run_json(out)["cleanup"]["leaked"][0]
    assert (out / "summary.csv").is_file(), "it is reported all the same"


def test_the_state_before_each_start_is_on_record(use_fake, out):
    startup(out)
    names = {row.phase for row in read_samples(out / "samples.csv") if row.phase.startswith("noise.")}
    assert "noise.load1" in names


def test_the_same_seed_gives_the_same_order(use_fake, tmp_path):
    orders = []
    for name in ("a", "b"):
        startup(tmp_path / name, "--seed", "11", "--runs", "8")
        rows = read_samples(tmp_path / name / "samples.csv")
        orders.append([row.backend for row in rows if row.phase == "ready"])
    assert orders[0] == orders[1]


def test_failed_starts_give_exit_4_and_rows(use_fake, out, monkeypatch):
    from tests.benchmarks.conftest import FakeBackend

    def refuse(self, settings, journal, made=FakeBackend.__init__):
        made(self, settings, journal)
        self.fails = "start"

    monkeypatch.setattr(FakeBackend, "__init__", refuse)
    assert startup(out) == 4
    assert run_json(out)["exit_code"] == 4
    assert {row.outcome for row in read_samples(out / "samples.csv") if row.phase == "ready"} == {Outcome.FAILED}


def test_no_usable_backend_gives_exit_3_with_reason_and_remedy(use_fake, out, monkeypatch, capsys):
    from tests.benchmarks.conftest import FakeBackend

    from envbench.backend import Unusable

    monkeypatch.setattr(FakeBackend, "check", lambda self: Unusable("it is broken", "mend it"))
    assert startup(out) == 3
    said = capsys.readouterr().err
    assert "it is broken" in said
    assert "mend it" in said
    assert run_json(out)["backends"]["skipped"][0] == {"name": "process", "reason": "it is broken", "remedy": "mend it"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_order_with_130_and_keeps_the_rows(use_fake, out, number):
    def interrupt() -> None:
        """Wait for the first rows: a slow machine may need seconds to get there."""
        while not ((out / "samples.csv").exists() and (out / "samples.csv").stat().st_size > 4000):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt, daemon=True).start()
    assert startup(out, "--runs", "100000", "--budget", "30") == 130
    record = run_json(out)
    assert (record["outcome"], record["exit_code"]) == ("interrupted", 130)
    assert record["cleanup"]["leaked"] == []
    assert list(read_samples(out / "samples.csv"))
    assert all("close" in fake.log for fake in use_fake())
    assert all(
        fake.log.count("start") - fake.log.count("remove") <= fake.log.count("destroy") + 1 for fake in use_fake()
    )


def test_a_results_folder_is_never_written_over(use_fake, out, capsys):
    startup(out)
    before = (out / "samples.csv").read_bytes()
    assert startup(out) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert (out / "samples.csv").read_bytes() == before


def test_a_folder_that_cannot_be_made_fails_before_anything_is_started(use_fake, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert startup(tmp_path / "file" / "results") == 2
    assert "cannot be written" in capsys.readouterr().err
    assert use_fake() == []
    assert not list((tmp_path / "state-home/envbench").iterdir())


def test_a_disk_that_fills_up_ends_the_run_with_a_clear_line(use_fake, out, capsys, monkeypatch):
    from envbench.records.samples import SampleWriter

    append, count = SampleWriter.append, []

    def fill(self, *samples):
        count.append(1)
        if len(count) > 3:
            raise OSError(28, "No space left on device")
        append(self, *samples)

    monkeypatch.setattr(SampleWriter, "append", fill)
    assert startup(out) == 1
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "Traceback" not in said
    record = run_json(out)
    assert record["outcome"] == "failed"
    assert sum(row.phase == "ready" for row in read_samples(out / "samples.csv")) == 3


def test_an_unexpected_error_still_cleans_up(use_fake, out, monkeypatch, capsys):
    monkeypatch.setattr(Session, "measure", lambda self, tickets: 1 / 0)
    assert startup(out) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert "Traceback" not in said
    assert run_json(out)["outcome"] == "failed"
    assert all(fake.log[-1] == "close" for fake in use_fake())


@pytest.mark.parametrize(
    "words",
    [
        ["startup", "--runs", "0"],
        ["startup", "--memory", "lots"],
        ["startup", "--precision", "0"],
        ["startup", "--backend", "nonesuch"],
        ["startup", "--fail-if", "docker.ready.p95 > fast"],
        ["startup", "--max-regression", "10%"],
        ["startup", "--disk", __file__],
        ["startup", "--kernel", "/no/such/file"],
        ["startup", "--format", "pdf"],
        ["nonesuch"],
        ["selftest"],
    ],
)
def test_bad_arguments_give_exit_2_before_anything_happens(use_fake, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert capsys.readouterr().err
    assert use_fake() == []
    assert not (tmp_path / "results").exists()


def test_a_dry_run_prints_the_schedule_and_measures_nothing(use_fake, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["startup", "--dry-run", "--backend", "process", "--runs", "2", "--warmup", "1", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "seed 3" in lines[0]
    assert [line.split()[-1] for line in lines[1:]] == ["process"] * 3
    assert not (tmp_path / "results").exists()
    assert all("start" not in fake.log for fake in use_fake())


def test_a_dry_run_downloads_nothing(use_fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["startup", "--dry-run", "--backend", "process", "--runs", "2"]) == 0
    assert [fake.settings.offline for fake in use_fake()] == [True]


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_an_image_that_nothing_starts_is_no_run(use_fake, out, more, capsys):
    """Whatever else takes part: the user wanted to know of the image."""
    words = ["startup", "--backend", "process", "--image", "app:1", "--runs", "1", "--output", str(out), *more]
    assert main(words) == 3
    assert "nothing here starts app:1" in capsys.readouterr().err
    assert all("start" not in fake.log for fake in use_fake())


def test_a_dry_run_removes_what_checks_made_and_one_that_fails_does_not_end_it(use_fake, tmp_path, capsys, monkeypatch):
    from tests.benchmarks.conftest import FakeBackend

    from envbench.traces.journal import Kind

    made = []

    def check(self, usable=FakeBackend.check):
        path = tmp_path / f"of-{self.settings.run_id}-{self.name}"
        self.journal.intend(Kind.FILE, str(path))
        path.touch()
        made.append(path)
        if self.name == "process":
            raise KeyError("what no one foresaw")
        return usable(self)

    def init(self, settings, journal, init=FakeBackend.__init__):
        init(self, settings, journal)
        self.journal = journal

    monkeypatch.setattr(FakeBackend, "check", check)
    monkeypatch.setattr(FakeBackend, "__init__", init)
    assert main(["startup", "--dry-run", "--backend", "process", "--backend", "runc", "--runs", "2"]) == 0
    said = capsys.readouterr()
    assert "process: left out: KeyError: 'what no one foresaw'" in said.err
    assert "runc" in said.out
    assert len(made) == 2
    assert not any(path.exists() for path in made)
    assert not list((tmp_path / "state-home/envbench").iterdir())


def test_what_a_library_raises_in_a_start_is_that_backends_failure(use_fake, out, monkeypatch):
    from tests.benchmarks.conftest import FakeBackend

    def start(self, workload, variant, mark, begin=FakeBackend.start):
        if self.name == "namespaces":
            raise KeyError("Id")
        return begin(self, workload, variant, mark)

    monkeypatch.setattr(FakeBackend, "start", start)
    assert startup(out) == 4
    rows = [row for row in read_samples(out / "samples.csv") if row.phase == "ready"]
    assert {row.outcome for row in rows if row.backend == "process"} == {Outcome.OK}
    assert {row.detail for row in rows if row.backend == "namespaces"} == {"KeyError: 'Id'"}


def test_an_interrupted_run_is_not_said_to_have_spent_its_budget(use_fake, out, capsys):
    def interrupt() -> None:
        while not ((out / "samples.csv").exists() and (out / "samples.csv").stat().st_size > 4000):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    assert startup(out, "--runs", "100000", "--budget", "30") == 130
    assert {one["reason"] for one in run_json(out)["unfinished"]} == {"the run was interrupted"}
    said = capsys.readouterr()
    assert "SIGINT: cleaning up …" in said.err
    assert "budget" not in said.out + said.err


def test_parallel_and_pinned_starts_are_variants_of_their_own(use_fake, out):
    assert startup(out, "--parallel", "2", "--pin") == 0
    variants = {row.variant for row in read_samples(out / "samples.csv")}
    assert variants == {"parallel=2;pin=yes"}


def test_a_gate_that_fails_gives_5_and_one_that_too_few_starts_leave_open_6(use_fake, tmp_path):
    assert startup(tmp_path / "a", "--runs", "8", "--fail-if", "process.ready > 1ns") == 5
    assert run_json(tmp_path / "a")["exit_code"] == 5
    assert startup(tmp_path / "b", "--runs", "8", "--fail-if", "process.ready > 1min") == 0
    assert startup(tmp_path / "c", "--runs", "2", "--fail-if", "process.ready > 1min") == 6


@pytest.mark.parametrize(
    ("gate", "hint"),
    [
        ("proces.ready > 1s", "did you mean process?"),
        ("docker.ready > 1s", "this run has process"),
        ("process.reddy > 1s", "did you mean ready?"),
        ("process.total > 1 MiB", "`envbench memory` does"),
        ("process.foreign_arch_runs < 1", "`envbench kernel` does"),
        ("process/distr.ready > 1s", "did you mean distro?"),
        ("process[parralel=4].ready > 1s", "did you mean parallel?"),
        ("process[network=none].ready > 1s", "this run has cache, parallel, pin"),
        ("process[mode=sequence].ready > 1s", "this run has cache, parallel, pin"),
    ],
)
def test_a_gate_on_what_this_run_cannot_write_is_refused_before_anything_starts(gate, hint, use_fake, out, capsys):
    assert startup(out, "--fail-if", gate) == 2
    assert hint in capsys.readouterr().err
    assert not (out / "samples.csv").exists()


def test_a_gate_on_a_backend_that_cannot_run_here_fails_with_the_reason(use_fake, out, capsys, monkeypatch):
    from tests.benchmarks.conftest import FakeBackend

    from envbench.backend import Unusable, Usable

    def check(self):
        return Unusable("the socket is not there", "start dockerd") if self.name == "docker" else Usable({})

    monkeypatch.setattr(FakeBackend, "check", check)
    words = ["startup", "--output", str(out), "--runs", "2", "--warmup", "0", "--deadline", "0.3", "--format", "csv"]
    assert main([*words, "--fail-if", "docker.ready > 2s"]) == 5
    said = capsys.readouterr()
    assert "gate not measured: docker.ready > 2s: docker was left out (the socket is not there)" in said.out
    assert run_json(out)["exit_code"] == 5


def test_what_observing_the_kernel_writes_are_metrics_of_that_experiment():
    from envbench.experiments.kernel.experiment import OBSERVED
    from envbench.records.metrics import metrics_of
    from envbench.records.phases import Experiment

    assert set(OBSERVED) < set(metrics_of(Experiment.KERNEL))


def test_every_command_is_there_and_has_help(capsys):
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        assert capsys.readouterr().out.startswith("Usage: envbench")
    assert main(["--help"]) == 0
    assert cli.list_commands(None) == list(COMMANDS)


def test_without_the_extra_one_line_names_it(monkeypatch, capsys):
    monkeypatch.setattr(sys.modules[main.__module__], "find_spec", lambda name: None)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().err
    assert "pip install 'envinspect[bench]'" in said
    assert said.count("\n") == 1


def test_what_guests_do_not_have_is_said(tmp_path):
    settings = Settings("r", tmp_path, tmp_path, networks=("none", "bridge"), init=True, cpus=1.5)
    (caution,) = ignored_by_guests(settings)
    said = "--network bridge (a guest has no network card) and --init (a guest has an init of its own)"
    assert caution.message.endswith(said)
    assert ignored_by_guests(Settings("r", tmp_path, tmp_path, cpus=2, memory_bytes=1 << 28)) == ()


def test_from_half_of_a_run_on_its_time_left_counts_what_follows_the_starts():
    """Starts, one more of each for its kernel, sizes, reports: on a clock that only these move."""
    said = []
    machine = Machine([0.002, 0.3, 7], spread=0.2)
    course = Course(lambda position: said.append((machine.now_ns, position)), lambda: machine.now_ns, after_s=10)
    course.plan({"startup": 0, "kernel": 0, "size": 0})
    course.pace = 1
    course.begin("startup")

    def tell():
        looked_at = [one.configuration for one in scheduler.tallies[1:]]
        course.expected_s.update(looks_s(scheduler.tallies, looked_at, whole_systems=1))
        course.at(scheduler.order, scheduler.left_s(), "starts")

    configurations = [Configuration(f"backend{index}") for index in range(3)]
    plan = Plan(seed=7, runs=6, warmup=1, budget_s=60)
    scheduler = Scheduler(plan, configurations, machine.measure, now_ns=lambda: machine.now_ns, after_start=tell)
    scheduler.run()
    for part, lengths_s in (("kernel", [0.4, 8.5]), ("size", [0.2, 2, 7])):
        course.begin(part)
        course.expect(len(lengths_s))
        for length_s in lengths_s:
            machine.now_ns += int(length_s * NS_PER_S)
            course.step()
    whole_ns = machine.now_ns + 10 * NS_PER_S
    for at_ns, position in said:
        if at_ns >= whole_ns / 2:
            left_s = (whole_ns - at_ns) / NS_PER_S
            assert position.left_s == pytest.approx(left_s, rel=0.3, abs=0.03 * whole_ns / NS_PER_S), position


@pytest.mark.parametrize("gate", ["Process.ready > 1s", "process.READY > 1s"])
def test_a_gates_name_in_another_case_gets_the_nearest_right_one(use_fake, out, gate, capsys):
    assert startup(out, "--fail-if", gate) == 2
    assert "did you mean" in capsys.readouterr().err


def test_a_gate_on_a_whole_system_that_a_backend_never_starts_is_refused(use_fake, out, capsys):
    assert startup(out, "--profile", "minimal", "--profile", "distro", "--fail-if", "process/distro.ready > 1s") == 2
    assert "process of the profile 'distro'" in capsys.readouterr().err


def test_gates_in_the_environment_have_a_line_each(use_fake, out, monkeypatch):
    monkeypatch.setenv("ENVBENCH_STARTUP_FAIL_IF", "process.failed > 9\nnamespaces.failed > 9")
    assert startup(out) == 0
    assert run_json(out)["plan"]["fail_if"] == ["process.failed > 9", "namespaces.failed > 9"]


def test_a_baseline_named_by_a_file_in_it_is_in_the_reports_too(use_fake, out, tmp_path, capsys):
    assert startup(tmp_path / "before") == 0
    assert startup(out, "--baseline", str(tmp_path / "before/run.json"), "--max-regression", "900%") in {0, 6}
    assert "could not be written" not in capsys.readouterr().err
    assert (out / "summary.csv").exists()


def test_what_a_library_of_the_reports_raises_costs_no_rows(use_fake, out, monkeypatch, capsys):
    import envreport

    def broken(*_words, **_more):
        raise RuntimeError("no latex")

    monkeypatch.setattr(envreport, "write_all", broken)
    assert startup(out) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: no latex; try: mend that, then envbench report" in said
    assert "unexpected" not in said
    assert run_json(out)["exit_code"] == 0


def test_of_many_parallel_starts_an_interrupted_run_begins_no_further_one(use_fake, out):
    from concurrent.futures import ThreadPoolExecutor

    ended = threading.Event()
    rooms = ThreadPoolExecutor(1)
    session = object.__new__(Session)
    session._rooms = rooms
    session.backends = {}
    rooms.submit(ended.wait, 0.5)
    waiting = rooms.submit(ended.set)
    with pytest.raises(AttributeError):  # What follows needs a whole session.
        session.close("interrupted", 130)
    assert waiting.cancelled()
