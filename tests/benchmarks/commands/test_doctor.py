"""What doctor prints (a line a backend that fits, how many are usable, what to try); several are asked at a time."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envbench.backend import Unusable, Usable
from envbench.backends.podman import not_followed
from envbench.commands import doctor
from envbench.commands.cli import main
from envbench.commands.doctor import backend_lines, closing_lines, examined
from envbench.settings import Settings, new_run_id
from envbench.traces.journal import Journal

KVM = {"kvm": "unusable", "kvm_because": "a boot sector failed under KVM: MSR 0x10a " + "and more words " * 9}
FOUND = {
    "docker": Usable({"endpoint": "unix:///run/docker.sock", "version": "28.5.1"}),
    "qemu": Usable({"qemu": "10.0.2", **KVM}),
    "crun": Unusable("it ended with 1: " + "a long reason " * 9, "boot with cgroup v2 alone"),
}


def test_each_backend_has_one_line_that_fits_the_terminal():
    lines = [line for name, answer in FOUND.items() for line in backend_lines(name, answer, 60)]
    assert lines[:2] == ["docker      usable      28.5.1", "qemu        usable      10.0.2, emulation only"]
    assert lines[2].startswith("crun        not usable  it ended with 1")
    assert [len(line) <= 60 for line in lines] == [True] * 3
    assert lines[2].endswith("…")


def test_what_a_program_reads_is_never_cut():
    (line,) = backend_lines("crun", FOUND["crun"], None)
    assert line == f"crun        not usable  {FOUND['crun'].reason}".rstrip()
    assert all("…" not in line for line in closing_lines(FOUND, None))


def test_the_end_counts_says_why_there_is_no_kvm_and_what_to_try():
    lines = list(closing_lines(FOUND, 60))
    assert lines[:3] == ["", "To try:", "  crun: boot with cgroup v2 alone"]
    hint, last = lines[3:]
    assert hint == "Reasons that are cut here stand whole in: envbench doctor -v"
    assert last.startswith("2 of 3 usable; no KVM: a boot sector failed")
    assert all(len(line) <= 60 for line in lines)
    assert list(closing_lines({"docker": FOUND["docker"]}, 60)) == ["", "1 of 1 usable"]


def test_a_reason_stands_whole_where_all_is_asked_for():
    lines = list(backend_lines("crun", FOUND["crun"], 60, verbose=True))
    assert " ".join(" ".join(lines).split()) == f"crun not usable {FOUND['crun'].reason}".strip()
    assert all(len(line) <= 60 for line in lines)


def test_facts_are_told_where_they_are_asked_for():
    lines = list(backend_lines("docker", FOUND["docker"], 60, verbose=True))
    assert [line.strip() for line in lines[1:]] == ["endpoint: unix:///run/docker.sock", "version: 28.5.1"]


def test_an_answer_about_kvm_that_was_kept_has_its_age():
    found = {"qemu": Usable({"qemu": "10.0.2", **KVM, "kvm_age_s": "7300"})}
    assert "KVM was asked about 2 h ago; to ask again: envbench doctor --fresh" in closing_lines(found, None)
    assert "--fresh" not in "".join(closing_lines(FOUND, None))


@pytest.fixture
def of_run(tmp_path: Path) -> Iterator[tuple[Settings, Journal]]:
    """Give the settings and the journal of a run."""
    run_id = new_run_id()
    journal = Journal(run_id, tmp_path / "state")
    yield Settings(run_id, tmp_path, tmp_path / "cache"), journal
    journal.close()


def test_backends_are_asked_at_the_same_time_and_told_in_their_order(
    monkeypatch: pytest.MonkeyPatch, of_run: tuple[Settings, Journal]
) -> None:
    both, second_is_done = threading.Barrier(2, timeout=30), threading.Event()

    def examine(name: str, _settings: Settings, _journal: Journal) -> Usable:
        both.wait()
        if name == "process":
            assert second_is_done.wait(30)
        else:
            second_is_done.set()
        return Usable({"version": name})

    monkeypatch.setattr(doctor, "examine", examine)
    told = list(examined(("process", "runc"), *of_run))
    assert told == [("process", Usable({"version": "process"})), ("runc", Usable({"version": "runc"}))]


def test_what_has_begun_ends_before_doctor_does(
    monkeypatch: pytest.MonkeyPatch, of_run: tuple[Settings, Journal]
) -> None:
    begun, ended = threading.Event(), []

    def examine(name: str, _settings: Settings, _journal: Journal) -> Usable:
        if name == "runc":
            begun.set()
            time.sleep(0.1)
            ended.append(name)
        else:
            assert begun.wait(30)
        return Usable({})

    monkeypatch.setattr(doctor, "examine", examine)
    asked = examined(("process", "runc"), *of_run)
    assert next(asked)[0] == "process"
    asked.close()  # type: ignore[attr-defined]
    assert ended == ["runc"]


def test_what_several_want_to_know_is_found_out_once(of_run: tuple[Settings, Journal]) -> None:
    asked: list[str] = []

    def find(settings: Settings) -> str:
        asked.append(settings.run_id)
        time.sleep(0.1)
        return "found"

    threads = [threading.Thread(target=of_run[0].once, args=(find,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [of_run[0].run_id]


def test_what_a_usable_backend_does_not_follow_is_said_with_what_to_try() -> None:
    aside, remedy = not_followed({"CONTAINER_HOST": "ssh://me:secret@web1/run/podman.sock"})
    lines = closing_lines({"podman": Usable({"podman": "5.8"}, aside, remedy)}, None)
    (said,) = [line for line in lines if "podman" in line]
    assert said.startswith("podman: CONTAINER_HOST=ssh://me:")
    assert "is not followed" in said
    assert said.endswith("; try: unset CONTAINER_HOST")
    assert "secret" not in said
    assert not_followed({"CONTAINER_CONNECTION": "web1"})[1] == "unset CONTAINER_CONNECTION"
    assert not_followed({"DOCKER_HOST": "unix:///run/docker.sock"}) == ("", "")


def test_where_no_thread_can_be_started_backends_are_asked_one_after_the_other(use_fake, monkeypatch, capsys):
    def refused(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert main(["doctor", "--backend", "process", "--backend", "namespaces"]) == 0
    assert "2 of 2 usable" in capsys.readouterr().out
