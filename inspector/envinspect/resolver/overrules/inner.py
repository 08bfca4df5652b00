"""The rules for what sits inside a machine: stale and faked markers, sandboxes like containers, translated CPUs."""

from envinspect.model import Evidence, Kind, Strength
from envinspect.resolver.overrules.rule import Losers, Rule, View, from_cpuid

_INTERFACE = "https://systemd.io/CONTAINER_INTERFACE/"
_NAMESPACES = "https://man7.org/linux/man-pages/man7/namespaces.7.html"


def _contradicted(view: View, reason: str) -> Losers:
    return [piece for piece in view.of(Kind.CONTAINER) if ("contradicted", reason) in piece.details]


def _sandbox_is_no_container(view: View) -> Losers:
    """Namespaces that a sandbox accounts for, where nothing names a container."""
    if not view.holds(Kind.SANDBOX):
        return ()
    named = any(piece.id != "container" and piece.strength > Strength.HINT for piece in view.of(Kind.CONTAINER))
    return () if named else view.of(Kind.CONTAINER, "container")


def _chroot_is_no_container(view: View) -> Losers:
    if not view.holds(Kind.CHROOT):
        return ()
    generic = view.of(Kind.CONTAINER, "container")
    named = len(generic) < len([piece for piece in view.of(Kind.CONTAINER) if piece.strength > Strength.HINT])
    return () if named else generic


def _translated_cpu(view: View) -> Losers:
    """Return what CPUID said to a translated program: it is the translator's answer."""
    if not view.holds(Kind.EMULATION, "qemu-user", "rosetta"):
        return ()
    return [piece for piece in view.of(Kind.VM) if from_cpuid(piece)]


def _other_wsl(view: View) -> Losers:
    """Signs of both versions: the one that is proved."""
    proved = {piece.id for piece in view.of(Kind.WSL) if piece.strength is Strength.PROOF}
    return [piece for piece in view.of(Kind.WSL) if proved and piece.id not in proved]


def _host_inside_container(view: View) -> Losers:
    """Return the engine's sockets and folders that were handed into a container."""
    if not view.holds(Kind.CONTAINER):
        return ()
    roles = view.of(Kind.ROLE, "docker-host", "podman-host", "lxd-host")
    return [piece for piece in roles if not _is_mount(piece)]


def _is_mount(piece: Evidence) -> bool:
    return piece.source.startswith("/proc/")


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
        "translated-cpu",
        _translated_cpu,
        "The program is translated: what CPUID answers comes from the translator, not from the machine.",
        "https://www.qemu.org/docs/master/user/main.html",
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
