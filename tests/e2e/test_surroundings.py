"""Odd surroundings of a real run: signals, descriptors, homes, configurations and folders never end it unexpectedly."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from envbench.records.samples import read_samples
from envbench.run.interruption import SIGNALS

STARTUP = ("startup", "--backend", "process", "--runs", "5", "--format", "csv", "--output", "out")
MODULE = (sys.executable, "-m", "envbench")


@pytest.fixture
def envbench(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs the command in a shell line, where {} is the command, in a folder of its own."""

    def run(line: str, *words: str, **environ: str | None) -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "COLUMNS": "300", **environ}
        script = line.format('"$@"')
        done = subprocess.run(
            ["bash", "-c", script, "bash", *MODULE, *words],
            cwd=tmp_path,
            env={name: value for name, value in env.items() if value is not None},
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )
        assert "unexpected" not in done.stderr, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


def take_signals() -> None:
    """Handle signals as a program that a terminal starts does."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def begun(folder: Path, *words: str) -> "tuple[subprocess.Popen[bytes], Path]":
    """Start the command, with signals as a terminal gives them; return it and its place for temporary files."""
    temp = folder / "temp"
    temp.mkdir()
    env = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "TMPDIR": str(temp)}
    process = subprocess.Popen(
        [*MODULE, *words],
        cwd=folder,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=take_signals,  # noqa: PLW1509 -- no threads here
    )
    return process, temp


def is_whole(folder: Path) -> bool:
    """Return whether a run ended well: its record says so, and its rows can be read."""
    record = json.loads((folder / "run.json").read_text())
    ready = [row for row in read_samples(folder / "samples.csv") if row.phase == "ready"]
    return record["exit_code"] == 0 and record["cleanup"]["leaked"] == [] and len(ready) >= 5


@pytest.mark.engine("process")
@pytest.mark.parametrize(
    ("ignored", "number"), [("HUP", signal.SIGHUP), ("INT", signal.SIGINT), ("TERM", signal.SIGTERM)]
)
def test_a_signal_that_was_ignored_before_ends_no_run(ignored: str, number: signal.Signals, tmp_path: Path) -> None:
    words = (*MODULE, *STARTUP, "--runs", "300")
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    process = subprocess.Popen(
        ["bash", "-c", f"trap '' {ignored}; exec \"$@\"", "bash", *words],
        cwd=tmp_path,
        env=env,
        stderr=subprocess.DEVNULL,
    )
    samples = tmp_path / "out/samples.csv"
    while not (samples.exists() and samples.stat().st_size > 3000):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(120) == 0
    assert is_whole(tmp_path / "out")


@pytest.mark.engine("process")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_signals_up_to_the_very_end_change_nothing_after_the_first(number: signal.Signals, tmp_path: Path) -> None:
    process, temp = begun(tmp_path, *STARTUP, "--runs", "300")
    samples = tmp_path / "out/samples.csv"
    while not (samples.exists() and samples.stat().st_size > 3000):
        assert process.poll() is None
        time.sleep(0.02)
    while process.poll() is None:
        process.send_signal(number)
        time.sleep(0.01)
    assert process.returncode == 130
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert (record["outcome"], record["exit_code"], record["cleanup"]["leaked"]) == ("interrupted", 130, [])
    assert [*temp.iterdir(), *(tmp_path / "state").rglob("*.jsonl")] == []


@pytest.mark.engine("process")
@pytest.mark.parametrize("command", [("doctor",), (*STARTUP, "--dry-run"), STARTUP])
def test_a_signal_before_anything_is_measured_leaves_nothing(command: tuple[str, ...], tmp_path: Path) -> None:
    process, temp = begun(tmp_path, *command)
    while not [*(tmp_path / "state").rglob("*.jsonl"), *temp.glob("envbench-*")]:
        assert process.poll() is None
        time.sleep(0.001)
    process.terminate()
    assert process.wait(120) == 130
    assert [*temp.iterdir(), *(tmp_path / "state").rglob("*.jsonl")] == []


@pytest.mark.engine("process")
@pytest.mark.parametrize(
    "closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full", "| true"]
)
def test_whatever_the_standard_streams_are_the_run_ends_well(closed: str, envbench, tmp_path: Path) -> None:
    assert envbench(f"set -o pipefail; {{}} {closed}", *STARTUP).returncode == 0
    assert is_whole(tmp_path / "out")


@pytest.mark.engine("process")
@pytest.mark.parametrize("summary", ["/dev/full", "/proc/none/summary.md", "/proc"])
def test_a_job_summary_that_cannot_be_written_is_one_line(summary: str, envbench, tmp_path: Path) -> None:
    done = envbench("{}", *STARTUP, GITHUB_STEP_SUMMARY=summary)
    assert done.returncode == 0
    (line,) = (line for line in done.stderr.splitlines() if "the CI cannot be told" in line)
    assert summary in line
    assert is_whole(tmp_path / "out")


@pytest.mark.engine("process")
@pytest.mark.parametrize("home", [None, "/proc/none", "/dev/null", "/no/such/home"])
def test_without_a_home_to_write_to_a_run_ends_well_and_leaves_nothing(
    home: str | None, envbench, tmp_path: Path
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    done = envbench(
        "{}", *STARTUP, HOME=home, XDG_STATE_HOME="/proc/none", XDG_CACHE_HOME="/proc/none", TMPDIR=str(temp)
    )
    assert done.returncode == 0, done.stderr
    assert is_whole(tmp_path / "out")
    assert [path for path in temp.rglob("*") if path.is_file()] == []


@pytest.mark.engine("process")
@pytest.mark.parametrize("backend", ["process", "runc", "crun", "podman"])
def test_a_folder_of_the_users_that_is_not_there_is_not_made(backend: str, envbench, tmp_path: Path) -> None:
    """crun, asked for its version alone, makes one in XDG_RUNTIME_DIR."""
    nowhere = str(tmp_path / "nowhere")
    places = {"HOME": nowhere} if backend == "podman" else {"HOME": nowhere, "XDG_RUNTIME_DIR": nowhere}
    done = envbench("{}", "doctor", "--backend", backend, XDG_STATE_HOME=None, TMPDIR=str(tmp_path), **places)
    assert done.returncode in {0, 3}, done.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.engine("namespaces")
def test_a_home_on_a_full_disk_gives_way_to_the_place_for_temporary_files(
    envbench, tmp_path: Path, engine_missing: Callable[[str], None]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", home], check=False).returncode:
        engine_missing("namespaces: needs root, to mount a small filesystem")
    try:
        with contextlib.suppress(OSError):
            (home / "all").write_bytes(bytes(20_000))
        done = envbench("{}", *STARTUP, HOME=str(home), XDG_STATE_HOME=None, TMPDIR=str(tmp_path))
    finally:
        subprocess.run(["umount", home], check=True)
    assert done.returncode == 0, done.stderr
    assert is_whole(tmp_path / "out")


SHAPES = ("[]", "no json", '"x"', '{"HttpHeaders": 3}', '{"auths": {"x": 3}}', '{"proxies": 3}', '{"credsStore": []}')


@pytest.mark.engine("docker")
@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_dockers_configuration_keeps_docker_from_being_used(shape: str, envbench, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(shape)
    done = envbench("{}", "doctor", "--backend", "docker", "--json", DOCKER_CONFIG=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["docker"]["usable"]


@pytest.mark.engine("docker")
def test_a_folder_docker_beside_one_is_no_library_and_one_on_the_path_is_named(envbench, tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/__init__.py").write_text("raise RuntimeError('not the SDK')\n")
    doctor = ("doctor", "--backend", "docker", "--backend", "process", "--json")
    assert json.loads(envbench("{}", *doctor).stdout)["docker"]["usable"]
    shadowed = envbench("{}", *doctor, PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    found = json.loads(shadowed.stdout)
    assert shadowed.returncode == 0, "the others can be used"
    assert found["process"]["usable"]
    assert f"{tmp_path}/docker/__init__.py is not the Docker SDK" in found["docker"]["reason"]
    assert "PYTHONPATH" in found["docker"]["remedy"]


@pytest.mark.engine("process")
def test_a_folder_that_is_gone_ends_no_run_whose_results_go_elsewhere(envbench, tmp_path: Path) -> None:
    assert (
        envbench("mkdir gone; cd gone; rmdir ../gone; {} --output " + str(tmp_path / "out"), *STARTUP[:-2]).returncode
        == 0
    )


@pytest.mark.engine("process")
def test_where_proc_counts_other_processes_nothing_is_measured(envbench, tmp_path: Path) -> None:
    done = envbench("unshare --pid --fork {}", *STARTUP)
    assert done.returncode == 2
    assert "mount -t proc" in done.stderr


@pytest.mark.engine("process", "namespaces")
def test_on_a_disk_where_nothing_may_run_what_runs_in_place_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "noexec").mkdir()
    script = 'mount -t tmpfs -o noexec tmpfs noexec && TMPDIR=$PWD/noexec exec "$@"'
    words = ("doctor", "--json", "--backend", "process", "--backend", "namespaces")
    command = ["unshare", "--mount", "sh", "-c", script, "sh", *MODULE, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert {name: (one["usable"], "TMPDIR" in one["remedy"]) for name, one in found.items()} == {
        "process": (False, True),
        "namespaces": (False, True),
    }


@pytest.mark.engine("podman")
def test_podman_keeps_its_things_where_the_user_says(envbench, tmp_path: Path) -> None:
    store = tmp_path / "storage.conf"
    store.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n')
    variables = f"CONTAINERS_STORAGE_CONF={store}"
    podman = ["startup", "--quick", "--profile", "minimal", "--backend", "podman", "--runs", "1", "--output", "out"]
    done = envbench(f"{variables} {{}}", *podman)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "graph/vfs-images").is_dir()
