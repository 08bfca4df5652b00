"""The words of a measurement: experiments, phases, units and outcomes, as they stand in samples.csv.

This module and `envbench.samples` are all that crosses to the reports.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Experiment(StrEnum):
    """What was being measured; one command of envbench each."""

    STARTUP = "startup"
    KERNEL = "kernel"
    SIZE = "size"
    MEMORY = "memory"
    SPEED = "speed"
    ISOLATION = "isolation"
    DENSITY = "density"
    RELEASE = "release"
    RESIZE = "resize"
    IDLE = "idle"
    PORTABILITY = "portability"
    WSL = "wsl"


class Phase(StrEnum):
    """A stretch of one start, or a total over several; all values are durations in nanoseconds on the host's clock.

    The stretches stand in the order in which they begin; a backend that has no such stretch writes no row for it. A
    start call may go on while the payload already runs, and covers the first of a guest's stretches.
    The totals overlap the stretches and are measured, never summed.
    """

    CREATE = "create"
    """Request to the engine until the instance exists."""
    ATTACH = "attach"
    """Existing instance until its output is attached (Podman runs the OCI create in here)."""
    START = "start"
    """Start request until the engine's call returns; containerd, until its event says that the task has started."""
    VMM = "vmm"
    """Start request until the VMM opened the serial line."""
    FIRMWARE = "firmware"
    """VMM up until the kernel (or boot loader) said its first word."""
    KERNEL = "kernel"
    """Kernel's first word until the guest's first process ran, by the guest's boot clock where no host mark exists."""
    USERSPACE = "userspace"
    """First process of the guest until the ready line."""
    READY = "ready"
    """Total: request to the engine until the first byte of the ready line was seen on the host. The headline."""
    STOP = "stop"
    """Stop request until the payload has ended."""
    REMOVE = "remove"
    """Remove request until nothing of the instance is left."""
    CYCLE = "cycle"
    """Total: request to the engine until the instance is gone again."""
    OBSERVER_LAG = "observer_lag"
    """Ready line written (same clock, read by the payload) until its first byte was seen: the method's error bar."""
    HOST_CPU = "host_cpu"
    """CPU time charged on the host from request to ready, all processes of the instance and its engine."""
    HARNESS_CPU = "harness_cpu"
    """CPU time of the harness itself over the whole start."""


class Outcome(StrEnum):
    """How the start behind a row ended."""

    OK = "ok"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


class Unit(StrEnum):
    """Units of the value column."""

    NS = "ns"
    BYTES = "bytes"
    COUNT = "count"
    RATIO = "ratio"
    BOOL = "bool"
    """1 or 0: an observation that is or is not so; `detail` says what was seen."""
    PER_S = "per_s"
    """Operations (or bytes) in a second; higher is faster."""


NOISE_PREFIX = "noise."
"""Phases that start so are stamps of the machine's state just before a start: noise.load1 (ratio to CPUs),
noise.psi_cpu, noise.psi_io, noise.psi_memory, noise.steal (ratios), noise.throttled (count), noise.swap (count)."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What the rows of one metric mean: the row's `phase` is the metric's name, its `unit` is this unit.

    `better` is "lower", "higher" or "" where the value is an observation with no better end. A metric whose name ends
    in ".*" is a family: the rest of the name says which member, e.g. item.kernel.
    """

    experiment: Experiment
    unit: Unit
    meaning: str
    better: str = ""


_KERNEL, _SIZE, _MEMORY, _SPEED = Experiment.KERNEL, Experiment.SIZE, Experiment.MEMORY, Experiment.SPEED
_ISOLATION, _DENSITY, _RELEASE, _RESIZE = (
    Experiment.ISOLATION,
    Experiment.DENSITY,
    Experiment.RELEASE,
    Experiment.RESIZE,
)
_IDLE, _PORTABILITY, _WSL = Experiment.IDLE, Experiment.PORTABILITY, Experiment.WSL
_NS, _BYTES, _COUNT, _RATIO, _BOOL, _PER_S = Unit.NS, Unit.BYTES, Unit.COUNT, Unit.RATIO, Unit.BOOL, Unit.PER_S

HOST = "host"
"""Backend column of a row that is about the machine or the engine as a whole, not about one backend."""

METRICS: Mapping[str, Metric] = {
    # kernel: a row a backend ; also written by `startup`. `detail` holds what was read on both
    # sides.
    "boot_id_equals_host": Metric(_KERNEL, _BOOL, "boot id read inside is the host's: one kernel, booted once"),
    "kernel_equals_host": Metric(_KERNEL, _BOOL, "kernel release and build string read inside are the host's"),
    "uptime_starts_at_zero": Metric(
        _KERNEL, _BOOL, "uptime inside, at the ready line, is no more than this start took: a kernel was booted"
    ),
    "visible_on_host": Metric(
        _KERNEL, _BOOL, "the process that said the ready line is in the host's process table under that program"
    ),
    "hypervisor_process": Metric(
        _KERNEL, _BOOL, "a virtual machine monitor is among the host processes of the instance"
    ),
    "needs_kvm_device": Metric(_KERNEL, _BOOL, "a host process of the instance holds /dev/kvm open"),
    "hardware_equals_host": Metric(
        _KERNEL, _BOOL, "all of the three hardware.* facts that could be read on both sides are the host's"
    ),
    "hardware.*": Metric(
        _KERNEL,
        _BOOL,
        "cpu (model name), devices (PCI, virtio), firmware (DMI or ACPI identity) seen inside are the host's",
    ),
    "two_userlands_one_kernel": Metric(
        _KERNEL, _BOOL, "containers with two different os-release files read the same boot id and kernel release"
    ),
    "all_kernels_equal": Metric(
        _KERNEL, _BOOL, "backend host: host, containers and guests of this run all report one kernel release"
    ),
    "windows_image_refused": Metric(
        _KERNEL, _BOOL, "the engine, or the kernel under it, refused an image made for Windows; detail is the message"
    ),
    "binfmt_registered": Metric(
        _KERNEL, _BOOL, "backend host: binfmt_misc had, or took, a handler for the foreign architecture"
    ),
    "foreign_arch_runs": Metric(_KERNEL, _BOOL, "a program for another CPU architecture ran inside"),
    "foreign_arch_slowdown": Metric(
        _KERNEL, _RATIO, "its CPU time over that of the same program for this architecture; a row a round", "lower"
    ),
    "guest_not_linux_ready": Metric(
        _KERNEL, _BOOL, "a guest that is not Linux reached its ready mark; detail names it"
    ),
    "guest_other_arch_ready": Metric(
        _KERNEL, _BOOL, "a guest of another CPU architecture reached its ready mark; detail names it"
    ),
    "engine_kernel_equals_client": Metric(
        _KERNEL, _BOOL, "the engine reports the kernel release of the machine its client runs on"
    ),
    "engine_is_desktop": Metric(_KERNEL, _BOOL, "the engine reports Docker Desktop as its operating system"),
    "managers.vm": Metric(
        _KERNEL, _COUNT, "backend host: managers of VMs installed or running here; detail names them"
    ),
    "managers.container": Metric(
        _KERNEL, _COUNT, "backend host: managers of containers installed or running here; detail names them"
    ),
    # size: one row an artefact (backend: what starts from it), minimal and distro told apart by `profile`.
    "transfer": Metric(
        _SIZE, _BYTES, "what is sent over a wire: compressed layers, compressed kernel, initramfs and disk", "lower"
    ),
    "disk": Metric(_SIZE, _BYTES, "bytes on this disk, unpacked as the engine keeps it: the headline", "lower"),
    "virtual": Metric(
        _SIZE,
        _BYTES,
        "size as seen by the instance: all layers together, or the virtual disk plus kernel and initramfs",
        "lower",
    ),
    "item.*": Metric(
        _SIZE,
        _BYTES,
        "a class: kernel initramfs modules boot init package_manager libraries app other; 0 is: looked, none; "
        "filesystem is what it takes on the disk beyond the lengths of its files: ends of blocks, inodes, journal",
        "lower",
    ),
    # memory: one row a repeat, of one idle instance, unless the name says more.
    "total": Metric(
        _MEMORY,
        _BYTES,
        "the headline: charge of its cgroup, at least its processes' PSS, plus PSS of its host processes outside",
        "lower",
    ),
    "cgroup": Metric(
        _MEMORY,
        _BYTES,
        "charge of the instance's memory cgroup, without inactive page cache (as docker stats shows it)",
        "lower",
    ),
    "cgroup_peak": Metric(_MEMORY, _BYTES, "highest charge of that cgroup", "lower"),
    "pss": Metric(
        _MEMORY, _BYTES, "proportional set size of all host processes of the instance, helpers included", "lower"
    ),
    "uss": Metric(_MEMORY, _BYTES, "memory that only these processes have (private clean and dirty)", "lower"),
    "rss": Metric(_MEMORY, _BYTES, "resident set sizes, summed; shared pages counted once a process", "lower"),
    "helpers_pss": Metric(_MEMORY, _BYTES, "the share of pss that is not the payload's: shim, monitor, VMM", "lower"),
    "available_difference": Metric(
        _MEMORY, _BYTES, "fall of the host's MemAvailable over n instances, divided by n; noisy", "lower"
    ),
    "payload_bare": Metric(_MEMORY, _BYTES, "PSS of the same payload run bare on the host (backend process)", "lower"),
    "overhead": Metric(_MEMORY, _BYTES, "total less payload_bare of the same round", "lower"),
    "guest_size": Metric(_MEMORY, _BYTES, "VM: memory the guest was given"),
    "guest_untouched": Metric(_MEMORY, _BYTES, "VM: guest memory that is mapped on the host and was never touched"),
    "minimum_ready": Metric(
        _MEMORY,
        _BYTES,
        "smallest memory (container limit, guest size) with which the payload still got ready; within 1/16",
        "lower",
    ),
    "engine_pss": Metric(_MEMORY, _BYTES, "PSS of the engine's own daemons, shared by all its instances", "lower"),
    # idle: one row a window, of one running, idle instance with all its host processes.
    "cpu_ns_per_min": Metric(_IDLE, _NS, "CPU time charged on the host in a minute of doing nothing", "lower"),
    "wakeups_per_min": Metric(_IDLE, _COUNT, "voluntary context switches of its host threads in a minute", "lower"),
    "idle_memory": Metric(_IDLE, _BYTES, "memory (as memory.total) held while idle", "lower"),
    # speed: a row a round; the rounds are interleaved; backend process is the host. The same program bytes everywhere.
    "cpu_int": Metric(_SPEED, _PER_S, "sysbench cpu, searches for the primes up to 20 000", "higher"),
    "cpu_float": Metric(_SPEED, _PER_S, "stress-ng cpu method double, operations in a CPU second of its own", "higher"),
    "cpu_crypto": Metric(_SPEED, _PER_S, "openssl speed, SHA-256 bytes in 16 KiB blocks", "higher"),
    "memory_bandwidth": Metric(_SPEED, _PER_S, "sysbench memory, bytes written in 1 MiB blocks", "higher"),
    "memory_latency": Metric(_SPEED, _NS, "sysbench memory, one access at a random place in 64 MiB", "lower"),
    "syscall": Metric(_SPEED, _PER_S, "busybox dd of single bytes for a second: pairs of read and write", "higher"),
    "context_switch": Metric(
        _SPEED, _PER_S, "stress-ng switch: switches between two processes on one CPU, over a pipe", "higher"
    ),
    "process_create": Metric(_SPEED, _PER_S, "stress-ng fork: processes made and reaped", "higher"),
    "disk_seq_read": Metric(
        _SPEED, _PER_S, "sysbench fileio, bytes read in 1 MiB blocks past the page cache", "higher"
    ),
    "disk_rand_read": Metric(
        _SPEED, _PER_S, "sysbench fileio, 4 KiB reads at random places past the page cache", "higher"
    ),
    "disk_fsync": Metric(_SPEED, _PER_S, "sysbench fileio, 4 KiB writes each followed by fsync", "higher"),
    "net_loopback": Metric(_SPEED, _PER_S, "stress-ng sock: messages over the loopback device", "higher"),
    # isolation: one row a backend, "mutual.*" between two instances of it.
    "namespaces_own": Metric(
        _ISOLATION, _COUNT, "kinds of namespace in which the instance is not the host's; detail names them", "higher"
    ),
    "namespaces_shared": Metric(
        _ISOLATION, _COUNT, "kinds of namespace shared with the host; detail names them", "lower"
    ),
    "cgroup_own": Metric(_ISOLATION, _BOOL, "the instance's processes are in a cgroup made for it"),
    "memory_limit_enforced": Metric(
        _ISOLATION, _BOOL, "a program that asked for more than the memory limit was stopped by the kernel"
    ),
    "cpu_limit_enforced": Metric(
        _ISOLATION, _BOOL, "a busy loop under a limit of half a CPU got at most 0.6 CPU and was throttled"
    ),
    "host_facts_readable": Metric(
        _ISOLATION,
        _COUNT,
        "facts of the host, of those looked for, that read the same inside; detail names them",
        "lower",
    ),
    "host_facts_looked_for": Metric(_ISOLATION, _COUNT, "how many such facts were looked for"),
    "host_kernel_interfaces": Metric(
        _ISOLATION,
        _COUNT,
        "system calls, of those tried, that the host's kernel itself answered; 0 where another kernel stands between",
        "lower",
    ),
    "capabilities": Metric(
        _ISOLATION, _COUNT, "capabilities the payload has over the host's kernel (0 for a guest of a VM)", "lower"
    ),
    "seccomp_filter": Metric(_ISOLATION, _BOOL, "a seccomp filter stands between the payload and the kernel it calls"),
    "devices": Metric(_ISOLATION, _COUNT, "device nodes inside that stand for a device of the host"),
    "kernel_log_readable": Metric(_ISOLATION, _BOOL, "the host's kernel log can be read inside"),
    "mutual.processes_seen": Metric(_ISOLATION, _COUNT, "processes of instance B that A sees", "lower"),
    "mutual.names_seen": Metric(_ISOLATION, _COUNT, "A sees the host name of B", "lower"),
    "mutual.mounts_seen": Metric(_ISOLATION, _COUNT, "mounts of B that A sees", "lower"),
    "mutual.memory_seen": Metric(_ISOLATION, _COUNT, "shared memory (POSIX, System V) of B that A sees", "lower"),
    "mutual.files_seen": Metric(_ISOLATION, _COUNT, "files written by B that A sees", "lower"),
    "mutual.indirect": Metric(
        _ISOLATION,
        _COUNT,
        "ways in which B's activity still shows in A through the one kernel; detail names them",
        "lower",
    ),
    # density: a row a step; variant n=… is how many run at once, mode=sequence or parallel how they were started.
    "memory_n": Metric(_DENSITY, _BYTES, "memory (as memory.total) of all n instances together", "lower"),
    "available_n": Metric(_DENSITY, _BYTES, "fall of the host's MemAvailable since no instance ran", "lower"),
    "memory_per_further": Metric(_DENSITY, _BYTES, "slope: memory of each further instance in this step", "lower"),
    "start_n": Metric(_DENSITY, _NS, "time to ready of each instance of the step, as it was started", "lower"),
    "start_all": Metric(_DENSITY, _NS, "first request of the step to the last ready line", "lower"),
    "instances": Metric(
        _DENSITY, _COUNT, "how many ran at once and were all ready; detail: why it stopped there", "higher"
    ),
    # release: one row after N create-run-remove cycles of a backend; detail names each leak.
    "leaked.total": Metric(_RELEASE, _COUNT, "things left on the host, of all countable kinds: the headline", "lower"),
    "leaked.*": Metric(
        _RELEASE, _COUNT, "things left: processes cgroups mounts links namespaces loops objects files", "lower"
    ),
    "leaked.whole_run": Metric(
        _RELEASE, _COUNT, "backend host: things left, of this run by name, after all experiments of `all`", "lower"
    ),
    "leaked_disk": Metric(
        _RELEASE, _BYTES, "fall of free space on the engine's disk over the cycles, per cycle", "lower"
    ),
    "leaked_memory": Metric(_RELEASE, _BYTES, "fall of MemAvailable over the cycles, per cycle; noisy", "lower"),
    "cycles": Metric(_RELEASE, _COUNT, "cycles that were run"),
    # resize: one row a backend; detail says what was seen from inside, or what refused and by whom.
    "memory_grown": Metric(_RESIZE, _BOOL, "more memory was given while it ran, and it is so seen from inside"),
    "memory_shrunk": Metric(_RESIZE, _BOOL, "memory was taken while it ran, and it is so seen from inside"),
    "cpu_changed": Metric(_RESIZE, _BOOL, "CPUs were given or taken while it ran, and it is so seen from inside"),
    "resize_time": Metric(_RESIZE, _NS, "request until the change was seen from inside", "lower"),
    # portability and storage
    "export": Metric(_PORTABILITY, _NS, "writing the artefact to one file that can be carried away", "lower"),
    "import": Metric(_PORTABILITY, _NS, "that file until an instance could be started from it", "lower"),
    "carry": Metric(_PORTABILITY, _NS, "export and import of one round together: a move without the wire", "lower"),
    "export_bytes": Metric(_PORTABILITY, _BYTES, "size of that file", "lower"),
    "import_runs": Metric(_PORTABILITY, _BOOL, "what was imported got ready"),
    "gone_after_remove": Metric(_PORTABILITY, _BOOL, "what was written inside is gone after remove and create"),
    "kept_with_volume": Metric(
        _PORTABILITY, _BOOL, "what was written to a volume is still there after remove and create"
    ),
    "vm_disk_keeps": Metric(
        _PORTABILITY, _BOOL, "what a guest wrote to its disk is still there when it is booted again"
    ),
    # wsl: only inside WSL, backend wsl; variant version=1 or 2.
    "own_kernel": Metric(
        _WSL, _BOOL, "the distribution runs on a Linux kernel of its own (WSL 2), not on Windows' (WSL 1)"
    ),
    "hyper_v": Metric(_WSL, _BOOL, "CPUID's hypervisor leaf says Hyper-V"),
    "distribution_start": Metric(
        _WSL, _NS, "wsl.exe asked for a distribution until its first output, after it had been terminated", "lower"
    ),
    "distribution_memory": Metric(_WSL, _BYTES, "memory used inside the utility VM", "lower"),
    "drive_files": Metric(_WSL, _PER_S, "small files written, read and removed on a Windows drive", "higher"),
    "linux_files": Metric(_WSL, _PER_S, "the same on the Linux file system", "higher"),
    "interop": Metric(_WSL, _BOOL, "a Windows program was started from Linux"),
    "interop_back": Metric(_WSL, _BOOL, "a Linux program was started from Windows' side"),
    "drives_mounted": Metric(_WSL, _COUNT, "Windows drives mounted inside"),
    "kernel_shared_by_distributions": Metric(_WSL, _BOOL, "two distributions read one boot id"),
}
"""Every metric that an experiment other than `startup` writes; what could not be observed writes no row, and run.json
says why under "skipped".

A container backend is one whose `is_vm` is false (namespaces runc crun gvisor docker podman containerd), a VM backend
is qemu or libvirt; the variant's `accel` says what executes the guest.
"""


def metric(name: str) -> Metric:
    """Return what a metric means, by its name or by its family's. Raises KeyError for a name no experiment writes."""
    found = METRICS.get(name)
    return found if found is not None else METRICS[name.rpartition(".")[0] + ".*"]
