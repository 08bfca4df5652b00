"""What experiments read and decide, without an engine: accounts, reports, tool output, searches, comparisons."""

import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from envbench import backends
from envbench.backends.vm.guest import Disk
from envbench.backends.wsl import decode_windows, wsl_version
from envbench.commands.all import experiments_for
from envbench.commands.experiments import run_experiments
from envbench.errors import BackendError, EnvbenchError, InterruptedRunError, UsageError
from envbench.experiments import EXPERIMENTS, load
from envbench.experiments.density import steps_to, why_stop
from envbench.experiments.idle import per_minute
from envbench.experiments.isolation.experiment import count_bits, is_same_kernel, readable_facts
from envbench.experiments.kernel.experiment import (
    Seen,
    hardware,
    holds_kvm,
    is_hosts_hardware,
    payload_on_host,
    release_of,
    seen_in,
    uptime_is_new,
)
from envbench.experiments.kernel.foreign import SIGNATURES, registration
from envbench.experiments.kernel.managers import installed
from envbench.experiments.kernel.windows_image import write_windows_image
from envbench.experiments.memory import Footprint, footprint, smallest
from envbench.experiments.release.experiment import leaks_of
from envbench.experiments.release.host_state import HostState, left_behind
from envbench.experiments.resize import write_limit
from envbench.experiments.shared.accounting import (
    cgroup_memory,
    growth,
    mapped_guest,
    memory_pressure,
    parse_rollup,
    process_memory,
)
from envbench.experiments.size.contents import CLASSES, class_of, image_files, items_of, tree_files
from envbench.experiments.speed import MEASURES, Work, clock_rate, sections, turns, wanted
from envbench.experiments.wsl import files_per_s, windows_drives
from envbench.records.metrics import METRICS, metric
from envbench.records.phases import Experiment, Unit
from envbench.run.bench import Bench, Prepared
from envbench.run.record import RunRecord
from envbench.settings import Configuration, Plan
from envbench.surroundings.clock import monotonic_ns
from envbench.traces.limits import memory_limit_bytes

MIB = 1 << 20
ROLLUP = """55d0c0-7ffc00 ---p 00000000 00:00 0 [rollup]
Rss:                2000 kB
Pss:                1100 kB
Private_Clean:       300 kB
Private_Dirty:       500 kB
Swap:                  0 kB
"""


def test_every_experiment_can_be_loaded_and_has_metrics():
    for name in EXPERIMENTS:
        assert callable(load(name))
        assert any(meaning.experiment is Experiment(name) for meaning in METRICS.values()), name


def test_every_metric_has_unit_and_meaning_and_families_resolve():
    for name, meaning in METRICS.items():
        assert meaning.meaning, name
        assert meaning.better in {"", "lower", "higher"}, name
    assert metric("item.kernel").unit is Unit.BYTES
    assert metric("leaked.cgroups").experiment is Experiment.RELEASE
    with pytest.raises(KeyError):
        metric("item")
    with pytest.raises(KeyError):
        metric("no_such_metric")


def test_rollup_is_read_in_bytes_and_an_empty_one_is_refused():
    found = parse_rollup(ROLLUP)
    assert (found.pss, found.uss, found.rss) == (1100 * 1024, 800 * 1024, 2000 * 1024)
    with pytest.raises(ValueError, match="Pss"):
        parse_rollup("")


def test_memory_of_processes_leaves_out_those_that_are_gone(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1/smaps_rollup").write_text(ROLLUP)
    assert process_memory((1, 2), tmp_path) == parse_rollup(ROLLUP)


@pytest.mark.parametrize("is_v2", [True, False])
def test_cgroup_charge_is_less_the_inactive_page_cache(tmp_path, is_v2):
    if is_v2:
        (tmp_path / "memory.current").write_text("1000\n")
        (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 250\n")
    else:
        (tmp_path / "memory.usage_in_bytes").write_text("1000\n")
        (tmp_path / "memory.stat").write_text("cache 5\ntotal_inactive_file 250\n")
        (tmp_path / "memory.max_usage_in_bytes").write_text("4000\n")
    found = cgroup_memory(tmp_path)
    assert (found.usage, found.working_set) == (1000, 750)
    assert found.peak == (None if is_v2 else 4000)


@pytest.mark.parametrize(("charge", "inside"), [(1000, 10 * 1024), (50_000, 50_000)])
def test_a_footprint_charges_a_cgroup_only_if_the_instance_is_in_it(tmp_path, monkeypatch, charge, inside):
    (tmp_path / "memory.current").write_text(f"{charge}\n")
    (tmp_path / "memory.stat").write_text("inactive_file 0\n")
    (tmp_path / "cgroup.procs").write_text("7\n")
    pss = {7: 10, 8: 20}
    monkeypatch.setattr(
        "envbench.experiments.memory.process_memory",
        lambda pids: parse_rollup(f"Pss: {sum(pss[pid] for pid in pids)} kB"),
    )
    mine = footprint((7, 8), tmp_path)
    assert mine.total == inside + 20 * 1024
    foreign = footprint((8,), tmp_path)
    assert foreign == Footprint(foreign.processes, foreign.processes, None)
    assert foreign.total == 20 * 1024


def test_guest_memory_is_the_largest_mapping(tmp_path):
    (tmp_path / "9").mkdir()
    (tmp_path / "9/smaps").write_text(
        "1-2 rw-p 0 00:00 0\nSize:  64 kB\nRss: 64 kB\nVmFlags: rd\n"
        "3-4 rw-p 0 00:00 0\nSize: 1024 kB\nRss: 100 kB\nVmFlags: rd\n"
    )
    assert mapped_guest((9, 10), tmp_path) == (1024 * 1024, 100 * 1024)
    assert mapped_guest((10,), tmp_path) == (0, 0)


def test_counters_grow_by_the_threads_that_are_there():
    assert growth({(1, 1): 10, (1, 2): 5}, {(1, 1): 14, (1, 3): 2}) == 6
    assert per_minute(100, 5_000_000_000) == 1200


def test_pressure_is_a_share_and_absent_without_psi(tmp_path):
    assert memory_pressure(tmp_path) is None
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure/memory").write_text("some avg10=12.50 avg60=0 avg300=0 total=1\n")
    assert memory_pressure(tmp_path) == pytest.approx(0.125)


@pytest.mark.parametrize("need_mib", [6, 7, 20, 61, 100, 500, 512])
def test_smallest_memory_is_found_within_a_sixteenth(need_mib):
    found, tried = smallest(lambda size: size >= need_mib * MIB, 6 * MIB, 512 * MIB)
    assert found is not None
    assert need_mib * MIB <= found <= max(need_mib * MIB * 17 / 16 + MIB, 6 * MIB)
    assert tried < 16


def test_smallest_memory_is_none_where_nothing_is_enough():
    assert smallest(lambda size: False, MIB, 8 * MIB) == (None, 4)


def test_density_doubles_up_to_the_highest_and_stops_in_time():
    assert steps_to(1) == [1]
    assert steps_to(8) == [1, 2, 4, 8]
    assert steps_to(6) == [1, 2, 4, 6]
    assert why_stop(1000, 1000, 0.0, 700) == ""
    assert "25%" in why_stop(1000, 1000, None, 800)
    assert "waited" in why_stop(1000, 1000, 0.2, 0)


def test_a_leak_is_only_what_is_new_and_ours():
    before = HostState({"processes": frozenset({"1 1 init"}), "cgroups": frozenset({"/a"})})
    after = HostState(
        {
            "processes": frozenset({"1 1 init", "7 9 shim", "8 9 other"}),
            "cgroups": frozenset({"/a", "/x/run42", "/y"}),
        }
    )
    assert left_behind(before, after)["processes"] == {"7 9 shim", "8 9 other"}
    leaks = leaks_of(before, after, {"processes": {"7 9 shim"}}, "run42")
    assert leaks["processes"] == {"7 9 shim"}
    assert leaks["cgroups"] == {"/x/run42"}
    assert leaks["mounts"] == frozenset()


def test_kernel_facts_are_compared_only_where_both_sides_read_them():
    inside = seen_in(
        {"boot_id": ["b"], "version": ["Linux version 4.4.0 x"], "cpu": ["model name: A"], "device": ["0 1:2"]}
    )
    assert inside.release == "4.4.0"
    assert hardware(inside, Seen(cpu="model name: A", devices={"0": "3:4"})) == {
        "hardware.cpu": True,
        "hardware.devices": False,
    }
    assert hardware(Seen(), Seen(cpu="x")) == {}
    assert release_of(None) is None
    assert release_of("Darwin") is None


@pytest.mark.parametrize(
    ("inside", "host", "same"),
    [
        # An engine hides /sys/firmware: the container reads the vendor alone, and that is the host's.
        (["dmi Dell"], ["dmi Dell", "FACP DELL"], True),
        (["dmi QEMU"], ["dmi Dell", "FACP DELL"], False),
        (["FACP BOCHS"], ["dmi Dell"], None),
        ([], ["dmi Dell"], None),
    ],
)
def test_firmware_is_compared_name_by_name(inside, host, same):
    seen, there = (seen_in({"firmware": each}) for each in (inside, host))
    assert hardware(seen, there).get("hardware.firmware") is same


def test_devices_that_a_side_was_denied_are_no_difference():
    host = seen_in({"device": ["00:01 8086:1", "00:02 8086:2"]})
    part = seen_in({"device": ["00:01 8086:1"]})
    assert hardware(part, host) == {"hardware.devices": False}
    denied = seen_in({"device": ["00:01 8086:1"], "denied": ["device 00:02"]})
    assert hardware(denied, host) == {"hardware.devices": True}


@pytest.mark.parametrize(
    ("same", "answer"),
    [
        ({"hardware.cpu": True, "hardware.firmware": False}, False),
        ({"hardware.cpu": True, "hardware.devices": True}, True),
        ({"hardware.cpu": True}, None),
        ({}, None),
    ],
)
def test_a_cpu_alone_does_not_tell_whose_hardware_it_is(same, answer):
    assert is_hosts_hardware(same) is answer


def test_a_side_that_shows_no_boot_id_is_no_other_kernel():
    host = {"fact.boot_id": ["b"], "fact.version": ["Linux 6.1"]}
    assert is_same_kernel({"fact.version": ["Linux 6.1"]}, host)
    assert not is_same_kernel({"fact.version": ["Linux 4.4"]}, host)
    with pytest.raises(EnvbenchError, match="cannot be told"):
        is_same_kernel({}, host)


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"memory.max": "67108864\n"}, 64 * MIB),
        ({"memory.max": "max\n"}, None),
        ({"memory.limit_in_bytes": "67108864\n"}, 64 * MIB),
        ({}, None),
    ],
)
def test_a_limit_is_what_the_cgroup_has(tmp_path, files, limit):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert memory_limit_bytes(tmp_path) == limit


def test_uptime_is_new_only_if_the_start_explains_it():
    assert uptime_is_new(3.3, 6.0)
    assert uptime_is_new(7.9, 6.0)
    assert not uptime_is_new(2623.0, 0.2)


def test_the_payload_is_found_by_its_nonce_and_a_monitor_is_not_taken_for_it(tmp_path):
    for pid, words in ((1, ["qemu", "-append", "envbench.nonce=n1"]), (2, ["sh", "/envbench/ready", "n1"])):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
    assert payload_on_host("n1", (1, 2, 3), tmp_path) == 2
    assert payload_on_host("n1", (1, 3), tmp_path) is None


def test_an_open_kvm_device_is_seen(tmp_path):
    (tmp_path / "5/fd").mkdir(parents=True)
    (tmp_path / "5/fd/3").symlink_to("/dev/null")
    assert not holds_kvm(5, tmp_path)
    (tmp_path / "5/fd/4").symlink_to("/dev/kvm")
    assert holds_kvm(5, tmp_path)
    assert not holds_kvm(6, tmp_path)


def test_host_facts_that_move_are_the_same_where_they_are_near():
    host = {"fact.uptime": ["1000"], "fact.boot_id": ["x"], "fact.log": [""], "ns": ["pid 1"]}
    assert readable_facts({"fact.uptime": ["1030"], "fact.boot_id": ["y"]}, host) == (["uptime"], ["uptime", "boot_id"])
    assert readable_facts({}, host) == ([], ["uptime", "boot_id"])
    assert count_bits("00000000a80425fb") == 14
    assert count_bits(None) is None
    assert count_bits("?") is None


def test_binfmt_registration_matches_the_foreign_header_only():
    line = registration("n", "aarch64", "/usr/bin/q")
    assert line.startswith(b":n:M:0:\\x7f\\x45\\x4c\\x46\\x02")
    assert line.endswith(b":/usr/bin/q:F")
    for magic, mask in SIGNATURES.values():
        assert len(magic) == len(mask) == 20


def test_managers_are_those_on_the_path():
    assert installed({"a": "A", "b": "B"}, {"b": "/bin/b"}.get) == ["B"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("boot/vmlinuz-6.1", "kernel"),
        ("boot/initrd.img-6.1", "initramfs"),
        ("usr/lib/modules/6.1/kernel/a.ko", "modules"),
        ("boot/grub/grub.cfg", "boot"),
        ("usr/lib/systemd/systemd", "init"),
        ("usr/bin/dpkg", "package_manager"),
        ("var/lib/dpkg/status", "package_manager"),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", "libraries"),
        ("bin/busybox", "app"),
        ("usr/bin/busybox", "app"),
        ("envbench/ready", "app"),
        ("usr/sbin/nginx", "app"),
        ("usr/lib/nginx/modules/ngx_http_echo_module.so", "app"),
        ("etc/passwd", "other"),
        ("usr/bin/initialise", "other"),
    ],
)
def test_files_are_classed_by_their_path(path, expected):
    assert class_of(path) == expected
    assert expected in CLASSES


def test_items_name_every_class_and_hard_links_count_once(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/busybox").write_bytes(b"x" * 100)
    (tmp_path / "bin/sh").hardlink_to(tmp_path / "bin/busybox")
    (tmp_path / "bin/link").symlink_to("busybox")
    items = items_of(tree_files(tmp_path))
    assert set(items) == set(CLASSES)
    assert sum(items.values()) == 100
    assert items["kernel"] == 0


TOOL_OUTPUT = {
    "cpu_int": ("CPU speed:\n    events per second:  1234.56\n", 1234.56),
    "cpu_float": (
        (
            "stress-ng: metrc: [9] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s\n"
            "stress-ng: metrc: [9] cpu                 615      1.00      0.99      0.00       614.56         621.21\n"
        ),
        621.21,
    ),
    "cpu_crypto": ("type             16384 bytes\nsha256          1912345.60k\n", 1912345600.0),
    "memory_bandwidth": ("102400.00 MiB transferred (10240.00 MiB/sec)\n", 10240.0 * MIB),
    "memory_latency": ("64.00 MiB transferred (64.00 MiB/sec)\n", 1e9 * 8 / (64 * MIB)),
    "syscall": ("400000+0 records in\n399999+0 records out\n", 400_000.0),
    "context_switch": ("stress-ng: metrc: [9] switch  88484 1.00 0.20 0.70 88484.10 98315.5\n", 88484.10),
    "process_create": ("stress-ng: metrc: [9] fork  1020 1.00 0.20 0.70 1020.10 9831.5\n", 1020.10),
    "disk_seq_read": ("Throughput:\n    read, MiB/s:                  100.50\n", 100.5 * MIB),
    "disk_rand_read": ("File operations:\n    reads/s:                      12600.00\n", 12600.0),
    "disk_fsync": ("File operations:\n    writes/s:                     429.10\n", 429.10),
    "net_loopback": ("stress-ng: metrc: [9] sock  326 1.00 0.20 0.70 326.10 9831.5\n", 326.10),
}


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_tool_output_is_read_and_nonsense_gives_no_figure(name):
    text, expected = TOOL_OUTPUT[name]
    assert MEASURES[name].read(text) == pytest.approx(expected)
    assert MEASURES[name].read("cannot open file") is None
    assert metric(name).experiment is Experiment.SPEED


def test_sections_hold_what_stands_between_their_marks():
    lines = ["@begin=a", "one", "@done=a", "noise", "@begin=b", "cut"]
    assert sections(lines) == {"a": "one"}


@pytest.mark.parametrize(
    ("lines", "moments_s", "expected"),
    [
        (["ready", "@clock=2.50", "@begin=a", "@clock=12.50"], [1, 1, 2, 11], 1.0),
        (["@clock=2.50", "@clock=12.50"], [1, 21], 0.5),
        (["@clock=2.50"], [1], None),
        (["@clock=2.50", "[    3.1] a word of the kernel's @clock=12.50"], [1, 11], None),
        (["@clock=2.50", "@clock=2.50"], [1, 1], None),
    ],
)
def test_a_machines_clock_is_held_against_the_hosts(lines, moments_s, expected):
    assert clock_rate(lines, [moment_s * 10**9 for moment_s in moments_s]) == expected


def test_the_image_for_windows_says_so_and_is_whole(tmp_path):
    write_windows_image(tmp_path / "image.tar", "name")
    with tarfile.open(tmp_path / "image.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]
        config = json.load(archive.extractfile(manifest["Config"]))
        assert config["os"] == "windows"
        assert manifest["RepoTags"] == ["name:latest"]
        assert set(manifest["Layers"]) <= set(archive.getnames())
        with tarfile.open(fileobj=archive.extractfile(manifest["Layers"][0])) as layer:
            program = layer.extractfile(config["config"]["Cmd"][0].lstrip("/")).read()
    assert program[:2] == b"MZ"
    assert program[program[60] : program[60] + 4] == b"PE\0\0"


@pytest.mark.parametrize("what", ["memory", "cpu"])
def test_limits_are_written_into_a_version_2_cgroup(tmp_path, what):
    (tmp_path / "memory.max").write_text("max\n")
    write_limit(tmp_path, what, 64 * MIB if what == "memory" else 0.5)
    assert (tmp_path / ("memory.max" if what == "memory" else "cpu.max")).read_text() == (
        str(64 * MIB) if what == "memory" else "50000 100000"
    )


@pytest.mark.parametrize(
    ("release", "version"),
    [("4.4.0-19041-Microsoft", 1), ("5.15.153.1-microsoft-standard-WSL2", 2), ("6.1.0-56-cloud-amd64", None)],
)
def test_the_version_of_wsl_is_told_by_the_kernels_release(release, version):
    assert wsl_version(release) == version


def test_windows_programs_say_utf16_or_utf8():
    assert decode_windows("Debian\r\n".encode("utf-16-le")) == "Debian\n"
    assert decode_windows(b"envbench\r\n") == "envbench\n"


def test_windows_drives_are_told_from_other_9p_mounts():
    mounts = (
        "C:\\134 /mnt/c 9p rw,noatime,aname=drvfs;path=C:\\;uid=0 0 0\n"
        "none /mnt/wsl tmpfs rw 0 0\n"
        "drivers /usr/lib/wsl/drivers 9p ro,nosuid,aname=drivers;fmask=222 0 0\n"
        "D: /mnt/d drvfs rw 0 0\n"
    )
    assert windows_drives(mounts) == ["/mnt/c", "/mnt/d"]


def test_file_work_leaves_nothing_behind(tmp_path: Path):
    assert files_per_s(tmp_path / "work") > 0
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_is_never_taken_for_a_refusal():
    """Experiments note refusals and go on; a signal may come at any moment of theirs."""
    assert not issubclass(InterruptedRunError, Exception)
    bench = Bench(None, None, None, ())  # type: ignore[arg-type]
    with pytest.raises(InterruptedRunError), bench.attempt(Experiment.RESIZE, "anything"):
        raise InterruptedRunError("stop")


def test_a_failed_part_is_noted_with_reason_and_remedy_and_the_rest_goes_on():
    said: list[str] = []
    bench = Bench(None, None, None, (), say=said.append)  # type: ignore[arg-type]
    with bench.attempt(Experiment.RESIZE, "growing", "do this"):
        raise BackendError("the engine refused")
    (skip,) = bench.skips
    assert (skip.experiment, skip.what, skip.reason, skip.remedy) == (
        "resize",
        "growing",
        "the engine refused",
        "do this",
    )
    assert "the engine refused" in said[0]


def test_every_claims_experiments_can_be_named():
    assert experiments_for(None) == ("startup", *EXPERIMENTS)
    assert experiments_for("release-clean, idle-cost") == ("idle", "release")
    with pytest.raises(UsageError, match="no claim 'idle-costs'") as caught:
        experiments_for("release-clean,idle-costs")
    assert "idle-cost" in caught.value.remedy
    with pytest.raises(UsageError) as caught:
        experiments_for("qqq")
    assert "envbench claims" in caught.value.remedy
    with pytest.raises(UsageError, match="nothing can be measured"):
        experiments_for("hypervisor-terms")


OWN_CLAIM = """
[[claim]]
id = "ours"
wording = "Our machine idles cheaply"
experiment = "idle"
metric = "idle_memory"
backends = "vm"
is = "<"
bound = "1 GiB"
"""


def test_ones_own_claims_can_be_asked_for_too(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(OWN_CLAIM)
    assert experiments_for("ours,start-faster", path) == ("startup", "idle")
    assert experiments_for(None, path) == ("startup", *EXPERIMENTS)
    path.write_text(OWN_CLAIM.replace("idle_memory", "idle_mem"))
    with pytest.raises(UsageError, match="no metric 'idle_mem'"):
        experiments_for(None, path)


def saved_image(path: Path, *layers: dict[str, bytes]) -> Path:
    """Write what `docker save` writes: a manifest that names the layers, each an archive of its own."""
    with tarfile.open(path, "w") as archive:
        names = []
        for number, files in enumerate(layers):
            with io.BytesIO() as packed:
                with tarfile.open(fileobj=packed, mode="w:gz" if number else "w") as layer:
                    for name, data in files.items():
                        put(layer, name, data)
                names.append(f"{number}/layer.tar")
                put(archive, names[-1], packed.getvalue())
        put(archive, "manifest.json", json.dumps([{"Config": "c.json", "Layers": names}]).encode())
    return path


def put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def test_an_image_shows_its_layers_one_over_the_other(tmp_path):
    saved = saved_image(
        tmp_path / "saved.tar",
        {"./usr/bin/apt": b"12345", "etc/old/a": b"1", "etc/old/b": b"1", "opt/x/deep/y": b"1", "boot/vmlinuz-6": b"k"},
        {"usr/bin/apt": b"123", "etc/.wh.old": b"", "opt/x/.wh..wh..opq": b"", "opt/x/new": b"12", "old": b"1"},
    )
    assert image_files(saved) == {"usr/bin/apt": 3, "boot/vmlinuz-6": 1, "opt/x/new": 2, "old": 1}
    assert items_of(image_files(saved).items()) == dict.fromkeys(CLASSES, 0) | {
        "package_manager": 3,
        "kernel": 1,
        "other": 3,
    }


def test_an_image_of_another_form_is_refused_in_one_line(tmp_path):
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        put(archive, "index.json", b"{}")
    with pytest.raises(BackendError, match=r"manifest\.json"):
        image_files(tmp_path / "other.tar")


def test_nothing_begins_once_a_quick_run_has_used_up_its_time(settings, tmp_path):
    said: list[str] = []
    bench = Bench(None, None, None, (), say=said.append, until_ns=monotonic_ns() - 1)  # type: ignore[arg-type]
    assert not bench.has_time()
    notes = SimpleNamespace(record=RunRecord(tmp_path, settings, Plan(), (), {}))
    run_experiments(notes, ("idle", "speed"), bench)  # type: ignore[arg-type]
    skips = notes.record.run.skips
    assert [skip.experiment for skip in skips] == ["idle", "speed"]
    assert all("time of a quick run" in skip.reason and skip.remedy for skip in skips)
    bench.until_ns = monotonic_ns() + 10**12
    assert bench.has_time(10**11)
    assert not bench.has_time(2 * 10**12)
    bench.until_ns = None
    assert bench.has_time(10**18)


def test_a_quick_run_takes_fewer_metrics_where_a_start_takes_seconds(settings, journal):
    host, machine = (
        Prepared(backends.load(name)(settings, journal), Configuration(name)) for name in ("process", "qemu")
    )
    quick, full = (Bench(None, None, None, (), quick=quick) for quick in (True, False))  # type: ignore[arg-type]
    disk = Disk(Path("disk"))
    assert wanted(quick, machine, disk) < wanted(quick, host) == wanted(full, host) == set(MEASURES)
    assert wanted(full, machine, disk) == set(MEASURES)
    assert set(MEASURES) - wanted(full, machine) == {name for name, measure in MEASURES.items() if measure.needs_disk}
    assert wanted(quick, machine, disk) - wanted(quick, machine) == {"disk_rand_read", "disk_fsync"}


def test_what_is_compared_is_measured_metric_by_metric(settings, journal):
    _, docker, machine = configurations = [
        Prepared(backends.load(name)(settings, journal), Configuration(name)) for name in ("process", "docker", "qemu")
    ]
    bench = Bench(None, None, None, (), seed=3)  # type: ignore[arg-type]
    plan = {one.name: Work(frozenset(MEASURES), None) for one in configurations}
    plan[docker.name] = Work(frozenset(MEASURES) - {"syscall"}, None)
    first, second = (list(turns(bench, configurations, plan, number)) for number in (0, 1))
    assert first[-1] == (machine, plan[machine.name]) == second[0], "one start takes all its metrics"
    asked = [(one.name, next(iter(work.metrics))) for one, work in first[:-1]]
    assert len(asked) == len(set(asked)) == 2 * len(MEASURES) - 1
    for measured in MEASURES:
        places = [place for place, (_, name) in enumerate(asked) if name == measured]
        assert places[-1] - places[0] == len(places) - 1, "both sides of a comparison stand next to each other"
    assert len({name for name, _ in asked[::2]}) == 2, "the order is drawn anew for each metric"
