"""Experiments on real machines under emulation: a kernel of its own, a balloon, a plugged-in CPU, a disk that keeps."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envbench.backend import Usable
from envbench.backends import load as load_backend
from envbench.experiments import portability, resize, speed
from envbench.experiments.kernel import experiment as kernel
from envbench.experiments.size import experiment as size
from envbench.payload.kernel import default_cache_dir
from envbench.payload.userland import userland_tree
from envbench.records.samples import SampleWriter, read_samples
from envbench.run.bench import Bench, Prepared
from envbench.run.sampler import Sampler
from envbench.settings import Configuration, Settings, new_run_id
from envbench.traces.journal import Journal
from envbench.traces.procfs import marked_processes

pytestmark = [pytest.mark.engine("qemu"), pytest.mark.timeout(280)]


@pytest.fixture
def bench(tmp_path: Path, engine_missing) -> Iterator[Bench]:
    run_id = new_run_id()
    work_dir = tmp_path / run_id
    work_dir.mkdir()
    settings = Settings(
        run_id=run_id,
        work_dir=work_dir,
        cache_dir=default_cache_dir(),
        deadline_s=90,
        quick=True,
        accelerators=("tcg",),
    )
    journal = Journal(run_id, tmp_path / "journal")
    backends = [load_backend(name)(settings, journal) for name in ("process", "qemu")]
    for backend in backends:
        answer = backend.check()
        if not isinstance(answer, Usable):
            engine_missing(f"{backend.name}: {answer.reason}")
    with SampleWriter(tmp_path / "samples.csv") as writer:
        configurations = []
        for backend in backends:
            variant = backend.variants()[0]
            backend.prepare(variant)
            configurations.append(Prepared(backend, Configuration(backend.name, variant)))
        try:
            yield Bench(settings, journal, Sampler(settings, writer), configurations, quick=True, say=lambda _: None)
        finally:
            for backend in backends:
                backend.close()
            left = journal.entries()
            journal.close()
    assert left == ()
    assert marked_processes(run_id) == ()


def values(tmp_path: Path) -> dict[str, float | None]:
    return {row.phase: row.value for row in read_samples(tmp_path / "samples.csv")}


def test_a_machine_boots_a_kernel_of_its_own_on_hardware_of_its_own(bench: Bench, tmp_path: Path):
    kernel.observe(bench)
    seen = values(tmp_path)
    assert bench.skips == []
    assert seen["boot_id_equals_host"] == 0
    assert seen["uptime_starts_at_zero"] == 1
    assert seen["visible_on_host"] == 0
    assert seen["hypervisor_process"] == 1
    assert seen["hardware_equals_host"] == 0


def test_a_machine_is_resized_while_it_runs_and_loses_only_what_is_deleted_with_it(bench: Bench, tmp_path: Path):
    resize.run(bench)
    portability._machine_keeps(bench, bench.configurations[1])
    seen = values(tmp_path)
    for name in ("memory_shrunk", "memory_grown", "kept_over_restart", "vm_disk_keeps", "vm_gone_with_disk"):
        assert seen[name] == 1, name
    # A kernel that holds no room for a CPU more (Debian 13's, emulated) can be given none: that is left out, not "no".
    rooms = {
        row.detail.partition("possible ")[2].partition(",")[0]
        for row in read_samples(tmp_path / "samples.csv")
        if row.phase.startswith("memory_")
    }
    assert ("cpu_changed" in seen, [skip.what[-11:] for skip in bench.skips]) == {
        "0-1": (True, []),
        "0": (False, ["another CPU"]),
    }[rooms.pop()]
    assert seen.get("cpu_changed", 1) == 1


def test_a_machine_is_given_a_disk_and_measures_it_with_the_containers_own_tool(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(speed, "ROUNDS_QUICK", 1)
    speed.run(bench)
    rows = [row for row in read_samples(tmp_path / "samples.csv") if row.phase.startswith("disk_")]
    by_configuration = {name: {row.phase for row in rows if row.backend == name} for name in ("process", "qemu")}
    assert by_configuration["qemu"] == {"disk_rand_read", "disk_fsync"} < by_configuration["process"]
    assert all(row.value is not None and row.value > 0 for row in rows)
    assert all("virtio disk" in row.detail for row in rows if row.backend == "qemu")
    assert {skip.reason for skip in bench.skips} == {speed.NO_TIME}
    clocks = [row for row in read_samples(tmp_path / "samples.csv") if row.phase == "clock_rate"]
    assert [row.backend for row in clocks] == ["qemu"], "who shares the host's clock has none of its own"
    assert 0.5 < (clocks[0].value or 0) < 2


@pytest.mark.skipif(os.geteuid() != 0, reason="the distro profile is bootstrapped by root")
def test_a_users_own_disk_is_itemised_like_the_tree_that_it_was_made_of(bench: Bench, tmp_path: Path):
    """The distro profile's bootable disk, given as a user would give it: boot partition and root filesystem."""
    machine = bench.configurations[1]
    of_distro = replace(bench.settings, profile="distro")
    variant = {**machine.configuration.variant, "boot": "disk"}
    disk = size.booted_disk(of_distro, variant)
    prepared = replace(machine, configuration=replace(machine.configuration, variant=variant))
    found = size.machine_artefact(replace(bench, settings=replace(bench.settings, disks=(disk,))), prepared)
    tree = size.tree_artefact(userland_tree(bench.settings.cache_dir, "distro"))
    for name in ("init", "package_manager", "libraries", "app", "other"):
        assert found.items[name] == tree.items[name] > 0, name
    for name in ("kernel", "initramfs", "boot"):
        assert found.items[name] > 0, name
    assert sum(found.items.values()) == found.disk
    assert bench.skips == []
