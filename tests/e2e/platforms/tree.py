"""Debian trees as labs: their engines and Python on this kernel, in namespaces of their own."""

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from environments.lab import cache_dir

from platforms.stage import make_stage
from platforms.steps import STAGE, Outcome, Step, read_outcomes, write_plan

HERE = Path(__file__).parent
ENVIRONMENT = {
    "PATH": f"{STAGE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "XDG_CACHE_HOME": "/root/.cache",
}

# The first argument is the number of the groups that follow it, the rest is the command.
JOIN = """\
left=$1; shift
while [ "$left" -gt 0 ]; do echo $$ >"$1/cgroup.procs"; shift; left=$((left - 1)); done
exec "$@"
"""


def tree_folder(suite: str) -> Path:
    """Return where provision.sh keeps the tree of a Debian suite."""
    return cache_dir() / f"platform-{suite}"


def take(suite: str, steps: Sequence[Step], *, deadline_s: float) -> dict[str, Outcome]:
    """Take the steps in a fresh copy of a suite's tree; return what came of each. Nothing is left behind.

    Steps that were not reached before the deadline have no outcome.
    """
    tag = f"envinspect-e2e-{secrets.token_hex(4)}"
    # Beside the tree: overlayfs wants room, and /tmp may be small.
    scratch = Path(tempfile.mkdtemp(prefix=f"{tag}-", dir=cache_dir()))
    scratch.chmod(0o755)
    try:
        stage = make_stage(scratch / "stage")
        write_plan(steps, stage / "plan.json")
        groups = _own_groups(tag)
        command = [
            *("sh", "-c", JOIN, "sh", str(len(groups)), *groups),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc", "--cgroup"),
            *("sh", HERE / "enter.sh", tree_folder(suite), scratch, stage),
            *("python3", f"{STAGE}/inside.py", f"{STAGE}/plan.json", f"{STAGE}/results", "--init"),
        ]
        with (scratch / "log").open("wb") as log:
            lab = subprocess.Popen(
                [str(word) for word in command],
                env=ENVIRONMENT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                lab.wait(deadline_s)
            except subprocess.TimeoutExpired:
                lab.kill()
                lab.wait()
        outcomes = read_outcomes(stage / "results")
        if not outcomes:
            raise AssertionError(f"the tree of {suite} could not be entered: {(scratch / 'log').read_text()[-3000:]}")
        return outcomes
    finally:
        _remove_groups(tag)
        shutil.rmtree(scratch, ignore_errors=True)


def has_cgroup_v1() -> bool:
    """Return whether the control groups of this machine are of version 1, and so those of every tree."""
    return not Path("/sys/fs/cgroup/cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    """The mounted hierarchies of control groups, with this process's own folder in each (cgroups(7))."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    top = Path("/sys/fs/cgroup")
    if not has_cgroup_v1():
        return [top / path.lstrip("/") for number, _, path in own if number == "0"]
    return [
        top / controllers.removeprefix("name=") / path.lstrip("/") for number, controllers, path in own if number != "0"
    ]


def _own_groups(tag: str) -> list[Path]:
    """Make a group of the lab's own in each hierarchy, so that what its engines make can be told apart and removed."""
    groups = []
    for parent in _hierarchies():
        group = parent / tag
        group.mkdir()
        for needed in ("cpuset.cpus", "cpuset.mems"):  # a new group of version 1 has none
            if (group / needed).exists():
                (group / needed).write_text((parent / needed).read_text())
        groups.append(group)
    return groups


def _remove_groups(tag: str) -> None:
    for parent in _hierarchies():
        subprocess.run(
            ["find", parent / tag, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"],
            capture_output=True,
            check=False,
        )
