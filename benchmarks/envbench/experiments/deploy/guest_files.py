"""The files that a machine is made of, as a server has them, and the same machine made of files that were fetched."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from envbench.backends.vm.guest import Disk
from envbench.backends.vm.recipe import Recipe, make_recipe
from envbench.errors import BackendError
from envbench.experiments.deploy.served import LOOPBACK
from envbench.payload.userland import locked

QCOW2, COMPRESSED = "qcow2", "compressed"
FORMS = (QCOW2, COMPRESSED)
"""A disk as qcow2: as `qemu-img convert` writes it, and with its clusters compressed (-c)."""
KERNEL, INITRAMFS, DISK = "kernel", "initramfs", "disk"
SILENCE_S = 60.0


def files_of(recipe: Recipe, form: str, folder: Path) -> dict[str, Path]:
    """Return what a host needs to start this machine, by name; made where it is not there, the disk in the cache.

    `form` is one of FORMS, "" for a machine without a disk. Raises BackendError.
    """
    # As it was made, before a backend may have copied it to where its QEMU reads.
    recipe = make_recipe(recipe.settings, recipe.variant, recipe.architecture)
    found: dict[str, Path] = {}
    if recipe.kernel is not None:
        found[KERNEL] = recipe.kernel.path
    if recipe.archive:
        found[INITRAMFS] = folder / INITRAMFS
        found[INITRAMFS].write_bytes(recipe.archive)
    elif recipe.initrd is not None:
        found[INITRAMFS] = recipe.initrd
    if recipe.disk is not None:
        found[DISK] = converted(recipe.disk.path, form)
    return found


def made_from(recipe: Recipe, files: Mapping[str, Path]) -> Recipe:
    """Return the recipe of the same machine, made of these files alone. Raises OSError where one is not there."""
    if recipe.kernel is not None:
        recipe = replace(recipe, kernel=replace(recipe.kernel, path=files[KERNEL]))
    if recipe.archive:
        recipe = replace(recipe, archive=files[INITRAMFS].read_bytes())
    elif recipe.initrd is not None:
        recipe = replace(recipe, initrd=files[INITRAMFS])
    if recipe.disk is not None:
        recipe = replace(recipe, disk=Disk(files[DISK], "qcow2"))
    return recipe


def converted(disk: Path, form: str) -> Path:
    """Return a raw disk as qcow2 in this form, beside it, made on the first call. Raises BackendError."""
    made = disk.with_name(f"{disk.stem}-{form}.qcow2")
    with locked(disk.parent):
        if not made.exists():
            with tempfile.TemporaryDirectory(prefix=".qcow2-", dir=disk.parent) as scratch:
                target = Path(scratch, "disk.qcow2")
                _convert(disk, target, ("-c",) if form == COMPRESSED else ())
                target.rename(made)
    return made


def _convert(disk: Path, target: Path, options: tuple[str, ...]) -> None:
    words = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, str(disk), str(target)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise BackendError(f"qemu-img: {error.strerror}", remedy="apt install qemu-utils") from error
    if done.returncode != 0:
        raise BackendError(f"qemu-img convert: {' '.join(done.stderr.split())[:300]}", remedy="free space in the cache")


def fetch_files(port: int, names: tuple[str, ...], folder: Path) -> dict[str, Path]:
    """Fetch these files, one after another, from the server at this port; return where each lies now.

    Raises BackendError where the server does not answer with the whole of each.
    """
    found = {}
    for name in names:
        found[name] = folder / name
        asked = HTTPConnection(LOOPBACK, port, timeout=SILENCE_S)
        try:
            asked.request("GET", f"/{name}")
            answer = asked.getresponse()
            if answer.status != 200:
                raise BackendError(f"the server answers {answer.status} to {name}")
            with found[name].open("wb") as target:
                shutil.copyfileobj(answer, target, 1 << 18)
            if found[name].stat().st_size != int(answer.headers["Content-Length"]):
                raise BackendError(f"the server sent a part of {name} only")
        except (OSError, HTTPException) as error:
            raise BackendError(f"fetching {name}: {error}") from error
        finally:
            asked.close()
    return found
