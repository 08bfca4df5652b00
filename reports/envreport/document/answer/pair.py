"""The container and the VM that an answer compares, and each of them in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from envbench.records.samples import variant_keys
from envreport.results import BackendKey, Results
from envreport.results.backends import FLOOR_PROFILE, USUAL_PROFILE, Side, accelerator, is_whole_system, variant_words

PREFERRED = ("docker", "podman", "containerd", "runc", "crun", "libvirt", "qemu")
KINDS = {Side.VM: "virtual machine", Side.HOST: "bare process", Side.WSL: "WSL distribution"}
PAYLOADS = {USUAL_PROFILE: "minimal", "distro": "Debian", "service": "nginx"}
"""A payload profile → the word before the kind; any other is the user's own."""
ACCELERATORS = {"tcg": " emulated in software", "kvm": " on hardware virtualisation (KVM)"}


@dataclass(frozen=True, slots=True)
class Pair:
    """The two backends that an answer is about, and the one to show where both kinds are missing."""

    container: BackendKey | None
    machine: BackendKey | None
    other: BackendKey | None = None

    @property
    def shown(self) -> tuple[BackendKey, ...]:
        """Container and machine, those that are there; else the other one."""
        both = tuple(each for each in (self.container, self.machine) if each is not None)
        return both or ((self.other,) if self.other is not None else ())


def pair_of(results: Results, backends: Iterable[BackendKey]) -> Pair:
    """Return which container and which VM to compare of these.

    Whole systems before the minimal one, with one payload on both sides, started in one way; a full engine before a
    bare runtime, KVM before emulation.
    """
    ranked = sorted(dict.fromkeys(backends), key=_rank)
    containers = [each for each in ranked if results.side(each) is Side.CONTAINER]
    machines = [each for each in ranked if results.side(each) is Side.VM and each.profile != FLOOR_PROFILE]
    same = (each for each in product(containers, machines) if _terms(each[0]) == _terms(each[1]))
    best = min(same, key=lambda each: (_rank(each[1]), _rank(each[0])), default=None)
    if best is not None:
        return Pair(*best)
    container, machine, other = (next(iter(each), None) for each in (containers, machines, ranked))
    return Pair(container, machine, other)


def _terms(key: BackendKey) -> tuple[str, str]:
    return key.profile, variant_keys(key.variant).get("mode", "")


def _rank(key: BackendKey) -> tuple[bool, bool, int, str]:
    place = PREFERRED.index(key.backend) if key.backend in PREFERRED else len(PREFERRED)
    return not is_whole_system(key.profile), accelerator(key.variant) == "tcg", place, key.variant


def backend_words(results: Results, key: BackendKey, *, is_cost: bool = True) -> str:
    """Return what was started, e.g. "a minimal virtual machine emulated in software (qemu, q35)".

    How a VM is run is said where the sentence is about what it costs.
    """
    side = results.side(key)
    kind = KINDS.get(side, "container")
    payload = PAYLOADS.get(key.profile, "")
    article = "an" if payload == "nginx" else "a"
    own = "" if payload or not key.profile else f" of the payload “{key.profile}”"
    accelerated = ACCELERATORS.get(accelerator(key.variant) or "", "") if is_cost and side is Side.VM else ""
    name = ", ".join((key.backend, *variant_words(key.variant, leave_out={"accel"})))
    return " ".join(f"{article} {payload} {kind}{own}{accelerated} ({name})".split())


@dataclass(frozen=True, slots=True)
class Answer:
    """The question of a run answered in a sentence, with what it is about and what belongs to its figures."""

    sentence: str
    pair: Pair
    notes: tuple[str, ...] = ()
    is_cost: bool = True
    """Whether it is about time or memory: for these an emulated VM says nothing about one on KVM."""

    @property
    def is_emulated(self) -> bool:
        """Whether it rests on the cost of a VM that was emulated in software."""
        machine = self.pair.machine
        return self.is_cost and machine is not None and accelerator(machine.variant) == "tcg"


def lacking(pair: Pair) -> str:
    """Return what a sentence about one of the two adds; "" where both are there."""
    if pair.container and pair.machine:
        return ""
    return f"; no {'VM' if pair.container else 'container'} was measured beside it"
