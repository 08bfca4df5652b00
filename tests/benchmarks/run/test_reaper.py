"""The reaper takes only what runs made that are proved dead, and only what carries their id."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from envbench.run.reaper import Reaping, reap, reap_entries
from envbench.settings import RUN_ENVIRONMENT, new_run_id
from envbench.traces.journal import Entry, Journal, Kind
from envbench.traces.owner import this_place
from envbench.traces.procfs import process_start_ticks
from envbench.traces.removal import end_process, remove_cgroup

RUN = new_run_id()
"""Another one in each process of the tests: what carries it is ended by whoever reaps this run."""


def dead_journal(folder: Path, entries, run_id: str = RUN, **owner) -> Path:
    """Write the journal of a run of this place whose process is not there: process 1 never started at tick 1.

    `owner` are keys of the first line that differ.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"{run_id}.jsonl"
    place = dataclasses.asdict(this_place(str(folder)))
    first = {"schema": "envbench-journal/1", "run_id": run_id, "pid": 1, "start_ticks": 1, **place, **owner}
    rows = [{"made": number, "backend": "", "facts": {}, **entry} for number, entry in enumerate(entries, 1)]
    path.write_text("".join(json.dumps(row) + "\n" for row in (first, *rows)))
    return path


def done_with(folder: Path, **how):
    return reap(folder, **how).done


def test_the_journal_of_a_living_run_is_left_alone(tmp_path):
    journal = Journal(RUN, tmp_path)
    victim = tmp_path / f"mine-{RUN}"
    victim.mkdir()
    journal.intend(Kind.FOLDER, str(victim))
    assert reap(tmp_path) == Reaping(alive=(RUN,))
    assert reap(tmp_path, run_id=RUN) == Reaping(alive=(RUN,)), "also where somebody names it"
    assert victim.exists()
    journal.close()


@pytest.mark.parametrize("place", [{"pid_namespace": "1@1"}, {"boot_id": "other"}, {"boot_id": "", "machine_id": ""}])
def test_a_run_of_another_container_or_machine_is_kept_and_named_until_it_is_asked_for(tmp_path, place):
    victim, state = tmp_path / f"theirs-{RUN}", tmp_path / "state"
    victim.mkdir()
    bystander = subprocess.Popen(["sleep", "60"])
    ticks = str(process_start_ticks(bystander.pid))
    listed = [
        {"kind": "folder", "name": str(victim)},
        {"kind": "process", "name": str(bystander.pid), "facts": {"start_ticks": ticks}},
    ]
    try:
        path = dead_journal(state, listed, host="web1", **place)
        (left,) = reap(state).left
        assert (left.run_id, left.count) == (RUN, 2)
        assert "another container or machine (web1)" in str(left)
        assert f"envbench clean --run {RUN}" in left.remedy
        assert path.exists()
        assert victim.exists()
        assert [one.entry.kind for one in done_with(state, run_id=RUN)] == [Kind.FOLDER]
        assert not victim.exists()
        assert not path.exists()
        assert bystander.poll() is None, "a process id of another place is some other process's here"
    finally:
        bystander.kill()
        bystander.wait()


def test_files_folders_and_sockets_of_a_dead_run_go_and_a_second_time_finds_nothing(tmp_path):
    folder, file = tmp_path / f"work-{RUN}", tmp_path / f"file-{RUN}"
    (folder / "deep").mkdir(parents=True)
    file.write_text("x")
    state = tmp_path / "state"
    dead_journal(state, [{"kind": "folder", "name": str(folder)}, {"kind": "file", "name": str(file)}])
    done = done_with(state)
    assert [(one.was_there, one.error) for one in done] == [(True, ""), (True, "")]
    assert not folder.exists()
    assert not file.exists()
    assert reap(state) == Reaping()


@pytest.mark.parametrize("name", ["/etc", "/tmp/not-ours", "relative-aa11bb22cc33", "/tmp/aa11bb22cc33/../../etc"])
def test_a_path_that_does_not_carry_the_runs_id_is_never_touched(tmp_path, name):
    state = tmp_path / "state"
    path = dead_journal(state, [{"kind": "folder", "name": name}])
    (done,) = done_with(state)
    assert "left alone" in done.error
    assert path.exists(), "what could not be removed stays on the list"


@pytest.mark.parametrize("backend", ["docker", "podman", "runc", "containerd", "libvirt"])
def test_no_engine_is_asked_for_a_thing_that_does_not_carry_the_runs_id(tmp_path, backend):
    """Without facts no backend could even say where its engine is: the refusal comes before."""
    state = tmp_path / "state"
    path = dead_journal(state, [{"kind": "container", "name": "somebody-elses", "backend": backend}])
    (done,) = done_with(state)
    assert "left alone" in done.error
    assert path.exists()


def test_a_cut_last_line_is_no_reason_to_forget_the_rest(tmp_path):
    folder = tmp_path / f"work-{RUN}"
    folder.mkdir()
    state = tmp_path / "state"
    path = dead_journal(state, [{"kind": "folder", "name": str(folder)}])
    with path.open("a") as file:
        file.write('{"made": 2, "kind": "fol')
    reap(state)
    assert not folder.exists()


def test_a_process_that_carries_the_dead_runs_id_is_ended_and_no_other(tmp_path):
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    marked = subprocess.Popen(argv, env={**os.environ, RUN_ENVIRONMENT: RUN})
    other = subprocess.Popen(argv, env={**os.environ, RUN_ENVIRONMENT: "ffffffffffff"})
    try:
        # The environment shows once the program has been executed; Popen returns then.
        dead_journal(tmp_path, [])
        done = done_with(tmp_path)
        assert [one.entry.name for one in done] == [str(marked.pid)]
        assert marked.wait(5) == -9
        assert other.poll() is None
    finally:
        for process in (marked, other):
            process.kill()
            process.wait()


def test_a_process_id_that_was_used_again_is_spared():
    process = subprocess.Popen(["sleep", "60"])
    try:
        assert end_process(process.pid, start_ticks=1) is False
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_an_unknown_backend_or_engine_error_is_kept_for_later(tmp_path):
    state = tmp_path / "state"
    path = dead_journal(state, [{"kind": "container", "name": f"x-{RUN}", "backend": "no-such-backend"}])
    (done,) = done_with(state)
    assert done.error
    assert path.exists()


def test_a_journal_that_cannot_be_read_is_named_and_nothing_of_it_touched(tmp_path):
    (tmp_path / f"{RUN}.jsonl").write_text('{"schema": "envbench-journal/2"}\n')
    (left,) = reap(tmp_path).left
    assert str(left) == f"run {RUN}: its journal {tmp_path}/{RUN}.jsonl cannot be read"
    assert reap(tmp_path, run_id=RUN).left == (left,), "also where somebody names the run"


def test_a_journal_that_cannot_be_removed_is_said_and_ends_nothing(tmp_path, monkeypatch):
    folder, state = tmp_path / f"work-{RUN}", tmp_path / "state"
    folder.mkdir()
    path = dead_journal(state, [{"kind": "folder", "name": str(folder)}])

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refused)
    done = done_with(state)
    assert [(one.entry.name, bool(one.error)) for one in done] == [(str(folder), False), (str(path), True)]
    assert not folder.exists()


def test_own_things_are_reaped_at_the_end_of_a_run(tmp_path):
    folder = tmp_path / RUN
    folder.mkdir()
    (done,) = reap_entries([Entry(1, Kind.FOLDER, str(folder))], RUN)
    assert done.was_there
    assert not folder.exists()


def test_a_zombie_counts_as_ended():
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_start_ticks(process.pid) is None
    process.wait()


def test_a_folder_that_only_looks_like_a_cgroup_goes_and_the_processes_it_names_live(tmp_path):
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        folder = tmp_path / "envbench-feed" / "inner"
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").write_text(f"{bystander.pid}\n")
        assert remove_cgroup(folder.parent)
        assert not folder.parent.exists()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_an_engine_that_does_not_answer_is_asked_once(tmp_path, monkeypatch):
    from envbench.backends.docker import DockerBackend
    from envbench.errors import StartTimeoutError

    asked = []

    def silent(entry, run_id):
        asked.append(entry.name)
        raise StartTimeoutError("no answer")

    monkeypatch.setattr(DockerBackend, "reap", silent)
    journal = Journal("0123456789ab", tmp_path)
    for number in range(3):
        journal.intend(Kind.CONTAINER, f"envbench-0123456789ab-docker-{number}", "docker")
    kept = tmp_path / "envbench-0123456789ab-file"
    kept.touch()
    journal.intend(Kind.FILE, str(kept))
    done = reap_entries(journal.entries(), "0123456789ab")
    journal.close()
    assert len(asked) == 1
    assert [bool(one.error) for one in done] == [True, True, True, False]
    assert not kept.exists()
