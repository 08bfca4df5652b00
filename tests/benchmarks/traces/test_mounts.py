"""What is mounted where: also under names that the kernel escapes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from envbench.traces import mounts


@pytest.mark.parametrize("name", ["with blank", "tab\there", "back\\slash", "line\nfeed", "Ümlaut", "next\x85line"])
def test_a_mount_point_is_found_whatever_its_name(name, tmp_path):
    point = tmp_path / name
    point.mkdir()
    inner = ["sh", "-ec", 'mount -t tmpfs none "$1" && cat /proc/self/mountinfo', "sh", str(point)]
    program = ["unshare", "--mount", "--map-root-user", "--user", *inner]
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    done = subprocess.run(program, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("needs user namespaces")
    lines = [line for line in done.stdout.decode("utf-8", "surrogateescape").split("\n") if line]
    assert (point, "tmpfs") in [mounts._mount(line) for line in lines]


def test_the_filesystem_of_a_path_is_that_of_the_deepest_mount():
    assert mounts.filesystem_of(Path("/proc/self")) == "proc"
    assert mounts.filesystem_of(Path("/no/such/path")) == mounts.filesystem_of(Path("/"))
