"""Real machines, by QEMU itself and by libvirt: ready, stop, gone; and what must happen when they are not."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from envbench.backend import Backend, Instance, Mark, Unusable, Usable, Workload
from envbench.backends import load
from envbench.backends.libvirt.backend import LibvirtBackend
from envbench.backends.vm.emulator import architecture, find_emulator
from envbench.backends.vm.kvm import probe_kvm
from envbench.errors import BackendError, StartTimeoutError
from envbench.errors.causes import Cause, remedy_for
from envbench.experiments.shared.accounting import process_memory
from envbench.payload.floor import floor_disk
from envbench.payload.kernel import default_cache_dir
from envbench.readiness.output import OutputReader, marker_for, read_until, reader_for, wait_ready
from envbench.records.samples import read_samples
from envbench.run.sampler import phases_of
from envbench.settings import Settings, new_nonce, new_run_id
from envbench.settings.condition import LogReady
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Entry, Journal, Kind
from envbench.traces.procfs import marked_processes

EMBEDDED = "libvirt-embed"
"""libvirt's driver inside this process, in a folder of its own: no daemon stands behind it."""
EMBEDDED_ROOT = Path(f"/tmp/envbench-embed-{os.getpid()}")
ONLY_EMBEDDED = "ENVBENCH_TEST_EMBEDDED" in os.environ
"""Once it is open, every other libvirt connection of the process fails: it is tested by a process of its own."""
QEMU, LIBVIRT, EMBED = (
    pytest.param(name, marks=pytest.mark.engine(engine))
    for name, engine in (("qemu", "qemu"), ("libvirt", "libvirt"), (EMBEDDED, "libvirt"))
)
BACKENDS_HERE = [EMBED] if ONLY_EMBEDDED else [QEMU, LIBVIRT]
READY_S = 90.0
PROGRAM = str(Path(sys.executable).with_name("envbench"))
MODULES = Path("/usr/lib/x86_64-linux-gnu/qemu")
"""Where Debian's QEMU has its modules, TCG among them."""


class Bench:
    """One backend of a run of its own; `start` starts a guest and records its moments."""

    def __init__(self, name: str, folder: Path) -> None:
        run_id = new_run_id()
        # Sockets' paths are short: pytest's own folders are too deep (108 bytes, unix(7)).
        self.settings = Settings(run_id, folder, default_cache_dir(), accelerators=("tcg",))
        self.name = name
        if name == EMBEDDED:
            self.name = "libvirt"
            self.settings = replace(self.settings, libvirt_uris=(f"qemu:///embed?root={EMBEDDED_ROOT}",))
        self.journal = Journal(run_id, folder / "journal")
        self.marks: dict[Mark, int] = {}
        self.backend: Backend

    def set_up(self, missing: Callable[[str], None], **more: object) -> None:
        """Make the backend with further settings; the test ends where it cannot be used."""
        self.settings = replace(self.settings, **more)  # type: ignore[arg-type]
        self.backend = load(self.name)(self.settings, self.journal)  # type: ignore[call-arg]
        found = self.backend.check()
        if isinstance(found, Unusable):
            missing(f"{found.reason}; {found.remedy}")

    def mark(self, moment: Mark) -> None:
        self.marks.setdefault(moment, monotonic_ns())

    @contextmanager
    def started(self, *argv: str, nonce: str = "", keep_running: bool = True) -> Iterator[Instance]:
        """A guest that has been started; whatever becomes of it, it is destroyed, and that twice."""
        workload = Workload(nonce or new_nonce(), argv or ("/envbench/ready",), keep_running=keep_running)
        (variant,) = self.backend.variants()
        self.backend.prepare(variant)
        instance = self.backend.start(workload, variant, self.mark)
        try:
            yield instance
        finally:
            instance.destroy()
            instance.destroy()

    @contextmanager
    def ready(
        self, *argv: str, deadline_s: float = READY_S, keep_running: bool = True
    ) -> Iterator[tuple[Instance, OutputReader]]:
        """A guest that has got ready, with what was read of it so far."""
        nonce = new_nonce()
        with self.started(*argv, nonce=nonce, keep_running=keep_running) as instance:
            reader = reader_for(nonce, self.settings.ready)
            self.marks[Mark.READY] = wait_ready(instance, reader, soon(deadline_s))
            yield instance, reader

    def ends(self, instance: Instance, deadline_s: float = 60) -> None:
        """Stop it in order and see it gone."""
        self.mark(Mark.STOP_REQUESTED)
        instance.stop(soon(deadline_s))
        self.mark(Mark.STOPPED)
        instance.remove(soon(30))
        self.mark(Mark.GONE)


@pytest.fixture(scope="session", autouse=True)
def embedded_root() -> Iterator[None]:
    """The embedded driver's folder goes with the process that had it open."""
    yield
    subprocess.run(["rm", "-rf", "--", str(EMBEDDED_ROOT)], check=True)


def soon(seconds: float) -> int:
    return monotonic_ns() + int(seconds * NS_PER_S)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A backend by the test's parameter; afterwards nothing of it may be left."""
    folder = Path(f"/tmp/envbench-test-{new_nonce()}")
    folder.mkdir(mode=0o700)
    made = Bench(request.param, folder)
    try:
        yield made
    finally:
        if hasattr(made, "backend"):
            made.backend.close()
        left = list(Path("/tmp").glob(f"envbench-{made.settings.run_id}-*"))
        entries = made.journal.entries()
        made.journal.close()
        subprocess.run(["rm", "-rf", "--", str(folder)], check=True)
    assert left == []
    assert entries == ()
    assert running(made.settings.run_id) == []


def running(word: str) -> list[str]:
    """Return the command lines of all processes that name this."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if word in line and "qemu-system" in line:
                found.append(line)
    return found


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_ready_stop_gone_and_every_stretch_between(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing)
    with bench.ready("/envbench/ready", "facts") as (instance, reader):
        assert read_until(instance, reader, lambda: reader.facts_complete, soon(20), "last fact")
        (pid,) = instance.processes()
        assert bench.settings.run_id in instance.name
        assert pid in marked_processes(bench.settings.run_id)
        bench.ends(instance)
    # Its own kernel: another boot, another release than a container would show.
    host_boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert re.fullmatch(r"[0-9a-f-]{36}", reader.facts["boot_id"])
    assert reader.facts["boot_id"] != host_boot
    assert not Path(f"/proc/{pid}").exists()
    phases = phases_of(bench.marks)
    wanted = {"start", "vmm", "firmware", "kernel", "userspace", "ready", "stop", "remove", "cycle"}
    assert wanted <= {str(phase) for phase in phases}
    order = ("requested", "vmm_up", "kernel_up", "userspace_up", "ready", "stop_requested", "stopped", "gone")
    moments = [bench.marks[Mark(name)] for name in order]
    assert moments == sorted(moments)


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_the_floor_guest_says_ready_without_any_system(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, boots=("floor",))
    with bench.ready() as (instance, _):
        bench.ends(instance)


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_a_command_runs_and_the_machine_ends_by_itself(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing)
    with bench.ready("/bin/sh", "-c", "echo two  words; exit 7", keep_running=False) as (instance, reader):
        instance.stop(soon(60))
        said = instance.console_tail()
        instance.remove(soon(30))
    assert "two words" in said
    assert f"ENVBENCH-EXIT {reader.marker.split()[-1].decode()} status=7" in said


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_a_guest_that_floods_its_console_still_stops(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing)
    with bench.ready("/bin/sh", "-c", "while :; do echo flood flood flood; done") as (instance, _):
        time.sleep(1)  # Nobody reads: the line fills up.
        instance.stop(soon(60))
        assert len(instance.console_tail()) <= 8192
        instance.remove(soon(30))


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_a_guest_that_hangs_times_out_with_its_last_words(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, append="rdinit=/bin/sh")
    with bench.started() as instance:
        reader = OutputReader(marker_for(new_nonce()))
        assert read_until(instance, reader, lambda: "job control turned off" in reader.tail(), soon(READY_S), "shell")
        with pytest.raises(StartTimeoutError, match=r"no ready line within .*job control turned off"):
            wait_ready(instance, reader, soon(1))
        with pytest.raises(BackendError, match="did not power off in time"):
            instance.stop(soon(1))


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_a_panic_ends_the_start_at_once_and_is_told(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, append="rdinit=/no/such")
    with bench.started() as instance:
        with pytest.raises(BackendError, match="ended before ready line") as caught:
            wait_ready(instance, OutputReader(marker_for(new_nonce())), soon(READY_S))
        assert "Kernel panic" in instance.console_tail()
        assert not isinstance(caught.value, StartTimeoutError)


def users_disk(bench: Bench, content: bytes) -> Path:
    """Return a disk of the user's own that libvirt's QEMU can reach."""
    disk = bench.settings.work_dir / "mine.img"
    disk.write_bytes(content)
    bench.settings.work_dir.chmod(0o711)
    return disk


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_a_disk_that_does_not_boot_times_out(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    disk = users_disk(bench, bytes(1 << 20))
    bench.set_up(engine_missing, disks=(disk,), ready=LogReady("login:"))
    with (
        pytest.raises(StartTimeoutError, match=r"no line that matches login: within .*it said nothing"),
        bench.ready(deadline_s=3),
    ):
        pass
    assert disk.read_bytes() == bytes(1 << 20)


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_a_users_disk_is_ready_at_its_own_pattern(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    disk = users_disk(bench, floor_disk("of-my-own", stay=True))
    bench.set_up(engine_missing, disks=(disk,), ready=LogReady(r"READY\s+of-my-own\b.*uptime_s=$"))
    with bench.ready(deadline_s=30) as (instance, _):
        bench.ends(instance)


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_a_broken_disk_is_refused_in_one_line(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    """QEMU opens the serial line before it looks at the disk, libvirt's overlay is made before."""
    disk = users_disk(bench, b"QFI\xfb" + bytes(100))
    bench.set_up(engine_missing, disks=(disk,), ready=LogReady("login:"))
    with pytest.raises(BackendError, match=r"mine\.img") as caught, bench.ready():
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm"])
@pytest.mark.parametrize("bench", [QEMU], indirect=True)
def test_every_machine_type_boots(bench: Bench, machine: str, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, machines=(machine,))
    with bench.ready() as (instance, _):
        bench.ends(instance)


@pytest.mark.parametrize("bench", [QEMU], indirect=True)
def test_a_microvm_boots_on_a_busy_machine(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    """Its kernel cannot calibrate the TSC then, and without being told its rate it hangs."""
    bench.set_up(engine_missing, machines=("microvm",))
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * (os.cpu_count() or 1))]
    try:
        with bench.ready():
            pass
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_uefi_firmware_is_told_from_the_kernel(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, firmwares=("uefi",))
    with bench.ready() as (instance, _):
        bench.ends(instance)
    phases = {str(phase): value for phase, value in phases_of(bench.marks).items()}
    assert phases["firmware"] > 0


HARNESS = """
import sys, time
from pathlib import Path
from envbench.backends import load
from envbench.backend import Workload
from envbench.payload.kernel import default_cache_dir
from envbench.settings import Settings
from envbench.traces.journal import Journal
name, run_id, folder, *uris = sys.argv[1:]
settings = Settings(run_id, Path(folder), default_cache_dir(), accelerators=("tcg",), libvirt_uris=tuple(uris))
backend = load(name)(settings, Journal(run_id))
(variant,) = backend.variants()
backend.prepare(variant)
instance = backend.start(Workload("n", keep_running=True), variant, lambda mark: None)
print(instance.name, *instance.processes(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_a_killed_harness_leaves_no_machine(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    """QEMU dies with the harness, or its daemon ends it, or (embedded, without a daemon) `envbench clean` does."""
    bench.set_up(engine_missing)
    run_id, folder = new_run_id(), bench.settings.work_dir / "killed"
    folder.mkdir()
    root = folder / "embed"
    uris = [f"qemu:///embed?root={root}"] if bench.settings.libvirt_uris else []
    folder.chmod(0o711)
    bench.settings.work_dir.chmod(0o711)
    env = {**os.environ, "XDG_STATE_HOME": str(folder)}
    argv = [sys.executable, "-c", HARNESS, bench.name, run_id, str(folder), *uris]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as harness:
        assert harness.stdout is not None
        name, pid = harness.stdout.readline().split()
        assert Path(f"/proc/{pid}").exists()
        assert running(name)
        harness.kill()
    deadline_ns = soon(15)
    while not uris and running(name) and monotonic_ns() < deadline_ns:
        time.sleep(0.05)
    assert bool(running(name)) == bool(uris)
    subprocess.run([sys.executable, "-m", "envbench", "clean"], env=env, check=True, timeout=120)
    assert running(name) == []
    left = [*Path("/tmp").glob(f"envbench-{run_id}-*"), *root.rglob(f"*{run_id}*"), *folder.glob("envbench/*.jsonl")]
    assert [*left, *Path("/var/log/libvirt/qemu").glob(f"*{run_id}*")] == []


@pytest.mark.engine("libvirt")
@pytest.mark.timeout(600)
@pytest.mark.applies(not ONLY_EMBEDDED, "it is what runs")
def test_the_embedded_driver_does_all_the_same() -> None:
    words = [sys.executable, "-m", "pytest", "-q", "--engines", "-k", EMBEDDED, "-p", "no:cacheprovider", __file__]
    env = {**os.environ, "ENVBENCH_TEST_EMBEDDED": "yes"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=590)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.engine("libvirt")
def test_the_embedded_driver_is_refused_beside_another_connection(tmp_path: Path) -> None:
    uris = ("qemu:///system", f"qemu:///embed?root={tmp_path}/embed")
    settings = Settings("r", tmp_path, default_cache_dir(), libvirt_uris=uris, accelerators=("tcg",))
    journal = Journal("r", tmp_path / "journal")
    found = load("libvirt")(settings, journal).check()  # type: ignore[call-arg]
    journal.close()
    assert isinstance(found, Unusable)
    assert "a run of its own" in found.remedy
    assert not (tmp_path / "embed").exists()


@pytest.mark.engine("libvirt")
def test_a_daemon_that_is_not_there_is_a_skipped_backend_with_its_remedy(tmp_path: Path) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    settings = Settings("r", tmp_path, default_cache_dir(), libvirt_uris=(uri,), accelerators=("tcg",))
    journal = Journal("r", tmp_path / "journal")
    found = load("libvirt")(settings, journal).check()  # type: ignore[call-arg]
    journal.close()
    assert isinstance(found, Unusable)
    assert found.cause is Cause.ABSENT
    # Starting the usual daemon would not bring that socket about.
    assert found.remedy == remedy_for(Cause.ABSENT, "libvirt elsewhere")
    assert "unset LIBVIRT_DEFAULT_URI" in found.remedy
    assert not LibvirtBackend.reap(Entry(1, Kind.DOMAIN, "envbench-r-1", "libvirt", {"uri": uri}), "r")


@pytest.mark.parametrize("bench", [LIBVIRT], indirect=True)
def test_a_domain_that_is_gone_needs_no_reaping(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing)
    assert not LibvirtBackend.reap(
        Entry(1, Kind.DOMAIN, "envbench-none-1", "libvirt", {"uri": "qemu:///system"}), "none"
    )


@pytest.mark.parametrize("bench", BACKENDS_HERE, indirect=True)
def test_what_a_machine_got_is_what_was_asked_for_or_is_told(
    bench: Bench, engine_missing: Callable[[str], None]
) -> None:
    bench.set_up(engine_missing, memory_bytes=200_000_000)
    (variant,) = bench.backend.variants()
    bench.backend.prepare(variant)
    asked = Workload(new_nonce(), memory_bytes=200_000_000, cpus=2)
    assert bench.backend.differences(asked, variant) == ()
    assert bench.backend.differences(replace(asked, cpus=1.5), variant) == (
        "1.5 CPUs asked for, and the machine has 2",
    )


@pytest.mark.engine("qemu")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-m", "96M"), "268435456 bytes of memory asked for, and the machine has 100663296"),
        (("-smp", "2"), "1 CPU asked for, and the machine has 2"),
        (("-machine", "pc"), "a q35 was asked for, and the machine is a pc-i440fx-"),
    ],
)
def test_a_qemu_that_does_something_else_than_it_is_told_is_left_out(
    words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    emulator = find_emulator()
    wrapper = tmp_path / "first" / emulator.architecture.qemu
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {emulator.path} "$@" {" ".join(words)}\n')
    wrapper.chmod(0o755)
    out = tmp_path / "out"
    command = [PROGRAM, "startup", "--profile", "minimal", "--backend", "process", "--backend", "qemu", "--runs", "2"]
    env = {**os.environ, "PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, "--format", "csv", "--output", str(out)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (skipped,) = json.loads((out / "run.json").read_text())["backends"]["skipped"]
    assert skipped["name"] == "qemu"
    assert told in skipped["reason"]
    assert {row.backend for row in read_samples(out / "samples.csv")} == {"process"}


@pytest.mark.parametrize("bench", [QEMU], indirect=True)
def test_behind_a_script_that_waits_the_machine_is_measured_and_ended(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine_missing: Callable[[str], None]
) -> None:
    emulator = find_emulator()
    wrapper = tmp_path / "a folder" / emulator.architecture.qemu
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\n{emulator.path} "$@"\nexit $?\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    bench.set_up(engine_missing)
    with bench.ready() as (instance, _):
        assert process_memory(instance.processes()).pss > 20 << 20


@pytest.mark.engine("qemu")
@pytest.mark.applies(
    (MODULES / "accel-tcg-x86_64.so").exists(), "TCG is built into this QEMU, and no module that can be taken away"
)
def test_a_qemu_without_tcg_is_not_usable_and_says_why(tmp_path: Path) -> None:
    script = f'mount --bind {tmp_path} {MODULES} && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", PROGRAM, "doctor", "--backend", "qemu", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["qemu"]
    assert not found["usable"]
    assert "tcg" in found["reason"]
    assert architecture().package in found["remedy"]


@pytest.mark.engine("qemu")
def test_the_truth_about_kvm_comes_soon_and_has_a_reason(tmp_path: Path) -> None:
    begun = time.monotonic()
    found = probe_kvm(Settings(new_run_id(), tmp_path, default_cache_dir()))
    assert time.monotonic() - begun < 60
    assert found.reason
    if found.usable:
        assert found.canary_s is not None
        assert found.tcg_canary_s is not None
        assert found.canary_s <= 2 * found.tcg_canary_s + 0.5
    else:
        assert found.remedy


@pytest.mark.engine("qemu")
def test_kvm_that_was_asked_for_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(new_run_id(), tmp_path, default_cache_dir(), accelerators=("kvm",))
    journal = Journal(settings.run_id, tmp_path / "journal")
    found = load("qemu")(settings, journal).check()  # type: ignore[call-arg]
    journal.close()
    if isinstance(found, Usable):
        assert found.facts["kvm"] == "usable"
    else:
        assert found.reason.startswith("only kvm was asked for: ")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("bench", "way"),
    [
        pytest.param("qemu", {"boots": ("disk",)}, marks=pytest.mark.engine("qemu"), id="qemu-bios"),
        pytest.param(
            "qemu", {"boots": ("disk",), "firmwares": ("uefi",)}, marks=pytest.mark.engine("qemu"), id="qemu-uefi"
        ),
        pytest.param("libvirt", {"boots": ("kernel",)}, marks=pytest.mark.engine("libvirt"), id="libvirt-kernel"),
    ],
    indirect=["bench"],
)
def test_a_whole_userland_reaches_multi_user_target(
    bench: Bench, way: dict[str, tuple[str, ...]], engine_missing: Callable[[str], None]
) -> None:
    bench.set_up(engine_missing, profile="distro", **way)
    with bench.ready("/bin/systemctl", "is-active", "multi-user.target", deadline_s=300) as (instance, reader):
        assert read_until(instance, reader, lambda: "ENVBENCH-EXIT" in reader.tail(), soon(60), "end of the command")
        assert "\nactive" in reader.tail().replace("\r", "")
        bench.ends(instance, deadline_s=120)


@pytest.mark.engine("libvirt")
def test_libvirt_says_nothing_on_stderr() -> None:
    command = [PROGRAM, "doctor", "--backend", "libvirt", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert '"usable": true' in done.stdout, done.stdout
    assert done.stderr == ""


@pytest.mark.engine("libvirt")
def test_libvirts_refusal_is_said_once(tmp_path: Path) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    command = [PROGRAM, "startup", "--backend", "libvirt", "--libvirt-uri", uri, "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "libvirt version" not in done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith(("libvirt:", "envbench:"))] == []
