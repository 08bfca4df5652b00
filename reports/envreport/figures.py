"""What metrics are called in sentences: names of samples.csv in, words out.

The rows of samples.csv and summary.csv keep the names; docs/results-format.md tells what each means.
"""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "ready": "time to ready",
    "cycle": "time from request to gone",
    "host_cpu": "host CPU time of a start",
    "boot_id_equals_host": "boot id is the host's",
    "kernel_equals_host": "kernel release and build are the host's",
    "uptime_starts_at_zero": "uptime started at zero with this start",
    "visible_on_host": "process stands in the host's process table",
    "hypervisor_process": "a VM monitor runs on the host for it",
    "needs_kvm_device": "it holds /dev/kvm open",
    "hardware_equals_host": "CPU, devices and firmware seen inside are the host's",
    "two_userlands_one_kernel": "two distributions read one boot id and one kernel release",
    "all_kernels_equal": "host, containers and guests all report one kernel release",
    "windows_image_refused": "an image marked os=windows is refused",
    "binfmt_registered": "binfmt_misc has a handler for the foreign architecture",
    "foreign_arch_runs": "a program of another CPU architecture runs inside",
    "foreign_arch_slowdown": "CPU time of a foreign program over that of the native one",
    "guest_not_linux_ready": "a guest that is not Linux gets ready",
    "guest_other_arch_ready": "a guest of another CPU architecture gets ready",
    "engine_kernel_equals_client": "engine runs on the client's own kernel",
    "engine_is_desktop": "the engine is Docker Desktop",
    "managers.vm": "managers of VMs found",
    "managers.container": "managers of containers found",
    "disk": "size on disk",
    "transfer": "size to transfer",
    "virtual": "virtual size",
    "total": "host memory of an idle instance",
    "payload_bare": "memory of the bare payload",
    "minimum_ready": "least memory to get ready",
    "available_difference": "fall of the host's available memory",
    "cgroup": "charge of its cgroup",
    "cgroup_peak": "highest charge of its cgroup",
    "pss": "PSS of its processes",
    "uss": "USS of its processes",
    "rss": "RSS of its processes, summed",
    "helpers_pss": "PSS of shim, monitor or VMM",
    "engine_pss": "PSS of the engine, once for all",
    "overhead": "more than the bare payload",
    "guest_size": "memory given to the guest",
    "guest_untouched": "of it never touched",
    "cpu_ns_per_min": "CPU time in an idle minute",
    "idle_memory": "memory while idle",
    "wakeups_per_min": "wake-ups in an idle minute",
    "cpu_int": "integer work",
    "cpu_float": "floating-point work",
    "cpu_crypto": "cryptography",
    "memory_bandwidth": "memory bandwidth",
    "memory_latency": "memory latency",
    "syscall": "system calls",
    "context_switch": "context switches",
    "process_create": "process creation",
    "disk_seq_read": "sequential disk reads",
    "disk_rand_read": "random disk reads",
    "disk_fsync": "synced disk writes",
    "net_loopback": "loopback network",
    "namespaces_own": "namespaces of its own",
    "cgroup_own": "it has a cgroup of its own",
    "memory_limit_enforced": "the memory limit is enforced",
    "cpu_limit_enforced": "the CPU limit is enforced",
    "host_facts_readable": "host facts readable inside",
    "host_kernel_interfaces": "system calls that the host's kernel answers",
    "capabilities": "capabilities over the host's kernel",
    "mutual.processes_seen": "processes of the other seen",
    "mutual.names_seen": "name of the other seen",
    "mutual.mounts_seen": "mounts of the other seen",
    "mutual.memory_seen": "shared memory of the other seen",
    "mutual.files_seen": "files of the other seen",
    "mutual.indirect": "indirect traces of the other",
    "instances": "instances that ran at once",
    "memory_n": "memory of all instances",
    "start_n": "start time beside the others",
    "leaked.total": "things left behind",
    "leaked.whole_run": "things the whole run left behind",
    "leaked_disk": "fall of free disk space, per cycle",
    "leaked_memory": "fall of the host's available memory, per cycle",
    "memory_grown": "memory was given while it ran",
    "memory_shrunk": "memory was taken while it ran",
    "cpu_changed": "CPUs were changed while it ran",
    "export": "export time",
    "import": "import time",
    "carry": "export and import time together",
    "export_bytes": "exported size",
    "gone_after_remove": "what was written inside is gone after removal",
    "kept_with_volume": "a volume keeps what was written",
    "vm_disk_keeps": "a VM's disk keeps what was written",
    "own_kernel": "it has a Linux kernel of its own",
    "hyper_v": "Hyper-V is underneath",
    "distribution_start": "start of a distribution",
    "drive_files": "file work on the Windows drive",
    "linux_files": "file work on the Linux disk",
    "interop": "a Windows program starts from Linux",
    "interop_back": "a Linux program starts from Windows",
    "drives_mounted": "Windows drives mounted",
    "kernel_shared_by_distributions": "two distributions share one kernel",
}


def words(name: str) -> str:
    """Return a metric in words: its own, or its name with blanks."""
    if name in WORDS:
        return WORDS[name]
    if name.startswith("item."):
        return f"{name.removeprefix('item.').replace('_', ' ')} in the artefact"
    if name.startswith("hardware."):
        what = name.removeprefix("hardware.").replace("cpu", "CPU")
        return f"{what} seen inside {'are' if what.endswith('s') else 'is'} the host's"
    if name.startswith("leaked."):
        return f"{name.removeprefix('leaked.').replace('_', ' ')} left behind"
    return name.replace("_", " ").replace(".", " ")
