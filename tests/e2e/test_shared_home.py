"""Runs that share a home and see different process ids: none takes a live one for dead (real runc and Docker)."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envbench.run.audit import traces_of

ENVBENCH = str(Path(sys.executable).with_name("envbench"))
NEW_PIDS = ("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")


class Home:
    """A state folder that several runs share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "300"}

    def start(self, name: str, *words: str, before: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        command = [*before, ENVBENCH, "startup", *words, "--format", "csv", "--output", str(self.folder / name)]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [ENVBENCH, *words]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=150)

    def wait_for_rows(self, name: str, process: "subprocess.Popen[str]") -> str:
        """Wait until a run has measured something; return its id."""
        samples = self.folder / name / "samples.csv"
        for _ in range(900):
            if samples.exists() and samples.stat().st_size > 3000:
                return str(json.loads((self.folder / name / "run.json").read_text())["run_id"])
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        raise AssertionError("the run came to nothing")

    def journals(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "state/envbench").glob("*.jsonl"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.engine("runc")
def test_a_live_run_with_process_ids_of_its_own_goes_on_undisturbed(home: Home) -> None:
    other = home.start("a", "--backend", "runc", "--runs", "40", "--budget", "40", before=NEW_PIDS)
    try:
        run_id = home.wait_for_rows("a", other)
        cleaned = home.run("clean")
        assert (cleaned.returncode, cleaned.stderr) == (0, "")
        assert f"{run_id}: is running; left alone" in cleaned.stdout
        mine = home.run("startup", "--quick", "--backend", "process", "--output", str(home.folder / "b"))
        assert mine.returncode == 0, mine.stderr
        said, _ = other.communicate(timeout=120)
    finally:
        other.kill()
    assert other.returncode == 0, said
    record = json.loads((home.folder / "a/run.json").read_text())
    assert (record["outcome"], record["cleanup"]["leaked"]) == ("done", [])
    assert home.journals() == []


@pytest.mark.engine("runc")
def test_a_run_killed_here_is_cleaned_up_after_by_the_next(home: Home) -> None:
    killed = home.start("a", "--backend", "runc", "--runs", "400", "--budget", "60")
    run_id = home.wait_for_rows("a", killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert traces_of(run_id)
    mine = home.run("startup", "--quick", "--backend", "process", "--output", str(home.folder / "b"))
    assert mine.returncode == 0, mine.stderr
    assert f"left by killed run {run_id}" in mine.stderr
    assert traces_of(run_id) == ()
    assert home.journals() == []


@pytest.mark.engine("runc")
def test_a_run_killed_with_its_process_ids_is_named_and_kept_until_it_is_asked_for(home: Home) -> None:
    killed = home.start("a", "--backend", "runc", "--runs", "400", "--budget", "60", before=NEW_PIDS)
    run_id = home.wait_for_rows("a", killed)
    killed.send_signal(signal.SIGKILL)  # The kernel then kills process 1 of the namespace, and with it all others.
    killed.communicate()
    for _ in range(100):
        cleaned = home.run("clean")
        if "is running" not in cleaned.stdout:
            break
    assert cleaned.returncode == 1
    assert f"run {run_id} of another container or machine" in cleaned.stdout
    assert f"envbench clean --run {run_id}" in cleaned.stderr
    assert traces_of(run_id)
    mine = home.run("startup", "--quick", "--backend", "process", "--output", str(home.folder / "b"))
    assert mine.returncode == 0, "what another place left is no failure of this run"
    assert f"run {run_id} of another container or machine" in mine.stderr
    assert home.journals() == [run_id]
    asked = home.run("clean", "--run", run_id)
    assert asked.returncode == 0, asked.stderr
    assert traces_of(run_id) == ()
    assert home.journals() == []


class Containers:
    """Containers of an empty image over this machine's own programs, all with one home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.image = f"envbench-test-shared-home:{os.getpid()}"
        self.names: list[str] = []
        subprocess.run(["docker", "import", "-", self.image], input=_empty_tar(), capture_output=True, check=True)

    def envbench(self, name: str, *words: str) -> "subprocess.Popen[str]":
        self.names.append(f"envbench-test-{os.getpid()}-{name}")
        state, results = self.home.folder / "state", self.home.folder
        state.mkdir(exist_ok=True)
        seen = [path for path in ("/usr", "/bin", "/sbin", "/lib", "/lib64") if Path(path).exists()]
        own = {Path(__file__).parents[2], Path(sys.prefix), Path(sys.base_prefix)}  # This checkout and its Python.
        seen += [str(path) for path in own if not path.is_relative_to("/usr")]
        binds = [f"type=bind,source={path},target={path},readonly" for path in seen]
        binds.append(f"type=bind,source={results},target={results}")
        command = ["docker", "run", "--rm", "--name", self.names[-1], "--hostname", name, "--network", "none"]
        command += [word for bind in binds for word in ("--mount", bind)]
        command += ["--tmpfs", "/tmp:exec", "--env", f"XDG_STATE_HOME={state}", "--env", "PATH=/usr/bin:/bin:/sbin"]
        command += ["--env", f"PYTHONPATH={':'.join(sys.path[1:])}", "--workdir", str(results), self.image]
        return subprocess.Popen(
            [*command, sys.executable, "-m", "envbench", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def close(self) -> None:
        subprocess.run(["docker", "rm", "--force", *self.names], capture_output=True, check=False)
        subprocess.run(["docker", "rmi", "--force", self.image], capture_output=True, check=False)


@pytest.fixture
def containers(home: Home, engine_missing: Callable[[str], None]) -> Iterator[Containers]:
    if shutil.which("docker") is None:
        engine_missing("docker: not on the PATH")
    made = Containers(home)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.engine("docker")
def test_two_containers_with_one_home_leave_each_other_alone(containers: Containers) -> None:
    home = containers.home
    words = ("startup", "--backend", "process", "--format", "csv")
    first = containers.envbench("web1", *words, "--runs", "2000", "--budget", "60", "--output", "a")
    run_id = home.wait_for_rows("a", first)
    second = containers.envbench("web2", *words, "--runs", "5", "--output", "b")
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert run_id not in said
    assert home.journals() == [run_id], "the first is still at it"
    subprocess.run(["docker", "kill", containers.names[0]], capture_output=True, check=True)
    first.communicate(timeout=60)
    third = containers.envbench("web3", "clean")
    said, _ = third.communicate(timeout=120)
    assert third.returncode == 1, said
    assert f"run {run_id} of another container or machine (web1)" in said
    assert home.journals() == [run_id]
    assert home.run("clean", "--run", run_id).returncode == 0
    assert home.journals() == []


def _empty_tar() -> bytes:
    return bytes(10240)
