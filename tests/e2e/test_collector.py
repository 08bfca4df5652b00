"""--via and --pid on real engines: a container with nothing but a shell, and one without a shell."""

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

TOOLS = ("sh", "base64", "head", "stat", "ls", "uname", "id", "cat", "od")


def envinspect(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "envinspect", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(params=["docker"])
def place(request: pytest.FixtureRequest, tmp_path: Path, engine_missing) -> Iterator[tuple[str, str, str]]:
    """An engine, its container of one static busybox, and the PID of that on this node."""
    engine: str = request.param
    busybox = shutil.which("busybox")
    if shutil.which(engine) is None or busybox is None:
        engine_missing(f"{engine} and a static busybox")
    (tmp_path / "bin").mkdir()
    shutil.copy(str(busybox), tmp_path / "bin/busybox")
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to("busybox")
    name = f"envinspect-e2e-{uuid.uuid4().hex[:8]}"
    archive = subprocess.run(["tar", "-C", str(tmp_path), "-c", "."], capture_output=True, check=True).stdout
    subprocess.run([engine, "import", "-", f"localhost/{name}:latest"], input=archive, check=True, capture_output=True)
    command = [engine, "run", "-d", "--name", name, f"localhost/{name}:latest", "/bin/busybox", "sleep", "120"]
    try:
        started = subprocess.run(command, capture_output=True, text=True, check=False)
        if started.returncode:
            engine_missing(f"{engine} run: {started.stderr.strip().splitlines()[-1:]}")
        pid = subprocess.run(
            [engine, "inspect", "-f", "{{.State.Pid}}", name], capture_output=True, text=True, check=True
        ).stdout.strip()
        yield engine, name, pid
    finally:
        subprocess.run([engine, "rm", "-f", name], capture_output=True, check=False)
        subprocess.run([engine, "rmi", "-f", f"localhost/{name}:latest"], capture_output=True, check=False)


@pytest.mark.engine("docker")
def test_a_container_is_the_same_from_inside_and_from_its_node(place: tuple[str, str, str]) -> None:
    engine, name, pid = place
    inside = json.loads(envinspect("--via", f"{engine} exec -i {name}", "--json").stdout)
    outside = json.loads(envinspect("--pid", pid, "--json").stdout)
    assert [layer["id"] for layer in inside["layers"]] == [layer["id"] for layer in outside["layers"]]
    assert inside["layers"][-1]["id"] == engine
    assert inside["observer"]["how"] == "sh"
    assert outside["observer"]["how"] == "pid"
    containers = [row for row in inside["evidence"] if row["kind"] == "container"]
    assert containers == [row for row in outside["evidence"] if row["kind"] == "container"]
    for report in ("resources", "isolation"):
        first = json.loads(envinspect(report, "--via", f"{engine} exec -i {name}", "--json").stdout)
        second = json.loads(envinspect(report, "--pid", pid, "--json").stdout)
        first.pop("memory_available_bytes", None), second.pop("memory_available_bytes", None)
        first.get("lsm", {}).pop("label_because", None), second.get("lsm", {}).pop("label_because", None)
        if second.get("pids_because") == "/proc/sys/kernel/pid_max":
            # Since Linux 6.14 each PID namespace has one of its own; the node's binds as well, and is seen there alone.
            assert second.pop("pids") <= first.pop("pids")
            first.pop("pids_because"), second.pop("pids_because")
        assert first == second


@pytest.mark.engine("docker")
def test_a_container_without_a_shell_is_sent_to_its_node(place: tuple[str, str, str]) -> None:
    engine, name, pid = place
    subprocess.run([engine, "exec", name, "/bin/busybox", "rm", "/bin/sh"], check=True)
    said = envinspect("--via", f"{engine} exec -i {name}", code=3).stderr
    assert "no shell in there" in said
    assert "envinspect --pid" in said
    assert engine in envinspect("--pid", pid, "--json").stdout
