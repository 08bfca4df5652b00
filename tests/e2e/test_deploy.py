"""From nothing to ready with the real registry, Docker, Podman and an emulated machine: one round; nothing is left."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envbench.backend import Usable
from envbench.backends import load as load_backend
from envbench.clock import NS_PER_S
from envbench.errors import BackendError
from envbench.experiments.deploy import experiment as deploy
from envbench.experiments.deploy import registry
from envbench.payload.kernel import default_cache_dir
from envbench.payload.userland import is_cached
from envbench.run.bench import Bench, Prepared
from envbench.run.sampler import Sampler
from envbench.run.session import settings_for
from envbench.samples import Sample, SampleWriter, read_samples
from envbench.settings import Configuration, Settings, new_run_id
from envbench.traces.journal import Journal, Kind
from envbench.traces.procfs import marked_processes

pytestmark = [pytest.mark.engine("docker"), pytest.mark.timeout(280)]
PULLING = ("docker", "podman")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    run_id = new_run_id()
    work_dir = tmp_path / run_id
    work_dir.mkdir()
    cache_dir = default_cache_dir()
    return Settings(run_id, work_dir, cache_dir, deadline_s=90, quick=True, accelerators=("tcg",))


@pytest.fixture
def opened(settings: Settings, tmp_path: Path, engine_missing: Callable[[str], None]) -> Iterator[Callable[..., Bench]]:
    """What opens backends by name for one profile and gives the bench; at the end nothing of the run is left."""
    journal, backends = Journal(settings.run_id, tmp_path / "journal"), []
    writer = SampleWriter(tmp_path / "samples.csv")

    def open_for(profile: str, *names: str) -> Bench:
        own, configurations = settings_for(settings, profile), []
        for name in names:
            backend = load_backend(name)(own, journal)
            backends.append(backend)
            answer = backend.check()
            if not isinstance(answer, Usable):
                engine_missing(f"{name}: {answer.reason}")
            variant = backend.variants()[0]
            backend.prepare(variant)
            configurations.append(Prepared(backend, Configuration(name, variant, profile)))
        return Bench(own, journal, Sampler(own, writer), configurations, say=lambda _: None)

    try:
        yield open_for
    finally:
        for backend in backends:
            backend.close()
        writer.close()
        left = journal.entries()
        journal.close()
    assert left == ()
    assert marked_processes(settings.run_id) == ()
    for engine in PULLING:
        listed = subprocess.run([engine, "images"], capture_output=True, text=True, check=False, timeout=60)
        assert settings.run_id not in listed.stdout


def rows_of(tmp_path: Path) -> dict[tuple[str, str], Sample]:
    """The rows by backend and metric, the way's own keys between them: "docker base=there", "qemu"."""
    found = {}
    for row in read_samples(tmp_path / "samples.csv"):
        own = [part for part in row.variant.split(";") if part.partition("=")[0] in {"base", "disk", "bandwidth"}]
        found[" ".join((row.backend, *own)), row.phase] = row
    return found


def test_images_and_a_machine_are_fetched_and_get_ready(
    opened: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "ROUNDS", 1)
    bench = replace(opened("minimal", *PULLING, "qemu"), bandwidths=("20Mbit",))
    deploy.run(bench)
    assert bench.skips == []
    rows = rows_of(tmp_path)
    for name in (*PULLING, "qemu"):
        fetched, slowly = (rows[way, "deploy_bytes"].value for way in (name, f"{name} bandwidth=20Mbit"))
        assert fetched
        assert slowly
        assert fetched > 500_000
        assert abs(fetched - slowly) < 0.01 * fetched, "a bandwidth changes how long it takes and not what is sent"
        took_ns = rows[f"{name} bandwidth=20Mbit", "deploy_transfer"].value
        assert took_ns
        assert took_ns / NS_PER_S > 0.9 * slowly / 2.5e6
        ready_ns = rows[name, "deploy_ready"].value
        assert ready_ns
        assert ready_ns > (rows[name, "deploy_transfer"].value or 0)
    assert (rows["qemu", "deploy_bytes"].value or 0) > 5 * (rows["docker", "deploy_bytes"].value or 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="whole userlands are built by root; try: sudo make e2e")
def test_a_base_that_is_there_is_not_fetched_again(
    opened: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    if not is_cached(settings.cache_dir, "service"):
        pytest.skip("the service's userland is not in the cache; try: sudo envbench fetch service")
    monkeypatch.setattr(deploy, "ROUNDS", 1)
    bench = opened("service", *PULLING)
    deploy.run(bench)
    assert bench.skips == []
    rows = rows_of(tmp_path)
    for name in PULLING:
        whole, own = (rows[f"{name} base={state}", "deploy_bytes"].value or 0 for state in ("absent", "there"))
        assert 0 < own < 0.4 * whole


def test_what_a_host_has_already_is_no_deployment_from_nothing(
    opened: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "ROUNDS", 1)
    bench = opened("minimal", "docker")
    ways = deploy._ways_to_image

    def kept(prepared: Prepared, *rest: object) -> Iterator[deploy.Way]:
        for way in ways(prepared, *rest):  # type: ignore[arg-type]
            yield replace(way, already=way.fetched)  # The image itself is there before.

    monkeypatch.setattr(deploy, "_ways_to_image", kept)
    deploy.run(bench)
    assert rows_of(tmp_path) == {}
    (skip,) = bench.skips
    assert "the rest was there before" in skip.reason


def test_without_a_registry_the_images_are_left_out_with_the_remedy(
    opened: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "PROGRAMS", ("docker-registry-that-is-not-there",))
    bench = opened("minimal", "docker")
    deploy.run(bench)
    (skip,) = bench.skips
    assert skip.remedy == registry.REMEDY


def test_a_registry_of_a_killed_run_is_in_its_journal(settings: Settings, tmp_path: Path) -> None:
    journal = Journal(settings.run_id, tmp_path / "journal")
    with registry.own_registry(journal, settings.run_id, settings.work_dir) as own:
        kinds = {entry.kind: entry for entry in journal.entries()}
        assert set(kinds) == {Kind.FOLDER, Kind.PROCESS}
        assert int(kinds[Kind.PROCESS].name) in marked_processes(settings.run_id)
        with pytest.raises(BackendError, match="the registry answers 404"):
            own._ask("GET", "/v2/none/manifests/latest", b"")
    assert journal.entries() == ()
    assert marked_processes(settings.run_id) == ()
    assert not own.data.exists()
    journal.close()
