"""The shells that tests know by name, and which of them this machine could have."""

import shutil
import subprocess

import pytest


def can_be_had(program: str) -> bool:
    """Say whether a program is here, or its package of the same name is in the archive; without apt nobody knows."""
    if shutil.which(program) or not shutil.which("apt-cache"):
        return True
    return subprocess.run(["apt-cache", "show", program], capture_output=True, check=False).returncode == 0


YASH = pytest.param("yash", marks=pytest.mark.applies(can_be_had("yash"), "no release after Debian 12 has it"))
