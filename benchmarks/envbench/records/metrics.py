"""Every quantity that can stand in samples.csv, one row each: what it is, its unit, its words, which end is better.

One table for all who need any of it: experiments write by it, reports, gates, comparisons and users' claims read by it.
The stamps of the machine's state that stand beside each start have their table here as well, with the limits above
which a machine counts as noisy, so that a run and its report cannot disagree on that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from envbench.records.phases import Experiment, Unit

MS_NS = 1e6
MARGIN_RATIO = 0.05
"""Two figures that differ by less count as the same, where their metric has no margin of its own."""
CONVENTION = "this project's convention, no source gives one"
DISK_MARGIN_RATIO = 0.10
STEADY_DISK = (
    "a disk counts as steady while its rates span at most 20 % of their mean, 10 % to either side "
    "(SNIA SSS Performance Test Specification 2.0.2, 2.1.24)"
)


class Shown(StrEnum):
    """Where a metric is shown beside the tables of its own section, which show every metric that was measured."""

    COSTS = "costs"
    """A column of the table of costs."""
    CHART = "chart"
    """Drawn in the chart of its section."""
    COMPARED = "compared"
    """Compared between runs, and with a baseline."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What the rows of one metric mean: the row's `phase` is the metric's name, its `unit` is this unit.

    A metric whose name ends in ".*" is a family: the rest of the name says which member, e.g. item.kernel, and its
    words have a place for the member.
    """

    experiment: Experiment
    unit: Unit
    words: str
    """What it is called in a sentence or at the head of a column."""
    meaning: str
    """What exactly was read or measured; docs/results-format.md shows it."""
    better: str = ""
    """The better end, "lower" or "higher"; "" where the value is an observation with no better end."""
    sampled: bool = False
    """Repeated measurements differ by chance, so that a figure has an interval; else it is counted or observed."""
    shown: tuple[Shown, ...] = ()
    margin_ratio: float = MARGIN_RATIO
    """Sampled figures of two runs, or of a subject and its reference, that differ by less count as the same."""
    margin_why: str = CONVENTION
    """Why the margin is what it is."""
    noisy: bool = False
    """Other work on the machine changes it as much: a figure that cannot be told from 0 is no result."""
    floor: float = 0.0
    """A worsening by no more than this, in the metric's unit, is no regression, whatever its ratio."""


_STARTUP, _KERNEL, _SIZE, _MEMORY = Experiment.STARTUP, Experiment.KERNEL, Experiment.SIZE, Experiment.MEMORY
_SPEED, _ISOLATION, _DENSITY, _RELEASE = (
    Experiment.SPEED,
    Experiment.ISOLATION,
    Experiment.DENSITY,
    Experiment.RELEASE,
)
_RESIZE, _IDLE, _PORTABILITY, _WSL = Experiment.RESIZE, Experiment.IDLE, Experiment.PORTABILITY, Experiment.WSL
_DEPLOY = Experiment.DEPLOY
_NS, _BYTES, _COUNT, _RATIO, _BOOL, _PER_S = Unit.NS, Unit.BYTES, Unit.COUNT, Unit.RATIO, Unit.BOOL, Unit.PER_S

METRICS: Mapping[str, Metric] = {
    # startup: the phases of one start. Stretches in the order in which they begin, and totals, which overlap them.
    "create": Metric(_STARTUP, _NS, "create", "request to the engine until the instance exists", "lower", sampled=True),
    "attach": Metric(_STARTUP, _NS, "attach", "existing instance until its output is attached", "lower", sampled=True),
    "start": Metric(_STARTUP, _NS, "start", "start request until the engine's call returns", "lower", sampled=True),
    "vmm": Metric(_STARTUP, _NS, "vmm", "start request until the VMM opened the serial line", "lower", sampled=True),
    "firmware": Metric(
        _STARTUP, _NS, "firmware", "VMM up until the kernel's, or the boot loader's, first word", "lower", sampled=True
    ),
    "kernel": Metric(
        _STARTUP, _NS, "kernel", "the kernel's first word until the guest's first process ran", "lower", sampled=True
    ),
    "userspace": Metric(
        _STARTUP, _NS, "userspace", "the guest's first process until the ready line", "lower", sampled=True
    ),
    "ready": Metric(
        _STARTUP,
        _NS,
        "time to ready",
        "total: request to the engine until the first byte of the ready line was seen on the host: the headline",
        "lower",
        sampled=True,
        shown=(Shown.COSTS, Shown.COMPARED),
        floor=MS_NS,
    ),
    "stop": Metric(_STARTUP, _NS, "stop", "stop request until the payload has ended", "lower", sampled=True),
    "remove": Metric(
        _STARTUP, _NS, "remove", "remove request until nothing of the instance is left", "lower", sampled=True
    ),
    "cycle": Metric(
        _STARTUP,
        _NS,
        "time from request to gone",
        "total: request to the engine until the instance is gone again",
        "lower",
        sampled=True,
        shown=(Shown.COSTS,),
        floor=MS_NS,
    ),
    "observer_lag": Metric(
        _STARTUP,
        _NS,
        "lag of the observer",
        "ready line written until its first byte was seen, or the attempt before the one that found it ready until "
        "then: the method's error bar",
        "lower",
        sampled=True,
    ),
    "host_cpu": Metric(
        _STARTUP,
        _NS,
        "host CPU time of a start",
        "CPU time charged on the host from request to ready, for all processes of the instance and its engine",
        "lower",
        sampled=True,
        shown=(Shown.COSTS,),
        floor=MS_NS,
    ),
    "harness_cpu": Metric(
        _STARTUP,
        _NS,
        "CPU time of the harness",
        "CPU time of the harness itself over the whole start",
        "lower",
        sampled=True,
    ),
    # kernel: a row a backend; also written by `startup`. `detail` holds what was read on both sides.
    "boot_id_equals_host": Metric(
        _KERNEL, _BOOL, "boot id is the host's", "boot id read inside is the host's: one kernel, booted once"
    ),
    "kernel_equals_host": Metric(
        _KERNEL,
        _BOOL,
        "kernel release and build are the host's",
        "kernel release and build string read inside are the host's",
    ),
    "uptime_starts_at_zero": Metric(
        _KERNEL,
        _BOOL,
        "uptime started at zero with this start",
        "uptime inside, at the ready line, is no more than this start took: a kernel was booted",
    ),
    "visible_on_host": Metric(
        _KERNEL,
        _BOOL,
        "process stands in the host's process table",
        "the process that said the ready line is in the host's process table under that program",
    ),
    "hypervisor_process": Metric(
        _KERNEL,
        _BOOL,
        "a VM monitor runs on the host for it",
        "a virtual machine monitor is among the host processes of the instance",
    ),
    "needs_kvm_device": Metric(
        _KERNEL, _BOOL, "it holds /dev/kvm open", "a host process of the instance holds /dev/kvm open"
    ),
    "hardware_equals_host": Metric(
        _KERNEL,
        _BOOL,
        "CPU, devices and firmware seen inside are the host's",
        "all of the three hardware.* facts that could be compared are the host's; no row where that does not tell",
    ),
    "hardware.*": Metric(
        _KERNEL,
        _BOOL,
        "the host's {} seen inside",
        "cpu (model name), devices (PCI, virtio), firmware (DMI or ACPI identity) seen inside are the host's",
    ),
    "two_userlands_one_kernel": Metric(
        _KERNEL,
        _BOOL,
        "two userlands read one boot id and one kernel release",
        "containers of two distributions, or releases of one, read the same boot id and kernel release",
    ),
    "all_kernels_equal": Metric(
        _KERNEL,
        _BOOL,
        "host, containers and guests all report one kernel release",
        "backend host: host, containers and guests of this run all report one kernel release",
    ),
    "distribution_kernels_equal": Metric(
        _KERNEL,
        _BOOL,
        "kernels of two releases of a distribution report one kernel release",
        "guests with this distribution's kernel and with another release's report the same kernel release",
    ),
    "windows_image_refused": Metric(
        _KERNEL,
        _BOOL,
        "an image marked os=windows is refused",
        "the engine, or the kernel under it, refused an image made for Windows; detail is the message",
    ),
    "binfmt_registered": Metric(
        _KERNEL,
        _BOOL,
        "binfmt_misc had a handler for the foreign architecture before",
        "backend host: binfmt_misc had a handler for the foreign architecture; no: this run registered one",
    ),
    "foreign_arch_runs": Metric(
        _KERNEL,
        _BOOL,
        "a program of another CPU architecture runs inside",
        "a program for another CPU architecture ran inside",
    ),
    "foreign_arch_slowdown": Metric(
        _KERNEL,
        _RATIO,
        "CPU time of a foreign program over that of the native one",
        "its CPU time over that of the same program for this architecture; a row a round",
        "lower",
        sampled=True,
    ),
    "guest_not_linux_ready": Metric(
        _KERNEL,
        _BOOL,
        "a guest that is not Linux gets ready",
        "a guest that is not Linux reached its ready mark; detail names it",
    ),
    "guest_other_arch_ready": Metric(
        _KERNEL,
        _BOOL,
        "a guest of another CPU architecture gets ready",
        "a guest of another CPU architecture reached its ready mark; detail names it",
    ),
    "engine_kernel_equals_client": Metric(
        _KERNEL,
        _BOOL,
        "engine runs on the client's own kernel",
        "the engine reports the kernel release of the machine its client runs on",
    ),
    "engine_is_desktop": Metric(
        _KERNEL, _BOOL, "the engine is Docker Desktop", "the engine reports Docker Desktop as its operating system"
    ),
    "managers.vm": Metric(
        _KERNEL,
        _COUNT,
        "managers of VMs found",
        "backend host: managers of VMs installed or running here; detail names them",
    ),
    "managers.container": Metric(
        _KERNEL,
        _COUNT,
        "managers of containers found",
        "backend host: managers of containers installed or running here; detail names them",
    ),
    "plain_ready": Metric(
        _KERNEL,
        _NS,
        "plain start without a manager",
        "request to an engine of the run's own, not to its cluster mode, until the ready line is in the log of the "
        "container; request to libvirt until the machine lets a login by SSH in",
        "lower",
        sampled=True,
    ),
    "managed_ready": Metric(
        _KERNEL,
        _NS,
        "start by a manager",
        "request to the manager, on the same engine as plain_ready, until the ready line is in the log of the "
        "container that it started; a machine of the same disk: until Vagrant, which waits for a login by SSH, "
        "returns; detail names the manager",
        "lower",
        sampled=True,
    ),
    # size: one row an artefact (backend = the backend that starts from it), minimal and distro told apart by `profile`.
    "transfer": Metric(
        _SIZE,
        _BYTES,
        "size to transfer",
        "what is sent over a wire: compressed layers, compressed kernel, initramfs and disk",
        "lower",
        shown=(Shown.COSTS, Shown.COMPARED),
    ),
    "disk": Metric(
        _SIZE,
        _BYTES,
        "size on disk",
        "bytes on this disk, unpacked as the engine keeps it: the headline",
        "lower",
        shown=(Shown.COSTS, Shown.COMPARED),
    ),
    "virtual": Metric(
        _SIZE,
        _BYTES,
        "virtual size",
        "size as seen by the instance: all layers together, or the virtual disk plus kernel and initramfs",
        "lower",
    ),
    "item.*": Metric(
        _SIZE,
        _BYTES,
        "{} in the artefact",
        "a class: kernel initramfs modules boot init package_manager libraries app other; 0 is: looked, "
        "none; filesystem is what it takes on the disk beyond the lengths of its files: ends of blocks, "
        "inodes, journal",
        "lower",
    ),
    # memory: one row a repeat, of one idle instance, unless the name says more.
    "total": Metric(
        _MEMORY,
        _BYTES,
        "host memory of an idle instance",
        "the headline: charge of its cgroup, at least its processes' PSS, plus PSS of its host processes outside",
        "lower",
        sampled=True,
        shown=(Shown.COSTS, Shown.COMPARED, Shown.CHART),
    ),
    "cgroup": Metric(
        _MEMORY,
        _BYTES,
        "charge of its cgroup",
        "charge of the instance's memory cgroup, without inactive page cache (as docker stats shows it)",
        "lower",
        sampled=True,
    ),
    "cgroup_peak": Metric(
        _MEMORY, _BYTES, "highest charge of its cgroup", "highest charge of that cgroup", "lower", sampled=True
    ),
    "pss": Metric(
        _MEMORY,
        _BYTES,
        "PSS of its processes",
        "proportional set size of all host processes of the instance, helpers included",
        "lower",
        sampled=True,
    ),
    "uss": Metric(
        _MEMORY,
        _BYTES,
        "USS of its processes",
        "memory that only these processes have (private clean and dirty)",
        "lower",
        sampled=True,
    ),
    "rss": Metric(
        _MEMORY,
        _BYTES,
        "RSS of its processes, summed",
        "resident set sizes, summed; shared pages counted once a process",
        "lower",
        sampled=True,
    ),
    "helpers_pss": Metric(
        _MEMORY,
        _BYTES,
        "PSS of shim, monitor or VMM",
        "the share of pss that is not the payload's: shim, monitor, VMM",
        "lower",
        sampled=True,
    ),
    "available_difference": Metric(
        _MEMORY,
        _BYTES,
        "fall of the host's available memory",
        "fall of the host's MemAvailable over n instances, divided by n; noisy",
        "lower",
        sampled=True,
        noisy=True,
    ),
    "payload_bare": Metric(
        _MEMORY,
        _BYTES,
        "memory of the bare payload",
        "PSS of the same payload run bare on the host (backend process)",
        "lower",
        sampled=True,
    ),
    "overhead": Metric(
        _MEMORY,
        _BYTES,
        "more than the bare payload",
        "total less payload_bare of the same round",
        "lower",
        sampled=True,
    ),
    "guest_size": Metric(_MEMORY, _BYTES, "memory given to the guest", "VM: memory the guest was given"),
    "guest_untouched": Metric(
        _MEMORY,
        _BYTES,
        "guest memory never touched",
        "VM: guest memory that is mapped on the host and was never touched",
        sampled=True,
    ),
    "minimum_ready": Metric(
        _MEMORY,
        _BYTES,
        "least memory to get ready",
        "smallest memory (container limit, guest size) with which the payload still got ready; within 1/16",
        "lower",
        shown=(Shown.COSTS, Shown.COMPARED),
    ),
    "engine_pss": Metric(
        _MEMORY,
        _BYTES,
        "PSS of the engine, once for all",
        "PSS of the engine's own daemons, shared by all its instances",
        "lower",
        sampled=True,
    ),
    # idle: one row a window, of one running, idle instance with all its host processes.
    "cpu_ns_per_min": Metric(
        _IDLE,
        _NS,
        "CPU time in an idle minute",
        "CPU time charged on the host in a minute of doing nothing",
        "lower",
        sampled=True,
        shown=(Shown.COSTS, Shown.COMPARED),
    ),
    "wakeups_per_min": Metric(
        _IDLE,
        _COUNT,
        "wake-ups in an idle minute",
        "voluntary context switches of its host threads in a minute",
        "lower",
        sampled=True,
    ),
    "idle_memory": Metric(
        _IDLE, _BYTES, "memory while idle", "memory (as memory.total) held while idle", "lower", sampled=True
    ),
    # speed: a row a round; the rounds are interleaved; backend process is the host. The same program bytes everywhere.
    "cpu_int": Metric(
        _SPEED,
        _PER_S,
        "integer work",
        "sysbench cpu, searches for the primes up to 20 000",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
    ),
    "cpu_float": Metric(
        _SPEED,
        _PER_S,
        "floating-point work",
        "stress-ng cpu method double, operations in a CPU second of its own",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
    ),
    "cpu_crypto": Metric(
        _SPEED,
        _PER_S,
        "cryptography",
        "openssl speed, SHA-256 bytes in 16 KiB blocks",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
    ),
    "memory_bandwidth": Metric(
        _SPEED,
        _PER_S,
        "memory bandwidth",
        "sysbench memory, bytes written in 1 MiB blocks",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
    ),
    "memory_latency": Metric(
        _SPEED,
        _NS,
        "memory latency",
        "sysbench memory, one access at a random place in 64 MiB",
        "lower",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
    ),
    "syscall": Metric(
        _SPEED,
        _PER_S,
        "system calls",
        "busybox dd of single bytes for a second: pairs of read and write",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
    ),
    "context_switch": Metric(
        _SPEED,
        _PER_S,
        "context switches",
        "stress-ng switch: switches between two processes on one CPU, over a pipe",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
    ),
    "process_create": Metric(
        _SPEED,
        _PER_S,
        "process creation",
        "stress-ng fork: processes made and reaped",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
    ),
    "disk_seq_read": Metric(
        _SPEED,
        _PER_S,
        "sequential disk reads",
        "sysbench fileio, bytes read in 1 MiB blocks past the page cache",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
        margin_ratio=DISK_MARGIN_RATIO,
        margin_why=STEADY_DISK,
    ),
    "disk_rand_read": Metric(
        _SPEED,
        _PER_S,
        "random disk reads",
        "sysbench fileio, 4 KiB reads at random places past the page cache",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
        margin_ratio=DISK_MARGIN_RATIO,
        margin_why=STEADY_DISK,
    ),
    "disk_fsync": Metric(
        _SPEED,
        _PER_S,
        "synced disk writes",
        "sysbench fileio, 4 KiB writes each followed by fsync",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
        margin_ratio=DISK_MARGIN_RATIO,
        margin_why=STEADY_DISK,
    ),
    "net_loopback": Metric(
        _SPEED,
        _PER_S,
        "loopback network",
        "stress-ng sock: messages over the loopback device",
        "higher",
        sampled=True,
        shown=(Shown.CHART, Shown.COMPARED),
    ),
    "clock_rate": Metric(
        _SPEED,
        _RATIO,
        "guest's clock against the host's",
        "seconds of a machine's own clock, by which its tools count, in a second of the host's, while they ran",
        sampled=True,
    ),
    # isolation: one row a backend, "mutual.*" between two instances of it.
    "namespaces_own": Metric(
        _ISOLATION,
        _COUNT,
        "namespaces of its own",
        "kinds of namespace in which the instance is not the host's; detail names them",
        "higher",
    ),
    "namespaces_shared": Metric(
        _ISOLATION,
        _COUNT,
        "namespaces shared with the host",
        "kinds of namespace shared with the host; detail names them",
        "lower",
    ),
    "cgroup_own": Metric(
        _ISOLATION, _BOOL, "it has a cgroup of its own", "the instance's processes are in a cgroup made for it"
    ),
    "memory_limit_enforced": Metric(
        _ISOLATION,
        _BOOL,
        "the memory limit is enforced",
        "a program that asked for more than the memory limit was stopped by the kernel",
    ),
    "cpu_limit_enforced": Metric(
        _ISOLATION,
        _BOOL,
        "the CPU limit is enforced",
        "a busy loop under a limit of half a CPU got at most 0.6 CPU and was throttled",
    ),
    "host_facts_readable": Metric(
        _ISOLATION,
        _COUNT,
        "host facts readable inside",
        "facts of the host, of those looked for, that read the same inside; detail names them",
        "lower",
        shown=(Shown.COMPARED,),
    ),
    "host_facts_looked_for": Metric(_ISOLATION, _COUNT, "host facts looked for", "how many such facts were looked for"),
    "host_kernel_interfaces": Metric(
        _ISOLATION,
        _COUNT,
        "system calls that the host's kernel answers",
        "system calls, of those tried, that the host's kernel itself answered; 0 where another kernel stands between",
        "lower",
        shown=(Shown.COMPARED,),
    ),
    "host_kernel_interfaces_tried": Metric(
        _ISOLATION, _COUNT, "system calls tried", "how many system calls were tried for host_kernel_interfaces"
    ),
    "capabilities": Metric(
        _ISOLATION,
        _COUNT,
        "capabilities over the host's kernel",
        "capabilities the payload has over the host's kernel (0 for a guest of a VM)",
        "lower",
    ),
    "seccomp_filter": Metric(
        _ISOLATION,
        _BOOL,
        "a seccomp filter stands before the kernel",
        "a seccomp filter stands between the payload and the kernel it calls",
    ),
    "devices": Metric(
        _ISOLATION, _COUNT, "device nodes of the host inside", "device nodes inside that stand for a device of the host"
    ),
    "kernel_log_readable": Metric(
        _ISOLATION, _BOOL, "the host's kernel log is readable inside", "the host's kernel log can be read inside"
    ),
    "mutual.processes_seen": Metric(
        _ISOLATION, _COUNT, "processes of the other seen", "processes of instance B that A sees", "lower"
    ),
    "mutual.names_seen": Metric(_ISOLATION, _COUNT, "name of the other seen", "A sees the host name of B", "lower"),
    "mutual.mounts_seen": Metric(_ISOLATION, _COUNT, "mounts of the other seen", "mounts of B that A sees", "lower"),
    "mutual.memory_seen": Metric(
        _ISOLATION,
        _COUNT,
        "shared memory of the other seen",
        "shared memory (POSIX, System V) of B that A sees",
        "lower",
    ),
    "mutual.files_seen": Metric(
        _ISOLATION, _COUNT, "files of the other seen", "files written by B that A sees", "lower"
    ),
    "mutual.indirect": Metric(
        _ISOLATION,
        _COUNT,
        "indirect traces of the other",
        "ways in which B's activity still shows in A through the one kernel; detail names them",
        "lower",
    ),
    # density: a row a step; variant n=… is how many run at once, mode=sequence or parallel how they were started.
    "memory_n": Metric(
        _DENSITY,
        _BYTES,
        "memory of all instances",
        "memory (as memory.total) of all n instances together",
        "lower",
        sampled=True,
        shown=(Shown.CHART,),
    ),
    "available_n": Metric(
        _DENSITY,
        _BYTES,
        "fall of the host's available memory, all instances",
        "fall of the host's MemAvailable since no instance ran",
        "lower",
        sampled=True,
        noisy=True,
    ),
    "memory_per_further": Metric(
        _DENSITY,
        _BYTES,
        "memory of each further instance",
        "slope: memory of each further instance in this step",
        "lower",
        sampled=True,
        shown=(Shown.COMPARED,),
    ),
    "start_n": Metric(
        _DENSITY,
        _NS,
        "start time beside the others",
        "time to ready of each instance of the step, as it was started",
        "lower",
        sampled=True,
        shown=(Shown.CHART,),
    ),
    "start_all": Metric(
        _DENSITY,
        _NS,
        "time until all are ready",
        "first request of the step to the last ready line",
        "lower",
        sampled=True,
    ),
    "instances": Metric(
        _DENSITY,
        _COUNT,
        "instances that ran at once",
        "how many ran at once and were all ready; detail: why it stopped there",
        "higher",
    ),
    # release: one row after N create-run-remove cycles of a backend; detail names each leak.
    "leaked.total": Metric(
        _RELEASE,
        _COUNT,
        "things left behind",
        "things left on the host, of all countable kinds: the headline",
        "lower",
        shown=(Shown.COMPARED,),
    ),
    "leaked.*": Metric(
        _RELEASE,
        _COUNT,
        "{} left behind",
        "things left: processes cgroups mounts links namespaces loops objects files",
        "lower",
    ),
    "leaked.whole_run": Metric(
        _RELEASE,
        _COUNT,
        "things the whole run left behind",
        "backend host: things left, of this run by name, after all experiments of `all`",
        "lower",
    ),
    "leaked_disk": Metric(
        _RELEASE,
        _BYTES,
        "fall of free disk space, per cycle",
        "fall of free space on the engine's disk over the cycles, per cycle",
        "lower",
        sampled=True,
        noisy=True,
    ),
    "leaked_memory": Metric(
        _RELEASE,
        _BYTES,
        "fall of the host's available memory, per cycle",
        "fall of MemAvailable over the cycles, per cycle; noisy",
        "lower",
        sampled=True,
        noisy=True,
    ),
    "cycles": Metric(_RELEASE, _COUNT, "cycles", "cycles that were run"),
    # resize: one row a backend; detail says what was seen from inside, or what refused and by whom.
    "memory_grown": Metric(
        _RESIZE,
        _BOOL,
        "memory was given while it ran",
        "more memory was given while it ran, and it is so seen from inside",
    ),
    "memory_shrunk": Metric(
        _RESIZE, _BOOL, "memory was taken while it ran", "memory was taken while it ran, and it is so seen from inside"
    ),
    "cpu_changed": Metric(
        _RESIZE,
        _BOOL,
        "CPUs were changed while it ran",
        "CPUs were given or taken while it ran, and it is so seen from inside",
    ),
    "resize_time": Metric(
        _RESIZE,
        _NS,
        "time until a change is seen inside",
        "request until the change was seen from inside",
        "lower",
        sampled=True,
    ),
    # portability and storage
    "export": Metric(
        _PORTABILITY,
        _NS,
        "export time",
        "writing the artefact to one file that can be carried away",
        "lower",
        sampled=True,
    ),
    "import": Metric(
        _PORTABILITY, _NS, "import time", "that file until an instance could be started from it", "lower", sampled=True
    ),
    "carry": Metric(
        _PORTABILITY,
        _NS,
        "export and import time together",
        "export and import of one round together: a move without the wire",
        "lower",
        sampled=True,
        shown=(Shown.COMPARED,),
    ),
    "export_bytes": Metric(
        _PORTABILITY, _BYTES, "exported size", "size of that file", "lower", shown=(Shown.COMPARED,)
    ),
    "import_runs": Metric(_PORTABILITY, _BOOL, "what was imported gets ready", "what was imported got ready"),
    "gone_after_remove": Metric(
        _PORTABILITY,
        _BOOL,
        "what was written inside is gone after removal",
        "what was written inside is gone after remove and create",
    ),
    "kept_over_restart": Metric(
        _PORTABILITY,
        _BOOL,
        "what was written inside is kept over stop and start",
        "what was written inside is still there when the same container, or machine, is started again",
    ),
    "kept_with_volume": Metric(
        _PORTABILITY,
        _BOOL,
        "a volume keeps what was written",
        "what was written to a volume is still there after remove and create",
    ),
    "vm_disk_keeps": Metric(
        _PORTABILITY,
        _BOOL,
        "a VM's disk keeps what was written",
        "what a guest wrote to its disk is there for a machine made anew with that disk, the first one removed",
    ),
    "vm_gone_with_disk": Metric(
        _PORTABILITY,
        _BOOL,
        "what a VM wrote is gone with its disk",
        "what a guest wrote is gone where its disk is deleted with the machine, and both are made anew",
    ),
    # deploy: a row a round and way; variant base=there or absent (images), from=registry (the user's), disk=qcow2 or
    # compressed, bandwidth=100Mbit.
    "deploy_bytes": Metric(
        _DEPLOY,
        _BYTES,
        "bytes to fetch",
        "what the server sent until all was there, headers and all, counted at the server; of an image from your "
        "registry the layers that came, as the engine says",
        "lower",
        shown=(Shown.COMPARED,),
    ),
    "deploy_transfer": Metric(
        _DEPLOY,
        _NS,
        "time to fetch",
        "request for the first byte until the engine has the image (unpacked), or the machine's files are written",
        "lower",
        sampled=True,
    ),
    "deploy_ready": Metric(
        _DEPLOY,
        _NS,
        "time from nothing to ready",
        "request for the first byte until what was fetched is ready",
        "lower",
        sampled=True,
        shown=(Shown.COMPARED,),
        floor=MS_NS,
    ),
    # wsl: only inside WSL, backend wsl; variant version=1 or 2.
    "own_kernel": Metric(
        _WSL,
        _BOOL,
        "it has a Linux kernel of its own",
        "the distribution runs on a Linux kernel of its own (WSL 2), not on Windows' (WSL 1)",
    ),
    "hyper_v": Metric(_WSL, _BOOL, "Hyper-V is underneath", "CPUID's hypervisor leaf says Hyper-V"),
    "distribution_start": Metric(
        _WSL,
        _NS,
        "start of a distribution",
        "wsl.exe asked for a distribution until its first output, after it had been terminated",
        "lower",
        sampled=True,
    ),
    "distribution_memory": Metric(
        _WSL, _BYTES, "memory used inside the utility VM", "memory used inside the utility VM", "lower", sampled=True
    ),
    "drive_files": Metric(
        _WSL,
        _PER_S,
        "file work on the Windows drive",
        "small files written, read and removed on a Windows drive",
        "higher",
        sampled=True,
    ),
    "linux_files": Metric(
        _WSL, _PER_S, "file work on the Linux disk", "the same on the Linux file system", "higher", sampled=True
    ),
    "interop": Metric(_WSL, _BOOL, "a Windows program starts from Linux", "a Windows program was started from Linux"),
    "interop_back": Metric(
        _WSL, _BOOL, "a Linux program starts from Windows", "a Linux program was started from Windows' side"
    ),
    "drives_mounted": Metric(_WSL, _COUNT, "Windows drives mounted", "Windows drives mounted inside"),
    "kernel_shared_by_distributions": Metric(
        _WSL, _BOOL, "two distributions share one kernel", "two distributions read one boot id"
    ),
}
"""Every metric that an experiment writes; what could not be observed writes no row, and run.json says why under
"skips".

"Container" means a backend whose `is_vm` is false, "VM" one whose `is_vm` is true; the variant's `accel` says what
executes the guest.
"""


def metric(name: str) -> Metric:
    """Return what a metric means, by its name or by its family's. Raises KeyError for a name no experiment writes."""
    found = METRICS.get(name)
    return found if found is not None else METRICS[_family(name)]


def is_noisy_metric(name: str) -> bool:
    """Return whether a metric is one that other work on the machine changes as much; False for an unknown name."""
    return name in METRICS and METRICS[name].noisy


def words(name: str) -> str:
    """Return what a metric is called; a name that this version does not know reads as itself, with blanks."""
    if name in METRICS:
        return METRICS[name].words
    family = METRICS.get(_family(name))
    member = name.rpartition(".")[2].replace("_", " ")
    return family.words.format(member) if family else name.replace("_", " ").replace(".", " ")


def _family(name: str) -> str:
    return name.rpartition(".")[0] + ".*"


def metrics_of(experiment: Experiment, *shown: Shown) -> tuple[str, ...]:
    """Return the metrics of an experiment that are shown in all these places, in the order of the table."""
    return tuple(
        name for name, each in METRICS.items() if each.experiment is experiment and set(shown) <= set(each.shown)
    )


@dataclass(frozen=True, slots=True)
class Stamp:
    """The machine's state just before a start, and up to where it counts as calm."""

    unit: Unit
    calm: float
    """A value above it is noise; a ratio, or a count since the last stamp."""
    words: str
    advice: str
    unless: str = ""
    """A stamp that measures the same thing better: where that one exists, this one does not count."""

    def sentence(self, above: int, starts: int, highest: float) -> str:
        """Return what a person is told where `above` of `starts` starts began above the limit, at most at `highest`."""
        limit, most = (
            f"{value:.0%}".replace("%", " %") if self.unit is _RATIO else f"{value:,.0f}"
            for value in (self.calm, highest)
        )
        return f"noisy machine: {self.words} was above {limit} before {above} of {starts} starts (up to {most})"


STAMPS: Mapping[str, Stamp] = {
    "load1": Stamp(
        _RATIO,
        0.7,
        "load average per CPU",
        "Stop other work, or let --quiet-machine wait for calm.",
        unless="psi_cpu",  # The load counts the run's own starts; pressure counts only those that had to wait.
    ),
    "psi_cpu": Stamp(
        _RATIO, 0.10, "time that work waited for a CPU", "Stop other work, or let --quiet-machine wait for calm."
    ),
    "psi_io": Stamp(
        _RATIO, 0.10, "time that work waited for storage", "Stop what reads or writes the disk, then repeat."
    ),
    "psi_memory": Stamp(
        _RATIO, 0.01, "time that work waited for memory", "Free memory; swapping makes every start slower."
    ),
    "steal": Stamp(
        _RATIO,
        0.02,
        "CPU time that the hypervisor gave to others",
        "Other tenants are busy: repeat, or use a quieter host.",
    ),
    "throttled": Stamp(
        _COUNT, 0, "throttling events", "Lift the CPU limit of the container or service that runs envbench."
    ),
    "swap": Stamp(_COUNT, 0, "pages swapped", "Free memory; swapping makes every start slower."),
}
"""Stamp → its limit. A load is per CPU; a pressure is a share of the last 10 s (Documentation/accounting/psi.rst)."""
NOISY_SHARE = 0.1
"""A machine is noisy if a stamp was above its limit before more than this share of the starts."""


def is_noisy(above: int, starts: int) -> bool:
    """Return whether so many starts with a stamp above its limit make a machine noisy."""
    return above > NOISY_SHARE * starts


def noise_code(stamp: str) -> str:
    """Return the code of the warning about a stamp."""
    return f"noisy-{stamp.replace('_', '-')}"


NOISE_CODES = frozenset(map(noise_code, STAMPS))
