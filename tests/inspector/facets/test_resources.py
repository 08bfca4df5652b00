"""What a process may use: every source, both versions of control groups, limits of ancestors, and this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from envinspect.facets.control_groups import ControlGroups, Levels
from envinspect.facets.resources import cpu_set, resources_block
from envinspect.facets.runtimes import Quotas, runtimes
from envinspect.model.facts import Facts, Uname, no_environ
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
    assert len(cpu_set(text) or ()) == count


@pytest.mark.parametrize("text", ["", "-", "a", "3-1", "0-", "0,,1", "0-99999999", "0x1"])
def test_what_is_no_cpu_list_is_not_known(text: str) -> None:
    assert cpu_set(text) is None


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
    assert block["limits"]["cpu"] == {"state": "set", "value": 1.5, "levels": 2, "because": block["cpus_because"]}
    assert (block["jvm_cpus"], block["go_cpus"]) == (2, 4)


def test_the_tightest_of_nested_quotas_counts() -> None:
    files = v2(**{"/a/b/cpu.max": "300000 100000", "/a/cpu.max": "50000 100000", "/cpu.max": "900000 100000"})
    block = resources_block(system(files))
    assert (block["cpus"], block["jvm_cpus"], block["go_cpus"]) == (0.5, 1, 3)


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
    levels = ControlGroups(system(files)).levels("cpu")
    assert levels.folders == ("/sys/fs/cgroup",)
    assert "/../../other is not in what is mounted" in levels.hidden
    assert resources_block(system(files))["limits"]["cpu"]["state"] == "not-visible"


def test_a_denied_limit_is_told() -> None:
    block = resources_block(system(v2(), denied={"/sys/fs/cgroup/a/cpu.max": "EACCES"}))
    assert block["unreadable"] == ["/sys/fs/cgroup/a/cpu.max (EACCES)"]


def test_an_empty_system_knows_nothing_and_says_so() -> None:
    block = resources_block(system({}))
    rest = {"unreadable", "limits", "runtimes"}
    values = {key: value for key, value in block.items() if not key.endswith("_because") and key not in rest}
    assert set(values.values()) == {None}
    assert {limit["state"] for limit in block["limits"].values()} == {"not-visible"}
    assert {one["cpus"] for one in block["runtimes"]} == {None}
    assert all(block[key] for key in block if key.endswith("_because"))


def test_open_files_and_huge_pages() -> None:
    limits = "Limit Soft Hard Units\nMax processes             100        unlimited        processes\n"
    limits += "Max open files            1024                 524288               files     \n"
    huge = "HugePages_Total:      16\nHugePages_Free:        4\nHugepagesize:       2048 kB\n"
    block = resources_block(system(base() | {"/proc/self/limits": limits, "/proc/meminfo": MEMINFO + huge}))
    assert (block["open_files"], block["open_files_hard"], block["user_processes"]) == (1024, 524288, 100)
    assert (block["huge_pages"], block["huge_pages_free"], block["huge_page_bytes"]) == (16, 4, 2 << 20)


OWN = Levels(2, ("/sys/fs/cgroup",), "", whole=False)


@pytest.mark.parametrize(
    ("allowed", "quota", "own", "counts"),
    [
        (
            8,
            None,
            None,
            {
                "go": 8,
                "jvm": 8,
                "jvm-before-24": 8,
                "node": 8,
                "node-libuv-1-51": 8,
                "dotnet": 8,
                "python": 8,
                "rust": 8,
            },
        ),
        (
            8,
            0.1,
            0.1,
            {
                "go": 2,
                "jvm": 1,
                "jvm-before-24": 1,
                "node": 1,
                "node-libuv-1-51": 8,
                "dotnet": 1,
                "python": 8,
                "rust": 1,
            },
        ),
        (
            8,
            2.1,
            2.1,
            {
                "go": 3,
                "jvm": 3,
                "jvm-before-24": 3,
                "node": 2,
                "node-libuv-1-51": 2,
                "dotnet": 3,
                "python": 8,
                "rust": 2,
            },
        ),
        (
            8,
            2.0,
            None,
            {
                "go": 8,
                "jvm": 2,
                "jvm-before-24": 8,
                "node": 2,
                "node-libuv-1-51": 2,
                "dotnet": 8,
                "python": 8,
                "rust": 2,
            },
        ),
        (
            1,
            0.5,
            0.5,
            {
                "go": 1,
                "jvm": 1,
                "jvm-before-24": 1,
                "node": 1,
                "node-libuv-1-51": 1,
                "dotnet": 1,
                "python": 1,
                "rust": 1,
            },
        ),
        (
            4,
            16.0,
            16.0,
            {
                "go": 4,
                "jvm": 4,
                "jvm-before-24": 4,
                "node": 4,
                "node-libuv-1-51": 4,
                "dotnet": 4,
                "python": 4,
                "rust": 4,
            },
        ),
    ],
)
def test_what_runtimes_make_of_it(allowed: int, quota: float | None, own: float | None, counts: dict[str, int]) -> None:
    assert {one["id"]: one["cpus"] for one in runtimes(allowed, Quotas(quota, own, quota), OWN)} == counts


def test_a_runtime_that_reads_less_than_the_kernel_enforces_is_named() -> None:
    """https://github.com/golang/go/issues/81180: Go reads the own group alone, by design."""
    found = {one["id"]: one["throttled"] for one in runtimes(5, Quotas(2.0, None, 2.0), OWN)}
    assert found["go"] is True
    assert found["jvm"] is False


def test_node_takes_the_outermost_quota_and_is_throttled_where_a_tighter_one_binds() -> None:
    """libuv 1.51 to 1.52.1 walks up and keeps the last quota that it reads, not the least (src/unix/linux.c)."""
    found = {one["id"]: (one["cpus"], one["throttled"]) for one in runtimes(16, Quotas(2.0, 2.0, 8.0), OWN)}
    assert (found["node"], found["rust"]) == ((8, True), (2, False))


def test_the_own_and_the_outermost_quota_are_told_apart() -> None:
    """Three levels, of which two set a quota."""
    levels = {"/sys/fs/cgroup/a/b/cpu.max": "200000 100000", "/sys/fs/cgroup/a/cpu.max": "800000 100000"}
    files = {"/proc/self/cgroup": "0::/a/b\n", "/proc/self/mountinfo": V2, **levels}
    assert ControlGroups(system(files)).own_and_outermost_cpu_quota() == (2.0, 8.0)


def test_node_reads_no_quota_of_version_1() -> None:
    """libuv looks for the file at a path that no system has."""
    found = {one["id"]: one["cpus"] for one in runtimes(8, Quotas(2.0, 2.0, 2.0), OWN.replace(version=1))}
    assert (found["node"], found["rust"], found["go"]) == (8, 2, 2)


def test_a_quota_below_one_cpu_is_none_to_the_node_of_before() -> None:
    """libuv 1.51 rounds it down to 0, which it takes for no quota; 1.52 makes it 1 (ChangeLog, "limit < period")."""
    found = {one["id"]: (one["cpus"], one["throttled"]) for one in runtimes(8, Quotas(0.5, 0.5, 0.5), OWN)}
    assert (found["node"], found["node-libuv-1-51"]) == ((1, False), (8, True))


@pytest.mark.parametrize(
    ("numbers", "pids", "because"),
    [
        ({"pid_max": "32768"}, 32768, "/proc/sys/kernel/pid_max"),
        ({"pid_max": "4194304"}, 60000, "/proc/sys/kernel/threads-max"),
        ({"pid_max": "32768", "threads-max": ""}, 32768, "/proc/sys/kernel/pid_max"),
        ({"threads-max": ""}, None, "/proc/sys/kernel/threads-max is empty or not understood"),
    ],
)
def test_the_highest_process_number_bounds_the_processes(
    numbers: dict[str, str], pids: int | None, because: str
) -> None:
    files = v2(**{"/a/pids.max": "max"}) | {f"/proc/sys/kernel/{name}": text for name, text in numbers.items()}
    block = resources_block(system(files))
    assert (block["pids"], block["pids_because"]) == (pids, because)


def test_a_group_sets_fewer_processes_than_the_kernel() -> None:
    files = v2(**{"/a/pids.max": "64"}) | {"/proc/sys/kernel/pid_max": "32768"}
    assert resources_block(system(files))["pids"] == 64


ABOVE_THE_MOUNT = {
    "/proc/self/cgroup": "4:memory:/pod/x\n",
    "/proc/self/mountinfo": "30 23 0:26 /pod/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
}
"""A group of version 1 whose levels above are not mounted: its memory.stat alone tells what they set."""


def test_levels_that_lxcfs_leaves_empty_are_not_counted_as_seen() -> None:
    """Without cgroup namespaces it serves the hierarchies, and shows of those above the container only the folders."""
    files = {
        "/proc/self/cgroup": "4:memory:/lxc/c1\n",
        "/proc/self/mountinfo": "30 23 0:26 /cgroup/memory /sys/fs/cgroup/memory rw - fuse.lxcfs lxcfs rw,user_id=0\n",
        "/sys/fs/cgroup/memory/lxc/c1/memory.limit_in_bytes": "9223372036854771712",
    }
    limit = resources_block(system(base() | files))["limits"]["memory"]
    assert (limit["state"], limit["because"]) == ("none-visible", "none on the 1 level that can be seen from here")


def test_a_size_without_end_is_no_size() -> None:
    """https://github.com/lxc/lxcfs/issues/170."""
    block = resources_block(system(base() | {"/proc/meminfo": "MemTotal: 8 kB\nSwapTotal: 9007199246672720 kB\n"}))
    assert block["swap_bytes"] is None
    assert block["swap_because"] == "/proc/meminfo says SwapTotal 9007199246672720 kB, which nothing has"


class TestWhatCannotBeSeen:
    """Not to see a limit is an answer of its own, and never that there is none."""

    @staticmethod
    def state(files: dict[str, str], limit: str = "memory", denied: dict[str, str] | None = None) -> tuple[str, str]:
        found = resources_block(system(base() | files, denied))["limits"][limit]
        return found["state"], found["because"]

    def test_no_mount(self) -> None:
        state, because = self.state(
            {"/proc/self/cgroup": "0::/a\n", "/proc/self/mountinfo": "1 0 0:1 / / rw - ext4 a rw\n"}
        )
        assert state == "not-visible"
        assert because.endswith("cgroup v2 is not mounted here")

    def test_a_namespace_of_ones_own_without_a_fresh_mount(self) -> None:
        mounts = "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
        files = {"/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": mounts, "/sys/fs/cgroup/cgroup.procs": ""}
        assert self.state(files)[0] == "not-visible"

    def test_what_lies_above_ones_own_namespace_binds_where_its_mount_shows_it(self) -> None:
        mounts = "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
        files = {
            "/proc/self/cgroup": "0::/\n",
            "/proc/self/mountinfo": mounts,
            "/sys/fs/cgroup/memory.max": "1073741824",
        }
        assert self.state(files)[0] == "not-visible"
        assert resources_block(system(base() | files))["memory_bytes"] == 1 << 30

    def test_a_mount_that_shows_another_part(self) -> None:
        mounts = "30 23 0:26 /other /mnt/groups rw - cgroup2 cgroup2 rw\n"
        files = {"/proc/self/cgroup": "0::/a\n", "/proc/self/mountinfo": mounts, "/mnt/groups/memory.max": "1000"}
        assert self.state(files)[0] == "not-visible"
        assert resources_block(system(base() | files))["memory_bytes"] == 8_000_000 * 1024

    def test_a_level_that_is_denied(self) -> None:
        files = v2(**{"/a/b/memory.max": "max", "/memory.max": "max"})
        state, because = self.state(files, denied={"/sys/fs/cgroup/a/memory.max": "EACCES"})
        assert (state, "/sys/fs/cgroup/a/memory.max (EACCES)" in because) == ("not-visible", True)

    @pytest.mark.parametrize("limit", ["memory", "swap"])
    def test_what_alone_tells_of_the_levels_above_is_denied(self, limit: str) -> None:
        files = ABOVE_THE_MOUNT | {"/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "9223372036854771712"}
        state, because = self.state(files, limit, denied={"/sys/fs/cgroup/memory/memory.stat": "EACCES"})
        assert (state, "memory.stat (EACCES)" in because) == ("not-visible", True)

    def test_a_denied_memory_stat_hides_nothing_where_all_levels_are_seen(self) -> None:
        files = {
            "/proc/self/cgroup": "4:memory:/\n",
            "/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        }
        assert self.state(files, denied={"/sys/fs/cgroup/memory/memory.stat": "EACCES"})[0] == "none-visible"

    def test_none_on_the_levels_that_can_be_seen(self) -> None:
        files = v2(**{"/a/b/memory.max": "max", "/a/memory.max": "max", "/cgroup.procs": ""})
        assert self.state(files) == ("none-visible", "none on its 3 levels, all of them seen")

    def test_it_is_said_with_the_value(self) -> None:
        block = resources_block(system(base()))
        assert "limits of its control group cannot be seen from here" in block["memory_because"]
        assert "limits of its control group cannot be seen from here" in block["cpus_because"]


def test_a_limit_above_the_mounted_folder_of_version_1() -> None:
    """https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, 5.2."""
    files = {
        **base(),
        **ABOVE_THE_MOUNT,
        "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "9223372036854771712",
        "/sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 1000000000\n"
        "hierarchical_memsw_limit 1200000000\n",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes": "100",
    }
    block = resources_block(system(files))
    assert (block["memory_bytes"], block["swap_bytes"]) == (1_000_000_000, 200_000_000)
    assert (block["limits"]["memory"]["state"], block["memory_available_bytes"]) == ("set", 999_999_900)


def test_a_group_above_does_not_bind_where_version_1_does_not_use_the_hierarchy() -> None:
    """https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, 6: memory.use_hierarchy."""
    files = base() | {
        "/proc/self/cgroup": "5:memory:/batch/job\n",
        "/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        "/sys/fs/cgroup/memory/batch/memory.limit_in_bytes": "1000",
        "/sys/fs/cgroup/memory/batch/job/memory.limit_in_bytes": "9223372036854771712",
    }
    assert resources_block(system(files))["limits"]["memory"]["value"] == 1000
    told = {"/sys/fs/cgroup/memory/batch/job/memory.stat": "hierarchical_memory_limit 9223372036854771712\n"}
    assert resources_block(system(files | told))["limits"]["memory"]["state"] == "none-visible"


def test_each_level_is_read_where_it_can_be_seen() -> None:
    """A container with the host's hierarchy mounted beside its own: the levels above show there."""
    mounts = (
        "30 23 0:26 / /host/cgroup rw - cgroup cgroup rw,memory\n"
        "31 23 0:26 /pod/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    )
    files = base() | {
        "/proc/self/cgroup": "4:memory:/pod/x\n",
        "/proc/self/mountinfo": mounts,
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "/host/cgroup/pod/memory.limit_in_bytes": "1000",
        "/host/cgroup/memory.limit_in_bytes": "9223372036854771712",
    }
    assert ControlGroups(system(files)).levels("memory").folders == (
        "/sys/fs/cgroup/memory",
        "/host/cgroup/pod",
        "/host/cgroup",
    )
    assert resources_block(system(files))["memory_bytes"] == 1000


def test_above_the_own_namespace_a_mount_from_outside_still_tells() -> None:
    mounts = "30 23 0:26 /.. /outer rw - cgroup2 cgroup2 rw\n31 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    files = base() | {
        "/proc/self/cgroup": "0::/\n",
        "/proc/self/mountinfo": mounts,
        "/sys/fs/cgroup/memory.max": "5000",
        "/outer/memory.max": "4000",
    }
    assert resources_block(system(files))["memory_bytes"] == 4000


def test_memory_high_and_the_limits_of_the_process_bind_too() -> None:
    block = resources_block(system(v2(**{"/a/b/memory.high": "500000000", "/a/b/memory.max": "600000000"})))
    assert (block["memory_bytes"], block["memory_high_bytes"]) == (500_000_000, 500_000_000)
    limits = "Limit Soft Hard Units\nMax address space         300000000            unlimited            bytes\n"
    limits += "Max data size             200000000            unlimited            bytes\n"
    block = resources_block(system(base() | {"/proc/self/limits": limits}))
    assert (block["memory_bytes"], block["address_space_bytes"], block["data_segment_bytes"]) == (
        200_000_000,
        300_000_000,
        200_000_000,
    )
    assert block["memory_because"] == "RLIMIT_DATA 200000000 in /proc/self/limits"


def test_a_quota_with_many_digits_is_read() -> None:
    files = v2(**{"/a/b/cpu.max": "17592186044415000000000 1000000"})
    assert resources_block(system(files))["cpu_quota"] == 17592186044415000


def test_cpus_are_sets() -> None:
    files = base() | {
        "/proc/self/status": "Cpus_allowed_list:\t0-7\n",
        "/sys/devices/system/cpu/online": "0,2,4,6,8,10,12,14\n",
    }
    assert resources_block(system(files))["cpus"] == 4
    files = v2(**{"/a/b/cpuset.cpus.effective": "2-9"}) | {"/proc/self/status": "Cpus_allowed_list:\t0-3\n"}
    assert resources_block(system(files))["cpus"] == 2


@pytest.mark.parametrize("path", ["/a/cpuset.cpus.effective", "/a/b/cpuset.cpus"])
def test_a_cpuset_of_the_group_above_or_only_as_it_was_asked_for(path: str) -> None:
    block = resources_block(system(v2(**{path: "2-3"})))
    assert block["cpus"] == 2
    assert path in block["cpus_because"]


def test_the_mask_where_there_is_no_list() -> None:
    """Linux before 2.6.26, and reports that quote this line alone."""
    files = base() | {"/proc/self/status": "Cpus_allowed:\t00000000,000000f1\n"}
    assert resources_block(system(files))["cpus_allowed"] == 5
    assert resources_block(system(base() | {"/proc/self/status": "Cpus_allowed:\tx1\n"}))["cpus_allowed"] is None


def test_of_two_mounts_of_the_same_group_the_usual_place_is_read() -> None:
    files = v2(**{"/a/b/memory.max": "1000000000", "/memory.max": "max"})
    files["/proc/self/mountinfo"] = V2.replace("/sys/fs/cgroup ", "/agent ") + V2
    block = resources_block(system(files))
    assert block["memory_because"] == "1000000000 in /sys/fs/cgroup/a/b/memory.max"


@pytest.mark.parametrize("mask", ["24", "0-3"])
def test_lxcfs_counts_cpus_and_memory_anew(mask: str) -> None:
    """https://github.com/lxc/lxcfs/issues/731: its files speak of the container."""
    mounts = (
        "102 100 0:42 /proc/meminfo /proc/meminfo rw - fuse.lxcfs lxcfs rw\n"
        "104 100 0:44 /sys/devices/system/cpu /sys/devices/system/cpu rw - fuse.lxcfs lxcfs rw\n"
    )
    files = base() | {
        "/proc/self/status": f"Cpus_allowed_list:\t{mask}\n",
        "/sys/devices/system/cpu/online": "0\n",
        "/proc/self/mountinfo": mounts,
    }
    block = resources_block(system(files))
    assert block["cpus"] == (1 if mask == "24" else 4)
    assert (block["cpus_online"], block["memory_machine_bytes"]) == (None, None)


def test_reasons_say_what_happened_here() -> None:
    files = {key: text for key, text in base().items() if key != "/proc/meminfo"}
    assert resources_block(system(files))["memory_because"].startswith("/proc/meminfo is not there")
    block = resources_block(system(files, denied={"/proc/meminfo": "EACCES"}))
    assert block["memory_because"].startswith("/proc/meminfo: EACCES")


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


def test_a_quota_whose_period_may_not_be_read_is_no_absence_of_one() -> None:
    files = base() | {
        "/proc/self/cgroup": "2:cpu,cpuacct:/\n",
        "/proc/self/mountinfo": V1,
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
    }
    limit = resources_block(system(files, {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "EACCES"}))["limits"]["cpu"]
    assert (limit["state"], limit["value"]) == ("not-visible", None)
    assert "cpu.cfs_period_us" in limit["because"]


@pytest.mark.parametrize(("text", "state"), [("max\n", "none-visible"), ("", "not-visible"), ("1 GiB", "not-visible")])
def test_a_limit_that_is_not_understood_is_no_absence_of_one(text: str, state: str) -> None:
    files = v2("/", **{"/memory.max": text, "/memory.high": "max", "/cpu.max": "max 100000"})
    limits = resources_block(system(files))["limits"]
    assert limits["memory"]["state"] == state
    assert limits["memory_high"]["state"] == limits["cpu"]["state"] == "none-visible"


def test_a_limit_that_the_version_does_not_have_is_absent() -> None:
    files = base() | {
        "/proc/self/cgroup": "4:memory:/\n",
        "/proc/self/mountinfo": V1,
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
    }
    limit = resources_block(system(files))["limits"]["memory_high"]
    assert limit == {"state": "none-visible", "value": None, "levels": 0, "because": "cgroup v1 has no memory.high"}


def test_no_more_is_available_than_a_limit_whose_use_cannot_be_read() -> None:
    files = v2("/", **{"/memory.max": "1073741824\n"})
    block = resources_block(system(files, {"/sys/fs/cgroup/memory.current": "EACCES"}))
    assert block["memory_available_bytes"] == block["memory_bytes"] == 1 << 30
    assert block["memory_available_because"].startswith("no more than the tightest limit: ")


def test_memory_that_is_told_as_nothing_is_not_known() -> None:
    """https://github.com/lxc/lxcfs/issues/389."""
    meminfo = "MemTotal:              0 kB\nMemAvailable:              0 kB\n"
    files = v2("/", **{"/memory.max": "max\n"}) | {"/proc/meminfo": meminfo}
    block = resources_block(system(files))
    assert (block["memory_bytes"], block["memory_available_bytes"]) == (None, None)
    assert block["memory_because"].startswith("/proc/meminfo says 0 kB")
    block = resources_block(system(files | {"/sys/fs/cgroup/memory.max": "1073741824\n"}))
    assert block["memory_bytes"] == 1 << 30


@pytest.mark.parametrize("file", ["cgroup.controllers", "cgroup.procs"])
def test_a_group_without_the_controller_sets_no_limit_of_it(file: str) -> None:
    """https://github.com/rootless-containers/rootlesskit/issues/282."""
    limit = resources_block(system(v2("/a", **{f"/a/{file}": "memory pids\n"})))["limits"]["cpu"]
    assert (limit["state"], limit["levels"]) == ("none-visible", 1)
