"""What the canary guests said stands until something changes that it hangs on, or it is too old."""

import os
from pathlib import Path

import pytest

from envbench.vm.accelerator import Accelerator
from envbench.vm.kvm_memory import FILE, conditions, remember, remembered

REFUSED = Accelerator(
    usable=False, reason="/dev/kvm opens, but a boot sector failed", remedy="ask the host", tcg_canary_s=0.3
)


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    """Give an emulator and a device to hang an answer on."""
    for name in ("qemu", "kvm"):
        (tmp_path / name).write_text(name)
    return tmp_path / "qemu", tmp_path / "kvm"


def test_an_answer_is_remembered_with_its_age(tmp_path: Path, machine: tuple[Path, Path]) -> None:
    now = conditions(*machine)
    remember(tmp_path / "cache", now, REFUSED)
    kept = remembered(tmp_path / "cache", now, 60)
    assert kept is not None
    assert kept.age_s is not None
    assert 0 <= kept.age_s < 60
    assert (kept.reason, kept.remedy, kept.tcg_canary_s) == (REFUSED.reason, REFUSED.remedy, 0.3)
    assert "kvm_age_s" in kept.facts()
    assert "kvm_age_s" not in REFUSED.facts()


def test_what_measures_never_takes_an_answer_of_before(tmp_path: Path, machine: tuple[Path, Path]) -> None:
    remember(tmp_path, conditions(*machine), REFUSED)
    assert remembered(tmp_path, conditions(*machine), 0.0) is None


def test_a_qemu_that_was_upgraded_is_asked_anew(tmp_path: Path, machine: tuple[Path, Path]) -> None:
    remember(tmp_path, conditions(*machine), REFUSED)
    machine[0].write_text("a newer qemu")
    assert remembered(tmp_path, conditions(*machine), 60) is None


def test_a_device_whose_rights_changed_is_asked_anew(tmp_path: Path, machine: tuple[Path, Path]) -> None:
    before = conditions(*machine)
    remember(tmp_path, before, REFUSED)
    os.utime(machine[1], ns=(1, 1))
    machine[1].chmod(0o600)
    now = conditions(*machine)
    assert now is not None
    assert before is not None
    assert now["device_changed_ns"] != before["device_changed_ns"]
    assert remembered(tmp_path, now, 60) is None


@pytest.mark.parametrize("name", ["boot_id", "kernel", "uid"])
def test_each_condition_counts(name: str, tmp_path: Path, machine: tuple[Path, Path]) -> None:
    now = conditions(*machine)
    assert now is not None
    remember(tmp_path, {**now, name: "another"}, REFUSED)
    assert remembered(tmp_path, now, 60) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"asked_ns": "x"}', '{"conditions": 1, "asked_ns": 0}'])
def test_a_broken_memory_is_none(text: str, tmp_path: Path, machine: tuple[Path, Path]) -> None:
    (tmp_path / FILE).write_text(text)
    assert remembered(tmp_path, conditions(*machine), 60) is None


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path, machine: tuple[Path, Path]) -> None:
    remember(machine[0] / "below a file", conditions(*machine), REFUSED)
    assert remembered(machine[0] / "below a file", conditions(*machine), 60) is None


def test_where_a_condition_cannot_be_read_nothing_is_kept_and_nothing_fails(
    tmp_path: Path, machine: tuple[Path, Path]
) -> None:
    now = conditions(machine[0], tmp_path / "no such device")
    assert now is None
    remember(tmp_path, now, REFUSED)
    assert not (tmp_path / FILE).exists()
    assert remembered(tmp_path, now, 60) is None
