"""What can be seen of a machine: this one, and trees of files like those of others."""

import subprocess
from types import SimpleNamespace

import psutil
import pytest

from envbench.records.run_json import Answer, ClockRate, Disk, Seen
from envbench.run import machine as looking
from envbench.run.machine import cgroup_version, clock_rate, disk, governor, machine, mitigations, mount_of


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def refuse(path):
    """Put something there that nobody can read as a file, root neither."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.name)


def mount(mountpoint, fstype="ext4", device="/dev/none"):
    return SimpleNamespace(mountpoint=mountpoint, fstype=fstype, device=device)


def found(value):
    return Seen(Answer.FOUND, value)


def test_this_machine_is_what_other_programs_say_of_it(tmp_path):
    here = machine(tmp_path)
    told = subprocess.run(("df", "--output=fstype", tmp_path), capture_output=True, text=True, check=True).stdout
    assert here.filesystem.value == told.split()[-1]
    for field in here.__struct_fields__:
        seen = getattr(here, field)
        assert (seen.value is None) == (seen.answer is not Answer.FOUND), field
        assert seen.value is not None or seen.because, f"{field}: why there is no value"
    if here.clock_rate.value:
        assert 1e7 < here.clock_rate.value.mean_hz < 2e10, "hertz, not MHz"


def test_governors_of_all_cpus_stand_once_and_what_is_no_cpu_has_none(tmp_path):
    cpus = tmp_path / "devices/system/cpu"
    assert governor(tmp_path).answer is Answer.ABSENT
    (cpus / "cpu0").mkdir(parents=True)
    put(cpus / "cpufreq/scaling_governor", "of no CPU")
    assert governor(tmp_path) == Seen(Answer.ABSENT, because="the kernel shows no cpufreq here")
    for name in ("cpu1", "cpu2", "cpu10"):
        put(cpus / name / "cpufreq/scaling_governor", "powersave\n" if name == "cpu2" else "performance\n")
    assert governor(tmp_path) == found("performance, powersave")
    refuse(cpus / "cpu3/cpufreq/scaling_governor")
    assert governor(tmp_path) == Seen(Answer.FOUND, "performance, powersave", "cannot be read: cpu3")


def test_a_governor_that_cannot_be_read_is_not_none(tmp_path):
    refuse(tmp_path / "devices/system/cpu/cpu0/cpufreq/scaling_governor")
    seen = governor(tmp_path)
    assert (seen.answer, seen.value) == (Answer.DENIED, None)
    assert "cpu0" in seen.because


def test_mitigations_are_the_kernels_own_words(tmp_path):
    folder = tmp_path / "devices/system/cpu/vulnerabilities"
    assert mitigations(tmp_path).answer is Answer.ABSENT
    put(folder / "mds", "Mitigation: Clear CPU buffers; SMT vulnerable\n")
    put(folder / "l1tf", "Not affected\n")
    refuse(folder / "srbds")
    words = {"l1tf": "Not affected", "mds": "Mitigation: Clear CPU buffers; SMT vulnerable"}
    assert mitigations(tmp_path) == Seen(Answer.FOUND, words, "cannot be read: srbds")
    for name in words:
        (folder / name).unlink()
    assert mitigations(tmp_path) == Seen(Answer.DENIED, because="cannot be read: srbds")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (SimpleNamespace(current=2600.0, max=0.0), found(ClockRate(2.6e9))),
        (SimpleNamespace(current=800.5, max=3400.0), found(ClockRate(8.005e8, 3.4e9))),
        (None, Seen(Answer.ABSENT, because="neither cpufreq nor /proc/cpuinfo tells one")),
        (
            SimpleNamespace(current=0.0, max=0.0),
            Seen(Answer.ABSENT, because="neither cpufreq nor /proc/cpuinfo tells one"),
        ),
        (
            PermissionError(13, "Permission denied", "/proc/cpuinfo"),
            Seen(Answer.DENIED, because="/proc/cpuinfo: Permission denied"),
        ),
        (
            FileNotFoundError(2, "No such file or directory", "/proc/cpuinfo"),
            Seen(Answer.ABSENT, because="/proc/cpuinfo: No such file or directory"),
        ),
        (NotImplementedError("no file"), Seen(Answer.ABSENT, because="no file")),
    ],
)
def test_a_clock_rate_is_in_hertz_and_none_is_no_zero(told, expected, monkeypatch, tmp_path):
    def cpu_freq():
        if isinstance(told, Exception):
            raise told
        return told

    monkeypatch.setattr(psutil, "cpu_freq", cpu_freq)
    assert clock_rate(tmp_path) == expected


def test_a_cpufreq_that_is_there_and_tells_nothing_was_denied(monkeypatch, tmp_path):
    def cpu_freq():
        raise NotImplementedError("can't find current frequency file")

    monkeypatch.setattr(psutil, "cpu_freq", cpu_freq)
    (tmp_path / "devices/system/cpu/cpu0/cpufreq").mkdir(parents=True)
    assert clock_rate(tmp_path).answer is Answer.DENIED


def test_a_folder_lies_on_the_deepest_and_last_mount_above_it(tmp_path):
    under = str(tmp_path.parent)
    mounted = found([mount("/", "ext4"), mount(under, "xfs"), mount(under, "tmpfs"), mount(f"{tmp_path}-not", "nfs")])
    assert mount_of(tmp_path, mounted).value.fstype == "tmpfs"
    assert mount_of(tmp_path, found([mount("/elsewhere")])).answer is Answer.ABSENT
    denied = Seen(Answer.DENIED, because="Permission denied")
    assert mount_of(tmp_path, denied) == denied


def test_mounts_that_cannot_be_read_are_not_no_mounts(monkeypatch, tmp_path):
    def refused(*, all):  # noqa: A002 -- psutil's word
        raise PermissionError(13, "Permission denied", "/proc/self/mounts")

    monkeypatch.setattr(psutil, "disk_partitions", refused)
    here = machine(tmp_path)
    denied = Seen(Answer.DENIED, because="/proc/self/mounts: Permission denied")
    assert (here.filesystem, here.disk, here.cgroup_version) == (denied, denied, denied)


def test_a_disk_is_described_whole_also_where_the_folder_lies_on_a_partition(tmp_path):
    number = tmp_path.stat().st_dev
    sysfs = tmp_path / "sys"
    whole = sysfs / "devices/pci/block/sda"
    put(whole / "size", "4096\n")
    put(whole / "queue/rotational", "0\n")
    put(whole / "device/model", "SAMSUNG SSD \n")
    put(whole / "sda1/size", "2048\n")
    numbers = sysfs / f"dev/block/{looking.os.major(number)}:{looking.os.minor(number)}"
    numbers.parent.mkdir(parents=True)
    numbers.symlink_to(whole / "sda1")
    expected = Disk(name="sda", size_bytes=4096 * 512, rotational=False, model="SAMSUNG SSD")
    if looking.os.major(number):
        assert disk(tmp_path, mount("/"), sysfs) == found(expected)
    numbers.unlink()
    assert disk(tmp_path, mount("/", "overlay", "overlay"), sysfs) == Seen(
        Answer.ABSENT, because="overlay shows no block device below it"
    )


@pytest.mark.parametrize(
    ("types", "version"), [(("cgroup2",), "2"), (("cgroup", "cgroup"), "1"), (("cgroup", "cgroup2"), "1 and 2")]
)
def test_the_version_of_control_groups_is_what_is_mounted(types, version):
    assert cgroup_version(found([mount("/"), *(mount("/sys/fs/cgroup", each) for each in types)])) == found(version)
    assert cgroup_version(found([mount("/")])) == Seen(Answer.ABSENT, because="none is mounted")
