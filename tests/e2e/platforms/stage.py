"""Puts together what a lab gets of the project: the wheel of this checkout, unpacked, with its two commands."""

import shutil
import subprocess
import sys
from pathlib import Path

from platforms.steps import PYTHON, STAGE

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent.parent

COMMAND = """\
#!/bin/sh
PYTHONPATH={stage}/site exec {python} -m {package} "$@"
"""


def make_stage(folder: Path) -> Path:
    """Fill a new folder, which the lab will see as `STAGE`, and return it."""
    folder.mkdir(parents=True)
    install = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-compile"]
    subprocess.run([sys.executable, "-m", *install, "--target", str(folder / "site"), str(REPOSITORY)], check=True)
    (folder / "bin").mkdir()
    for package in ("envinspect", "envbench"):
        command = folder / "bin" / package
        command.write_text(COMMAND.format(stage=STAGE, python=PYTHON, package=package), encoding="utf-8")
        command.chmod(0o755)
    for file in (HERE / "inside.py", REPOSITORY / "benchmarks/provision.sh"):
        shutil.copy(file, folder)
    return folder
