"""Real machines, by QEMU itself and by libvirt: ready, stop, gone; and what must happen when they are not."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envbench.accelerator import probe_kvm
from envbench.backends import load
from envbench.backends.libvirt import processes_of, reap
from envbench.backends.protocol import Backend, Instance, Mark, Unusable, Usable, Workload
from envbench.clock import NS_PER_S, monotonic_ns
from envbench.errors import BackendError, StartTimeoutError
from envbench.journal import Entry, Journal, Kind
from envbench.payload.floor import floor_disk
from envbench.payload.kernel import default_cache_dir
from envbench.plan import Settings, new_nonce, new_run_id
from envbench.readiness import OutputReader, marker_for, read_until, wait_ready
from envbench.sampler import phases_of

RUNGS = [pytest.param(name, marks=pytest.mark.engine(name)) for name in ("qemu", "libvirt")]
READY_S = 90.0


class Bench:
    """One rung of a run of its own; `start` starts a guest and records its moments."""

    def __init__(self, name: str, folder: Path) -> None:
        run_id = new_run_id()
        # Sockets' paths are short: pytest's own folders are too deep (108 bytes, unix(7)).
        self.settings = Settings(run_id, folder, default_cache_dir(), accelerators=("tcg",))
        self.journal = Journal(run_id, folder / "journal")
        self.name = name
        self.marks: dict[Mark, int] = {}
        self.backend: Backend

    def set_up(self, missing: Callable[[str], None], **more: object) -> None:
        """Make the rung with further settings; the test ends where it cannot be used."""
        self.settings = replace(self.settings, **more)  # type: ignore[arg-type]
        self.backend = load(self.name)(self.settings, self.journal)  # type: ignore[call-arg]
        found = self.backend.check()
        if isinstance(found, Unusable):
            missing(f"{found.reason}; {found.remedy}")

    def mark(self, moment: Mark) -> None:
        self.marks.setdefault(moment, monotonic_ns())

    def start(self, workload: Workload) -> Instance:
        (variant,) = self.backend.variants()
        self.backend.prepare(variant)
        return self.backend.start(workload, variant, self.mark)


def soon(seconds: float) -> int:
    return monotonic_ns() + int(seconds * NS_PER_S)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A rung by the test's parameter; afterwards nothing of it may be left."""
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


def listen(bench: Bench, instance: Instance, nonce: str, deadline_s: float = READY_S) -> OutputReader:
    reader = OutputReader(marker_for(nonce, bench.settings.ready_pattern))
    bench.marks[Mark.READY] = wait_ready(instance, reader, soon(deadline_s))
    return reader


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_ready_stop_gone_and_every_stretch_between(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing)
    nonce = new_nonce()
    instance = bench.start(Workload(nonce, argv=("/envbench/ready", "facts"), keep_running=True))
    try:
        reader = listen(bench, instance, nonce)
        read_until(instance, reader, lambda so_far: so_far.facts_complete, soon(20), "last fact")
        (pid,) = instance.processes()
        assert bench.settings.run_id in instance.name
        bench.mark(Mark.STOP_REQUESTED)
        instance.stop(soon(30))
        bench.mark(Mark.STOPPED)
        instance.remove(soon(30))
        bench.mark(Mark.GONE)
    finally:
        instance.destroy()
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


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_the_floor_guest_says_ready_without_any_system(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, boots=("floor",))
    nonce = new_nonce()
    instance = bench.start(Workload(nonce, keep_running=True))
    try:
        listen(bench, instance, nonce)
        instance.stop(soon(30))
        instance.remove(soon(30))
    finally:
        instance.destroy()


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_a_command_runs_and_the_machine_ends_by_itself(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing)
    nonce = new_nonce()
    instance = bench.start(Workload(nonce, argv=("/bin/sh", "-c", "echo two  words; exit 7")))
    try:
        listen(bench, instance, nonce)
        instance.stop(soon(60))
        said = instance.console_tail()
        instance.remove(soon(30))
    finally:
        instance.destroy()
    assert "two words" in said
    assert f"ENVBENCH-EXIT {nonce} status=7" in said


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_a_guest_that_floods_its_console_still_stops(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing)
    nonce = new_nonce()
    flood = ("/bin/sh", "-c", "while :; do echo flood flood flood; done")
    instance = bench.start(Workload(nonce, argv=flood, keep_running=True))
    try:
        listen(bench, instance, nonce)
        time.sleep(1)  # Nobody reads: the line fills up.
        instance.stop(soon(60))
        assert len(instance.console_tail()) <= 8192
        instance.remove(soon(30))
    finally:
        instance.destroy()


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_a_guest_that_hangs_times_out_with_its_last_words(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, append="rdinit=/bin/sh")
    instance = bench.start(Workload(new_nonce(), keep_running=True))
    try:
        reader = OutputReader(marker_for(new_nonce()))
        read_until(instance, reader, lambda so_far: "job control turned off" in so_far.tail(), soon(READY_S), "shell")
        with pytest.raises(StartTimeoutError, match=r"no ready line within .*job control turned off"):
            wait_ready(instance, reader, soon(1))
        with pytest.raises(BackendError, match="did not power off in time"):
            instance.stop(soon(1))
    finally:
        instance.destroy()
        instance.destroy()


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_a_panic_ends_the_start_at_once_and_is_told(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, append="rdinit=/no/such")
    instance = bench.start(Workload(new_nonce(), keep_running=True))
    try:
        with pytest.raises(BackendError, match="ended before ready line") as caught:
            listen(bench, instance, new_nonce())
        assert "Kernel panic" in instance.console_tail()
        assert not isinstance(caught.value, StartTimeoutError)
    finally:
        instance.destroy()


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_a_disk_that_does_not_boot_times_out(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    disk = bench.settings.work_dir / "empty.img"
    disk.write_bytes(bytes(1 << 20))
    bench.settings.work_dir.chmod(0o711)
    bench.set_up(engine_missing, disk=disk, ready_pattern="login:")
    instance = bench.start(Workload(new_nonce(), keep_running=True))
    try:
        with pytest.raises(StartTimeoutError, match=r"no ready line within .*it said nothing"):
            listen(bench, instance, "", deadline_s=3)
    finally:
        instance.destroy()
    assert disk.read_bytes() == bytes(1 << 20)


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_a_users_disk_is_ready_at_its_own_pattern(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    disk = bench.settings.work_dir / "mine.img"
    disk.write_bytes(floor_disk("of-my-own", stay=True))
    bench.settings.work_dir.chmod(0o711)
    bench.set_up(engine_missing, disk=disk, ready_pattern="READY of-my-own")
    instance = bench.start(Workload(new_nonce(), keep_running=True))
    try:
        listen(bench, instance, "", deadline_s=30)
        instance.stop(soon(30))
        instance.remove(soon(30))
    finally:
        instance.destroy()


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_a_broken_disk_is_refused_in_one_line(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    disk = bench.settings.work_dir / "broken.qcow2"
    disk.write_bytes(b"QFI\xfb" + bytes(100))
    bench.settings.work_dir.chmod(0o711)
    bench.set_up(engine_missing, disk=disk, ready_pattern="login:")
    with pytest.raises(BackendError, match=r"broken\.qcow2") as caught:
        start_and_listen(bench)
    assert "\n" not in str(caught.value)


def start_and_listen(bench: Bench) -> None:
    """Start and wait: QEMU opens the serial line before it looks at the disk, libvirt's overlay is made before."""
    instance = bench.start(Workload(new_nonce(), keep_running=True))
    try:
        listen(bench, instance, "")
    finally:
        instance.destroy()


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm"])
@pytest.mark.parametrize("bench", RUNGS[:1], indirect=True)
def test_every_machine_type_boots(bench: Bench, machine: str, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, machines=(machine,))
    nonce = new_nonce()
    instance = bench.start(Workload(nonce, keep_running=True))
    try:
        listen(bench, instance, nonce)
        instance.stop(soon(30))
        instance.remove(soon(30))
    finally:
        instance.destroy()


@pytest.mark.parametrize("bench", RUNGS[:1], indirect=True)
def test_a_microvm_boots_on_a_busy_machine(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    """Its kernel cannot calibrate the TSC then, and without being told its rate it hangs."""
    bench.set_up(engine_missing, machines=("microvm",))
    nonce = new_nonce()
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * (os.cpu_count() or 1))]
    try:
        instance = bench.start(Workload(nonce, keep_running=True))
        try:
            listen(bench, instance, nonce)
        finally:
            instance.destroy()
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_uefi_firmware_is_told_from_the_kernel(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing, firmwares=("uefi",))
    nonce = new_nonce()
    instance = bench.start(Workload(nonce, keep_running=True))
    try:
        listen(bench, instance, nonce)
        instance.stop(soon(30))
        instance.remove(soon(30))
    finally:
        instance.destroy()
    phases = {str(phase): value for phase, value in phases_of(bench.marks).items()}
    assert phases["firmware"] > 0


HARNESS = """
import sys, time
from pathlib import Path
from envbench.backends import load
from envbench.backends.protocol import Workload
from envbench.journal import Journal
from envbench.payload.kernel import default_cache_dir
from envbench.plan import Settings
name, run_id, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
settings = Settings(run_id, folder, default_cache_dir(), accelerators=("tcg",))
rung = load(name)(settings, Journal(run_id, folder / "journal"))
(variant,) = rung.variants()
rung.prepare(variant)
instance = rung.start(Workload("n", keep_running=True), variant, lambda mark: None)
print(instance.name, *instance.processes(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("bench", RUNGS, indirect=True)
def test_a_killed_harness_leaves_no_machine(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing)
    run_id = new_run_id()
    folder = bench.settings.work_dir / "killed"
    folder.mkdir()
    argv = [sys.executable, "-c", HARNESS, bench.name, run_id, str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        name, pid = harness.stdout.readline().split()
        assert Path(f"/proc/{pid}").exists()
        assert processes_of(name) == (int(pid),) or running(name)
        harness.kill()
    deadline_ns = soon(15)
    while running(name) and monotonic_ns() < deadline_ns:
        time.sleep(0.05)
    assert running(name) == []
    for left in Path("/tmp").glob(f"envbench-{run_id}-*"):
        subprocess.run(["rm", "-rf", "--", str(left)], check=True)
    Path("/var/log/libvirt/qemu", f"{name}.log").unlink(missing_ok=True)


@pytest.mark.engine("libvirt")
def test_a_daemon_that_is_not_there_is_a_skipped_rung_with_its_remedy(tmp_path: Path) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    settings = Settings("r", tmp_path, default_cache_dir(), libvirt_uris=(uri,), accelerators=("tcg",))
    journal = Journal("r", tmp_path / "journal")
    found = load("libvirt")(settings, journal).check()  # type: ignore[call-arg]
    journal.close()
    assert isinstance(found, Unusable)
    assert "libvirtd -d" in found.remedy
    with pytest.raises(BackendError, match="libvirtd -d"):
        reap(Entry(1, Kind.DOMAIN, "envbench-r-1", "libvirt", {"uri": uri}), "r")


@pytest.mark.parametrize("bench", RUNGS[1:], indirect=True)
def test_a_domain_that_is_gone_needs_no_reaping(bench: Bench, engine_missing: Callable[[str], None]) -> None:
    bench.set_up(engine_missing)
    assert not reap(Entry(1, Kind.DOMAIN, "envbench-none-1", "libvirt", {"uri": "qemu:///system"}), "none")


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
    nonce = new_nonce()
    instance = bench.start(
        Workload(nonce, argv=("/bin/systemctl", "is-active", "multi-user.target"), keep_running=True)
    )
    try:
        reader = listen(bench, instance, nonce, deadline_s=300)
        read_until(instance, reader, lambda so_far: "ENVBENCH-EXIT" in so_far.tail(), soon(60), "end of the command")
        assert "\nactive" in reader.tail().replace("\r", "")
        instance.stop(soon(120))
        instance.remove(soon(30))
    finally:
        instance.destroy()
