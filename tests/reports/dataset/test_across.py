"""Kinds of machines against each other: the unit is the run, and what may not be pooled is not."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from envbench.commands.cli import main
from envreport.compare import Change
from envreport.dataset.across import across
from envreport.dataset.store import collect_run
from envreport.selectors import parse_selector

Write = Callable[..., Path]
READY = parse_selector("docker.ready")


def fill(write_run: Write, into: Path, kind: str, middle_ms: float, runs: int, first: int, **more: object) -> None:
    random_ = random.Random(first)
    for number in range(first, first + runs):
        folder = write_run(number, middle_ms * random_.uniform(0.97, 1.03), **more)
        collect_run(folder, str(into), {"instance_type": kind})


def test_a_faster_kind_is_found_and_few_runs_tell_nothing(write_run: Write, tmp_path: Path) -> None:
    for kind, middle, runs, first in (("slow", 200.0, 8, 0), ("fast", 100.0, 8, 20), ("few", 50.0, 5, 40)):
        fill(write_run, tmp_path / "set", kind, middle, runs, first)
    (found,) = across(str(tmp_path / "set"), "instance_type", READY).configurations
    changes = {(pair.first, pair.second): pair.change for pair in found.pairs}
    assert changes == {
        ("fast", "few"): Change.INCONCLUSIVE,
        ("fast", "slow"): Change.SLOWER,
        ("few", "slow"): Change.INCONCLUSIVE,
    }
    ratio = next(pair.ratio for pair in found.pairs if pair.second == "slow" and pair.first == "fast")
    assert ratio is not None
    assert ratio.interval is not None
    assert ratio.interval.low < 2.0 < ratio.interval.high


def test_a_thousand_starts_of_one_run_are_one_run(write_run: Write, tmp_path: Path) -> None:
    fill(write_run, tmp_path / "set", "a", 100.0, 1, 0, starts=1000)
    fill(write_run, tmp_path / "set", "b", 200.0, 1, 9, starts=1000)
    (found,) = across(str(tmp_path / "set"), "instance_type", READY).configurations
    assert [len(group.values) for group in found.groups] == [1, 1]
    assert [pair.change for pair in found.pairs] == [Change.INCONCLUSIVE]


def test_engine_versions_and_variants_are_never_pooled(write_run: Write, tmp_path: Path) -> None:
    fill(write_run, tmp_path / "set", "a", 100.0, 6, 0)
    fill(write_run, tmp_path / "set", "b", 200.0, 6, 10, version="27.1")
    fill(write_run, tmp_path / "set", "b", 200.0, 6, 20, variant="network=none;runtime=crun")
    found = across(str(tmp_path / "set"), "instance_type", READY)
    assert len(found.configurations) == 3
    assert all(not each.pairs for each in found.configurations)


def test_runs_that_ended_badly_or_bear_no_label_do_not_count(write_run: Write, tmp_path: Path) -> None:
    fill(write_run, tmp_path / "set", "a", 100.0, 2, 0)
    fill(write_run, tmp_path / "set", "a", 900.0, 1, 10, exit_code=4)
    collect_run(write_run(20, 900.0), str(tmp_path / "set"))
    found = across(str(tmp_path / "set"), "instance_type", READY)
    assert [len(group.values) for each in found.configurations for group in each.groups] == [2]
    assert found.unlabelled == 1


def test_the_command_prints_text_and_json(write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, middle, first in (("slow", 200.0, 0), ("fast", 100.0, 20)):
        fill(write_run, tmp_path / "set", kind, middle, 6, first)
    words = ["across", str(tmp_path / "set"), "--by", "instance_type", "--metric", "docker.ready"]
    assert main(words) == 0
    assert "slow is slower against fast" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["configurations"][0]["pairs"][0]["change"] == "slower"
    assert main([*words[:-3], "nothing", *words[-2:]]) == 2
    assert "no run has a label 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["across", "--by", "instance_type"], ["history"]])
@pytest.mark.slow
def test_the_answers_load_neither_pandas_nor_all_of_scipy(words: list[str], write_run: Write, tmp_path: Path) -> None:
    fill(write_run, tmp_path / "set", "a", 100.0, 6, 0)
    program = (
        "import sys; from envbench.commands.cli import main; assert main(sys.argv[1:]) == 0; "
        "sys.exit(', '.join(sorted({'pandas', 'scipy.stats', 'matplotlib'} & set(sys.modules))) or 0)"
    )
    command = [sys.executable, "-c", program, words[0], str(tmp_path / "set"), *words[1:], "--metric", "docker.ready"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
