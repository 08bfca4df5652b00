"""The Ansible collection passes those of `ansible-test sanity` that need nothing from the network.

The others (pylint, validate-modules, import, pep8, yamllint, ansible-doc, runtime-metadata) download their tools.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COLLECTION = Path(__file__).resolve().parents[2] / "inspector/ansible_collections/envinspect/envinspect"
OFFLINE = (
    "action-plugin-docs",
    "compile",
    "empty-init",
    "ignores",
    "line-endings",
    "no-assert",
    "no-get-exception",
    "no-illegal-filenames",
    "no-smart-quotes",
    "replace-urlopen",
    "shebang",
    "symlinks",
    "use-argspec-type-path",
)
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def copied(tmp_path):
    """The collection alone, in a folder named as ansible-test wants it, with a home of its own."""
    where = tmp_path / "ansible_collections/envinspect/envinspect"
    shutil.copytree(COLLECTION, where, ignore=shutil.ignore_patterns("__pycache__"))
    return where


def sanity(where):
    tests = [word for name in OFFLINE for word in ("--test", name)]
    return subprocess.run(
        [str(Path(sys.executable).parent / "ansible-test"), "sanity", "--python", PYTHON, "--color", "no", *tests],
        cwd=where,
        env={**os.environ, "HOME": str(where.parents[2]), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_the_collection_passes(copied):
    done = sanity(copied)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name for name in OFFLINE if f'"{name}"' not in done.stdout + done.stderr} == set()


def test_what_is_wrong_is_found(copied):
    plugin = copied / "plugins/action/environment_facts.py"
    plugin.write_text(plugin.read_text(encoding="utf-8") + "\nassert True\n", encoding="utf-8")
    done = sanity(copied)
    assert done.returncode == 1
    assert "no-assert" in done.stdout + done.stderr
