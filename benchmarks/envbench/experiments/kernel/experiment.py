"""Whose kernel runs the payload, and what can run at all: one kernel or two, other systems, other architectures.

`observe` reads the same facts inside an instance and on the host and compares them; `startup` calls it too.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from envbench.errors import EnvbenchError
from envbench.experiments.kernel import foreign, guests, managers
from envbench.experiments.kernel.windows_image import refusal_of_windows_image
from envbench.experiments.shared.engine_cli import engine_cli
from envbench.experiments.shared.running import Running, first, running, shell
from envbench.experiments.shared.toolbox import with_settings
from envbench.payload.userland import userland_tree
from envbench.records.phases import BackendKind, Experiment
from envbench.run.bench import Bench, Prepared
from envbench.settings import Configuration, Settings
from envbench.surroundings.clock import NS_PER_S

VMM_NAMES = re.compile(
    r"qemu|kvm|cloud-hyperviso|firecracker|crosvm|VBox|vmware-vmx|bhyve|xen|uml|linux\.uml|dragonball|stratovirt"
)
USERLANDS_REMEDY = "sudo envbench fetch distro another, once"
TWO_USERLANDS = ("distro", "another")
"""Userlands of the cache: this machine's distribution, and another release of it."""
OS_SCRIPT = '(. /etc/os-release; echo "@os=$PRETTY_NAME")\n'
CLOCK_SLACK_S = 2.0
"""What the guest's uptime may exceed the start by: the two clocks begin at different moments of it."""

OBSERVED = (
    *("boot_id_equals_host", "kernel_equals_host", "uptime_starts_at_zero", "visible_on_host", "hypervisor_process"),
    *("needs_kvm_device", "hardware_equals_host", "hardware.*", "all_kernels_equal"),
)
"""The metrics that `observe` writes; the others of this experiment take more than a look."""
FACTS_SCRIPT = r"""
B=${ENVBENCH_BUSYBOX:-/bin/busybox}
put() {
  if { read -r v <"$2"; } 2>/dev/null; then echo "@$1=$3$v"; elif [ -e "$2" ]; then echo "@denied=$1 $3"; fi
}
put boot_id /proc/sys/kernel/random/boot_id
put release /proc/sys/kernel/osrelease
put version /proc/version
echo "@cpu=$($B grep -m1 -E '^(model name|CPU implementer|uarch)' /proc/cpuinfo 2>/dev/null)"
for d in /sys/bus/pci/devices/* /sys/bus/virtio/devices/*; do
  [ -e "$d" ] || continue
  { read -r a <"$d/vendor" && read -r b <"$d/device"; } 2>/dev/null || { echo "@denied=device ${d##*/}"; continue; }
  echo "@device=${d##*/} $a:$b"
done
put firmware /sys/class/dmi/id/sys_vendor "dmi "
for t in FACP APIC DSDT; do
  f=/sys/firmware/acpi/tables/$t
  [ -e $f ] || continue
  v=$($B dd if=$f bs=1 skip=10 count=14 2>/dev/null | $B tr -cd 'A-Za-z0-9')
  [ "$v" ] && echo "@firmware=$t $v" || echo "@denied=firmware $t"
done
echo @end=1
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one side reads about its kernel and hardware; None, or no such name, where it could not be read."""

    boot_id: str | None = None
    release: str | None = None
    version: str | None = None
    cpu: str | None = None
    devices: Mapping[str, str] = field(default_factory=dict)
    """Address on its bus → vendor and device."""
    firmware: Mapping[str, str] = field(default_factory=dict)
    """DMI and the ACPI tables → whose they are."""
    denied: frozenset[str] = frozenset()
    """The kinds of facts of which some were there and could not be read."""


def seen_in(reports: Mapping[str, Sequence[str]]) -> Seen:
    """Return what the fact script reported."""
    return Seen(
        boot_id=first(reports, "boot_id"),
        release=first(reports, "release") or release_of(first(reports, "version")),
        version=first(reports, "version"),
        cpu=first(reports, "cpu"),
        devices=_by_name(reports, "device"),
        firmware=_by_name(reports, "firmware"),
        denied=frozenset(line.split()[0] for line in reports.get("denied", ()) if line.strip()),
    )


def _by_name(reports: Mapping[str, Sequence[str]], key: str) -> dict[str, str]:
    """Return "name value" reports as a mapping, in order of name."""
    found = (line.strip().partition(" ") for line in reports.get(key, ()))
    return {name: value for name, _, value in sorted(found) if value}


def release_of(version: str | None) -> str | None:
    """Return the release in /proc/version ("Linux version RELEASE …"); gVisor has no osrelease of its own."""
    words = version.split() if version else []
    return words[2] if words[:2] == ["Linux", "version"] and len(words) > 2 else None


def hardware(inside: Seen, host: Seen) -> dict[str, bool]:
    """Return, for each kind of hardware fact that both sides could read, whether it is the same.

    Firmware is compared name by name: engines hide /sys/firmware, and its tables are root's alone, so that a name that
    one side lacks says nothing. A list of devices is compared as a whole, unless a side was denied some of it.
    """
    whole = "device" not in inside.denied | host.denied
    found = {
        "hardware.cpu": inside.cpu == host.cpu if inside.cpu and host.cpu else None,
        "hardware.devices": _same(inside.devices, host.devices, whole=whole),
        "hardware.firmware": _same(inside.firmware, host.firmware),
    }
    return {name: same for name, same in found.items() if same is not None}


def _same(inside: Mapping[str, str], host: Mapping[str, str], *, whole: bool = False) -> bool | None:
    """Return whether what both sides name is the same, with `whole` also that they name the same.

    None where there is nothing to compare.
    """
    if not inside or not host:
        return None
    both = inside.keys() & host.keys()
    if whole and inside.keys() != host.keys():
        return False
    return all(inside[name] == host[name] for name in both) if both else None


def is_hosts_hardware(same: Mapping[str, bool]) -> bool | None:
    """Return whether what was compared is the host's; None where that does not tell.

    One difference is enough to tell a machine of its own. A CPU alone that is the same tells nothing: hardware
    virtualisation hands the host's on.
    """
    if not all(same.values()):
        return False
    return True if same.keys() - {"hardware.cpu"} else None


def uptime_is_new(uptime_s: float, start_s: float) -> bool:
    """Return whether this start alone explains an uptime at the ready line: a kernel was booted for it."""
    return uptime_s <= start_s + CLOCK_SLACK_S


def run(bench: Bench) -> None:
    """Observe every backend, then what else runs: two userlands, Windows' image, other architectures and systems."""
    host = seen_on_host(bench)
    # Beside what `observe` expects: a service, cluster mode, two userlands, another architecture's program, guests of
    # three kinds.
    engines = sum(engine_cli(one) is not None for one in bench.containers())
    bench.course.expect(7 + engines + len(bench.containers()))
    observe(bench, host)
    managers.run(bench)
    _engines(bench, host)
    with bench.attempt(Experiment.KERNEL, "two userlands on one kernel", USERLANDS_REMEDY):
        two_userlands(bench)
    for prepared in bench.containers():
        with bench.attempt(Experiment.KERNEL, f"{prepared.name}: an image for Windows"):
            refuse_windows(bench, prepared)
    with bench.attempt(Experiment.KERNEL, "a program for another CPU architecture", foreign.REMEDY):
        foreign.run(bench)
    guests.run(bench)


def observe(bench: Bench, host: Seen | None = None) -> None:
    """Write the rows that compare each backend's kernel and hardware with the host's."""
    host = host or seen_on_host(bench)
    releases = {"host": host.release}
    looked_at = [one for one in bench.chosen() if one.kind is not BackendKind.HOST]
    bench.course.expect(len(looked_at))
    for prepared in looked_at:
        with bench.attempt(Experiment.KERNEL, prepared.name):
            releases[prepared.name] = _observe_one(bench, prepared, host)
            bench.say(f"kernel: {prepared.name}: {releases[prepared.name] or 'release unreadable'}")
    known = {name: release for name, release in releases.items() if release}
    # Containers share one kernel, so they alone would always show it: a machine must have answered too.
    if any(prepared.name in known for prepared in bench.vms()):
        detail = "; ".join(f"{name}: {release}" for name, release in known.items())
        bench.record("all_kernels_equal", len(set(known.values())) == 1, detail=detail)


def seen_on_host(bench: Bench) -> Seen:
    """Return the host's own facts, read by the same script. Raises BackendError without the process backend."""
    bare = bench.bare()
    if bare is None:
        raise EnvbenchError("the host's side is read by the backend process", remedy="--backend process beside it")
    with running(bench, bare, shell(FACTS_SCRIPT)) as run_:
        return _facts(bench, run_)


def _facts(bench: Bench, run_: Running) -> Seen:
    run_.read_until(lambda line: line.startswith("@end="), bench.settings.deadline_s, "end of its facts")
    return seen_in(run_.reports())


def _observe_one(bench: Bench, prepared: Prepared, host: Seen) -> str | None:
    configuration = prepared.configuration
    with running(bench, prepared, shell(FACTS_SCRIPT)) as run_:
        inside = _facts(bench, run_)
        _record_equal(bench, configuration, "boot_id_equals_host", inside.boot_id, host.boot_id)
        _record_equal(bench, configuration, "kernel_equals_host", inside.version, host.version)
        _record_uptime(bench, configuration, run_)
        with bench.attempt(Experiment.KERNEL, f"{prepared.name}: its processes on the host"):
            _record_host_side(bench, configuration, run_.nonce, run_.host_processes())
    same = hardware(inside, host)
    for name, equal in same.items():
        field = name.partition(".")[2]
        bench.record(name, equal, configuration, detail=f"inside {_shown(inside, field)}; host {_shown(host, field)}")
    equals = is_hosts_hardware(same)
    if equals is not None:
        differs = [name for name, equal in same.items() if not equal]
        seen = f"compared: {', '.join(same)}; differs: {', '.join(differs) or 'nothing'}"
        bench.record("hardware_equals_host", equals, configuration, detail=seen)
    return inside.release


def _shown(view: Seen, field: str) -> str:
    value = getattr(view, field)
    return ", ".join(f"{name} {each}" for name, each in value.items()) if isinstance(value, Mapping) else str(value)


def _record_equal(bench: Bench, configuration: Configuration, name: str, inside: str | None, host: str | None) -> None:
    if inside and host:
        bench.record(name, inside == host, configuration, detail=f"inside {inside}; host {host}")


def _record_uptime(bench: Bench, configuration: Configuration, run_: Running) -> None:
    ready = next(line for line in run_.lines if run_.nonce in line and "uptime_s=" in line)
    with contextlib.suppress(ValueError):
        uptime_s = float(ready.rpartition("uptime_s=")[2].split()[0] if ready.split()[-1] != "uptime_s=" else "")
        start_s = run_.start_ns / NS_PER_S
        new = uptime_is_new(uptime_s, start_s)
        bench.record(
            "uptime_starts_at_zero",
            new,
            configuration,
            detail=f"uptime {uptime_s:g} s after a start of {start_s:.2f} s",
        )


def _record_host_side(bench: Bench, configuration: Configuration, nonce: str, pids: Sequence[int]) -> None:
    with bench.attempt(Experiment.KERNEL, f"{configuration.backend}: its payload on the host"):
        payload = payload_on_host(nonce, pids)
        shown = f"pid {payload}" if payload else f"not among the host processes {list(pids)}"
        bench.record("visible_on_host", payload is not None, configuration, detail=shown)
    names = {pid: _comm(pid) for pid in pids}
    monitors = sorted({name for name in names.values() if VMM_NAMES.search(name)})
    bench.record(
        "hypervisor_process",
        bool(monitors),
        configuration,
        detail=f"processes: {', '.join(sorted(set(names.values())))}",
    )
    with bench.attempt(Experiment.KERNEL, f"{configuration.backend}: who holds /dev/kvm", "sudo"):
        holders = [pid for pid in pids if holds_kvm(pid)]
        detail = f"processes that hold /dev/kvm: {len(holders)}"
        bench.record("needs_kvm_device", bool(holders), configuration, detail=detail)


def payload_on_host(nonce: str, pids: Sequence[int], proc: Path = Path("/proc")) -> int | None:
    """Return the host process that runs the payload's ready script with this nonce, None where the host shows none.

    The nonce must be an argument of its own behind the script's: a machine's monitor may have it in its kernel's words.
    Raises PermissionError where one may not be looked at.
    """
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")
            if nonce.encode() in words and any(word.endswith(b"/envbench/ready") for word in words):
                return pid
    return None


def holds_kvm(pid: int, proc: Path = Path("/proc")) -> bool:
    """Return whether this process has /dev/kvm, or a machine made with it, open.

    Raises PermissionError where it may not be looked at.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in (proc / str(pid) / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                target = str(descriptor.readlink())
                if target == "/dev/kvm" or target.startswith("anon_inode:kvm"):
                    return True
    return False


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", errors="replace").strip()
    except OSError:
        return "gone"


def two_userlands(bench: Bench) -> None:
    """Run this distribution and another release of it, both as they are bootstrapped, and compare what each reads."""
    containers = [one for one in bench.containers() if one in bench.chosen(one_of_a_kind=True)]
    if not containers:
        raise EnvbenchError("no container backend here")
    names = [one.configuration.backend for one in containers]
    trees = [userland_tree(bench.settings.cache_dir, name, offline=True) for name in TWO_USERLANDS]
    with ExitStack() as opened:
        first_, second = (
            opened.enter_context(with_settings(bench, settings_of_tree(bench.settings, tree), names)) for tree in trees
        )
        for prepared in containers:
            with bench.attempt(Experiment.KERNEL, f"{prepared.name}: two userlands"):
                _compare_userlands(
                    bench,
                    [one for tools in (first_, second) for one in tools.configurations if one.name == prepared.name],
                )


def settings_of_tree(settings: Settings, tree: Path) -> Settings:
    """Return the run's settings with this tree as the payload, in a folder of its own."""
    work_dir = settings.work_dir / f"userland-{tree.parent.parent.name}"
    work_dir.mkdir(mode=0o700, exist_ok=True)
    link = work_dir / "tree"
    if not link.is_symlink():
        link.symlink_to(tree, target_is_directory=True)
    return replace(settings, work_dir=work_dir, profile="minimal", images=(), memory_bytes=None)


def _compare_userlands(bench: Bench, two: Sequence[Prepared]) -> None:
    if len(two) != len(TWO_USERLANDS):
        raise EnvbenchError("it cannot take both userlands")
    seen, names = [], []
    for one in two:
        with running(bench, one, shell(OS_SCRIPT + FACTS_SCRIPT)) as run_:
            seen.append(_facts(bench, run_))
            names.append(first(run_.reports(), "os") or "no os-release")
    if names[0] == names[1]:
        raise EnvbenchError("both trees carry the same os-release; nothing was shown")
    if not all(one.boot_id and one.release for one in seen):
        raise EnvbenchError("boot id or kernel release could not be read inside")
    same = seen[0].boot_id == seen[1].boot_id and seen[0].release == seen[1].release
    detail = "; ".join(f"{name}: {one.release}, boot {one.boot_id}" for name, one in zip(names, seen, strict=True))
    bench.record("two_userlands_one_kernel", same, two[0].configuration, detail=detail)
    bench.say(f"kernel: {two[0].name}: {' and '.join(names)} on {'one kernel' if same else 'two kernels'}")


def _engines(bench: Bench, host: Seen) -> None:
    """Compare what each engine says of its own machine with the one that its client runs on."""
    for prepared in bench.containers():
        cli = engine_cli(prepared)
        if cli is not None:
            with bench.attempt(Experiment.KERNEL, f"{prepared.name}: where its engine runs"):
                kernel, _, system = cli.run(
                    bench.settings.run_id, "info", "--format", cli.engine.kernel_and_system
                ).partition("|")
                same = kernel == host.release
                bench.record(
                    "engine_kernel_equals_client",
                    same,
                    prepared.configuration,
                    detail=f"{kernel}; client {host.release}",
                )
                bench.record(
                    "engine_is_desktop", "docker desktop" in system.lower(), prepared.configuration, detail=system
                )


def refuse_windows(bench: Bench, prepared: Prepared) -> None:
    """Load and start an image that says os=windows and record the engine's answer; other backends are left out."""
    cli = engine_cli(prepared)
    if cli is None:
        return
    refused, words = refusal_of_windows_image(cli, bench, prepared)
    bench.record("windows_image_refused", refused, prepared.configuration, detail=words)
    bench.say(f"kernel: {prepared.name}: image for Windows {'refused' if refused else 'accepted'}")
