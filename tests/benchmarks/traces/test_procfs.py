"""A process that an engine names is the instance's only where it proves it."""

import os
import shutil
import signal
import subprocess
import threading

import pytest

from envbench.settings import RUN_ENVIRONMENT
from envbench.traces.procfs import (
    carries_run,
    children_of,
    command_line,
    descendants_of,
    instance_process,
    marked_processes,
    shim_of,
)

RUN, NONCE = "abcdef012345", "0123456789abcdef"


@pytest.fixture
def payload():
    """A process as an engine starts one: the nonce in its command line, the run's id in its environment."""
    argv = [shutil.which("sh"), "-c", "echo runs; read -r _", "/envbench/ready", NONCE]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={RUN_ENVIRONMENT: RUN}) as process:
        assert process.stdout.readline() == b"runs\n"
        yield process.pid
        process.stdin.close()


def test_a_word_of_the_instance_in_its_command_line_proves_it(payload):
    assert instance_process(payload, RUN, NONCE, "some-id") == payload


def test_another_process_of_the_same_run_is_not_the_instance(payload):
    assert carries_run(payload, RUN)
    assert instance_process(payload, RUN, "fedcba9876543210", "some-id") is None


def test_a_program_of_the_images_own_proves_it_by_its_environment(payload):
    assert instance_process(payload, RUN) == payload
    assert instance_process(payload, "fedcba543210") is None


def test_a_program_that_writes_over_its_command_line_is_proved_by_its_shim():
    """As nginx does: what is left is the parent that the engine started with the instance's id."""
    argv = [shutil.which("sh"), "-c", "sleep 60 & echo $!; wait", "shim", "id-of-this-one"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env={}) as shim:
        pid = int(shim.stdout.readline())
        try:
            assert instance_process(pid, RUN, NONCE, "id-of-this-one") == pid
            assert instance_process(pid, RUN, NONCE, "id-of-another") is None
        finally:
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("pid", [0, 1, 2, 2**22 + 1])
def test_a_number_of_another_namespace_proves_nothing(pid):
    assert instance_process(pid, RUN, NONCE) is None
    assert instance_process(pid, RUN) is None


def test_a_parent_is_the_shim_only_with_the_instances_id(payload):
    assert shim_of(payload, "no-such-id") == ()
    assert shim_of(payload, command_line(os.getpid())) == (os.getpid(),)
    assert shim_of(2**22 + 1, "x") == ()


def test_a_runs_processes_are_found_by_its_id(payload):
    assert marked_processes(RUN) == (payload,)


def test_a_child_that_another_thread_started_is_one_of_the_process():
    started, may_end, children = threading.Event(), threading.Event(), []

    def start():
        children.append(subprocess.Popen(["sleep", "60"]))
        started.set()
        may_end.wait(30)

    thread = threading.Thread(target=start)
    thread.start()
    assert started.wait(30)
    try:
        assert children[0].pid in children_of(os.getpid())
        assert children[0].pid in descendants_of(os.getpid())
    finally:
        may_end.set()
        thread.join()
        children[0].kill()
        children[0].wait()
    assert children_of(2**22) == ()
