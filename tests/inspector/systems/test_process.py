"""--pid: another process's place from outside, against what is said natively; races and denials are answers."""

import json
import os
import pkgutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from envinspect.capture.every_question import ask_everything
from envinspect.inspection import inspect
from envinspect.model.errors import UnreachableError, UsageError
from envinspect.systems.live import live_facts
from envinspect.systems.process import process_facts


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_neighbour_is_where_this_process_is(sleeper: subprocess.Popen[bytes]) -> None:
    found = inspect(process_facts(sleeper.pid, ask_everything)).to_json()
    assert found.pop("subject") == f"pid {sleeper.pid}"
    assert found.pop("observer") == {"how": "pid", "cpuid": "instruction"}
    assert found == inspect(live_facts()).to_json()


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no such process"):
        process_facts(2**22 + 1, ask_everything)


def test_a_process_that_ends_meanwhile_gives_no_answer(sleeper: subprocess.Popen[bytes]) -> None:
    def ask(facts) -> None:
        sleeper.kill()
        sleeper.wait()
        ask_everything(facts)

    with pytest.raises(UnreachableError, match="ended"):
        process_facts(sleeper.pid, ask)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_is_told_whose_process_it_is_not(sleeper: subprocess.Popen[bytes]) -> None:
    program = (
        "import os, pkgutil, sys, envinspect.systems.process, envinspect.capture.every_question; "
        "from envinspect.cli.commands import run; os.setgid(65534); os.setuid(65534);"
        f"sys.exit(run(['--pid', '{sleeper.pid}']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Permission denied" in done.stderr
    assert "CAP_SYS_PTRACE" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_answer_keeps_to_the_schema(sleeper: subprocess.Popen[bytes]) -> None:
    schema = json.loads(pkgutil.get_data("envinspect", "schema/envinspect-1.json") or b"")
    del schema["required"]  # the blocks host and resources are added when the answer is printed
    jsonschema.validate(inspect(process_facts(sleeper.pid, ask_everything)).to_json(), schema)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a control group namespace for another user")
def test_a_namespace_that_may_not_be_joined_is_read_as_it_looks_from_here() -> None:
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all"]
    ask = "from envinspect.systems.process import process_facts as of; found = of({pid}, lambda facts: None); "
    ask += "print(*(type(found.text('/proc/self/' + name)).__name__ for name in ('cgroup', 'mountinfo')))"
    program = "import os, sys, envinspect.systems.process, ctypes, threading; os.setgid(65534); os.setuid(65534); "
    with subprocess.Popen(["unshare", "-C", *nobody, "sleep", "60"]) as process:
        try:
            wait_for_a_namespace_of_its_own(process.pid)
            done = subprocess.run(
                [sys.executable, "-c", program + ask.format(pid=process.pid)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
        finally:
            process.kill()
    assert done.stdout.split() == ["Found", "Found"]


def wait_for_a_namespace_of_its_own(pid: int) -> None:
    for _ in range(200):
        if Path(f"/proc/{pid}/comm").read_text() == "sleep\n":
            return
        time.sleep(0.02)
    pytest.skip("no control group namespace can be made here")
