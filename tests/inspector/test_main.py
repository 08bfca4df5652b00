"""Which Python starts the commands: a real one of each version where there is one."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest

INSPECTOR = Path(__file__).parents[2] / "inspector"


def interpreter(version: str) -> str | None:
    """Return a real Python of a version: on PATH, or among those that pyenv built."""
    built = [str(path) for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    for candidate in (*built, shutil.which(f"python{version}")):
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


OLD = {version: interpreter(version) for version in ("2.7", "3.6", "3.7", "3.8")}


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(version, marks=pytest.mark.applies(found is not None, "no such Python"))
        for version, found in OLD.items()
    ],
)
def test_an_older_python_gets_one_line(version):
    """Started for real where there is such a Python; without one, the next test says what it could parse."""
    done = subprocess.run(
        [OLD[version], "-m", "envinspect"], cwd=INSPECTOR, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"envinspect: needs Python 3.9 or newer, this is {version}\n"


NEWER = {version: interpreter(version) for version in ("2.7", "3.6", "3.9", "3.10")}


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(version, marks=pytest.mark.applies(found is not None, "no such Python"))
        for version, found in NEWER.items()
    ],
)
def test_envbench_says_in_one_line_which_python_it_needs(version):
    paths = os.pathsep.join((str(INSPECTOR), str(INSPECTOR.parent / "benchmarks")))
    done = subprocess.run(
        [NEWER[version], "-m", "envbench"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"envbench: needs Python 3.11 or newer, this is {version}\n"


@pytest.mark.parametrize("name", ["__init__", "__main__", "version"])
def test_what_every_python_loads_is_free_of_newer_syntax(name):
    """Python 2 and 3.6 know no annotations of the future, no f-strings (2) and no annotations of arguments (2)."""
    tree = ast.parse((INSPECTOR / "envinspect" / f"{name}.py").read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    assert not [node for node in nodes if isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr))]
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    arguments = [argument for node in nodes if isinstance(node, ast.arguments) for argument in node.args]
    assert not [argument for argument in arguments if argument.annotation]
