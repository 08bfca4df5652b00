"""--via: real shells with their PATH cut down, against what this machine says natively; and all that can go wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.inspector.shells import YASH

from envinspect.capture.every_question import ask_everything
from envinspect.inspection import inspect
from envinspect.model.errors import UnreachableError, UsageError
from envinspect.systems import remote
from envinspect.systems.collector.answers import Answers
from envinspect.systems.collector.script import Question, ask, askable, collector, new_mark
from envinspect.systems.collector.wire import read_rounds
from envinspect.systems.live import live_facts
from envinspect.systems.remote import remote_facts

TOOLS = ("base64", "head", "stat", "ls", "uname", "id", "cat", "dd")
WITHOUT_DEVICES = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o mode=755 none /dev && exec "$@"', "sh")
SHELLS = {
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
    "mksh": ("mksh",),
    "yash": ("yash",),
}


def answer(facts) -> dict[str, object]:
    """Return what must be the same however this machine is looked at."""
    found = inspect(facts).to_json()
    return {key: found[key] for key in ("summary", "layers", "roles", "evidence", "overruled", "unknown", "determined")}


def via(folder: Path, shell: str, tools: tuple[str, ...], provider: str = "") -> tuple[str, ...]:
    """Return a command that starts a shell which finds only the named tools."""
    program, *rest = SHELLS[shell]
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    for tool in tools:
        (folder / tool).symlink_to(shutil.which(provider or tool) or "missing")
    # `sh -s` is appended: the shell itself takes the place of `sh`.
    return ("env", "-i", f"PATH={folder}", "LC_ALL=de_DE", sys.executable, "-c",
            f"import os, sys; os.execv({found!r}, {[program, *rest]!r} + sys.argv[2:])")  # fmt: skip


def assert_native(command: tuple[str, ...]) -> None:
    """Compare with the native answer; a difference must last, as engines start and stop on this host meanwhile."""
    for _ in range(3):
        found, native = answer(remote_facts(command, ask_everything)), answer(live_facts())
        if found == native:
            break
    assert found == native


@pytest.mark.parametrize("shell", [*(name for name in SHELLS if name != "yash"), YASH])
def test_every_shell_gives_the_native_answer(shell: str, tmp_path: Path) -> None:
    assert_native(via(tmp_path, shell, TOOLS))


@pytest.mark.parametrize("provider", ["busybox", "toybox"])
def test_every_set_of_tools_gives_the_native_answer(provider: str, tmp_path: Path) -> None:
    if shutil.which(provider) is None:
        pytest.skip(f"{provider} is not installed")
    command = via(tmp_path, "dash", TOOLS, provider)
    if provider == "toybox":  # it has no dd, and CPUID cannot be read without
        found, native = answer(remote_facts(command, ask_everything)), answer(live_facts())
        assert str(found["summary"]).partition(" virtual")[0] == str(native["summary"]).partition(" virtual")[0]
    else:
        assert_native(command)


@pytest.mark.parametrize("missing", ["head", "stat", "base64", "dd"])
def test_a_missing_tool_is_made_up_for(missing: str, tmp_path: Path) -> None:
    tools = tuple(tool for tool in (*TOOLS, "od") if tool != missing)
    found = answer(remote_facts(via(tmp_path, "dash", tools), ask_everything))
    native = answer(live_facts())
    same = ("summary",) if missing == "dd" else ("summary", "layers", "evidence")
    assert missing == "dd" or {key: found[key] for key in same} == {key: native[key] for key in same}
    assert found["determined"] == native["determined"]


def test_by_hand_and_read_here(tmp_path: Path) -> None:
    from envinspect.systems.captured import read_capture
    from envinspect.systems.collector.by_hand import program

    wire = tmp_path / "web1.wire"
    with wire.open("wb") as out:
        subprocess.run(["sh", "-c", program(ask_everything)], stdout=out, check=True)
    assert answer(read_capture(str(wire))) == answer(live_facts())


def failure(*command: str) -> UnreachableError:
    with pytest.raises(UnreachableError) as caught:
        remote_facts(command, ask_everything)
    line = str(caught.value)
    assert "\n" not in line
    assert line.isprintable()
    assert caught.value.exit_code == 3
    return caught.value


def test_a_command_that_is_not_there() -> None:
    assert "no-such-command" in str(failure("no-such-command"))


def test_a_place_without_a_shell_is_asked_from_its_node() -> None:
    error = failure("env", "-i", "PATH=/nonexistent", "/usr/bin/env")
    assert "no shell" in str(error)
    assert "--pid" in error.remedy


def test_a_command_that_fails_says_its_own_last_line() -> None:
    assert "Permission denied (publickey)" in str(
        failure("sh", "-c", "echo Permission denied \\(publickey\\). >&2; exit 255")
    )


def test_an_answer_that_is_cut_short_or_not_ours() -> None:
    begin = "envinspect-wire/1 begin 1"
    assert "cut short" in str(failure("sh", "-c", f"echo '{begin} base64'; echo QUJD"))
    unable = failure("sh", "-c", f"echo '{begin} '")
    assert "no base64" in str(unable)
    assert unable.remedy == "ask from its node: envinspect --pid PID"
    assert "garbled" in str(failure("sh", "-c", f"echo '{begin} base64'; echo QUJD; echo 'envinspect-wire/1 end 1 9'"))


def test_silence_and_an_endless_answer_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TIME_LIMIT_S", 0.5)
    monkeypatch.setattr(remote, "CLOSE_LIMIT_S", 0.2)
    assert "no whole answer" in str(failure("sh", "-c", "exec sleep 30"))
    assert str(failure("sh", "-c", "exec yes"))


def test_no_terminal_codes_come_through() -> None:
    failure("sh", "-c", "printf '\\033[31mred\\007\\n' >&2; exit 1")


def test_an_empty_command() -> None:
    with pytest.raises(UsageError):
        remote_facts((), ask_everything)


def test_paths_are_data_to_the_shell(tmp_path: Path) -> None:
    hostile = "/$(touch x)/`touch x`/*\\/;touch x"
    script = collector(new_mark()) + ask(2, [Question("S", hostile), Question("S", "/a'b"), Question("S", "/a\nb")])
    subprocess.run(["sh"], input=script.encode(), cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert not list(tmp_path.iterdir())
    assert not askable("/a'b")
    assert not askable("/a\nb")
    assert hostile in script


@pytest.mark.applies(os.geteuid() == 0, "only root may become another user")
@pytest.mark.parametrize("place", [(), WITHOUT_DEVICES], ids=["usual", "without /dev"])
def test_the_users_own_number_stands_in_the_paths_of_the_first_round(place: tuple[str, ...]) -> None:
    user = (*place, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    script = collector(new_mark()) + ask(1, [Question("S", "/run/user/~u/bus"), Question("L", "/proc/self/~u/exe")])
    done = subprocess.run([*user, "sh"], input=script.encode(), cwd="/", check=True, capture_output=True)
    answers = Answers()
    answers.add(read_rounds(done.stdout, "here")[0].payload, "here")
    assert answers.euid == 65534
    assert set(answers.stats) == {"/run/user/65534/bus"}
    assert set(answers.links) == {"/proc/self/65534/exe"}


@pytest.mark.applies(os.geteuid() == 0, "only root may mount another /run")
@pytest.mark.parametrize(("number", "asked"), [("1", {"/proc/1/comm"}), ("1$(id)", set()), ("", set())])
def test_dockers_daemon_is_asked_for_in_the_first_round(number: str, asked: set[str]) -> None:
    place = f"mount -t tmpfs tmpfs /run && printf '%s' '{number}' >/run/docker.pid && exec sh"
    script = collector(new_mark()) + ask(1, [Question("R", "/proc/~d/comm")])
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", place], input=script.encode(), cwd="/", check=True, capture_output=True
    )
    answers = Answers()
    answers.add(read_rounds(done.stdout, "here")[0].payload, "here")
    assert set(answers.files) == asked


def test_what_tells_whose_docker_it_is_is_asked_for_in_the_first_round() -> None:
    from envinspect.systems.collector.first_round import first_round

    asked = {question.path for question in first_round(ask_everything).questions}
    assert {"/run/docker.pid", "/proc/~d/comm", "/proc/~d/mountinfo"} <= asked


def test_no_variable_that_is_asked_for_is_the_collectors_own() -> None:
    import re

    from envinspect.systems.collector.first_round import first_round

    own = set(re.findall(r"\b([a-z_]+)=", collector(new_mark())))
    assert not own & first_round(ask_everything).variables


def test_the_collector_is_short() -> None:
    assert collector("/./.").count("\n") <= 100


def test_shellcheck_has_nothing_to_say_about_the_collector() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed; try: make provision-tests")
    subprocess.run(["shellcheck", "-s", "sh", "-"], input=collector("/./.").encode(), check=True)


def test_the_command_line_takes_it_everywhere(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "envinspect"]
    for words in (["--json"], ["resources", "--json"], ["isolation", "--json"], ["capabilities", "--json"]):
        done = subprocess.run([*run, *words, "--via", "env"], capture_output=True, check=True)
        assert json.loads(done.stdout)
    subprocess.run([*run, "--via", "env", "capture", str(tmp_path / "c")], check=True, capture_output=True)
    done = subprocess.run([*run, "--from", str(tmp_path / "c"), "--brief"], capture_output=True, check=True)
    assert done.stdout == subprocess.run([*run, "--brief"], capture_output=True, check=True).stdout


@pytest.mark.applies(os.geteuid() == 0, "only root may name a host of its own")
@pytest.mark.parametrize("how", ["via", "by hand"])
def test_the_name_of_the_place_enters_no_capture(how: str, tmp_path: Path) -> None:
    """A value that is kept (`container`) and happens to be the host's name: it is scrubbed as it is natively."""
    run = f"{sys.executable} -m envinspect"
    asked = {
        "via": f"{run} capture there --via env",
        "by hand": f"{run} collector | sh > there.wire && {run} --from there.wire capture there",
    }[how]
    script = f"hostname build-seven; export container=build-seven; {asked}"
    subprocess.run(["unshare", "--uts", "sh", "-c", script], cwd=tmp_path, check=True, capture_output=True)
    assert "build-seven" not in (tmp_path / "there/facts.json").read_text(encoding="utf-8")
