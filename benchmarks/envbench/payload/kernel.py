"""Finds, or fetches into the user's cache, the kernel that guests boot; nothing is ever installed.

`envbench fetch kernel` downloads the distribution's cloud kernel package and unpacks it. A start takes, in this order:
the user's own kernel, the cache, a readable kernel of this machine.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from envbench.errors import BackendError
from envbench.payload.growth import Grew, tell_grown
from envbench.payload.packages import Apt, beside_modules, kernel_images, newest_first, release_of, require_apt
from envbench.surroundings.folders import cache_folder

REMEDY = "envbench fetch kernel, or --kernel FILE"

PACKAGES: dict[str, tuple[str, ...]] = {
    "x86_64": ("linux-image-cloud-amd64", "linux-image-kvm", "linux-image-virtual", "linux-image-generic"),
    "aarch64": ("linux-image-cloud-arm64", "linux-image-virtual", "linux-image-generic"),
}
"""Per architecture: meta-packages of Debian and Ubuntu that lead to a kernel for virtual machines, smallest first."""


@dataclass(frozen=True, slots=True)
class GuestKernel:
    """A kernel to boot. `source` says where it comes from; `modules` is its module folder, None where there is none."""

    path: Path
    release: str
    sha256: str
    source: str
    modules: Path | None = None


def default_cache_dir() -> Path:
    """Return the folder of what envbench fetched or built once."""
    return cache_folder()


def find_kernel(cache_dir: Path, own: Path | None = None) -> GuestKernel:
    """Return the kernel that starts would boot. Raises BackendError, with the remedy, where there is none."""
    if own is not None:
        try:
            return _describe(own, "--kernel")
        except OSError as error:
            raise BackendError(f"--kernel {own}: {error.strerror}", remedy="a readable kernel image") from error
    cached = {image: folder.name for folder in (cache_dir / "kernels").glob("*") for image in kernel_images(folder)}
    own_machine = {image: str(image) for image in kernel_images(Path("/"))}
    for images in (cached, own_machine):
        for image in newest_first(images):
            if os.access(image, os.R_OK):
                return _describe(image, images[image])
    raise BackendError(f"no guest kernel in {cache_dir / 'kernels'} or /boot", remedy=REMEDY)


def fetch_kernel(cache_dir: Path, grew: Grew = tell_grown) -> GuestKernel:
    """Download and unpack the distribution's kernel for this architecture, unless the cache has it; return it.

    Needs apt and dpkg, no root. Raises BackendError with the remedy where there is no such package or no network, or
    where the packages hold no kernel; what held none is remembered and not downloaded again.
    """
    require_apt()
    apt = Apt()
    machine = os.uname().machine
    packages = next(filter(None, map(apt.kernel_packages, PACKAGES.get(machine, ()))), ())
    if not packages:
        raise BackendError(f"apt knows no kernel package for {machine}", remedy="apt-get update, or --kernel FILE")
    target = cache_dir / "kernels" / packages[0]
    if not kernel_images(target):
        _download(apt, packages, target, grew)
    return _describe(kernel_images(target)[0], packages[0])


def _download(apt: Apt, packages: Sequence[str], target: Path, grew: Grew) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    tried = " ".join(f"{package}={apt.version(package)}" for package in packages)
    without_kernel = target.parent / "without-kernel"
    known = without_kernel.read_text().splitlines() if without_kernel.exists() else []
    if tried in known:
        raise BackendError(
            f"{tried}: no kernel was in it", remedy=f"--kernel FILE, or delete {without_kernel} to look again"
        )
    sys.stderr.write(f"guest kernel: downloading {' '.join(packages)} into {target.parent}\n")
    # Unpacked beside its place and renamed, so that a broken download never looks like a kernel.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        unpacked = Path(scratch, "unpacked")
        apt.unpack(packages, unpacked, grew)
        if not kernel_images(unpacked):
            without_kernel.write_text("".join(f"{line}\n" for line in [*known, tried]))
            raise BackendError(f"{' '.join(packages)}: no kernel image in it", remedy="--kernel FILE")
        shutil.rmtree(target, ignore_errors=True)
        unpacked.rename(target)


def _describe(image: Path, source: str) -> GuestKernel:
    release = release_of(image)
    root = image.parent.parent
    beside = (root / "lib/modules" / release, root / "usr/lib/modules" / release)
    folders = (image.parent,) if beside_modules(image) else beside
    modules = next((folder for folder in folders if folder.is_dir()), None)
    return GuestKernel(image, release, hashlib.sha256(image.read_bytes()).hexdigest(), source, modules)
