"""A run's shims are found by its namespace and their container's id, as whole words, and ended; no others are."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from envbench.backends.containerd import shims as module
from envbench.backends.containerd.backend import ContainerdBackend
from envbench.backends.containerd.shims import end_shims, shims
from envbench.run.audit import traces_of
from envbench.traces.removal import end_process

RUN = "ab12cd34ef56"
NAMESPACE = f"envbench-{RUN}"


@contextmanager
def shim(namespace: str, container: str, program: str = "echo runs; read -r _") -> Iterator[subprocess.Popen[bytes]]:
    """A process with a shim's words in its command line, and nothing of a run in its environment."""
    argv = [str(shutil.which("sh")), "-c", program, "shim", "-namespace", namespace, "-id", container, "-address", "x"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}) as process:
        assert process.stdout.readline() == b"runs\n"
        yield process
        process.stdin.close()


def test_one_containers_shim_goes_and_its_neighbours_stay():
    with (
        shim(NAMESPACE, f"{NAMESPACE}-containerd-2") as one,
        shim(NAMESPACE, f"{NAMESPACE}-containerd-23") as other,
        shim("envbench-000000000000", f"{NAMESPACE}-containerd-2") as strangers,
    ):
        assert set(shims(NAMESPACE)) == {one.pid, other.pid}
        assert end_shims(NAMESPACE, f"{NAMESPACE}-containerd-2")
        assert one.wait(10) == -15
        assert shims(NAMESPACE) == (other.pid,)
        assert not end_shims(NAMESPACE, f"{NAMESPACE}-containerd-2")
        assert strangers.poll() is None


def test_a_shim_that_containerd_forgot_is_a_trace_of_its_run():
    with shim(NAMESPACE, f"{NAMESPACE}-containerd-1") as one:
        assert ContainerdBackend.leftover_processes(RUN) == (one.pid,)
        assert [trace.startswith(f"process {one.pid}: ") for trace in traces_of(RUN)] == [True]
    assert traces_of(RUN) == ()


def test_a_shim_that_heeds_no_signal_is_killed(monkeypatch: pytest.MonkeyPatch):
    def impatient(*words, **more):
        return end_process(*words, wait_s=0.2, **more)

    monkeypatch.setattr(module, "end_process", impatient)
    with shim(NAMESPACE, "deaf", "trap '' TERM; echo runs; while :; do read -r _ || exit; done") as one:
        assert end_shims(NAMESPACE)
        assert one.wait(10) == -9
