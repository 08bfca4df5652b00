"""What each command of envbench brings into its process: nothing heavy that it does not use."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from envbench.commands.cli import COMMANDS
from envbench.records.phases import Experiment, Phase

HEAVY = {"docker", "jinja2", "libvirt", "matplotlib", "numpy", "pandas", "pyarrow", "requests", "rich", "scipy"}
"""Libraries that take from 20 ms to more than a second to load."""


def loaded(folder: Path, *calls: list[str]) -> set[str]:
    """Return the modules that these calls of `envbench`, run in this folder in one fresh process, had loaded."""
    code = (
        "import sys; from envbench.commands.cli import main;"
        f"codes = [main(words) for words in {list(calls)!r}];"
        "sys.stderr.write(' '.join(sys.modules)); sys.exit(any(codes))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["claims"], ["claims", "start-faster"], ["completion", "bash"]], ids=" ".join
)
def test_what_only_says_something_loads_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    assert loaded(tmp_path, words) & HEAVY == set()


def test_the_help_of_every_command_loads_nothing_heavy(tmp_path: Path) -> None:
    assert loaded(tmp_path, *([name, "--help"] for name in COMMANDS)) & HEAVY == set()


def test_the_list_of_commands_loads_none_of_them(tmp_path: Path) -> None:
    rooms = {name for name in loaded(tmp_path, ["--help"]) if name.startswith("envbench.commands")}
    assert rooms == {"envbench.commands", "envbench.commands.cli"}


@pytest.mark.parametrize(
    ("formats", "needed"),
    [
        (["html", "markdown", "csv"], {"jinja2", "matplotlib", "numpy", "scipy"}),
        (["json", "junit"], {"numpy", "scipy"}),
        (["svg"], {"numpy", "scipy", "matplotlib"}),
        (["parquet"], {"numpy", "scipy", "pandas", "pyarrow"}),
    ],
    ids=["usual", "json", "svg", "parquet"],
)
@pytest.mark.slow
def test_a_report_loads_what_its_formats_need(
    formats: list[str], needed: set[str], make_rows: Any, tmp_path: Path
) -> None:
    ready_ns = range(1_000_000, 1_000_010)
    folder = make_rows().add(Experiment.STARTUP, "docker", Phase.READY, ready_ns).write(tmp_path / "run")
    words = [word for name in formats for word in ("--format", name)]
    assert loaded(tmp_path, ["report", str(folder), *words]) & HEAVY <= needed
