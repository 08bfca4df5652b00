"""The one-file build runs with nothing but an interpreter, and says the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from inspector.zipapp_build import build


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("zip") / "envinspect.pyz")


def bare(archive: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the archive without site-packages, so without click, psutil and py-cpuinfo of its own."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(archive), *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--json"],
        ["--explain"],
        ["resources", "--json"],
        ["capabilities"],
        ["isolation"],
        ["list"],
        ["signatures"],
        ["--help"],
    ],
)
def test_it_runs(archive: Path, arguments: list[str]) -> None:
    done = bare(archive, *arguments)
    assert done.returncode in {0, 3}, done.stderr
    assert done.stdout


def test_it_says_what_the_package_says(archive: Path) -> None:
    here = subprocess.run(
        [sys.executable, "-m", "envinspect", "--json"], capture_output=True, text=True, check=False, timeout=60
    )
    ours, theirs = json.loads(bare(archive, "--json").stdout), json.loads(here.stdout)
    assert [layer["id"] for layer in ours["layers"]] == [layer["id"] for layer in theirs["layers"]]


def test_it_captures_and_reads(archive: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out.tar.gz")
    assert bare(archive, "capture", out).returncode == 0
    assert bare(archive, "--from", out, "--brief").stdout
    assert bare(archive, "--is", "nonsense").returncode == 2
