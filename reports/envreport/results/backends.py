"""What kind of thing a backend is, and what it is called in a table: names and variant keys in, words out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from envbench.records.phases import BackendKind
from envbench.records.run_json import Used
from envbench.records.samples import variant_keys

Side = BackendKind
"""The kinds of backends that claims are about; claims on containers are not judged by sandboxes."""

SIDES: Mapping[str, Side] = {
    "process": Side.HOST,
    "namespaces": Side.NAMESPACES,
    "runc": Side.CONTAINER,
    "crun": Side.CONTAINER,
    "gvisor": Side.SANDBOX,
    "docker": Side.CONTAINER,
    "podman": Side.CONTAINER,
    "containerd": Side.CONTAINER,
    "qemu": Side.VM,
    "libvirt": Side.VM,
    "wsl": Side.WSL,
}
"""Kinds of the backends in runs whose run.json does not say it yet, in the order of all tables."""
ORDER = tuple(SIDES)
SANDBOX_RUNTIMES = ("runsc", "gvisor", "kata")
FLOOR_PROFILE = "floor"
"""A boot sector that says ready: hypervisor and firmware without an operating system; never judged as a VM."""
WORDS = {
    "kvm": "KVM",
    "tcg": "emulated",
    "firmware": "firmware",
    "bridge": "bridge network",
    "sequence": "one after another",
    "parallel": "all at once",
    "registry": "from your registry",
}
FIRST_KEYS = ("accel", "runtime")
"""What a backend is, before the conditions it ran under."""
QUIET_VALUES = {("cache", "warm"), ("network", "none"), ("boot", "kernel"), ("base", "absent")}
"""Defaults that every backend shares and that no label needs to repeat."""
VERSION_KEYS = {"gvisor": "runsc", "namespaces": "unshare", "wsl": "wsl_version"}
"""A backend whose program has another name than it → the fact that holds the program's version."""
SIDE_WORDS = {Side.VM: "VM", Side.WSL: "WSL", Side.HOST: "bare process"}
USUAL_PROFILE = "minimal"
"""The payload that every backend runs; the conditions of each verdict name it, labels do not repeat it."""


def engine_version(backend: str, facts: Mapping[str, str]) -> str:
    """Return an engine's version from the facts that its check found; "" where they name none.

    It stands under "version", the engine's own name, its program's, or (libvirt) once for each connection.
    """
    for key in ("version", backend, VERSION_KEYS.get(backend, "")):
        if key in facts:
            return facts[key]
    return ", ".join(dict.fromkeys(version for key, version in facts.items() if key.endswith(f" {backend}")))


def side_words(sides: Sequence[Side]) -> str:
    """Return kinds of backends as words for a table; none of them is the machine itself."""
    return " or ".join(SIDE_WORDS.get(side, str(side)) for side in sides) or "this machine"


def is_whole_system(profile: str) -> bool:
    """Return whether a payload is a system as people run it: a distribution, a service or a user's own."""
    return profile not in {"", USUAL_PROFILE, FLOOR_PROFILE}


def kinds_of(used: Iterable[Used]) -> dict[str, Side]:
    """Return what run.json says of each backend's kind; old runs say `is_vm` alone."""
    found = {}
    for each in used:
        if each.kind is not None:
            found[each.name] = each.kind
        elif each.name not in SIDES and each.is_vm:
            found[each.name] = Side.VM
    return found


def side_of(backend: str, variant: str, kinds: Mapping[str, Side] = MappingProxyType({})) -> Side:
    """Return the kind of a backend: of its runtime, then what its run says (`kinds_of`), then the table of old runs."""
    keys = variant_keys(variant)
    if any(name in keys.get("runtime", "") for name in SANDBOX_RUNTIMES):
        return Side.SANDBOX
    known = kinds.get(backend) or SIDES.get(backend)
    return known or (Side.VM if "accel" in keys else Side.CONTAINER)


def accelerator(variant: str) -> str | None:
    """Return "kvm", "tcg", … for a VM variant; None where the variant names none."""
    return variant_keys(variant).get("accel")


def is_usual(variant: str) -> bool:
    """Return whether this variant was started as usual (warm cache, one at a time) and represents its backend."""
    keys = variant_keys(variant)
    return keys.get("cache") != "cold" and keys.get("parallel", "1") == "1"


def is_from_nothing(variant: str) -> bool:
    """Return whether the host had nothing of it before: no base of its image was there."""
    return variant_keys(variant).get("base") != "there"


def is_from_users_registry(variant: str) -> bool:
    """Return whether it was fetched from a registry of the user's, over whatever network leads there."""
    return variant_keys(variant).get("from") == "registry"


def label(backend: str, variant: str, profile: str) -> str:
    """Return the backend as it is written in tables and charts, e.g. "qemu (emulated, q35) · distro"."""
    words = variant_words(variant)
    name = f"{backend} ({', '.join(words)})" if words else backend
    return f"{name} · {profile}" if profile not in {"", USUAL_PROFILE} else name


def variant_words(variant: str, *, leave_out: Collection[str] = ()) -> tuple[str, ...]:
    """Return a variant's keys in words, first those that say what the backend is; without usual values."""
    keys = variant_keys(variant)
    words = []
    for key in sorted(keys, key=lambda key: (key not in FIRST_KEYS, key)):
        value = keys[key]
        if key in leave_out or (key, value) in QUIET_VALUES or (key == "parallel" and value == "1"):
            continue
        bare = key in {"accel", "machine", "runtime", "network", "boot", "mode", "from"}
        words.append(WORDS.get(value, value) if bare else f"{key} {value}")
    return tuple(words)


def sort_key(backend: str, variant: str, profile: str) -> tuple[int, str, str, str]:
    """Order backends from the least around a process to the most."""
    return (ORDER.index(backend) if backend in ORDER else len(ORDER), backend, profile, variant)
