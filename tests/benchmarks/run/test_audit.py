"""The proof of a clean end: what ends a moment later is no leak, what stays is named."""

import os
import subprocess
import sys

import pytest

from envbench.run import audit
from envbench.run.audit import Witness
from envbench.settings import RUN_ENVIRONMENT, new_run_id


@pytest.mark.parametrize(("lives_s", "leaks"), [(0.5, 0), (30, 1)])
def test_a_process_that_carries_the_runs_id_leaks_only_if_it_stays(lives_s, leaks):
    run_id = new_run_id()
    program = [sys.executable, "-c", f"import time; time.sleep({lives_s})"]
    process = subprocess.Popen(program, env={**os.environ, RUN_ENVIRONMENT: run_id})
    try:
        found = Witness(run_id).left(grace_s=10 if not leaks else 0.2)
    finally:
        process.kill()
        process.wait()
    assert len(found) == leaks
    assert all(str(process.pid) in line and "time.sleep" in line for line in found)


def test_a_long_run_forgets_what_is_gone_and_never_what_is_there(monkeypatch):
    monkeypatch.setattr(audit, "REMEMBERED_MAX", 3)
    witness = Witness(new_run_id())
    stays = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        witness.note(Shown(stays.pid))
        for _ in range(8):
            with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as goes:
                witness.note(Shown(goes.pid))
        assert len(witness._processes) <= 4
        assert witness.checked() == {"instances": 9, "processes": 9, "cgroups": 0}
        assert witness.left(grace_s=0) == (f"process {stays.pid}",)
    finally:
        stays.kill()
        stays.wait()


class Shown:
    """An instance of one process."""

    def __init__(self, pid):
        self.pid = pid

    def processes(self):
        return (self.pid,)

    def cgroup(self):
        return None
