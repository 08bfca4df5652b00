"""What guests showed stands until something changes that it hangs on, or it is too old."""

import os
from pathlib import Path

import pytest

from envbench.backends.vm.kept_answers import conditions, remember, remembered

ANSWER = {"usable": False, "reason": "/dev/kvm opens, but a boot sector failed", "tcg_canary_s": 0.3}


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    """Give an emulator and a device to hang an answer on."""
    for name in ("qemu", "kvm"):
        (tmp_path / name).write_text(name)
    return tmp_path / "qemu", tmp_path / "kvm"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the place where an answer is kept."""
    return tmp_path / "cache" / "kvm.json"


def test_an_answer_is_remembered_with_its_age(file: Path, machine: tuple[Path, Path]) -> None:
    remember(file, conditions(*machine), ANSWER)
    kept = remembered(file, conditions(*machine), 60)
    assert kept is not None
    assert kept[0] == ANSWER
    assert 0 <= kept[1] < 60


def test_what_measures_never_takes_an_answer_of_before(file: Path, machine: tuple[Path, Path]) -> None:
    remember(file, conditions(*machine), ANSWER)
    assert remembered(file, conditions(*machine), 0.0) is None


def test_a_qemu_that_was_upgraded_is_asked_anew(file: Path, machine: tuple[Path, Path]) -> None:
    remember(file, conditions(*machine), ANSWER)
    machine[0].write_text("a newer qemu")
    assert remembered(file, conditions(*machine), 60) is None


def test_a_device_whose_rights_changed_is_asked_anew(file: Path, machine: tuple[Path, Path]) -> None:
    remember(file, conditions(*machine), ANSWER)
    assert remembered(file, conditions(*machine), 60) is not None
    os.utime(machine[1], ns=(1, 1))
    machine[1].chmod(0o600)
    assert remembered(file, conditions(*machine), 60) is None


def test_another_version_is_asked_anew(file: Path, machine: tuple[Path, Path]) -> None:
    remember(file, conditions(*machine, libvirt="9.0.0"), ANSWER)
    assert remembered(file, conditions(*machine, libvirt="9.0.0"), 60) is not None
    assert remembered(file, conditions(*machine, libvirt="9.0.1"), 60) is None


@pytest.mark.parametrize("name", ["boot_id", "kernel", "uid"])
def test_each_condition_counts(name: str, file: Path, machine: tuple[Path, Path]) -> None:
    now = conditions(*machine)
    assert now is not None
    remember(file, {**now, name: "another"}, ANSWER)
    assert remembered(file, now, 60) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"asked_ns": "x"}', '{"conditions": 1, "asked_ns": 0}'])
def test_a_broken_memory_is_none(text: str, file: Path, machine: tuple[Path, Path]) -> None:
    file.parent.mkdir()
    file.write_text(text)
    assert remembered(file, conditions(*machine), 60) is None


def test_a_folder_that_cannot_be_made_keeps_nothing(machine: tuple[Path, Path]) -> None:
    remember(machine[0] / "below a file", conditions(*machine), ANSWER)
    assert remembered(machine[0] / "below a file", conditions(*machine), 60) is None


def test_where_a_condition_cannot_be_read_nothing_is_kept_and_nothing_fails(
    file: Path, machine: tuple[Path, Path], tmp_path: Path
) -> None:
    now = conditions(machine[0], tmp_path / "no such device")
    assert now is None
    remember(file, now, ANSWER)
    assert not file.exists()
    assert remembered(file, now, 60) is None
