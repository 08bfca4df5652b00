"""What the reporters show: lines now and then, a bar, events that a program reads."""

import json

import click
import pytest

from envbench.commands.cli import main
from envbench.errors import BackendError, EnvbenchError
from envbench.records.phases import Outcome, Phase
from envbench.run.course import Position
from envbench.run.progress import (
    EVENT_SCHEMA,
    BarReporter,
    JsonReporter,
    LineReporter,
    Reporter,
    errors_told,
    reporter,
)
from envbench.run.sampler import Start, Ticket
from envbench.settings import Configuration

TICKET = Ticket(Configuration("docker", {"runtime": "runc"}), 0, 2, False)
READY = Start(TICKET, phases={Phase.READY: 191_000_000})
FAILED = Start(TICKET, Outcome.FAILED, "it said no")
PLACE = Position("memory", 4, 11, 7, 20, 360)


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def events(said: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in said.splitlines()]
    assert all(one["schema"] == EVENT_SCHEMA for one in found)
    return found


def test_the_reporter_is_the_one_that_was_asked_for(monkeypatch):
    assert isinstance(reporter(verbose=False), LineReporter), "under pytest stderr is no terminal"
    assert isinstance(reporter(verbose=True, way="json"), JsonReporter)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert isinstance(reporter(verbose=False), BarReporter)
    assert isinstance(reporter(verbose=False, way="lines"), LineReporter)


def test_lines_come_when_a_part_begins_and_then_now_and_then(capsys):
    clock = Clock()
    shown = LineReporter(verbose=False, now_ns=clock)
    shown.at(PLACE)
    shown.at(PLACE)
    clock.now_ns = 11 * 10**9
    shown.at(PLACE)
    shown.at(PLACE)
    shown.grew("download of linux", 3_400_000)
    clock.now_ns = 22 * 10**9
    shown.grew("download of linux", 5_400_000)
    assert capsys.readouterr().err.splitlines() == [
        "4 of 11, memory: begins",
        "4 of 11, memory: 7 of 20, about 6 min left",
        "download of linux: 5 MB so far",
    ]


@pytest.mark.parametrize("verbose", [False, True])
def test_a_line_for_a_start_that_failed_and_for_all_where_asked(verbose, capsys):
    shown = LineReporter(verbose=verbose)
    shown.start(READY)
    shown.start(FAILED)
    ready = ["docker (runtime=runc) 3: ready after 191.0 ms"] if verbose else []
    assert capsys.readouterr().err.splitlines() == [*ready, "docker (runtime=runc) 3: failed: it said no"]


def test_events_hold_fields_and_leave_out_what_is_not_known(capsys):
    shown = JsonReporter(Clock())
    shown.say("a line")
    shown.start(READY)
    shown.start(FAILED)
    shown.at(PLACE)
    shown.at(Position("kernel"))
    shown.grew("distro", 12)
    shown.wrote("results/report.html")
    with pytest.raises(click.exceptions.Exit) as ended, errors_told(shown):
        raise BackendError("no such engine", remedy="apt install docker.io")
    assert ended.value.exit_code == BackendError.exit_code
    common = {"schema": EVENT_SCHEMA, "elapsed_s": 0.0}
    start = {
        **common,
        "event": "start",
        "backend": "docker",
        "variant": "runtime=runc",
        "profile": "minimal",
        "warmup": False,
        "iteration": 2,
    }
    progress = {**common, "event": "progress", "unit": "steps"}
    assert events(capsys.readouterr().err) == [
        {**common, "event": "message", "message": "a line"},
        {**start, "outcome": "ok", "ready_ns": 191_000_000},
        {**start, "outcome": "failed", "detail": "it said no"},
        {**progress, "experiment": "memory", "number": 4, "count": 11, "done": 7, "total": 20, "left_s": 360},
        {**progress, "experiment": "kernel", "number": 1, "count": 1, "done": 0},
        {**common, "event": "bytes", "what": "distro", "bytes": 12},
        {**common, "event": "wrote", "path": "results/report.html"},
        {
            **common,
            "event": "error",
            "message": "no such engine",
            "remedy": "apt install docker.io",
            "exit_code": 4,
        },
    ]


@pytest.mark.parametrize("shown", [LineReporter(verbose=False), BarReporter()])
def test_people_are_told_of_an_error_by_the_command_line(shown: Reporter):
    with pytest.raises(EnvbenchError), errors_told(shown):
        raise EnvbenchError("no")


def test_a_whole_run_gives_events_alone(use_fake, tmp_path, monkeypatch, capsys):
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    words = "startup --backend process --backend namespaces --runs 3 --warmup 1 --deadline 0.3 --format csv"
    assert main([*words.split(), "--output", str(tmp_path / "run"), "--progress", "json"]) == 0
    found = events(capsys.readouterr().err)
    assert {one["event"] for one in found} >= {"start", "progress", "wrote"}
    places = [one for one in found if one["event"] == "progress"]
    assert [one["number"] for one in places] == sorted(one["number"] for one in places)
    assert {(one["experiment"], one["number"], one["count"]) for one in places} == {
        ("startup", 1, 3),
        ("kernel", 2, 3),
        ("size", 3, 3),
    }


def test_an_error_of_a_whole_run_is_an_event(use_fake, tmp_path, capsys):
    words = ["startup", "--backend", "process", "--runs", "3", "--format", "csv", "--progress", "json", "--fail-if"]
    assert main([*words, "process.ready > 1ns", "--output", str(tmp_path / "run")]) == 6
    last = events(capsys.readouterr().err)[-1]
    assert (last["event"], last["exit_code"]) == ("error", 6)
