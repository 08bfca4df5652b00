"""Experiments on a real Docker engine: figures against the engine's own, and nothing left when they end."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from envbench.backend import Usable
from envbench.backends import load as load_backend
from envbench.experiments import idle, load
from envbench.experiments.release import experiment as release
from envbench.experiments.size import experiment as size
from envbench.experiments.size.contents import CLASSES
from envbench.payload.kernel import default_cache_dir
from envbench.payload.userland import userland_tree
from envbench.records.samples import Sample, SampleWriter, read_samples
from envbench.run.bench import Bench, Prepared
from envbench.run.sampler import Sampler
from envbench.settings import LABEL, Configuration, Settings, new_run_id
from envbench.traces.journal import Journal

pytestmark = [pytest.mark.engine("docker"), pytest.mark.timeout(280)]
SIZE_TOLERANCE = 0.05


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


class Taken:
    """A bench on the bare process and Docker, and the rows it wrote."""

    def __init__(self, bench: Bench, path: Path) -> None:
        self.bench = bench
        self._path = path

    def rows(self, phase: str, backend: str = "docker") -> list[Sample]:
        rows = [row for row in read_samples(self._path) if row.profile == "minimal"]
        return [row for row in rows if row.phase == phase and row.backend == backend]

    def value(self, phase: str, backend: str = "docker") -> float:
        (row,) = self.rows(phase, backend)
        assert row.value is not None, row.detail
        return row.value


@pytest.fixture
def taken(tmp_path: Path, engine_missing) -> Iterator[Taken]:
    run_id = new_run_id()
    work_dir = tmp_path / run_id
    work_dir.mkdir()
    settings = Settings(run_id=run_id, work_dir=work_dir, cache_dir=default_cache_dir(), deadline_s=60, quick=True)
    journal = Journal(run_id, tmp_path / "journal")
    backends = [load_backend(name)(settings, journal) for name in ("process", "docker")]
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
        said: list[str] = []
        try:
            yield Taken(
                Bench(settings, journal, Sampler(settings, writer), configurations, quick=True, say=said.append),
                tmp_path / "samples.csv",
            )
        finally:
            for backend in backends:
                backend.close()
            left = journal.entries()
            journal.close()
    assert left == (), said
    of_run = ("--filter", f"label={LABEL}={run_id}", "--quiet")
    assert docker("ps", "--all", *of_run) == ""
    assert docker("images", *of_run) == ""
    assert docker("volume", "ls", *of_run) == ""
    assert not list(Path("/proc/sys/fs/binfmt_misc").glob(f"envbench-{os.getpid()}-*"))


def test_a_container_shares_the_hosts_kernel_and_windows_is_refused(taken: Taken):
    if os.geteuid() != 0:
        pytest.skip("whole userlands are bootstrapped by root; try: sudo make e2e")
    for name in ("distro", "another"):
        userland_tree(taken.bench.settings.cache_dir, name)
    load("kernel")(taken.bench)
    assert taken.value("boot_id_equals_host") == 1
    assert taken.value("visible_on_host") == 1
    assert taken.value("uptime_starts_at_zero") == 0
    assert taken.value("hypervisor_process") == 0
    assert taken.value("two_userlands_one_kernel") == 1
    assert taken.rows("two_userlands_one_kernel")[0].detail.count("Debian GNU/Linux") == 2
    refused = taken.rows("windows_image_refused")
    assert [row.value for row in refused] == [1]
    assert "windows" in refused[0].detail


def test_what_an_image_shows_is_what_an_engine_with_overlay_says(taken: Taken):
    """With overlay2 Docker's Size is the length of the files; what they take on the disk is more, in whole blocks."""
    load("size")(taken.bench)
    image = taken.bench.configurations[1].backend.image({})
    said = int(docker("image", "inspect", "--format", "{{.Size}}", image))
    assert taken.value("virtual") == pytest.approx(said, abs=4096)  # It counts the words of symbolic links too.
    items = sum(taken.value(f"item.{name}") for name in CLASSES)
    assert items == taken.value("virtual")
    assert taken.value("disk") == pytest.approx(taken.value("virtual"), rel=0.2)
    assert taken.value("disk") % 512 == 0
    assert taken.value("item.kernel") == 0


def test_a_whole_distributions_image_holds_parts_of_an_os(taken: Taken):
    """The distro profile's userland is itemised without an import; it is bootstrapped if the cache has none."""
    settings = taken.bench.settings
    if os.geteuid() != 0:
        pytest.skip("the distro profile is bootstrapped by root; try: sudo make e2e")
    userland_tree(settings.cache_dir, "distro")
    size.whole_system(taken.bench, "distro")
    sizes = {row.phase: row.value for row in read_samples(taken._path) if row.profile == "distro"}
    assert sizes["item.kernel"] == 0
    assert sizes["item.init"] > 1 << 20
    assert sizes["item.package_manager"] > 1 << 20
    assert sum(value for name, value in sizes.items() if name.startswith("item.")) == sizes["disk"]
    assert sizes["disk"] - sizes["item.filesystem"] == sizes["virtual"]


def test_a_run_is_audited_as_a_whole(taken: Taken):
    """A container that carries the run's label and outlives the experiments is named."""
    with release.whole_run_audited(taken.bench):
        pass
    image, run_id = taken.bench.configurations[1].backend.image({}), taken.bench.settings.run_id
    with release.whole_run_audited(taken.bench):
        name = f"envbench-{run_id}-forgotten"
        docker("create", "--name", name, "--label", f"{LABEL}={run_id}", image, "/bin/true")
    docker("rm", name)
    clean, leaky = taken.rows("leaked.whole_run", "host")
    assert clean.value == 0
    assert leaky.value >= 1
    assert name in leaky.detail


def test_idle_and_resize_see_the_container(taken: Taken, monkeypatch):
    monkeypatch.setattr(idle, "WINDOW_QUICK_S", 0.5)
    load("idle")(taken.bench)
    assert len(taken.rows("cpu_ns_per_min")) == 12
    assert all(row.value is not None and 0 <= row.value < 60e9 for row in taken.rows("cpu_ns_per_min"))
    load("resize")(taken.bench)
    for name in ("memory_grown", "memory_shrunk", "cpu_changed"):
        assert taken.value(name) == 1


def test_isolation_limits_are_enforced_and_neighbours_hidden(taken: Taken):
    load("isolation")(taken.bench)
    assert taken.value("memory_limit_enforced") == 1
    assert taken.value("cpu_limit_enforced") == 1
    assert taken.value("namespaces_own") >= 5
    assert taken.value("cgroup_own") == 1
    for name in ("processes", "names", "mounts", "memory", "files"):
        assert taken.value(f"mutual.{name}_seen") == 0
    assert 0 < taken.value("host_facts_readable") <= taken.value("host_facts_looked_for")


def test_nothing_is_left_and_what_was_written_is_gone(taken: Taken):
    load("release")(taken.bench)
    assert taken.value("leaked.total") == 0, taken.rows("leaked.total")[0].detail
    load("portability")(taken.bench)
    assert taken.value("gone_after_remove") == 1
    assert taken.value("kept_with_volume") == 1
    assert taken.value("kept_over_restart") == 1
    assert all(row.value for row in taken.rows("export_bytes"))


def test_memory_of_a_cgroup_is_what_docker_stats_shows(taken: Taken):
    from envbench.experiments.memory import footprint
    from envbench.experiments.shared.running import running

    with running(taken.bench, taken.bench.configurations[1]) as run_:
        stats = (
            docker("stats", "--no-stream", "--format", "{{.MemUsage}}", run_.instance.name).partition("/")[0].strip()
        )
        seen = footprint(run_.instance.processes(), run_.instance.cgroup())
    assert seen.cgroup is not None
    number = float(stats.rstrip("KMGiB"))
    scale = {"KiB": 1 << 10, "MiB": 1 << 20}[stats[len(stats) - 3 :]]
    # stats prints four digits; the payload sleeps meanwhile.
    assert seen.cgroup.working_set == pytest.approx(number * scale, rel=SIZE_TOLERANCE, abs=64 << 10)


@pytest.mark.skipif(shutil.which("sysbench") is None, reason="sysbench is not installed")
def test_a_tool_of_the_tree_says_what_the_machines_own_says(taken: Taken):
    """The same work by the tree's sysbench, under its own loader, and by the machine's own, in CPU time."""
    from envbench.experiments.shared.toolbox import tool_command, tools_settings

    ours = tool_command(taken.bench.configurations[0], tools_settings(taken.bench.settings), "sysbench")
    assert ours is not None
    words = ["cpu", "--time=0", "--events=3000", "--cpu-max-prime=2000", "run"]
    used: dict[str, list[float]] = {"ours": [], "own": []}
    for _ in range(5):
        for who, program in (("ours", ours.split()), ("own", ["sysbench"])):
            process = subprocess.Popen([*program, *words], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            used[who].append(usage.ru_utime)
    assert min(used["ours"]) == pytest.approx(min(used["own"]), rel=0.1)
