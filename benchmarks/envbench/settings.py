"""What a run was asked to do: how often and in which order (`Plan`), and with what (`Settings`)."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from envbench.condition import SERVICE_READY, Ready
from envbench.phases import ImageUse
from envbench.samples import variant_text

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
    image: str | None = None
    """An image the engine already has, in place of the payload tree; nothing is ever pulled."""
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
    kernel: Path | None = None
    initrd: Path | None = None
    append: str = ""
    """Words added to the guest kernel's command line."""
    disk: Path | None = None
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
    kvm_age_max_s: float = 0.0
    """How old an answer about KVM may be that is taken in place of canary guests; 0: they are always asked."""
    found: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False, compare=False)
    """What `once` has found out; settings that are made from these share it."""

    @property
    def tells_own_ready(self) -> bool:
        """Whether the user said what means ready, so that the image's or disk's own program is run as it is."""
        return self.ready is not None

    def once(self, find: "Callable[[Settings], Found]") -> "Found":
        """Return what `find` finds out with these settings: asked once a run, however many backends want to know."""
        if find not in self.found:
            self.found[find] = find(self)
        return cast("Found", self.found[find])

    @property
    def stem(self) -> str:
        """Return how the names of all instances begin: with the run's id, whole systems told apart."""
        return f"envbench-{self.run_id}" + (f"-{self.profile}" if self.profile in WHOLE_SYSTEMS else "")


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
    own = {"disk": settings.disk, "kernel": settings.initrd}.get(boot or "")
    if boot is None and images is ImageUse.ANY:
        return OWN if settings.image else settings.profile
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


CONDITION_KEYS = frozenset({"cache", "parallel", "pin"})
"""Keys of the variant column that the harness writes, whatever the backend."""
LIMIT_KEYS = frozenset({"memory", "cpus", "readonly", "init", "network"})
"""Keys that `container_variants` writes for every container backend."""
ENGINE_KEYS = LIMIT_KEYS | {"runtime", "image"}
"""Keys that it writes for an engine, which has images and a choice of runtimes."""


def container_variants(settings: Settings, runtimes: tuple[str, ...] = ()) -> tuple[Mapping[str, str], ...]:
    """Return a container backend's variants: each network with each of these runtimes, with the limits asked for."""
    limits = {
        "memory": "" if settings.memory_bytes is None else str(settings.memory_bytes),
        "cpus": "" if settings.cpus is None else f"{settings.cpus:g}",
        "readonly": "yes" if settings.read_only else "",
        "init": "yes" if settings.init else "",
        "image": settings.image or "",
    }
    fixed = {key: value for key, value in limits.items() if value}
    ways = [{"runtime": runtime} for runtime in runtimes] or [{}]
    return tuple({**fixed, **way, "network": network} for network in settings.networks for way in ways)


def networkless_variants(settings: Settings) -> tuple[Mapping[str, str], ...]:
    """Return the variants of a container backend that chooses no runtime and makes no network: one, or none."""
    return tuple(one for one in container_variants(settings) if one["network"] == "none")
