"""From nothing to ready with the real registry, Docker, Podman and an emulated machine: one round; nothing is left."""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envbench.backend import Usable
from envbench.backends import load as load_backend
from envbench.backends.shared.child import environment
from envbench.errors import BackendError
from envbench.experiments.deploy import experiment as deploy
from envbench.experiments.deploy import registry
from envbench.payload.kernel import default_cache_dir
from envbench.payload.userland import is_cached
from envbench.readiness.probe import free_port
from envbench.records.samples import Sample, SampleWriter, read_samples
from envbench.run.audit import traces_of
from envbench.run.bench import Bench, Prepared
from envbench.run.sampler import Sampler
from envbench.run.session import settings_for
from envbench.settings import Configuration, Settings, new_run_id
from envbench.surroundings.clock import NS_PER_S
from envbench.traces.journal import Journal, Kind, read_journal
from envbench.traces.procfs import command_line, marked_processes

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


PASSWORD, HASHED = "only-for-a-test", "$2b$04$UjIkGQ7UwYTfatoVsNxtOuaUZwKofjIPGAfSjZYdaX6RSnzC..BGK"
"""The second is the first by bcrypt, as htpasswd -B writes it: the registry reads no other."""


@pytest.fixture
def users_image(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An image in a registry that asks for a login; the engines' configurations are the test's own."""
    program, port = registry.require_registry(), free_port()
    (tmp_path / "passwords").write_text(f"me:{HASHED}\n", "ascii")
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "config/config.json"))
    configuration = tmp_path / "registry.yml"
    lines = registry.CONFIGURATION.format(data=tmp_path / "data", address=f"127.0.0.1:{port}")
    configuration.write_text(f"{lines}auth: {{htpasswd: {{realm: test, path: {tmp_path}/passwords}}}}\n", "utf-8")
    image = f"127.0.0.1:{port}/shop/web:v3"
    # Podman's variable for logins would be read as a setting of the registry: it takes REGISTRY_… for that.
    own = environment(settings.run_id, OTEL_TRACES_EXPORTER="none")
    with subprocess.Popen([program, "serve", configuration], stderr=subprocess.DEVNULL, env=own) as served:
        try:
            (tmp_path / "unique").write_bytes(os.urandom(1_000_000))  # The payload itself is in the engines already.
            tar = subprocess.run(["tar", "-C", tmp_path, "-c", "unique"], check=True, capture_output=True).stdout
            subprocess.run(["docker", "import", "-", image], input=tar, check=True, capture_output=True, timeout=60)
            log_in(tmp_path, image)
            for _ in range(100):
                pushed = subprocess.run(["docker", "push", image], check=False, capture_output=True, timeout=60)
                if pushed.returncode == 0:
                    break
                time.sleep(0.3)
            assert pushed.returncode == 0, pushed.stderr
            subprocess.run(["docker", "rmi", image], check=True, capture_output=True, timeout=60)
            yield image
        finally:
            subprocess.run(["docker", "rmi", image], check=False, capture_output=True, timeout=60)
            served.kill()


def log_in(tmp_path: Path, image: str, password: str = PASSWORD) -> None:
    auth = {"auth": base64.b64encode(f"me:{password}".encode()).decode()}
    (tmp_path / "config/config.json").write_text(json.dumps({"auths": {image.partition("/")[0]: auth}}), "utf-8")


def test_an_image_comes_from_a_registry_of_the_users_with_the_engines_own_login(
    opened: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users_image: str
) -> None:
    monkeypatch.setattr(deploy, "ROUNDS", 1)
    bench = opened("minimal", *PULLING)
    bench = replace(bench, settings=replace(bench.settings, registry=users_image))
    log_in(tmp_path, users_image, "another")
    deploy.run(bench)
    assert len(bench.skips) == len(PULLING)
    assert all("login" in skip.remedy for skip in bench.skips)
    assert PASSWORD not in repr(bench.skips)
    assert rows_of(tmp_path) == {}
    log_in(tmp_path, users_image)
    bench.skips.clear()
    deploy.run(bench)
    assert bench.skips == []
    rows = rows_of(tmp_path)
    assert {row.variant.partition(";from=")[2].partition(";")[0] for row in rows.values()} == {"registry"}
    assert (rows["docker base=absent", "deploy_bytes"].value or 0) > 1_000_000
    assert ("podman base=absent", "deploy_bytes") not in rows, "it does not tell, and that is no zero"
    for name in PULLING:
        ready, transfer = (rows[f"{name} base=absent", f"deploy_{what}"].value or 0 for what in ("ready", "transfer"))
        assert ready > transfer > 0
        listed = subprocess.run([name, "images"], capture_output=True, text=True, check=True, timeout=60)
        assert users_image.rpartition(":")[0] not in listed.stdout


def test_an_image_that_an_engine_has_is_left_out_and_stays(
    opened: Callable[..., Bench], tmp_path: Path, users_image: str
) -> None:
    bench = opened("minimal", "docker")
    bench = replace(bench, settings=replace(bench.settings, registry=users_image))
    subprocess.run(["docker", "pull", users_image], check=True, capture_output=True, timeout=60)
    deploy.run(bench)
    (skip,) = bench.skips
    assert "already" in skip.reason
    assert rows_of(tmp_path) == {}
    subprocess.run(["docker", "image", "inspect", users_image], check=True, capture_output=True, timeout=60)


class Run:
    """An `envbench deploy` of the minimal payload in the background, at a bandwidth that leaves time to kill it."""

    def __init__(self, folder: Path, state: Path, *words: str) -> None:
        self.folder, self.state = folder, state
        self.env = {**os.environ, "XDG_STATE_HOME": str(state), "COLUMNS": "400"}
        options = ("--profile", "minimal", "--bandwidth", "2Mbit", "--format", "csv", "--output", str(folder))
        command = [sys.executable, "-m", "envbench", "deploy", *options, *words]
        self.process = subprocess.Popen(command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def await_fetched(self) -> str:
        """Return the run's id once its journal holds an image from its registry."""
        for _ in range(1800):
            assert self.process.poll() is None, self.process.communicate()
            if (self.folder / "run.json").exists():
                run_id = str(json.loads((self.folder / "run.json").read_text())["run_id"])
                read = read_journal((self.state / "envbench" / f"{run_id}.jsonl").read_text())
                entries = read[2] if read else ()
                kinds = {entry.kind for entry in entries if "/minimal:" in entry.name or entry.kind is Kind.PROCESS}
                if kinds == {Kind.IMAGE, Kind.PROCESS}:
                    return run_id
            time.sleep(0.05)
        raise AssertionError("nothing was fetched")


def test_what_a_killed_run_fetched_is_cleaned_up_and_another_run_goes_on(tmp_path: Path) -> None:
    state = tmp_path / "state"
    # The longer one first: it still fetches when the other one has begun, however slow the machine is.
    killed = Run(tmp_path / "killed", state, "--backend", "docker", "--backend", "podman", "--backend", "qemu")
    runs = [killed]
    try:
        killed_id = killed.await_fetched()
        live = Run(tmp_path / "live", state, "--backend", "docker")
        runs.append(live)
        live_id = live.await_fetched()
        killed.process.kill()
        killed.process.wait()
        assert traces_of(killed_id)
        clean = [sys.executable, "-m", "envbench", "clean"]
        cleaned = subprocess.run(clean, env=live.env, capture_output=True, text=True, check=False, timeout=120)
        assert cleaned.returncode == 0, cleaned
        assert f"{live_id}: is running; left alone" in cleaned.stdout
        assert traces_of(killed_id) == ()
        assert not list(Path(tempfile.gettempdir()).glob(f"*{killed_id}*"))
        for engine in PULLING:
            for words in (("images",), ("ps", "--all")):
                listed = subprocess.run([engine, *words], capture_output=True, text=True, check=True, timeout=60)
                assert killed_id not in listed.stdout
        assert any("registry" in command_line(pid) for pid in marked_processes(live_id)), "it still serves"
        live.process.send_signal(signal.SIGINT)
        live.process.communicate(timeout=120)
    finally:
        for run in runs:
            run.process.kill()
            run.process.communicate()
    record = json.loads((tmp_path / "live/run.json").read_text())
    assert (record["outcome"], record["cleanup"]["leaked"]) == ("interrupted", [])
    assert traces_of(live_id) == ()
