"""Says what separates this process from the host: the `isolation` report. Facts only, so a capture can tell it too."""

from __future__ import annotations

from envinspect.model import Absent, Denied, Found, Reading
from envinspect.model.facts import Facts
from envinspect.sources.mounts import Mount, kernels_own, mount_table
from envinspect.sources.process import INITIAL, NUMBERED, namespace_number, numbers_all, own_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Block = dict[str, Any]


NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")

CAPABILITIES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore",
)  # fmt: skip
"""Names by bit: include/uapi/linux/capability.h."""

SECCOMP = {"0": "off", "1": "strict", "2": "filter"}

# What runtimes mask and make read-only: OCI runtime specification, config-linux.md; the list is that of Docker and
# containerd (https://github.com/moby/moby/blob/master/oci/defaults.go).
MASKABLE = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware",
)  # fmt: skip
GUARDED = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", "/sys", "/sys/fs/cgroup", "/")

_PLAIN_DEVICES = frozenset({
    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
    "tty", "urandom", "zero",
})  # fmt: skip
"""What every OCI container has (config-linux.md, "Default Devices"); anything more was let in."""


def isolation_block(facts: Facts) -> Block:
    """Return namespaces, capabilities, seccomp, LSM, masked paths, id maps, devices, what shows of the host."""
    status = facts.derived(own_status)
    mounts = _mounts(facts)
    return {
        "namespaces": {name: _namespace(facts, name) for name in NAMESPACES},
        "capabilities": {
            "effective": capability_names(status.get("CapEff", "")),
            "bounding": capability_names(status.get("CapBnd", "")),
            "ambient": capability_names(status.get("CapAmb", "")),
        },
        "seccomp": SECCOMP.get(status.get("Seccomp", "")),
        "no_new_privileges": {"0": False, "1": True}.get(status.get("NoNewPrivs", "")),
        "lsm": _lsm(facts),
        "user": {
            "euid": facts.euid,
            "uid_map": _id_map(facts.text("/proc/self/uid_map")),
            "gid_map": _id_map(facts.text("/proc/self/gid_map")),
        },
        "masked_paths": masked_paths(mounts),
        "read_only_paths": read_only_paths(mounts),
        "devices": _devices(facts),
        "host_visible": _host_visible(facts),
    }


def _namespace(facts: Facts, name: str) -> Block:
    """Return a namespace's number, and whether it is the host's own: null where the number does not tell."""
    reading = facts.link(f"/proc/self/ns/{name}")
    if isinstance(reading, Denied):
        return {"number": None, "initial": None, "because": f"/proc/self/ns/{name}: {reading.error}"}
    number = namespace_number(reading.value) if isinstance(reading, Found) else None
    if number is None or not isinstance(reading, Found):
        return {"number": None, "initial": None, "because": f"this kernel shows no {name} namespace"}
    if number in INITIAL[name]:
        return {"number": number, "initial": True, "because": "the number that the kernel gives to the initial one"}
    if name in NUMBERED or numbers_all(facts.uname.release):
        return {"number": number, "initial": False, "because": "not the number of the initial one"}
    init = facts.link(f"/proc/1/ns/{name}")
    own = isinstance(init, Found) and init.value != reading.value
    because = "not that of PID 1" if own else "numbers of the initial one are not fixed on this kernel"
    return {"number": number, "initial": False if own else None, "because": because}


def capability_names(mask: str) -> list[str] | None:
    """Return the names of a hexadecimal capability mask's bits, `cap_NN` for nameless ones; None for no mask."""
    try:
        bits = int(mask, 16) if len(mask) <= 16 else -1
    except ValueError:
        return None
    if bits < 0:
        return None
    return [
        CAPABILITIES[bit] if bit < len(CAPABILITIES) else f"cap_{bit}"
        for bit in range(bits.bit_length())
        if bits >> bit & 1
    ]


def _lsm(facts: Facts) -> Block:
    """Return the label that a security module put on this process (AppArmor, SELinux, Smack), and the modules."""
    reading = facts.text("/proc/self/attr/current")
    modules = facts.text("/sys/kernel/security/lsm")
    return {
        "label": reading.value or None if isinstance(reading, Found) else None,
        "label_because": None if isinstance(reading, Found) else f"/proc/self/attr/current: {_why(reading)}",
        "modules": modules.value.split(",") if isinstance(modules, Found) and modules.value else None,
    }


def _why(reading: Reading[Any]) -> str:
    if isinstance(reading, Denied):
        return reading.error
    return "not there" if isinstance(reading, Absent) else ""


def _id_map(reading: Reading[str]) -> list[Block] | None:
    """Return a user or group mapping (man 7 user_namespaces): `count` ids from `inside` on are those from `outside`."""
    if not isinstance(reading, Found):
        return None
    found: list[Block] = []
    for line in reading.value.splitlines():
        fields = line.split()
        if len(fields) == 3 and all(field.isdecimal() and len(field) < 12 for field in fields):
            inside, outside, count = (int(field) for field in fields)
            found.append({"inside": inside, "outside": outside, "count": count})
    return found


def _mounts(facts: Facts) -> tuple[Mount, ...]:
    """Return the mounts, the last on a place being the one that is seen."""
    return tuple({mount.target: mount for mount in facts.derived(mount_table).mounts}.values())


def masked_paths(mounts: tuple[Mount, ...]) -> list[str]:
    """Return the sensitive paths over which a runtime put /dev/null or an empty tmpfs."""
    covered = {mount.target for mount in mounts if mount.fstype == "tmpfs" or mount.root == "/null"}
    return [path for path in MASKABLE if path in covered]


def read_only_paths(mounts: tuple[Mount, ...]) -> list[str]:
    """Return the guarded paths that are mounted read-only."""
    return [mount.target for mount in mounts if mount.read_only and mount.target in GUARDED]


def _devices(facts: Facts) -> Block:
    reading = facts.listing("/dev")
    if not isinstance(reading, Found):
        return {"count": None, "beyond_default": None, "because": f"/dev: {_why(reading)}"}
    names = reading.value
    return {
        "count": len(names),
        "beyond_default": [name for name in names if name not in _PLAIN_DEVICES],
        "because": None,
    }


def _host_visible(facts: Facts) -> list[Block]:
    """Return what of the host can be seen from inside, whatever separates this process from it."""
    questions = (
        ("host processes", facts.str_or("/proc/2/comm") == "kthreadd", "PID 2 is kthreadd (/proc/2/comm)"),
        ("kernel log", isinstance(facts.stat("/dev/kmsg"), Found), "/dev/kmsg"),
        ("host memory size", _host_memory(facts), "/proc/meminfo"),
        ("firmware tables", bool(_names(facts, "/sys/firmware/acpi/tables")), "/sys/firmware/acpi/tables"),
        ("machine identity", isinstance(facts.text("/sys/class/dmi/id/sys_vendor"), Found), "/sys/class/dmi/id"),
        ("block devices", bool(_names(facts, "/sys/class/block")), "/sys/class/block"),
        ("Docker's socket", isinstance(facts.stat("/var/run/docker.sock"), Found), "/var/run/docker.sock"),
        ("kernel modules", isinstance(facts.text("/proc/modules"), Found), "/proc/modules"),
    )
    return [{"what": what, "visible": visible, "source": source} for what, visible, source in questions]


def _host_memory(facts: Facts) -> bool:
    """Say whether the machine's memory size shows: not where lxcfs puts the container's own in its place."""
    return isinstance(facts.text("/proc/meminfo"), Found) and kernels_own(facts, "/proc/meminfo")


def _names(facts: Facts, path: str) -> tuple[str, ...]:
    reading = facts.listing(path)
    return reading.value if isinstance(reading, Found) else ()
