"""Says what this place can do: containers, VMs, nested VMs, foreign binaries, perf counters; with reason and remedy.

An answer is "yes", "no" or "unknown". A device that opens and a file that is there prove little: where only a trial
would prove it, the answer is "unknown" and says so.
"""

from __future__ import annotations

from envinspect.facets.isolation import capability_names
from envinspect.facets.records import Abilities, Ability
from envinspect.model import ABSENT, Absent, Denied, Found, Reading, Record
from envinspect.model.facts import Facts
from envinspect.sources.process import own_status, parse_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDERS = ("/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/usr/local/sbin", "/sbin")
NOT_RUNNING_HERE = "a captured or mounted system cannot be asked"


class _Engine(Record):
    """How one engine is asked, and what helps: where it is not there, does not answer, and may not be asked.

    `program` is the one that starts containers without any socket, "" where there is none. `variable` names the engine
    that the command of the same name goes to, in place of `sockets`.
    """

    id: str
    name: str
    sockets: tuple[str, ...]
    http: bool
    install: str
    start: str
    permit: str
    program: str = ""
    variable: str = ""


ENGINES = (
    _Engine(
        "docker",
        "Docker",
        ("/var/run/docker.sock", "{runtime}/docker.sock"),
        True,
        "install docker.io and start dockerd",
        "start dockerd",
        "join the group docker, or run it as root",
        variable="DOCKER_HOST",
    ),
    _Engine(
        "podman",
        "Podman",
        ("/run/podman/podman.sock", "{runtime}/podman/podman.sock"),
        True,
        "install podman; for its API run `podman system service`",
        "for its API run `podman system service`",
        "run `podman system service` as this user, or envinspect as root",
        program="podman",
    ),
    _Engine(
        "containerd",
        "containerd",
        ("/run/containerd/containerd.sock",),
        False,
        "install containerd and start it",
        "start containerd",
        "run it as root",
    ),
    _Engine(
        "cri-o",
        "CRI-O",
        ("/run/crio/crio.sock", "/var/run/crio/crio.sock"),
        False,
        "install cri-o and start it",
        "start crio",
        "run it as root",
    ),
)
_NO_ACCESS = frozenset({"EACCES", "EPERM"})
RUNTIMES = ("runc", "crun", "podman", "bwrap", "systemd-nspawn", "lxc-start")
EMULATORS = ("qemu-system-x86_64", "qemu-system-aarch64", "qemu-kvm", "kvm")


def capabilities_block(facts: Facts) -> dict[str, Any]:
    """Return every ability, in a fixed order."""
    return abilities_of(facts).to_dict()


def abilities_of(facts: Facts) -> Abilities:
    """Return every ability, in a fixed order."""
    abilities = [_engine(facts, engine) for engine in ENGINES]
    abilities += [_runtimes(facts), _user_namespaces(facts), _kvm(facts), _emulated(facts), _nested(facts)]
    abilities += [_foreign(facts), _perf(facts)]
    return Abilities(tuple(abilities))


def _engine(facts: Facts, engine: _Engine) -> Ability:
    """Ask an engine's sockets until one answers; of those that do not, the first says why."""
    named = facts.environ(engine.variable) if engine.variable else ABSENT
    if isinstance(named, Found) and named.value:
        return _named_engine(facts, engine, named.value)
    what = f"containers with {engine.name}"
    paths = _sockets(facts, engine)
    refused: list[tuple[str, str]] = []
    for path in paths:
        there = facts.stat(path)
        if isinstance(there, Absent):
            continue
        if isinstance(there, Found) and facts.running is None:
            return Ability(engine.id, what, "unknown", f"{path} is there; {NOT_RUNNING_HERE}")
        answer = there if facts.running is None else facts.running.connects(path, http=engine.http)
        if isinstance(answer, Found):
            return Ability(engine.id, what, "yes", f"{path} {answer.value}")
        refused.append((path, _error(answer)))
    found = programs(facts, (engine.program,)) if engine.program else []
    because = f"{refused[0][0]}: {refused[0][1]}" if refused else f"no socket at {' or '.join(paths)}"
    if found:
        return Ability(engine.id, what, "unknown", f"{because}; {found[0]} needs none", engine.start)
    if not refused:
        return Ability(engine.id, what, "no", because, engine.install)
    return Ability(engine.id, what, "no", because, engine.permit if refused[0][1] in _NO_ACCESS else engine.start)


def _sockets(facts: Facts, engine: _Engine) -> list[str]:
    """Return where an engine listens: the system's, and for an ordinary user the one in XDG_RUNTIME_DIR.

    Reference: https://docs.docker.com/engine/security/rootless/, https://docs.podman.io/en/latest/markdown/podman-system-service.1.html.
    """
    runtime = facts.environ("XDG_RUNTIME_DIR") if facts.euid else ABSENT
    folder = runtime.value if isinstance(runtime, Found) and runtime.value[:1] == "/" else f"/run/user/{facts.euid}"
    return [path.format(runtime=folder) for path in engine.sockets if facts.euid or "{runtime}" not in path]


def _named_engine(facts: Facts, engine: _Engine, endpoint: str) -> Ability:
    """Ask the one engine that the variable names, where that is a socket of this machine; no other, and no network.

    Reference: https://docs.docker.com/reference/cli/docker/#environment-variables.
    """
    what = f"containers with {engine.name}"
    named = f"{engine.variable} names {endpoint}"
    scheme, _, path = endpoint.partition("://")
    if facts.running is None:
        return Ability(engine.id, what, "unknown", f"{engine.variable} is set; {NOT_RUNNING_HERE}")
    if scheme != "unix":
        unasked = f"{named}, which may be on another machine and is not asked"
        return Ability(engine.id, what, "unknown", unasked, f"`{engine.id} version` asks it")
    answer = facts.running.connects(path, http=engine.http)
    if isinstance(answer, Found):
        return Ability(engine.id, what, "yes", f"{named}: {answer.value}")
    remedy = f"unset {engine.variable} for this machine's own, or {engine.start}"
    return Ability(engine.id, what, "no", f"{named}: {_error(answer)}", remedy)


def programs(facts: Facts, names: tuple[str, ...]) -> list[str]:
    """Return where the named programs lie, each once, by the folders that distributions use."""
    found: list[str] = []
    for name in names:
        path = next((f"{folder}/{name}" for folder in FOLDERS if facts.exists(f"{folder}/{name}")), None)
        found += [path] if path else []
    return found


def _runtimes(facts: Facts) -> Ability:
    what = "containers without a daemon"
    found = programs(facts, RUNTIMES)
    if not found:
        return Ability(
            "runtimes", what, "no", f"none of {', '.join(RUNTIMES)} is there", "install runc, crun or podman"
        )
    because = f"installed: {', '.join(found)}"
    status = facts.derived(own_status)
    if "sys_admin" in (capability_names(status.get("CapEff", "")) or []):
        return Ability("runtimes", what, "yes", f"{because}; CAP_SYS_ADMIN is held")
    return Ability("runtimes", what, "unknown", f"{because}; without CAP_SYS_ADMIN they need user namespaces")


def _user_namespaces(facts: Facts) -> Ability:
    """Judge the limits of man 7 user_namespaces and Debian's and Ubuntu's switches."""
    what = "rootless containers (user namespaces)"
    limit = facts.text("/proc/sys/user/max_user_namespaces")
    if not isinstance(limit, Found):
        return Ability("user-namespaces", what, "unknown", f"/proc/sys/user/max_user_namespaces: {_error(limit)}")
    if limit.value == "0":
        remedy = "sysctl user.max_user_namespaces=10000"
        return Ability("user-namespaces", what, "no", "/proc/sys/user/max_user_namespaces is 0", remedy)
    root = facts.euid == 0
    if not root and facts.str_or("/proc/sys/kernel/unprivileged_userns_clone", "1") == "0":
        because = "/proc/sys/kernel/unprivileged_userns_clone is 0"
        return Ability("user-namespaces", what, "no", because, "sysctl kernel.unprivileged_userns_clone=1")
    if not root and facts.str_or("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0") == "1":
        because = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns is 1"
        return Ability("user-namespaces", what, "unknown", because, "an AppArmor profile must allow userns")
    seccomp = facts.derived(own_status).get("Seccomp", "0")
    if seccomp == "2":
        because = f"up to {limit.value} are allowed, but a seccomp filter may refuse them"
        return Ability("user-namespaces", what, "unknown", because)
    return Ability("user-namespaces", what, "yes", f"up to {limit.value} (/proc/sys/user/max_user_namespaces)")


def _cpu_flags(facts: Facts) -> frozenset[str]:
    values = parse_status(facts.str_or("/proc/cpuinfo").partition("\n\n")[0])
    return frozenset((values.get("flags") or values.get("Features") or "").split())


def _kvm(facts: Facts) -> Ability:
    """Only a guest that boots proves KVM: there are machines whose device opens and whose guests hang."""
    what = "virtual machines at full speed (KVM)"
    there = facts.stat("/dev/kvm")
    flags = _cpu_flags(facts)
    word = next((flag for flag in ("vmx", "svm") if flag in flags), None)
    cpu = f"the CPU shows {word}" if word else "the CPU shows neither vmx nor svm"
    inside = "hypervisor" in flags
    if not isinstance(there, Found):
        remedy = (
            "in the outer hypervisor, switch nested virtualization on" if inside else "modprobe kvm_intel or kvm_amd"
        )
        return Ability("kvm", what, "no", f"/dev/kvm: {_error(there)}; {cpu}", remedy)
    if facts.running is None:
        return Ability("kvm", what, "unknown", f"/dev/kvm is there; {cpu}; {NOT_RUNNING_HERE}")
    version = facts.running.kvm_api_version()
    if not isinstance(version, Found):
        return Ability(
            "kvm", what, "no", f"/dev/kvm: {_error(version)}; {cpu}", "join the group kvm, or let the device in"
        )
    because = f"/dev/kvm answers (API version {version.value}); {cpu}"
    if inside:
        proof = f"{because}; this machine is a guest itself, and only a guest that boots proves nested KVM"
        return Ability("kvm", what, "unknown", proof, "`envbench doctor` boots one")
    return Ability("kvm", what, "yes", because)


def _emulated(facts: Facts) -> Ability:
    what = "virtual machines by emulation (QEMU TCG)"
    found = programs(facts, EMULATORS)
    if not found:
        return Ability("emulated-vms", what, "no", "no QEMU is installed", "install qemu-system-x86")
    return Ability("emulated-vms", what, "yes", f"installed: {', '.join(found)}")


def _nested(facts: Facts) -> Ability:
    """Judge KVM's `nested` parameter: https://docs.kernel.org/virt/kvm/x86/running-nested-guests.html."""
    what = "virtual machines inside virtual machines started here"
    for module in ("kvm_intel", "kvm_amd", "kvm"):
        path = f"/sys/module/{module}/parameters/nested"
        reading = facts.text(path)
        if isinstance(reading, Found):
            if reading.value in {"Y", "1"}:
                return Ability(
                    "nested-vms", what, "unknown", f"{path} is {reading.value}; only a guest that boots proves it"
                )
            return Ability("nested-vms", what, "no", f"{path} is {reading.value}", f"modprobe {module} nested=1")
    if facts.exists("/dev/kvm"):
        return Ability("nested-vms", what, "unknown", "the KVM module does not tell; only a guest that boots proves it")
    return Ability("nested-vms", what, "no", "there is no KVM", "see virtual machines at full speed")


def _foreign(facts: Facts) -> Ability:
    """Look at the registered handlers: https://docs.kernel.org/admin-guide/binfmt-misc.html."""
    what = "binaries of other architectures (binfmt_misc)"
    folder = "/proc/sys/fs/binfmt_misc"
    listing = facts.listing(folder)
    names = [name for name in listing.value if name not in {"register", "status"}] if isinstance(listing, Found) else []
    remedy = "install qemu-user-static and binfmt-support"
    if isinstance(listing, Denied):
        return Ability("foreign-binaries", what, "unknown", f"{folder}: {listing.error}", remedy)
    if not isinstance(listing, Found) or "register" not in listing.value:
        return Ability("foreign-binaries", what, "no", f"{folder} is not mounted", remedy)
    enabled = [name for name in names if facts.str_or(f"{folder}/{name}").startswith("enabled")]
    emulators = [name for name in enabled if name.startswith("qemu-") or name == "rosetta"]
    if not emulators:
        others = f"; other handlers: {', '.join(enabled)}" if enabled else ""
        return Ability("foreign-binaries", what, "no", f"no emulator is registered in {folder}{others}", remedy)
    return Ability("foreign-binaries", what, "yes", f"registered: {', '.join(emulators)}")


def _perf(facts: Facts) -> Ability:
    """Judge counters and permission: https://docs.kernel.org/admin-guide/perf-security.html."""
    what = "hardware performance counters (perf)"
    level = facts.text("/proc/sys/kernel/perf_event_paranoid")
    if not isinstance(level, Found):
        return Ability("perf", what, "no", f"/proc/sys/kernel/perf_event_paranoid: {_error(level)}")
    status = facts.derived(own_status)
    held = capability_names(status.get("CapEff", "")) or []
    sources = facts.listing("/sys/bus/event_source/devices")
    if not isinstance(sources, Found):
        return Ability("perf", what, "unknown", f"/sys/bus/event_source/devices: {_error(sources)}")
    counters = [name for name in sources.value if name.startswith(("cpu", "armv"))]
    if not counters:
        remedy = "in the outer hypervisor, give this machine a virtual PMU" if "hypervisor" in _cpu_flags(facts) else ""
        return Ability("perf", what, "no", "no CPU counters in /sys/bus/event_source/devices", remedy)
    because = f"{', '.join(counters)}; kernel.perf_event_paranoid is {level.value}"
    strict = not level.value.lstrip("-").isdecimal() or int(level.value[:6]) > 2
    if strict and not {"perfmon", "sys_admin"} & set(held):
        return Ability("perf", what, "no", because, "sysctl kernel.perf_event_paranoid=2, or CAP_PERFMON")
    if status.get("Seccomp") == "2":
        return Ability("perf", what, "unknown", f"{because}; a seccomp filter may refuse perf_event_open")
    return Ability("perf", what, "yes", because)


def _error(reading: Reading[Any]) -> str:
    return reading.error if isinstance(reading, Denied) else "not there"
