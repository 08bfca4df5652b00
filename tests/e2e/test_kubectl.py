"""--via with the real kubectl against a stand-in for the API server (kube_stub): no cluster has been asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environments.lab import cache_dir
from kube_stub import api_server

RUN = (sys.executable, "-m", "envinspect")
SAME = ("summary", "layers", "roles", "cloud", "orchestrators", "overruled", "unknown", "determined", "bare_metal")


@pytest.fixture
def kubectl(engine_missing: Callable[[str], None]) -> Iterator[str]:
    """The command that leads to the stand-in, without a configuration of the user's."""
    program = cache_dir() / "kubectl/usr/bin/kubectl"
    if not program.exists():
        engine_missing("kubectl: tests/e2e/provision.sh")
    with api_server() as address:
        yield f"{program} --kubeconfig /dev/null --server {address}"


def asked(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*RUN, *words], capture_output=True, text=True, check=False, timeout=90, cwd="/")


def test_a_pod_is_asked_through_kubectl_and_gives_the_native_answer(kubectl: str) -> None:
    through = json.loads(asked("--json", "--via", f"{kubectl} exec -i web --").stdout)
    native = json.loads(asked("--json").stdout)
    assert {key: through[key] for key in SAME} == {key: native[key] for key in SAME}
    assert through["observer"]["how"] == "sh"


def test_resources_and_isolation_of_a_pod_are_asked_the_same_way(kubectl: str) -> None:
    for report in ("resources", "isolation"):
        done = asked(report, "--json", "--via", f"{kubectl} exec -i web -c app --")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)


def test_a_pod_that_is_not_there_is_kubectls_own_last_line(kubectl: str) -> None:
    done = asked("--via", f"{kubectl} exec -i other --")
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert 'pods "other" not found' in line


def test_a_command_that_needs_no_tty_leaves_no_process(kubectl: str) -> None:
    marker = f"via-kubectl-{os.getpid()}"
    assert asked("--brief", "--via", f"env MARKER={marker} {kubectl} exec -i web --").returncode in {0, 3}
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if marker.encode() in _bytes(path)]
    assert left == []


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
