"""Claims on how large the artefacts are, and why."""

from dataclasses import dataclass
from statistics import median as middle

from envbench.records.metrics import words
from envbench.records.phases import Experiment, Unit
from envreport import units
from envreport.claims.combine import Beside, Within, all_of
from envreport.claims.model import Claim, Finding, Need, Outcome, Theme, shown
from envreport.claims.rules import C, Exact, V, accelerator_of, conclude, find, pairs, unpaired
from envreport.claims.verdict import Answer, Limit, LimitKind, Quantifier, Relation, TcgBias
from envreport.results import Results, Series

Z = Experiment.SIZE
GB = 1e9


MAJORITY = 0.5


SCRIPT_BYTES = 64 * 1024
"""A start script is smaller than this; every init system and package manager is larger."""
OS_ITEMS = ("item.kernel", "item.modules", "item.init", "item.package_manager")
OWN_TREE = "a tree of our own, not an image as people build it"
ONE_TREE = "one tree on both sides, which nobody builds an image and a disk of"
BUILT = ("service", "own")
"""Payloads whose image is built as people build one: what the service needs, and nothing for a machine."""
FILESYSTEM = "item.filesystem"
KERNEL_ITEMS = ("item.kernel", "item.initramfs", "item.modules", "item.boot")


OF_THIS_RUN = Limit(LimitKind.EXAMPLES, "by the artefacts of this run")


@dataclass(frozen=True, slots=True)
class SizeShare:
    """What kernel, initramfs, modules and boot files make of what a VM's files add to a container's.

    Files are compared with files. A disk's own filesystem (journal, inodes, ends of blocks) is left out, because a
    container's files lie in a filesystem too, the host's, which is not counted for the container.
    """

    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return (
            "container has no kernel, and kernel + initramfs + modules + boot files are > 50 % of "
            "what the VM's files add to the container's"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        built = (("a service's disk", V), ("a service's image", C))
        return tuple(Need(Experiment.SIZE, "item.kernel", sides, f"{what} as people build it") for what, sides in built)

    def judge(self, results: Results) -> Outcome:
        """Compare every pair with the same payload."""
        vms, containers = (find(results, Experiment.SIZE, "item.kernel", sides) for sides in (V, C))
        found = [
            finding if vm.key.profile in BUILT else shown(finding, ONE_TREE)
            for vm, container in pairs(vms, containers)
            for finding in (self._finding(results, vm, container),)
        ]
        missing = unpaired(self.needs(), vms, containers) if not found else self.needs()
        return conclude(found, Quantifier.AGREE, self.bias, missing)

    def _finding(self, results: Results, vm: Series, container: Series) -> Finding:
        there, here = (_items(results, each) for each in (vm, container))
        filesystem = there.pop(FILESYSTEM, 0) - here.pop(FILESYSTEM, 0)
        about, added = f"{vm.key.label} against {container.key.label}", sum(there.values()) - sum(here.values())
        accel, keys = accelerator_of(results, vm, container), (vm.key, container.key)
        if vm.key.profile == "own" and "item.other" not in there:
            text = f"{units.quantity(there['item.kernel'], Unit.BYTES)} of kernel in what could be read"
            return Finding(Answer.OPEN, about, text, 1, accel, "a part of the disk could not be read", keys)
        if added <= 0:
            return Finding(Answer.FAILS, about, "the VM's files are no more", 1, accel, "", keys)
        kernel, inside = sum(there.get(name, 0) for name in KERNEL_ITEMS), here["item.kernel"]
        part, whole = units.quantity(kernel, Unit.BYTES), units.quantity(added, Unit.BYTES)
        text = f"{part} of {whole} more in files ({units.percent(kernel / added, MAJORITY)})"
        if filesystem > 0:
            text += f"; the disk's own filesystem takes another {units.quantity(filesystem, Unit.BYTES)}"
        holds = kernel / added > MAJORITY and inside == 0
        note = "" if inside == 0 else "the container image holds a kernel too"
        return Finding(Answer.HOLDS if holds else Answer.FAILS, about, text, 1, accel, note, keys)


def _items(results: Results, like: Series) -> dict[str, float]:
    """Return the bytes of every class that an artefact was itemised into."""
    of_backend = (each for key, each in results.series.items() if key._replace(phase="") == like.key._replace(phase=""))
    return {
        each.key.phase: middle(each.values) for each in of_backend if each.key.phase.startswith("item.") and each.values
    }


@dataclass(frozen=True, slots=True)
class ImageContents:
    """Whether images with a userland hold parts of an operating system beside the app and its libraries.

    The minimal payload and the distribution's tree are made by us, with nothing else in it or with an init system for a
    machine, so they show nothing about usual images.
    """

    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return (
            f"{', '.join(words(item).removesuffix(' in the artefact') for item in OS_ITEMS)} of an image as people "
            f"build it together < {units.quantity(SCRIPT_BYTES, Unit.BYTES)}"
        )

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been measured."""
        return (Need(Experiment.SIZE, "item.package_manager", C, "a container image as people build it"),)

    def judge(self, results: Results) -> Outcome:
        """Add up what belongs to an OS in each image; a minimal one is shown and decides nothing."""
        found = [
            finding
            for disk in find(results, Experiment.SIZE, "disk", C)
            if (finding := self._finding(results, disk)) is not None
        ]
        return conclude(found, Quantifier.ALL, self.bias, self.needs())

    def _finding(self, results: Results, disk: Series) -> Finding | None:
        parts = {item: size for item in OS_ITEMS if (size := _single(results, disk, item)) is not None}
        if not parts:
            return None
        total, whole = sum(parts.values()), middle(disk.values)
        held = ", ".join(words(item).removesuffix(" in the artefact") for item, size in parts.items() if size)
        share = f" ({units.percent(total / whole)})" if whole else ""
        text = f"{units.quantity(total, Unit.BYTES)} of {units.quantity(whole, Unit.BYTES)}{share} belong to an OS"
        if disk.key.profile not in BUILT:
            return shown(Finding(Answer.OPEN, disk.key.label, text, 1), OWN_TREE)
        answer = Answer.HOLDS if total < SCRIPT_BYTES else Answer.FAILS
        unknown = ", ".join(words(item) for item in OS_ITEMS if item not in parts)
        if unknown and answer is Answer.HOLDS:
            answer, held = Answer.OPEN, f"not known: {unknown}"
        return Finding(answer, disk.key.label, text, 1, note=held, keys=(disk.key,))


def _single(results: Results, like: Series, metric: str) -> float | None:
    series = results.series.get(like.key._replace(phase=metric))
    return middle(series.values) if series and series.values else None


CLAIMS = (
    Claim(
        id="size-mb-gb",
        whole_system=True,
        theme=Theme.SIZE,
        wording="Container images are MBs, VM images GBs",
        stands_in=("D2", "D3", "D4"),
        rule=Within(
            Beside(
                all_of(
                    Exact(Z, "disk", C, Relation.LESS, GB, Unit.BYTES),
                    Exact(Z, "disk", V, Relation.MORE, GB, Unit.BYTES),
                ),
                (
                    Exact(Experiment.DEPLOY, "deploy_bytes", C, Relation.LESS, GB, Unit.BYTES),
                    Exact(Experiment.DEPLOY, "deploy_bytes", V, Relation.MORE, GB, Unit.BYTES),
                ),
            ),
            OF_THIS_RUN,
        ),
        reference="A gigabyte is 10^9 bytes (SI); less is megabytes.",
        scope="Bytes on this disk of the artefacts of this run, minimal and full-distribution apart; "
        "what `envbench deploy` fetched stands beside. One VM below a gigabyte is enough against a general "
        "statement.",
    ),
    Claim(
        id="size-no-kernel",
        whole_system=True,
        theme=Theme.SIZE,
        wording="Containers are smaller because they lack the kernel",
        stands_in=("D2",),
        rule=Within(SizeShare(), OF_THIS_RUN),
        remedy="`sudo envbench fetch service`, then `envbench size`.",
        reference='More than half of the difference is the least that "because" can mean.',
        scope="The service profile: nginx in a slim image, against a Debian disk with the same nginx, as people build "
        "them; and the user's own image and disk. One tree as image and as disk is shown beside. Files, by length. "
        "Kernel, initramfs, modules and boot files count as the kernel. What a disk's own filesystem takes is shown "
        "beside and not counted: a container's files lie in one too, the host's.",
    ),
    Claim(
        id="size-app-only",
        whole_system=True,
        theme=Theme.SIZE,
        wording="A container image holds only the app and its dependencies, no OS",
        stands_in=("D3", "D4"),
        rule=Within(
            Beside(
                ImageContents(),
                (
                    Exact(Z, "item.libraries", C, Relation.MORE, -1, Unit.BYTES),
                    Exact(Z, "item.app", C, Relation.MORE, -1, Unit.BYTES),
                ),
            ),
            OF_THIS_RUN,
        ),
        reference="https://github.com/opencontainers/image-spec/blob/main/spec.md (an image is a "
        "root filesystem; it says nothing of what is in it)",
        scope="The service profile's image (nginx from packages on a slim base) and the user's own. The minimal and "
        "the distribution's payload are trees of our own and decide nothing. An image with a kernel, an init system or "
        "a package manager holds parts of an OS; what is smaller than 64 KiB is a start script.",
        remedy="`sudo envbench fetch service`, then `envbench size`; or `--image` with an image of your own.",
    ),
)
