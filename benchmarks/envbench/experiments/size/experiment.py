"""How large the artefacts are that backends start from, by every usual definition, and what they hold, class by class.

A size has at least three meanings, the same for every engine and machine, and all are written: what is transferred
(packed alike), what lies on this disk (its blocks, as du(1) counts them; `disk` is the headline), and what an instance
sees (virtual: the length of its files, the length of its disk). What an engine calls "size" is one or another of them.
"""

import gzip
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from envbench.backends.shared.child import run_command
from envbench.backends.shared.stored import allocated_bytes
from envbench.backends.vm.emulator import find_emulator
from envbench.backends.vm.guest import disk_format
from envbench.backends.vm.recipe import make_recipe
from envbench.errors import BackendError
from envbench.experiments.shared.engine_cli import EngineCli, engine_cli
from envbench.experiments.size.contents import CLASSES, image_files, items_of, tree_files
from envbench.experiments.size.disk_contents import disk_contents
from envbench.payload import floor
from envbench.payload.entries import entries
from envbench.payload.initramfs import cpio
from envbench.payload.kernel import GuestKernel, find_kernel
from envbench.payload.tree import tree_of_run
from envbench.payload.userland import IMAGES, MACHINES, disk_initrd, is_cached, root_disk, userland_tree
from envbench.records.phases import BackendKind, Experiment, ImageUse
from envbench.run.bench import Bench, Prepared
from envbench.settings import OWN, Settings

REMEDY = "sudo envbench fetch {profile}, once; it stays in the cache"
DISK_REMEDY = "apt install e2fsprogs mtools; for what they do not read: guestfish --ro -a DISK -i"
FILESYSTEM = "filesystem"
"""The class of what an artefact takes on the disk beyond the lengths of its files."""
GZIP_LEVEL = 1
"""gzip's fastest: what is compared is packed alike everywhere."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a backend starts from; sizes in bytes, None where this kind of artefact has no such size."""

    transfer: int | None
    disk: int | None
    virtual: int | None
    items: Mapping[str, int] = field(default_factory=dict)
    words: str = ""


def run(bench: Bench) -> None:
    """Write the sizes of every backend's artefact, and of the whole systems whose userlands are here."""
    bench.course.expect(len(MACHINES))
    observe(bench)
    for profile in MACHINES:
        with bench.attempt(Experiment.SIZE, f"the whole system {profile}", REMEDY.format(profile=profile)):
            whole_system(bench, profile)


def observe(bench: Bench) -> None:
    """Write the sizes of every backend's artefact, the user's own image and disk among them; `startup` calls it too."""
    sized = [one for one in bench.configurations if one.kind not in (BackendKind.HOST, BackendKind.WSL)]
    bench.course.expect(len(sized))
    for prepared in sized:
        with bench.attempt(Experiment.SIZE, prepared.name):
            _record(bench, prepared, measure(bench, prepared))


def measure(bench: Bench, prepared: Prepared) -> Artefact:
    """Return the sizes of what this backend starts from. Raises BackendError, OSError."""
    cli = engine_cli(prepared)
    if prepared.configuration.profile in MACHINES:
        bench = replace(bench, settings=replace(bench.settings, profile=prepared.configuration.profile))
    if prepared.is_vm:
        return machine_artefact(bench, prepared)
    if cli is not None:
        return image_artefact(bench, prepared, cli)
    found = tree_artefact(tree_of_run(bench.settings).path)
    if prepared.backend.images is not ImageUse.NONE:
        files = {name: length for name, length in found.items.items() if name != FILESYSTEM}
        return replace(found, disk=_stored(bench, prepared), items=files, words="the tree as an image")
    return found


def tree_artefact(tree: Path, words: str = "the tree itself") -> Artefact:
    """Return the sizes of a tree that a runtime starts from: as blocks on the disk, and as the length of its files."""
    length = sum(size_bytes for _, size_bytes in tree_files(tree))
    disk = allocated_bytes([tree])
    return Artefact(_packed_length(tree), disk, length, with_filesystem(items_of(tree_files(tree)), disk), words)


def with_filesystem(items: Mapping[str, int], disk_bytes: int | None) -> dict[str, int]:
    """Add what the disk holds beyond the lengths of the files: ends of blocks, inodes, a journal.

    A disk that is smaller than its files (compressed, or with holes in them) says nothing of that: no such class then.
    """
    rest = -1 if disk_bytes is None else disk_bytes - sum(items.values())
    return {**items, FILESYSTEM: rest} if rest >= 0 else dict(items)


def image_artefact(bench: Bench, prepared: Prepared, cli: EngineCli) -> Artefact:
    """Return the sizes of an engine's image; the transferred size is that of `save`'s archive, compressed by gzip."""
    run_id, image = bench.settings.run_id, prepared.backend.image(prepared.configuration.variant)
    saved = bench.settings.work_dir / "saved-image.tar"
    items: Mapping[str, int] = {}
    virtual = None
    try:
        cli.run(run_id, "save", "--output", saved, image, deadline_s=300)
        compressed = _gzip_length(saved)
        with bench.attempt(Experiment.SIZE, f"{prepared.name}: what its image holds"):
            files = image_files(saved)
            items, virtual = items_of(files.items()), sum(files.values())
    finally:
        saved.unlink(missing_ok=True)
    return Artefact(compressed, _stored(bench, prepared), virtual, items, f"image {image}")


def _stored(bench: Bench, prepared: Prepared) -> int | None:
    """Return what the backend's image takes on the disk, None where it cannot be seen; the reason is noted then."""
    stored = None
    with bench.attempt(Experiment.SIZE, f"{prepared.name}: its image on the disk", "sudo"):
        stored = prepared.backend.stored_bytes(prepared.configuration.variant)
    return stored  # noqa: RET504 -- the block ends early where it cannot be seen


def machine_artefact(bench: Bench, prepared: Prepared) -> Artefact:
    """Return the sizes of what a machine boots: a disk, or a kernel with an initramfs (and the distro's disk)."""
    settings, variant = bench.settings, prepared.configuration.variant
    if variant.get("boot") == "floor":
        return Artefact(None, floor.DISK_BYTES, floor.DISK_BYTES, {}, "a boot sector, which holds no files")
    if variant.get("boot") == "disk":
        return _listed(bench, prepared, disk_sizes(booted_disk(settings, variant), settings.run_id))
    if settings.profile in MACHINES:
        return whole_machine(settings, variant)
    kernel = find_kernel(settings.cache_dir, settings.kernel_of(variant))
    tree = tree_of_run(settings).path
    archive = cpio(entries(tree)) if settings.initrd is None else settings.initrd.read_bytes()
    items = dict.fromkeys(CLASSES, 0) if settings.initrd else items_of(tree_files(tree))
    # The archive's own headers and padding: its content is itemised like the tree's.
    items["initramfs"] += len(archive) - sum(items.values())
    return _with_kernel(kernel, archive, Artefact(0, 0, 0, items, "kernel and initramfs"))


def whole_machine(settings: Settings, variant: Mapping[str, str]) -> Artefact:
    """Return the sizes of a whole system's machine: kernel, initramfs and the disk with the userland."""
    kernel = find_kernel(settings.cache_dir, settings.kernel_of(variant))
    if kernel.modules is None:
        raise BackendError(f"{kernel.path} comes without modules for a disk")
    userland = MACHINES[settings.profile]
    disk, archive = root_disk(settings.cache_dir, userland, kernel.modules), disk_initrd(kernel.modules)
    said = disk_sizes(disk, settings.run_id)
    tree = userland_tree(settings.cache_dir, userland)
    modules = ((f"lib/modules/{name}", length) for name, length in tree_files(kernel.modules))
    items = with_filesystem(items_of([*tree_files(tree), *modules]), said.disk)
    items["initramfs"] += len(archive)
    return _with_kernel(kernel, archive, replace(said, items=items, words="kernel, initramfs and the disk"))


def _with_kernel(kernel: GuestKernel, archive: bytes, rest: Artefact) -> Artefact:
    """Add the kernel's file and the initramfs to the sizes of the rest."""
    kernel_bytes = kernel.path.stat().st_size
    more = kernel_bytes + len(archive)
    items = {**rest.items, "kernel": rest.items.get("kernel", 0) + kernel_bytes}
    packed = kernel_bytes + len(gzip.compress(archive, GZIP_LEVEL, mtime=0))
    words = f"{rest.words} ({kernel.release})"
    transfer, disk, virtual = (
        None if size_bytes is None else size_bytes + added
        for size_bytes, added in ((rest.transfer, packed), (rest.disk, more), (rest.virtual, more))
    )
    return Artefact(transfer, disk, virtual, items, words)


def booted_disk(settings: Settings, variant: Mapping[str, str]) -> Path:
    """Return the disk that this variant boots: the user's own, or the whole system's. Raises BackendError."""
    recipe = make_recipe(settings, variant, find_emulator().architecture)
    if recipe.disk is None:
        raise BackendError("no disk to look at", remedy="--disk FILE")
    return recipe.disk.path


def disk_sizes(disk: Path, run_id: str) -> Artefact:
    """Return the sizes of a disk image by `qemu-img info`, and its compressed size; what it holds is not listed."""
    words = ("qemu-img", "info", "--output", "json", "-f", disk_format(disk), disk)
    said = json.loads(run_command(words, run_id, "qemu-img info"))
    return Artefact(_gzip_length(disk), int(said["actual-size"]), int(said["virtual-size"]), {}, f"disk {disk.name}")


def _listed(bench: Bench, prepared: Prepared, sizes: Artefact) -> Artefact:
    """Add what the disk holds, as far as it can be read; what cannot is noted, and its rest is not known then."""
    settings, what = bench.settings, f"{prepared.name}: what its disk holds"
    with bench.attempt(Experiment.SIZE, what, DISK_REMEDY):
        found = disk_contents(booted_disk(settings, prepared.configuration.variant), settings.work_dir, settings.run_id)
        for unread in found.unread:
            bench.skip(Experiment.SIZE, what, unread, DISK_REMEDY)
        if found.files:
            items = items_of(found.files)
            return replace(sizes, items=found_in_part(items) if found.unread else with_filesystem(items, sizes.disk))
    return sizes


def whole_system(bench: Bench, profile: str) -> None:
    """Measure this profile's image and machine too, where their userlands are in the cache; nothing is booted."""
    settings, what, remedy = bench.settings, f"{profile}: image and machine", REMEDY.format(profile=profile)
    if settings.profile == profile or settings.images or settings.disks:
        return
    if any(one.configuration.profile == profile for one in bench.configurations):
        return
    cached = (is_cached(settings.cache_dir, name) for name in (IMAGES[profile], MACHINES[profile]))
    if os.geteuid() != 0 or not all(cached):
        bench.skip(Experiment.SIZE, what, "not in the cache", remedy)
        return
    of_system = replace(settings, profile=profile)
    tree = userland_tree(settings.cache_dir, IMAGES[profile])
    ways: tuple[tuple[Prepared | None, Callable[[], Artefact]], ...] = (
        (next(iter(bench.main_containers()), None), lambda: tree_artefact(tree, "the tree that its image is made of")),
        (next(iter(bench.vms()), None), lambda: whole_machine(of_system, {})),
    )
    for prepared, look in ways:
        if prepared is not None:
            with bench.attempt(Experiment.SIZE, f"{prepared.name}, {profile}", remedy):
                _record(
                    bench, replace(prepared, configuration=replace(prepared.configuration, profile=profile)), look()
                )


def contradiction(artefact: Artefact) -> str:
    """Return what cannot be true of these sizes, "" where nothing is against them."""
    files = sum(length for name, length in artefact.items.items() if name != FILESYSTEM)
    if artefact.virtual is not None and files > artefact.virtual:
        return f"its files have {files} bytes together, and what it shows {artefact.virtual}"
    return ""


def found_in_part(items: Mapping[str, int]) -> Mapping[str, int]:
    """Return the classes of which something was found in a part of a disk.

    What was not found may lie in the part that could not be read, and of the rest nothing is known.
    """
    return {name: size for name, size in items.items() if size and name != "other"}


def known_items(items: Mapping[str, int], profile: str) -> Mapping[str, int]:
    """Return the classes without an app of which nothing was found in a user's own: it is in "other", unrecognised."""
    return {name: size for name, size in items.items() if size or name != "app" or profile != OWN}


def _record(bench: Bench, prepared: Prepared, artefact: Artefact) -> None:
    against = contradiction(artefact)
    if against:
        raise BackendError(f"the sizes contradict each other: {against}")
    for name in ("transfer", "disk", "virtual"):
        value = getattr(artefact, name)
        if value is not None:
            bench.record(name, value, prepared.configuration, detail=artefact.words)
    for name, size_bytes in known_items(artefact.items, prepared.configuration.profile).items():
        bench.record(f"item.{name}", size_bytes, prepared.configuration, detail=artefact.words)
    if artefact.disk is not None:
        bench.say(f"size: {prepared.name}: {artefact.disk / 1e6:.2f} MB on disk ({artefact.words})")


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
    """Return how long the file is once compressed; nothing is written."""
    with path.open("rb") as source, _counting_gzip() as (target, counter):
        shutil.copyfileobj(source, target, 1 << 20)
    return counter.length


def _packed_length(tree: Path) -> int:
    """Return how long the tree is as a compressed archive; nothing is written."""
    with _counting_gzip() as (target, counter), tarfile.open(fileobj=target, mode="w|") as archive:
        archive.add(tree, ".")
    return counter.length


@contextmanager
def _counting_gzip() -> Iterator[tuple[gzip.GzipFile, _Counter]]:
    counter = _Counter()
    with gzip.GzipFile(fileobj=counter, mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as target:
        yield target, counter
