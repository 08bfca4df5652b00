"""A guest that boots Linux is tried once; while its answer stands a boot sector shows that one starts at all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from envbench.backends.qemu import QemuBackend
from envbench.backends.vm import backend as vm_backend
from envbench.errors import BackendError
from envbench.settings import Settings, new_run_id
from envbench.traces.journal import Journal

PC = {"accel": "tcg", "boot": "kernel", "machine": "pc"}
Trial = Callable[..., dict[str, str]]


@pytest.fixture
def tried() -> list[str]:
    """Give the list of guests that were booted."""
    return []


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tried: list[str]) -> Trial:
    """Give what tries a guest on a QEMU of the test's; `fails` is how it then fails."""
    kernel, emulator = tmp_path / "kernel", tmp_path / "qemu"
    kernel.write_text("a kernel")
    emulator.write_text("a QEMU")
    monkeypatch.setattr(vm_backend, "find_kernel", lambda *_asked: SimpleNamespace(path=kernel))

    def run(variant: dict[str, str] = PC, age_max_s: float = 60, fails: str = "", **facts: str) -> dict[str, str]:
        run_id = new_run_id()
        settings = replace(Settings(run_id, tmp_path, tmp_path / "cache"), guest_age_max_s=age_max_s)
        backend: Any = QemuBackend(settings, cast("Journal", None))  # It makes nothing.
        backend.emulator = SimpleNamespace(path=emulator)

        def see_ready(_settings: Settings, booted: dict[str, str]) -> None:
            tried.append(booted["boot"])
            if fails:
                raise BackendError(fails)

        backend._see_ready = see_ready
        return backend._try_guest(variant, {"qemu": "10.0.2", **facts})  # type: ignore[no-any-return]

    return run


def test_linux_is_booted_once_and_a_boot_sector_while_that_stands(trial: Trial, tried: list[str]) -> None:
    assert trial() == {}
    assert list(trial()) == ["linux_guest_age_s"]
    assert tried == ["kernel", "floor"]


@pytest.mark.parametrize("changed", [{"age_max_s": 0}, {"libvirt": "9.0.1"}, {"variant": {**PC, "accel": "kvm"}}])
def test_linux_is_booted_again_where_something_changed(changed: dict[str, Any], trial: Trial, tried: list[str]) -> None:
    trial()
    assert trial(**changed) == {}
    assert tried == ["kernel", "kernel"]


def test_a_kernel_that_changed_is_booted(trial: Trial, tried: list[str], tmp_path: Path) -> None:
    trial()
    (tmp_path / "kernel").write_text("another kernel")
    trial()
    assert tried == ["kernel", "kernel"]


def test_what_failed_is_not_kept(trial: Trial, tried: list[str]) -> None:
    with pytest.raises(BackendError):
        trial(fails="it hung")
    trial()
    assert tried == ["kernel", "kernel"]


def test_a_machine_without_a_boot_sector_boots_linux_each_time(trial: Trial, tried: list[str]) -> None:
    for _ in range(2):
        trial({**PC, "machine": "microvm"})
    assert tried == ["kernel", "kernel"]


@pytest.mark.parametrize(
    ("asked", "remedy"), [({"machines": ("x",)}, "another --machine, or none"), ({}, "apt install --reinstall")]
)
def test_what_was_asked_for_is_what_to_change_where_no_guest_starts(asked, remedy, tmp_path):
    settings = Settings("0123456789ab", tmp_path, tmp_path, **asked)
    journal = Journal("0123456789ab", tmp_path)
    assert QemuBackend(settings, journal)._otherwise().startswith(remedy)
    journal.close()
