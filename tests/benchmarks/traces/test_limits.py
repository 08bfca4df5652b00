"""What the kernel says an instance got: files of both versions of cgroups, a network, a root."""

from pathlib import Path

import pytest

from envbench.traces import limits

MIB = 1 << 20


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    (tmp_path / "memory.max").write_text(f"{64 * MIB}\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    return tmp_path


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    """A cgroup of version 1's memory controller, with the CPU controller's beside it."""
    memory, cpu = tmp_path / "memory/one", tmp_path / "cpu,cpuacct/one"
    for folder in (memory, cpu):
        folder.mkdir(parents=True)
    (memory / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (cpu / "cpu.cfs_quota_us").write_text("150000\n")
    (cpu / "cpu.cfs_period_us").write_text("100000\n")
    return memory


def test_the_cpu_limit_is_read_of_both_versions(v2: Path) -> None:
    assert limits.cpu_limit(v2) == 0.5
    (v2 / "cpu.max").write_text("max 100000\n")
    assert limits.cpu_limit(v2) is None


def test_the_cpu_limit_of_version_1_lies_beside_the_memory_controller(v1: Path) -> None:
    assert limits.cpu_limit(v1, v1.parent.parent) == 1.5
    (v1.parent.parent / "cpu,cpuacct/one/cpu.cfs_quota_us").write_text("-1\n")
    assert limits.cpu_limit(v1, v1.parent.parent) is None


def test_nothing_differs_where_all_is_as_asked(v2: Path) -> None:
    assert limits.differences({"memory": str(64 * MIB), "cpus": "0.5", "network": "none"}, 1, v2) == ()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"memory": str(32 * MIB)}, f"its cgroup's limit is {64 * MIB}"),
        ({"memory": str(128 * MIB)}, f"its cgroup's limit is {64 * MIB}"),
        ({"cpus": "2"}, "its cgroup's limit is 0.5"),
    ],
)
def test_another_limit_is_named(v2: Path, asked: dict[str, str], words: str) -> None:
    (said,) = limits.differences(asked, 1, v2)
    assert said.endswith(words)


def test_no_cgroup_of_its_own_is_no_limit() -> None:
    memory, cpus = limits.differences({"memory": "4096", "cpus": "1"}, 1, None)
    assert memory.endswith("its cgroup's limit is none")
    assert cpus.endswith("its cgroup's limit is none")


def test_version_1s_unlimited_is_not_what_was_asked(v1: Path) -> None:
    assert len(limits.differences({"memory": str(64 * MIB)}, 1, v1)) == 1


def test_a_limit_of_the_level_above_counts(v2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = v2 / "container"
    below.mkdir()
    (below / "memory.max").write_text("max\n")
    (below / "cpu.max").write_text("max 100000\n")
    monkeypatch.setattr(limits, "CGROUP_ROOT", v2.parent)
    assert limits.differences({"memory": str(64 * MIB), "cpus": "0.5"}, None, below) == ()


def test_interfaces_and_root_of_a_process(tmp_path: Path) -> None:
    (tmp_path / "7/net").mkdir(parents=True)
    (tmp_path / "7/net/dev").write_text("Inter-|\n face |\n    lo: 0 0\n  eth0: 0 0\n")
    (tmp_path / "7/mountinfo").write_text(
        "21 1 0:20 / / rw,relatime - overlay overlay rw\n22 21 0:20 / / ro,relatime - overlay overlay rw\n"
    )
    assert limits.interfaces(7, tmp_path) == ("lo", "eth0")
    assert limits.root_is_read_only(7, tmp_path)
    (tmp_path / "7/mountinfo").write_text("21 1 0:20 / / rw,relatime - overlay overlay ro\n")
    assert not limits.root_is_read_only(7, tmp_path)


def test_an_init_that_was_asked_for_is_process_1(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {1: "/sbin/docker-init -- /envbench/ready", 2: "/bin/busybox sh /envbench/ready"}
    monkeypatch.setattr(limits, "command_line", lines.__getitem__)
    assert limits.differences({"init": "yes"}, 1, None) == ()
    assert limits.differences({"init": "yes"}, 2, None) == ("an init was asked for, and inside process 1 is not one",)
