"""What a run was asked to do: how often and in which order (`Plan`), and with what (`Settings`)."""

import itertools
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar, cast

from envbench.records.phases import ImageUse
from envbench.records.samples import variant_text
from envbench.settings.condition import SERVICE_READY, Ready

Found = TypeVar("Found")

LABEL = "envbench.run"
"""Label, annotation and metadata key under which the run's id stands on everything that is made."""

RUN_ENVIRONMENT = "ENVBENCH_RUN_ID"
"""Environment variable of every process that is started for a run, so that the reaper can tell whose it is."""

DEFAULT_RUNS = 20
ADAPTIVE_RUNS = 10
"""The fewest measured starts of a backend in a run that goes on until the intervals are narrow."""
DEFAULT_WARMUP = 2
QUICK_RUNS = 6
"""The smallest number of runs for which the exact 95 % interval of a median exists: 1 - 2 * 0.5**6 = 96.9 %."""
QUICK_WARMUP = 1
QUICK_BUDGET_S = 8.0
"""Without Docker and root: the whole command, report included, then stays under 20 s."""
QUICK_ENGINES_BUDGET_S = 60.0
"""With them there are more backends, machines among them, and each is to get its QUICK_RUNS."""
DEFAULT_BUDGET_S = 240.0
BESIDE_WHOLE_SYSTEMS_BUDGET_S = 120.0
"""For the minimal payload where whole systems are started beside it."""
WHOLE_SYSTEM_BUDGETS_S = {"tcg": 120.0, "kvm": 15.0}
"""For each machine that boots a whole system, by accelerator: QUICK_RUNS starts of some 20 s, or of 2 to 3 s."""
WHOLE_IMAGE_BUDGET_S = 6.0
"""For each engine that starts a whole system's image."""
DEFAULT_DEADLINE_S = 120.0
DEFAULT_PRECISION_RATIO = 0.05


def new_run_id() -> str:
    """Return a fresh run id: 12 lower-case hex digits, short enough for the 108 bytes of a socket's path (unix(7)).

    The first is a letter: R, pandas and spreadsheets would read 012345678901 or 1234567890e1 as a number.
    """
    return secrets.choice("abcdef") + secrets.token_hex(6)[1:]


def new_nonce() -> str:
    """Return a fresh nonce for one ready line: 16 hex digits that neither a kernel nor a firmware can say by chance."""
    return secrets.token_hex(8)


PROFILES = ("minimal", "distro", "service")
"""What is started: a static BusyBox; a whole Debian userland (a machine boots it from a disk, by firmware, boot loader,
kernel and systemd); nginx in a slim image (a machine boots the whole userland with it)."""
WHOLE_SYSTEMS = ("distro", "service")


_NOT_IN_A_NAME = re.compile(r"[^\w.+@/-]")
"""Signs that mean something in a variant column, or in the name of a figure."""


def file_names(paths: Sequence[Path]) -> dict[str, Path]:
    """Return short names for files that are told apart: of each path as many last parts as none of the others has."""
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(set(paths)):
        depth += 1
    found: dict[str, Path] = {}
    for path in paths:
        name = _NOT_IN_A_NAME.sub("_", "/".join(path.parts[-depth:]).replace("//", "/"))
        found[name if name not in found else f"{name}-{len(found) + 1}"] = path
    return found


def file_variants(key: str, paths: Sequence[Path]) -> list[dict[str, str]]:
    """Return the part of a variant that says which of these files is meant; a single one needs no name."""
    return [{key: name} for name in file_names(paths)] if len(paths) > 1 else [{}]


def _numbers(_settings: "Settings") -> Iterator[int]:
    return itertools.count(1)


def _named(paths: Sequence[Path], name: str | None) -> Path | None:
    return next(iter(paths), None) if name is None or not paths else file_names(paths)[name]


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the backends need to know. Made once a run; None and () mean "not asked: the backend's own default".

    `work_dir` is the run's private folder (mode 0700, its name carries the run's id); whatever a backend puts into it
    is removed with it. `cache_dir` outlives runs (built trees, guest kernels, disks) and is never reaped.
    """

    run_id: str
    work_dir: Path
    cache_dir: Path
    profile: str = "minimal"
    images: tuple[str, ...] = ()
    """Images the engine already has, in place of the payload tree, one variant each; nothing is ever pulled."""
    registry: str | None = None
    """An image in a registry of the user's, HOST[:PORT]/NAME:TAG, that `deploy` fetches; None: from one of its own."""
    ready: Ready | None = None
    """What means ready where the user's own image or disk runs its own program; None: it says the payload's ready
    line."""
    environment: tuple[str, ...] = ()
    """NAME=VALUE for the user's own image; run.json does not name them, because they may be secrets."""
    published: tuple[str, ...] = ()
    """Ports that the user's own image publishes besides the one that is asked whether it is ready, as `docker run
    --publish` takes them."""
    volumes: tuple[str, ...] = ()
    """Volumes of the user's own image, as `docker run --volume` takes them."""
    command: tuple[str, ...] = ()
    """What the user's own image runs in place of its own command; () is its own."""
    kernels: tuple[Path, ...] = ()
    """Kernels that guests boot; several are one variant each."""
    initrd: Path | None = None
    append: str = ""
    """Words added to the guest kernel's command line."""
    disks: tuple[Path, ...] = ()
    """Disks of the user's own that guests boot; several are one variant each."""
    memory_bytes: int | None = None
    """Containers: the limit (None: no limit). VMs: the guest's memory (None: the backend's default)."""
    cpus: float | None = None
    networks: tuple[str, ...] = ("none",)
    """One variant each: "none" or "bridge"."""
    read_only: bool = False
    init: bool = False
    runtimes: tuple[str, ...] = ()
    """OCI runtimes that engines are asked to use, one variant each; () is every runtime an engine lists and can run."""
    accelerators: tuple[str, ...] = ()
    """"kvm", "tcg": one variant each; () is KVM where the canary proves it, else TCG, with its name beside every
    figure."""
    machines: tuple[str, ...] = ()
    """QEMU machine types, one variant each; () is the VM backend's default."""
    boots: tuple[str, ...] = ()
    """How VMs are started, one variant each: "kernel" (handed over by the VMM), "disk" (through firmware and boot
    loader), "floor" (a boot sector that says ready: VMM and firmware alone); () is "kernel", with a disk of the user's
    own "disk"."""
    firmwares: tuple[str, ...] = ()
    """"bios", "uefi": one variant each; () is the machine type's own firmware."""
    libvirt_uris: tuple[str, ...] = ()
    allow_remote: bool = False
    """False: an engine that is not on this machine is refused; its times would include a network."""
    deadline_s: float = DEFAULT_DEADLINE_S
    """Longest wait for one ready line, and for one stop or removal."""
    quick: bool = False
    """True: the backends keep to their most telling variant (one machine type, one runtime)."""
    offline: bool = False
    """True: nothing is downloaded; what is missing then makes a backend unusable, with the remedy."""
    guest_age_max_s: float = 0.0
    """How old an answer may be that is taken in place of canary guests or of one that boots Linux to show that a
    backend can; 0: they are always asked."""
    found: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False, compare=False)
    """What `once` has found out; settings that are made from these share it."""
    making: RLock = field(default_factory=RLock, repr=False, compare=False)
    """Held while what all backends share is found out or made: several may be opened at a time."""

    @property
    def tells_own_ready(self) -> bool:
        """Whether the user said what means ready, so that the image's or disk's own program is run as it is."""
        return self.ready is not None

    def image_of(self, variant: Mapping[str, str]) -> str | None:
        """Return the user's image that this variant starts, None where it starts the payload's."""
        return variant.get("image") if self.images else None

    def disk_of(self, variant: Mapping[str, str]) -> Path | None:
        """Return the user's disk that this variant boots, None where it boots none."""
        return _named(self.disks, variant.get("disk"))

    def kernel_of(self, variant: Mapping[str, str]) -> Path | None:
        """Return the user's kernel that this variant boots (the first, where it names none), None without any."""
        return _named(self.kernels, variant.get("kernel"))

    def once(self, find: "Callable[[Settings], Found]") -> "Found":
        """Return what `find` finds out with these settings: asked once a run, however many backends want to know."""
        with self.making:
            if find not in self.found:
                self.found[find] = find(self)
        return cast("Found", self.found[find])

    @property
    def stem(self) -> str:
        """Return how the names of all instances begin: with the run's id, whole systems told apart."""
        return f"envbench-{self.run_id}" + (f"-{self.profile}" if self.profile in WHOLE_SYSTEMS else "")

    def next_name(self, backend: str = "") -> str:
        """Return a name for one more instance, which no other of the run has, whichever backend or profile it is of.

        Two that share an engine's store, or QEMU's names, would take each other's instance for their own.
        """
        number = next(self.once(_numbers))
        return "-".join(filter(None, (self.stem, backend, str(number))))


@dataclass(frozen=True, slots=True)
class Plan:
    """How often, in which order and until when."""

    backends: tuple[str, ...] = ()
    """Names asked for; () is every backend that is usable here."""
    runs: int = DEFAULT_RUNS
    """Measured starts wanted of each backend and variant; with `precision_ratio` the smallest number of them."""
    warmup: int = DEFAULT_WARMUP
    budget_s: float = DEFAULT_BUDGET_S
    """Wall time that all starts together may take; the run never begins a start that is likely to pass it."""
    precision_ratio: float | None = None
    """Go on until the half width of each backend's median interval is within this share of the median; None: `runs` and
    no more."""
    seed: int = 0
    quick: bool = False
    cold: bool = False
    """Drop the page cache before each start, as a variant of its own (needs root)."""
    parallel: int = 1
    """Starts at the same time; a variant of its own where above 1."""
    pin: bool = False
    """Pin the harness to one CPU and leave the others to what is measured."""
    quiet_machine: bool = False
    """Wait for a calm machine before each round."""
    profiles: tuple[str, ...] = ("minimal",)
    """What is started: the first on every backend that was asked for, the others on those that can publish a port."""
    fail_if: tuple[str, ...] = ()
    baseline: str | None = None
    max_regression_ratio: float | None = None

    def as_record(self) -> dict[str, Any]:
        """Return the plan as run.json shows it."""
        return asdict(self)


OWN = "own"
"""The profile column of the user's own image, disk or initrd."""


def ready_of(settings: Settings, profile: str) -> Ready | None:
    """Return what means that this profile is ready; None where its own ready line says so."""
    return {"service": SERVICE_READY, OWN: settings.ready}.get(profile)


def profile_of(settings: Settings, variant: Mapping[str, str], images: ImageUse = ImageUse.NONE) -> str:
    """Return what a backend runs, for the profile column: what differs in it may not be compared as the same payload.

    "own" is the user's image, disk or initrd, "floor" the boot sector without a system, else the run's profile.
    `images` is what the backend does with images: one that starts no image of the user's runs the payload all the same.
    """
    boot = variant.get("boot")
    if boot == "floor":
        return "floor"
    own = {"disk": settings.disks, "kernel": settings.initrd}.get(boot or "")
    if boot is None and images is ImageUse.ANY:
        return OWN if settings.images else settings.profile
    return OWN if own else settings.profile


@dataclass(frozen=True, slots=True)
class Configuration:
    """One thing to time: a backend, one of its variants and a payload profile. What may not be pooled differs here.

    `conditions` are variant keys that the harness sees to and no backend knows: cache=cold, parallel=4.
    """

    backend: str
    variant: Mapping[str, str] = field(default_factory=dict)
    profile: str = "minimal"
    conditions: Mapping[str, str] = field(default_factory=dict)

    @property
    def variant_text(self) -> str:
        """Return the variant column of this backend's rows."""
        return variant_text({**self.variant, **self.conditions})

    def __str__(self) -> str:
        return f"{self.backend} ({self.variant_text})" if self.variant_text else self.backend


DEPLOY_KEYS = frozenset({"base", "disk", "bandwidth", "from"})
"""Keys that `deploy` writes besides: whether the image's base is there already, how the disk comes, what holds the
transfer back, and whose registry it comes from where that is the user's."""
CONDITION_KEYS = frozenset({"cache", "parallel", "pin"})
"""Keys of the variant column that the harness writes, whatever the backend."""
LIMIT_KEYS = frozenset({"memory", "cpus", "readonly", "init", "network"})
"""Keys that `container_variants` writes for every container backend."""
ENGINE_KEYS = LIMIT_KEYS | {"runtime", "image"}
"""Keys that it writes for an engine, which has images and a choice of runtimes."""


def container_variants(settings: Settings, runtimes: tuple[str, ...] = ()) -> tuple[Mapping[str, str], ...]:
    """Return a container backend's variants: each image with each of these runtimes and each network.

    All have the limits that were asked for.
    """
    limits = {
        "memory": "" if settings.memory_bytes is None else str(settings.memory_bytes),
        "cpus": "" if settings.cpus is None else f"{settings.cpus:g}",
        "readonly": "yes" if settings.read_only else "",
        "init": "yes" if settings.init else "",
    }
    fixed = {key: value for key, value in limits.items() if value}
    ways = [{"runtime": runtime} for runtime in runtimes] or [{}]
    images = [{"image": image} for image in settings.images] or [{}]
    return tuple(
        {**fixed, **image, **way, "network": network}
        for network in settings.networks
        for way in ways
        for image in images
    )


def networkless_variants(settings: Settings) -> tuple[Mapping[str, str], ...]:
    """Return the variants of a container backend that chooses no runtime and makes no network: one, or none."""
    return tuple(one for one in container_variants(settings) if one["network"] == "none")
