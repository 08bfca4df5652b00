"""The rules for what sits inside a machine: stale and faked markers, sandboxes like containers, translated CPUs."""

from __future__ import annotations

from envinspect.model import Kind, Origin, Strength, Trait
from envinspect.resolver.overrules import Rule, View, from_cpuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envinspect.resolver.overrules import Losers

_INTERFACE = "https://systemd.io/CONTAINER_INTERFACE/"
_MANAGER_FILE = "/run/host/container-manager"
_NAMESPACES = "https://man7.org/linux/man-pages/man7/namespaces.7.html"


def _contradicted(view: View, reason: str) -> Losers:
    return [piece for piece in view.of(Kind.CONTAINER) if ("contradicted", reason) in piece.details]


def _left_over(view: View) -> Losers:
    """Return a container that only the control group names, and what schedules it by that very path."""
    containers = list(_contradicted(view, "left-over-cgroup"))
    sources = {piece.source for piece in containers}
    return [*containers, *(piece for piece in view.of(Kind.ORCHESTRATOR) if piece.source in sources)]


def _doubted(view: View, doubt: str) -> Losers:
    """Return what a chroot or a sandbox accounts for, where nothing names a container beside it."""
    named = any(piece.id != "container" and piece.strength > Strength.HINT for piece in view.of(Kind.CONTAINER))
    return () if named else [piece for piece in view.of(Kind.CONTAINER) if ("doubt", doubt) in piece.details]


def _sandbox_is_no_container(view: View) -> Losers:
    """Add a manager's word: sandboxes announce themselves by the same file (Steam's pressure-vessel does)."""
    if not view.holds(Kind.SANDBOX):
        return ()
    doubted = tuple(_doubted(view, "sandbox-namespaces"))
    return (*doubted, *(piece for piece in view.of(Kind.CONTAINER, "container") if piece.source == _MANAGER_FILE))


def _chroot_is_no_container(view: View) -> Losers:
    return _doubted(view, "chroot-root") if view.holds(Kind.CHROOT) else ()


def _root_of_a_container(view: View) -> Losers:
    """Return a root in mounts of one's own, where a sandbox made these, or a container that is not PID 1's."""
    doubts = {"own-root"} if view.holds(Kind.CONTAINER) else set()
    if view.holds(Kind.SANDBOX):
        doubts = {"own-root", "own-root-inside"}
    return [piece for piece in view.of(Kind.CHROOT) if any(("doubt", doubt) in piece.details for doubt in doubts)]


def _translated_cpu(view: View) -> Losers:
    """Return what CPUID said to a translated program: it is the translator's answer."""
    if not view.holds(Kind.EMULATION, "qemu-user", "rosetta"):
        return ()
    return [piece for piece in view.of(Kind.VM) if from_cpuid(piece)]


def _cpu_of_windows(view: View) -> Losers:
    """Return the hypervisor flag in WSL 1's /proc/cpuinfo: that is the CPU as Windows itself sees it."""
    proved = any(piece.strength is Strength.PROOF for piece in view.of(Kind.WSL, "wsl1"))
    return [piece for piece in view.of(Kind.VM, "vm") if proved and piece.origin is Origin.CPUINFO]


def _other_wsl(view: View) -> Losers:
    """Signs of both versions: the one that is proved."""
    proved = {piece.id for piece in view.of(Kind.WSL) if piece.strength is Strength.PROOF}
    return [piece for piece in view.of(Kind.WSL) if proved and piece.id not in proved]


def _host_inside_container(view: View) -> Losers:
    """Return the engine's sockets and folders that were handed into a container; its own engine's are its own."""
    if not view.holds(Kind.CONTAINER):
        return ()
    roles = view.of(Kind.ROLE, "docker-host", "podman-host", "lxd-host")
    inside_out = view.holds(Kind.CHROOT)  # chroot into the host's root, which was handed in
    return [
        piece
        for piece in roles
        if inside_out or (piece.origin is not Origin.MOUNT and Trait.MADE_HERE not in piece.traits)
    ]


INNER_RULES: tuple[Rule, ...] = (
    Rule(
        "initial-namespaces",
        lambda view: _contradicted(view, "initial-namespaces"),
        "This process is in the host's own namespaces: the marker was left by an image that the disk was made from.",
        _NAMESPACES,
    ),
    Rule(
        "root-is-a-disk",
        lambda view: _contradicted(view, "root-is-a-disk"),
        "The root is a whole disk's file system, which no container engine makes: the marker came with the disk.",
        "https://docs.docker.com/engine/storage/drivers/",
    ),
    Rule(
        "real-evidence",
        lambda view: _contradicted(view, "real-evidence"),
        "Mounts and cgroup path name another engine; files and variables can be copied or set by anybody.",
        _INTERFACE,
    ),
    Rule(
        "no-engine-mounts",
        lambda view: _contradicted(view, "no-engine-mounts"),
        "The engine binds its files into each container, and none is mounted here: the marker was left in the tree.",
        "https://docs.docker.com/engine/network/#dns-services",
    ),
    Rule(
        "sandbox",
        lambda view: _contradicted(view, "sandbox"),
        "A sandbox shows this tree, and nothing but the marker in it speaks for a container.",
        _INTERFACE,
    ),
    Rule(
        "left-over-cgroup",
        _left_over,
        "Namespaces and root are those of PID 1: the control group is left over from where this process came from.",
        "https://man7.org/linux/man-pages/man1/nsenter.1.html",
    ),
    Rule(
        "sandbox-namespaces",
        _sandbox_is_no_container,
        "The sandbox accounts for the namespaces and the root; nothing names a container beside it.",
        _NAMESPACES,
    ),
    Rule(
        "chroot-root",
        _chroot_is_no_container,
        "The chroot accounts for the root; nothing names a container beside it.",
        "https://man7.org/linux/man-pages/man2/chroot.2.html",
    ),
    Rule(
        "root-of-a-container",
        _root_of_a_container,
        "The container or the sandbox accounts for a root in mounts of its own.",
        "https://man7.org/linux/man-pages/man2/pivot_root.2.html",
    ),
    Rule(
        "translated-cpu",
        _translated_cpu,
        "The program is translated: what CPUID answers comes from the translator, not from the machine.",
        "https://www.qemu.org/docs/master/user/main.html",
    ),
    Rule(
        "cpu-of-windows",
        _cpu_of_windows,
        "WSL 1 shows the CPU as Windows has it, which runs on a hypervisor of its own where one is switched on.",
        "https://github.com/microsoft/WSL/issues/1256",
    ),
    Rule(
        "proved-wsl",
        _other_wsl,
        "The kernel or the root's file system proves the other version of WSL.",
        "https://learn.microsoft.com/en-us/windows/wsl/compare-versions",
    ),
    Rule(
        "engine-handed-in",
        _host_inside_container,
        "Seen from inside a container, the engine's socket or folder was handed in: the host is outside.",
        "https://docs.docker.com/engine/security/protect-access/",
    ),
)
