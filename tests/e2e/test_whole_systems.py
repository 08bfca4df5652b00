"""A whole Debian and a real service, in containers and in machines: one start of each, and what is really in them."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envbench.backend import Unusable, Workload
from envbench.backends import load
from envbench.payload.kernel import default_cache_dir
from envbench.payload.userland import MACHINES, USERLANDS, userland_folder
from envbench.readiness.output import OutputReader, marker_for, read_until, wait_ready
from envbench.readiness.probe import free_port, wait_answer
from envbench.records.phases import Outcome
from envbench.records.samples import Sample, read_samples
from envbench.run.audit import traces_of
from envbench.run.session import settings_for
from envbench.settings import Settings, new_nonce, new_run_id
from envbench.settings.condition import SERVICE_READY
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Journal

pytestmark = [
    pytest.mark.engine("docker"),
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="whole userlands are built by root; try: sudo make e2e"),
]
MACHINE_BACKENDS = ("qemu", "libvirt")
MAIN_BACKENDS = ("docker", "podman", *MACHINE_BACKENDS)
DEADLINE_S = 300
"""Emulated, on a busy machine; on a calm one a Debian takes some 20 s."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, list[Sample]]:
    """One start of each whole system on each main backend, by the command line: run.json and the rows."""
    out = tmp_path_factory.mktemp("run") / "out"
    backends = [word for name in MAIN_BACKENDS for word in ("--backend", name)]
    profiles = ("--profile", "minimal", "--profile", "distro", "--profile", "service")
    plan = ("--runs", "1", "--warmup", "0", "--budget", "1200", "--deadline", DEADLINE_S, "--accel", "tcg")
    command = [sys.executable, "-m", "envbench", "startup", *backends, *profiles, *plan, "--format", "csv"]
    done = subprocess.run(
        [*map(str, command), "--output", str(out)], capture_output=True, text=True, check=False, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    return json.loads((out / "run.json").read_text()), list(read_samples(out / "samples.csv"))


def phases(rows: list[Sample], backend: str, profile: str) -> dict[str, float | None]:
    return {row.phase: row.value for row in rows if (row.backend, row.profile) == (backend, profile)}


@pytest.mark.parametrize("profile", ["distro", "service"])
@pytest.mark.parametrize("backend", MAIN_BACKENDS)
def test_every_whole_system_gets_ready_and_goes(run: tuple[dict, list[Sample]], backend: str, profile: str) -> None:
    record, rows = run
    found = phases(rows, backend, profile)
    assert found["ready"] is not None
    assert found["cycle"] is not None
    assert all(row.outcome is Outcome.OK for row in rows)
    if backend in MACHINE_BACKENDS:
        pieces = [found[name] for name in ("firmware", "kernel", "userspace")]
        assert all(piece is not None and piece > 0 for piece in pieces)
    if profile == "service":
        assert found["observer_lag"] is not None, "how far apart the probe's attempts were"
    assert record["payload"]["also"] == ["distro", "service"]
    assert record["cleanup"]["leaked"] == []


def test_a_whole_machine_is_slower_than_the_minimal_one_and_larger_than_its_image(run) -> None:
    _, rows = run
    for backend in MACHINE_BACKENDS:
        ready = {name: phases(rows, backend, name)["ready"] for name in ("minimal", "distro", "service")}
        assert ready["minimal"] < min(ready["distro"], ready["service"])
    disk = {name: phases(rows, name, "service")["disk"] for name in ("docker", "qemu")}
    assert disk["qemu"] > disk["docker"]
    assert phases(rows, "docker", "service")["item.kernel"] == 0
    assert phases(rows, "qemu", "service")["item.kernel"] > 1 << 20


class Ground:
    """One backend with a whole system, in a run of its own."""

    def __init__(self, name: str, profile: str, folder: Path, missing: Callable[[str], None]) -> None:
        self.run_id = new_run_id()
        self.work_dir = Path(f"/tmp/envbench-{self.run_id}")
        self.work_dir.mkdir(mode=0o700)
        settings = Settings(self.run_id, self.work_dir, default_cache_dir(), accelerators=("tcg",), quick=True)
        self.settings = settings_for(replace(settings, deadline_s=DEADLINE_S), profile)
        self.journal = Journal(self.run_id, folder / "state")
        self.backend = load(name)(self.settings, self.journal)
        answer = self.backend.check()
        if isinstance(answer, Unusable):
            self.close()
            missing(f"{name}: {answer.reason}; {answer.remedy}")
        self.variant = self.backend.variants()[0]
        self.backend.prepare(self.variant)

    def start(self, workload: Workload):
        return self.backend.start(workload, self.variant, lambda _mark: None)

    def close(self) -> None:
        self.backend.close()
        self.journal.close()
        subprocess.run(["rm", "-rf", "--", str(self.work_dir)], check=True)


@pytest.fixture
def ground(tmp_path: Path, engine_missing: Callable[[str], None]) -> Iterator[Callable[[str, str], Ground]]:
    made: list[Ground] = []

    def make(name: str, profile: str) -> Ground:
        made.append(Ground(name, profile, tmp_path, engine_missing))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert traces_of(one.run_id) == ()


def soon() -> int:
    return monotonic_ns() + DEADLINE_S * NS_PER_S


def said_by(ground: Ground, script: str) -> str:
    """Return what a script says that is run once the system is ready."""
    nonce = new_nonce()
    instance = ground.start(Workload(nonce, ("/bin/sh", "-c", script), keep_running=True))
    try:
        reader = OutputReader(marker_for(nonce))
        wait_ready(instance, reader, soon())
        assert read_until(instance, reader, lambda: f"ENVBENCH-EXIT {nonce}" in reader.tail(), soon(), "end")
        return reader.tail()
    finally:
        instance.destroy()


def test_the_machine_is_a_debian_that_has_reached_its_default_target(ground) -> None:
    script = (
        "cat /proc/1/comm; systemctl get-default; systemctl is-active graphical.target; "
        "systemctl --failed --no-legend; echo end-of-failed; dpkg-query -W systemd udev; ls /lib/modules"
    )
    lines = said_by(ground("qemu", "distro"), script).replace("\r", "").splitlines()
    assert "systemd" in lines
    assert lines.index("graphical.target") < lines.index("active") < lines.index("end-of-failed")
    assert lines[lines.index("active") + 1] == "end-of-failed", "units that failed"
    assert any(line.startswith("udev\t") for line in lines)


def test_the_container_is_the_same_debian_with_its_own_shell(ground) -> None:
    folder = userland_folder(default_cache_dir(), "distro")
    said = said_by(ground("docker", "distro"), "dpkg-query -W; readlink /proc/$PPID/exe")
    packages = {line for line in (folder / "packages.txt").read_text().splitlines() if line.startswith("udev")}
    assert packages <= {line.strip() for line in said.replace("\r", "").splitlines()}
    assert "/bash" in said


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("backend", ["docker", "podman"])
def test_the_services_page_comes_through_the_published_port_and_nginx_is_process_1(
    ground, backend: str, read_only: bool
) -> None:
    nonce, port = new_nonce(), free_port()
    made = ground(backend, "service")
    instance = made.start(Workload(nonce, keep_running=True, read_only=read_only, ports=((port, 80),)))
    try:
        wait_answer(instance, OutputReader(marker_for(nonce)), SERVICE_READY, port, nonce, soon())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
            assert page.read().decode().strip() == nonce
            assert page.headers["Server"].startswith("nginx")
        names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in instance.processes()}
        assert "nginx" in names
    finally:
        instance.destroy()


def test_the_services_machine_has_all_of_the_distro() -> None:
    installed = {}
    for name in ("distro", MACHINES["service"]):
        lines = (userland_folder(default_cache_dir(), name) / "packages.txt").read_text().splitlines()
        installed[name] = {line.split("\t")[0] for line in lines}
    assert installed["distro"] < installed[MACHINES["service"]]
    assert set(USERLANDS["distro"].packages) <= installed["distro"]


def test_what_is_mounted_in_a_tree_that_grows_is_not_entered(tmp_path: Path) -> None:
    # A bootstrap unmounts its /proc at the end, and could not while somebody has a folder of it open.
    (tmp_path / "proc").mkdir()
    (tmp_path / "file").write_text("abc")
    mounts = 'mount -t tmpfs none "$1"/proc && echo of-another-filesystem > "$1"/proc/file && shift && exec "$@"'
    tells = "import sys; from pathlib import Path; from envbench.payload.growth import size_of_tree as size; "
    told = (sys.executable, "-c", tells + "print(size(Path(sys.argv[1])))", str(tmp_path))
    within = ("unshare", "--mount", "sh", "-c", mounts, "sh", str(tmp_path))
    assert subprocess.run([*within, *told], capture_output=True, text=True, check=True).stdout == "3\n"


def test_no_mount_outlives_a_bootstrap() -> None:
    mounts = Path("/proc/self/mounts").read_text()
    assert str(default_cache_dir()) not in mounts
