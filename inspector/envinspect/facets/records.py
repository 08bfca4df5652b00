"""What the reports about a place are to a program: frozen, typed records; `to_dict` gives back the report's JSON.

None is "not known here", never nothing and never unlimited. A report that gains a key gains a field here: one without
the other raises TypeError.
"""

from __future__ import annotations

from envinspect.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Host(Record):
    """The machine itself, as far as it shows."""

    system: str | None
    kernel: str | None
    architecture: str | None
    distribution: str | None
    distribution_id: str | None
    distribution_version: str | None
    cpu_brand: str | None
    cpu_vendor: str | None
    memory_bytes: int | None
    boot_time_s: int | None


class RuntimeCount(Record):
    """How many CPUs a language's runtime counts here; `throttled` is True where that is more than may run."""

    id: str
    name: str
    since: str
    cpus: int | None
    throttled: bool | None
    reads: str
    reference: str


class LimitState(Record):
    """One limit as far as it can be told: `state` is set, none-visible or not-visible; `levels` were looked at."""

    state: str
    value: float | None
    levels: int
    because: str


class Limits(Record):
    """The limits by what they bind."""

    cpu: LimitState
    memory: LimitState
    memory_high: LimitState
    swap: LimitState
    address_space: LimitState
    data_segment: LimitState
    pids: LimitState
    open_files: LimitState
    user_processes: LimitState


class Resources(Record):
    """What this process may really use; each `…_because` says where the value beside it comes from."""

    cpus: float | None
    cpus_because: str
    cpus_online: int | None
    cpus_allowed: int | None
    cpu_quota: float | None
    cpu_quota_because: str
    jvm_cpus: int | None
    go_cpus: int | None
    runtimes: tuple[RuntimeCount, ...]
    memory_bytes: int | None
    memory_because: str
    memory_available_bytes: int | None
    memory_available_because: str
    memory_machine_bytes: int | None
    memory_high_bytes: int | None
    memory_high_because: str
    address_space_bytes: int | None
    address_space_because: str
    data_segment_bytes: int | None
    data_segment_because: str
    swap_bytes: int | None
    swap_because: str
    pids: int | None
    pids_because: str
    user_processes: int | None
    user_processes_because: str
    open_files: int | None
    open_files_hard: int | None
    open_files_because: str
    disk_bytes: int | None
    disk_available_bytes: int | None
    disk_because: str
    huge_pages: int | None
    huge_pages_free: int | None
    huge_page_bytes: int | None
    huge_pages_because: str
    limits: Limits
    unreadable: tuple[str, ...]


class Namespace(Record):
    """One namespace of this process: `initial` is True for the host's own, None where its number does not tell."""

    number: int | None
    initial: bool | None
    because: str


class Namespaces(Record):
    """The namespaces by kind (man 7 namespaces)."""

    cgroup: Namespace
    ipc: Namespace
    mnt: Namespace
    net: Namespace
    pid: Namespace
    time: Namespace
    user: Namespace
    uts: Namespace


class CapabilitySets(Record):
    """Names of the capabilities (man 7 capabilities) that this process holds; None where the kernel shows none."""

    effective: tuple[str, ...] | None
    bounding: tuple[str, ...] | None
    ambient: tuple[str, ...] | None


class SecurityModule(Record):
    """The label that a security module put on this process, and the modules that are loaded."""

    label: str | None
    label_because: str | None
    modules: tuple[str, ...] | None


class IdRange(Record):
    """`count` ids from `inside` on are those from `outside` on (man 7 user_namespaces)."""

    inside: int
    outside: int
    count: int


class User(Record):
    """The effective user, and how ids here map to those outside; None where there is no mapping to read."""

    euid: int | None
    uid_map: tuple[IdRange, ...] | None
    gid_map: tuple[IdRange, ...] | None


class Devices(Record):
    """How many devices there are, and which of them no container has by default."""

    count: int | None
    beyond_default: tuple[str, ...] | None
    because: str | None


class Visible(Record):
    """Something of the host, and whether it shows."""

    what: str
    visible: bool
    source: str


class Isolation(Record):
    """What separates this process from its host."""

    namespaces: Namespaces
    capabilities: CapabilitySets
    seccomp: str | None
    no_new_privileges: bool | None
    lsm: SecurityModule
    user: User
    masked_paths: tuple[str, ...]
    read_only_paths: tuple[str, ...]
    devices: Devices
    host_visible: tuple[Visible, ...]


class Abilities(Record):
    """What works here: containers, virtual machines, foreign binaries, performance counters."""

    capabilities: tuple[Ability, ...]


class Ability(Record):
    """One thing that may be possible here. `answer` is yes, no or unknown; `remedy` is "" where nothing is to mend."""

    id: str
    what: str
    answer: str
    because: str
    remedy: str = ""


def host_of(block: dict[str, Any]) -> Host:
    """Return the host block as a record."""
    return Host(**block)


def resources_of(block: dict[str, Any]) -> Resources:
    """Return the resources report as a record."""
    return Resources(
        **{
            **block,
            "runtimes": tuple(RuntimeCount(**row) for row in block["runtimes"]),
            "limits": Limits(**{name: LimitState(**found) for name, found in block["limits"].items()}),
            "unreadable": tuple(block["unreadable"]),
        }
    )


def isolation_of(block: dict[str, Any]) -> Isolation:
    """Return the isolation report as a record."""
    user, devices = block["user"], block["devices"]
    return Isolation(
        **{
            **block,
            "namespaces": Namespaces(**{name: Namespace(**found) for name, found in block["namespaces"].items()}),
            "capabilities": CapabilitySets(**{name: _names(found) for name, found in block["capabilities"].items()}),
            "lsm": SecurityModule(**{**block["lsm"], "modules": _names(block["lsm"]["modules"])}),
            "user": User(user["euid"], _ranges(user["uid_map"]), _ranges(user["gid_map"])),
            "masked_paths": tuple(block["masked_paths"]),
            "read_only_paths": tuple(block["read_only_paths"]),
            "devices": Devices(**{**devices, "beyond_default": _names(devices["beyond_default"])}),
            "host_visible": tuple(Visible(**item) for item in block["host_visible"]),
        }
    )


def _names(found: list[str] | None) -> tuple[str, ...] | None:
    return None if found is None else tuple(found)


def _ranges(found: list[dict[str, int]] | None) -> tuple[IdRange, ...] | None:
    return None if found is None else tuple(IdRange(**row) for row in found)
