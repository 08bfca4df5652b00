"""How large the artefacts are that rungs start from, by every usual definition, and what they hold, class by class.

A size has at least three meanings (transferred, on this disk, virtual); all are written, `disk` is the headline.
"""

import gzip
import json
import re
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from envbench.backends.child import run_command
from envbench.experiments.bench import Bench, Prepared
from envbench.experiments.engine_cli import EngineCli, engine_cli, image_of
from envbench.payload.initramfs import cpio
from envbench.payload.kernel import find_kernel
from envbench.payload.tree import entries, tree_of_run
from envbench.phases import Experiment
from envbench.plan import Settings

CLASSES = ("kernel", "initramfs", "modules", "boot", "init", "package_manager", "libraries", "app", "other")

_RULES = (
    ("kernel", r"boot/(vmlinu|kernel|Image|xen)|vmlinu[xz][^/]*$"),
    ("initramfs", r"boot/initr|initrd\.img"),
    ("modules", r"(usr/)?lib/modules/|(usr/)?lib/firmware/"),
    ("boot", r"boot/|efi/|(usr/)?lib/grub|usr/share/grub|(usr/)?s?bin/grub|EFI/"),
    (
        "init",
        r"(usr/)?lib/systemd/|(usr/)?s?bin/(systemd|init|telinit|journalctl|loginctl|udevadm)|etc/(systemd|init\.d|rc)|init$",
    ),
    (
        "package_manager",
        (
            r"(usr/)?s?bin/(apt|dpkg|rpm|yum|dnf|apk|pacman|zypper)|(usr/)?lib/(apt|dpkg|rpm)/|"
            r"var/(lib|cache)/(apt|dpkg|rpm)|usr/share/(dpkg|apt|debconf)|etc/(apt|dpkg)/"
        ),
    ),
    ("app", r"envbench/|bin/busybox$|bin/[a-z0-9]+ -> busybox"),
    (
        "libraries",
        r"(usr/)?lib(32|64|x32)?/.*\.so(\.|$)|(usr/)?lib(32|64)?/(x86_64|aarch64)[^/]*/|usr/lib/(python|perl|locale|gconv)",
    ),
)
"""Class → what the path of its files begins with, below the root; the first that fits counts, the rest is "other"."""
_PATTERNS = tuple((name, re.compile(pattern)) for name, pattern in _RULES)


def class_of(path: str) -> str:
    """Return the class of a file by its path below the root of its tree."""
    return next((name for name, pattern in _PATTERNS if pattern.match(path)), "other")


def items_of(files: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return bytes by class; every class is there, with 0 where nothing of it was found."""
    found: dict[str, int] = defaultdict(int, dict.fromkeys(CLASSES, 0))
    for path, size_bytes in files:
        found[class_of(path)] += size_bytes
    return dict(found)


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a rung starts from; sizes in bytes, None where this kind of artefact has no such size."""

    transfer: int | None
    disk: int
    virtual: int | None
    items: Mapping[str, int] = field(default_factory=dict)
    words: str = ""


def run(bench: Bench) -> None:
    """Write the sizes of every rung's artefact, the user's own image and disk among them."""
    for prepared in bench.rungs:
        if prepared.rung.backend in ("process", "wsl"):
            continue
        with bench.attempt(Experiment.SIZE, prepared.name):
            artefact = measure(bench, prepared)
            _record(bench, prepared, artefact)
            bench.say(f"size: {prepared.name}: {artefact.disk / 1e6:.2f} MB on disk ({artefact.words})")


def measure(bench: Bench, prepared: Prepared) -> Artefact:
    """Return the sizes of what this rung starts from. Raises BackendError, OSError."""
    cli = engine_cli(prepared)
    if prepared.is_vm:
        return machine_artefact(bench.settings, prepared.rung.variant)
    if cli is not None:
        return image_artefact(bench, prepared, cli)
    tree = tree_of_run(bench.settings)
    return tree_artefact(tree.path)


def tree_artefact(tree: Path) -> Artefact:
    """Return the sizes of a tree that a runtime starts from as it lies on the disk."""
    files = list(tree_files(tree))
    apparent = sum(size_bytes for _, size_bytes in files)
    return Artefact(
        len(gzip.compress(cpio(entries(tree)), mtime=0)), apparent, apparent, items_of(files), "the tree itself"
    )


def tree_files(tree: Path) -> Iterator[tuple[str, int]]:
    """Yield every regular file of a tree once (hard links too) with its length."""
    seen = set()
    for path in sorted(tree.rglob("*")):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            yield path.relative_to(tree).as_posix(), status.st_size


def image_artefact(bench: Bench, prepared: Prepared, cli: EngineCli) -> Artefact:
    """Return the sizes of an engine's image: as the engine says, and as `save` and gzip make it for the wire."""
    run_id, image = bench.settings.run_id, image_of(prepared, cli, bench.settings.run_id)
    disk = int(cli.run(run_id, "image", "inspect", "--format", "{{.Size}}", image))
    saved = bench.settings.work_dir / "saved-image.tar"
    try:
        cli.run(run_id, "save", "--output", saved, image, deadline_s=300)
        compressed = _gzip_length(saved)
    finally:
        saved.unlink(missing_ok=True)
    # The payload's image holds the payload's tree; what is in a user's own image is read from its file list.
    items = items_of(tree_files(tree_of_run(bench.settings).path)) if bench.settings.image is None else {}
    return Artefact(compressed, disk, disk, items, f"image {image}")


def machine_artefact(settings: Settings, variant: Mapping[str, str]) -> Artefact:
    """Return the sizes of what a machine boots: a disk, or kernel and initramfs."""
    if variant.get("boot") == "disk" and settings.disk is not None:
        return disk_artefact(settings.disk, settings.run_id)
    kernel = find_kernel(settings.cache_dir, settings.kernel)
    kernel_bytes = kernel.path.stat().st_size
    tree = tree_of_run(settings).path
    archive = cpio(entries(tree)) if settings.initrd is None else settings.initrd.read_bytes()
    items = items_of(tree_files(tree))
    items["kernel"] += kernel_bytes
    # The archive's headers and padding: its content is itemised like the tree's.
    items["initramfs"] += max(0, len(archive) - sum(size for _, size in tree_files(tree)))
    packed = kernel_bytes + len(gzip.compress(archive, mtime=0))
    total = kernel_bytes + len(archive)
    return Artefact(packed, total, total, items, f"kernel {kernel.release} and initramfs")


def disk_artefact(disk: Path, run_id: str) -> Artefact:
    """Return the sizes of a disk image by `qemu-img info`, and compressed for the wire."""
    said = json.loads(run_command(("qemu-img", "info", "--output", "json", disk), run_id, "qemu-img info"))
    return Artefact(_gzip_length(disk), int(said["actual-size"]), int(said["virtual-size"]), {}, f"disk {disk.name}")


def _record(bench: Bench, prepared: Prepared, artefact: Artefact) -> None:
    for name in ("transfer", "disk", "virtual"):
        value = getattr(artefact, name)
        if value is not None:
            bench.record(name, value, prepared.rung, detail=artefact.words)
    for name, size_bytes in artefact.items.items():
        bench.record(f"item.{name}", size_bytes, prepared.rung, detail=artefact.words)


class _Counter:
    """A file that only counts what is written to it."""

    def __init__(self) -> None:
        self.length = 0

    def write(self, data: bytes) -> int:
        self.length += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held."""


def _gzip_length(path: Path) -> int:
    """Return how long the file is once compressed at gzip's fastest level; nothing is written."""
    counter = _Counter()
    with path.open("rb") as source, gzip.GzipFile(fileobj=counter, mode="wb", compresslevel=1, mtime=0) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return counter.length
