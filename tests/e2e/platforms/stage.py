"""Puts together what a lab gets of the project: the wheel of this checkout, unpacked, with its two commands."""

import atexit
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from platforms.steps import PYTHON, STAGE

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent.parent

COMMAND = """\
#!/bin/sh
PYTHONPATH={stage}/site exec {python} -m {package} "$@"
"""


_made: list[Path] = []
_making = threading.Lock()


def _site() -> Path:
    """Return the wheel of this checkout, unpacked; it is made once a session, and removed at its end."""
    with _making:
        if not _made:
            folder = Path(tempfile.mkdtemp(prefix="envinspect-e2e-site-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            install = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-compile"]
            subprocess.run(
                [sys.executable, "-m", *install, "--target", str(folder / "site"), str(REPOSITORY)], check=True
            )
            _made.append(folder / "site")
        return _made[0]


def make_stage(folder: Path) -> Path:
    """Fill a new folder, which the lab will see as `STAGE`, and return it."""
    folder.mkdir(parents=True)
    shutil.copytree(_site(), folder / "site")
    (folder / "bin").mkdir()
    for package in ("envinspect", "envbench"):
        command = folder / "bin" / package
        command.write_text(COMMAND.format(stage=STAGE, python=PYTHON, package=package), encoding="utf-8")
        command.chmod(0o755)
    for file in (HERE / "inside.py", REPOSITORY / "benchmarks/provision.sh"):
        shutil.copy(file, folder)
    return folder
