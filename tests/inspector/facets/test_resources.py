"""What a process may use: every source, both versions of control groups, limits of ancestors, and this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from envinspect.facets.control_groups import ControlGroups, Limit
from envinspect.facets.resources import count_cpus, go_cpus, jvm_cpus, resources_block
from envinspect.facts import Facts, Uname, no_environ
from envinspect.systems.archive import Entry, Tree
from envinspect.systems.captured import CapturedRoot
from envinspect.systems.cpuid import RecordedCpuid
from envinspect.systems.live import live_facts

V2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1 = "".join(
    f"{number} 23 0:{number} / /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}\n"
    for number, name in enumerate(("cpu,cpuacct", "memory", "pids", "cpuset"), 30)
)
MEMINFO = "MemTotal:       8000000 kB\nMemAvailable:   4000000 kB\nSwapTotal:      1000000 kB\n"
STATUS = "Name:\tx\nCpus_allowed_list:\t0-3\n"


def system(files: dict[str, str], denied: dict[str, str] | None = None) -> Facts:
    entries = {f"root{path}": Entry(data=text.encode()) for path, text in files.items()}
    root = CapturedRoot(Tree(entries, {}), links={}, listings={}, stats={}, denied=denied or {})
    return Facts(root, RecordedCpuid({}), uname=Uname(), euid=0, environ=no_environ)


@pytest.fixture(autouse=True)
def _parents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look files up by their path alone: these systems have no links."""
    monkeypatch.setattr(
        Tree, "locate", lambda self, path, follow_last=True: f"root{path}" if f"root{path}" in self.entries else None
    )


def base(**files: str) -> dict[str, str]:
    return {
        "/proc/self/status": STATUS,
        "/proc/meminfo": MEMINFO,
        "/sys/devices/system/cpu/online": "0-7\n",
        "/proc/sys/kernel/threads-max": "60000\n",
        **files,
    }


def v2(path: str = "/a/b", **files: str) -> dict[str, str]:
    tree = {f"/sys/fs/cgroup{name}": text for name, text in files.items()}
    return base() | {"/proc/self/cgroup": f"0::{path}\n", "/proc/self/mountinfo": V2} | tree


@pytest.mark.parametrize(("text", "count"), [("0", 1), ("0-3", 4), ("0-1,4,6-7", 5), ("0-3\n", 4)])
def test_cpu_lists(text: str, count: int) -> None:
    assert count_cpus(text) == count


@pytest.mark.parametrize("text", ["", "-", "a", "3-1", "0-", "0,,1", "0-99999999", "0x1"])
def test_what_is_no_cpu_list_is_not_known(text: str) -> None:
    assert count_cpus(text) is None


def test_affinity_bounds_the_cpus() -> None:
    block = resources_block(system(base()))
    assert (block["cpus"], block["cpus_allowed"], block["cpus_online"]) == (4, 4, 8)
    assert block["cpus_because"].startswith("Cpus_allowed_list 0-3")


def test_a_mask_beyond_the_online_cpus_is_cut() -> None:
    files = base() | {"/proc/self/status": "Cpus_allowed_list:\t0-127\n"}
    assert resources_block(system(files))["cpus"] == 8


def test_v2_quota_of_any_ancestor_binds() -> None:
    files = v2(**{"/a/b/cpu.max": "max 100000", "/a/cpu.max": "150000 100000"})
    block = resources_block(system(files))
    assert block["cpus"] == 1.5
    assert block["cpus_because"] == "150000 100000 in /sys/fs/cgroup/a/cpu.max"
    assert (block["jvm_cpus"], block["go_cpus"]) == (2, 2)


def test_the_tightest_of_nested_quotas_counts() -> None:
    files = v2(**{"/a/b/cpu.max": "300000 100000", "/a/cpu.max": "50000 100000", "/cpu.max": "900000 100000"})
    block = resources_block(system(files))
    assert (block["cpus"], block["jvm_cpus"], block["go_cpus"]) == (0.5, 1, 2)


def test_a_quota_wider_than_the_affinity_changes_nothing() -> None:
    block = resources_block(system(v2(**{"/a/cpu.max": "800000 100000"})))
    assert (block["cpus"], block["cpu_quota"]) == (4, 8)


def test_v1_quota_and_memory_along_the_path() -> None:
    files = base() | {
        "/proc/self/cgroup": "4:memory:/x/y\n3:cpu,cpuacct:/x/y\n2:pids:/x\n",
        "/proc/self/mountinfo": V1,
        "/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us": "-1",
        "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "250000",
        "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000",
        "/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes": "9223372036854771712",
        "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1073741824",
        "/sys/fs/cgroup/memory/x/memory.usage_in_bytes": "500000000",
        "/sys/fs/cgroup/memory/x/memory.stat": "inactive_file 1\ntotal_inactive_file 100000000\n",
        "/sys/fs/cgroup/memory/x/memory.memsw.limit_in_bytes": "1173741824",
        "/sys/fs/cgroup/pids/x/pids.max": "512",
    }
    block = resources_block(system(files))
    assert (block["cpus"], block["memory_bytes"], block["swap_bytes"], block["pids"]) == (
        2.5,
        1 << 30,
        100_000_000,
        512,
    )
    assert block["memory_available_bytes"] == (1 << 30) - 400_000_000
    assert block["memory_machine_bytes"] == 8_000_000 * 1024


def test_v2_memory_swap_and_pids() -> None:
    files = v2(**{
        "/a/memory.max": "1000000000", "/a/b/memory.max": "max", "/a/memory.current": "100", "/a/b/pids.max": "64",
        "/a/memory.stat": "inactive_file 0", "/a/b/memory.swap.max": "0",
    })  # fmt: skip
    block = resources_block(system(files))
    assert (block["memory_bytes"], block["swap_bytes"], block["pids"]) == (1_000_000_000, 0, 64)
    assert block["memory_available_bytes"] == 999_999_900


def test_a_container_without_its_own_cgroup_namespace_sees_its_limits_at_the_mount() -> None:
    """Docker on v1: the path names the host's folder, and the mount shows just that folder."""
    files = base() | {
        "/proc/self/cgroup": "3:cpu,cpuacct:/docker/abc\n",
        "/proc/self/mountinfo": "30 23 0:26 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }
    assert resources_block(system(files))["cpus"] == 2


def test_a_path_outside_the_namespace_is_not_followed() -> None:
    files = v2("/../../other", **{"/cpu.max": "100000 100000"})
    assert ControlGroups(system(files)).levels("cpu") == (2, ("/sys/fs/cgroup",))


def test_a_denied_limit_is_told() -> None:
    block = resources_block(system(v2(), denied={"/sys/fs/cgroup/a/cpu.max": "EACCES"}))
    assert block["unreadable"] == ["/sys/fs/cgroup/a/cpu.max (EACCES)"]


def test_an_empty_system_knows_nothing_and_says_so() -> None:
    block = resources_block(system({}))
    values = {key: value for key, value in block.items() if not key.endswith("_because") and key != "unreadable"}
    assert set(values.values()) == {None}
    assert all(block[key] for key in block if key.endswith("_because"))


def test_open_files_and_huge_pages() -> None:
    limits = "Limit Soft Hard Units\nMax processes             100        unlimited        processes\n"
    limits += "Max open files            1024                 524288               files     \n"
    huge = "HugePages_Total:      16\nHugePages_Free:        4\nHugepagesize:       2048 kB\n"
    block = resources_block(system(base() | {"/proc/self/limits": limits, "/proc/meminfo": MEMINFO + huge}))
    assert (block["open_files"], block["open_files_hard"], block["user_processes"]) == (1024, 524288, 100)
    assert (block["huge_pages"], block["huge_pages_free"], block["huge_page_bytes"]) == (16, 4, 2 << 20)


@pytest.mark.parametrize(
    ("allowed", "quota", "jvm", "golang"),
    [
        (8, None, 8, 8),
        (8, 0.1, 1, 2),
        (8, 2.0, 2, 2),
        (8, 2.1, 3, 3),
        (1, 0.5, 1, 1),
        (4, 16.0, 4, 4),
        (None, 1.0, None, None),
    ],
)
def test_the_rules_of_jvm_and_go(allowed: int | None, quota: float | None, jvm: int | None, golang: int | None) -> None:
    limit = None if quota is None else Limit(quota, "cpu.max", "")
    assert (jvm_cpus(allowed, limit), go_cpus(allowed, limit)) == (jvm, golang)


@pytest.mark.applies(Path("/proc/self/status").exists(), "asks the running Linux")
class TestThisMachine:
    def test_it_agrees_with_nproc(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
        said = subprocess.run(["nproc"], capture_output=True, text=True, check=True, env=environment)
        block = resources_block(live_facts())
        assert block["cpus_allowed"] == int(said.stdout) == len(os.sched_getaffinity(0))

    def test_it_agrees_with_nproc_under_taskset(self) -> None:
        code = "from envinspect.systems.live import live_facts as f; "
        code += "from envinspect.facets.resources import resources_block as r; print(r(f())['cpus_allowed'])"
        first = str(min(os.sched_getaffinity(0)))
        done = subprocess.run(
            ["taskset", "-c", first, os.sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "1"

    def test_the_disk_is_that_of_the_working_folder(self) -> None:
        found = os.statvfs(".")
        assert resources_block(live_facts())["disk_bytes"] == found.f_frsize * found.f_blocks
