"""Finds, or fetches into the user's cache, the kernel that guests boot; nothing is ever installed.

`python -m envbench.payload.kernel fetch` downloads the distribution's cloud kernel package and unpacks it. A start
takes, in this order: the user's own kernel, the cache, a readable kernel of this machine.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from envbench.errors import BackendError, EnvbenchError

REMEDY = "python -m envbench.payload.kernel fetch, or --kernel FILE"

PACKAGES: dict[str, tuple[str, ...]] = {
    "x86_64": ("linux-image-cloud-amd64", "linux-image-kvm", "linux-image-virtual", "linux-image-generic"),
    "aarch64": ("linux-image-cloud-arm64", "linux-image-virtual", "linux-image-generic"),
}
"""Per architecture: meta-packages of Debian and Ubuntu that lead to a kernel for virtual machines, smallest first."""

_DEPENDS = re.compile(r"^\s*\|?Depends: (linux-image-(?:unsigned-)?\d\S*)$", re.MULTILINE)
_MODULES = re.compile(r"^\s*\|?Depends: (linux-modules-\d\S*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class GuestKernel:
    """A kernel to boot. `source` says where it comes from; `modules` is its module folder, None where there is none."""

    path: Path
    release: str
    sha256: str
    source: str
    modules: Path | None = None


def default_cache_dir() -> Path:
    """Return envbench's folder in the user's cache (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "envbench"


def find_kernel(cache_dir: Path, own: Path | None = None) -> GuestKernel:
    """Return the kernel that starts would boot. Raises BackendError, with the remedy, where there is none."""
    if own is not None:
        try:
            return _describe(own, "--kernel")
        except OSError as error:
            raise BackendError(f"--kernel {own}: {error.strerror}; try: a readable kernel image") from error
    cached = list((cache_dir / "kernels").glob("*/boot/vmlinu[xz]-*"))
    own_machine = list(Path("/boot").glob("vmlinu[xz]-*"))
    for source, images in (("cache", cached), ("/boot", own_machine)):
        for image in newest_first(images):
            if os.access(image, os.R_OK):
                name = image.parent.parent.name if source == "cache" else str(image)
                return _describe(image, name)
    raise BackendError(f"no guest kernel in {cache_dir / 'kernels'} or /boot; try: {REMEDY}")


def newest_first(images: Iterable[Path]) -> list[Path]:
    """Return kernel images by the numbers of their release, newest first: 6.1.0-56 comes before 6.1.0-9."""
    return sorted(images, key=lambda image: [int(number) for number in re.findall(r"\d+", image.name)], reverse=True)


def package_of(depends: str) -> tuple[str, ...]:
    """Return the concrete kernel package (and Ubuntu's module package) in the output of `apt-cache depends META`."""
    image = _DEPENDS.search(depends)
    modules = _MODULES.search(depends)
    return tuple(found[1] for found in (image, modules) if found)


def fetch_kernel(cache_dir: Path) -> GuestKernel:
    """Download and unpack the distribution's kernel for this architecture, unless the cache has it; return it.

    Needs apt and dpkg, no root. Raises BackendError with the remedy where there is no such package or no network.
    """
    for tool in ("apt-cache", "apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise BackendError(f"no {tool}: kernels are fetched from Debian or Ubuntu packages; try: --kernel FILE")
    packages = _concrete_packages(os.uname().machine)
    target = cache_dir / "kernels" / packages[0]
    if not list(target.glob("boot/vmlinu[xz]-*")):
        _download(packages, target)
    image = newest_first(target.glob("boot/vmlinu[xz]-*"))
    if not image:
        raise BackendError(f"{packages[0]} holds no kernel image; try: {REMEDY}")
    return _describe(image[0], packages[0])


def _concrete_packages(machine: str) -> tuple[str, ...]:
    for meta in PACKAGES.get(machine, ()):
        depends = _run(["apt-cache", "depends", meta])
        packages = package_of(depends)
        if packages and not packages[1:]:
            # Ubuntu keeps the modules in a package that only the image's own package names.
            modules = _MODULES.search(_run(["apt-cache", "depends", packages[0]]))
            packages += (modules[1],) if modules else ()
        if packages:
            return packages
    raise BackendError(
        f"no kernel package for {machine} in this distribution's index; try: apt-get update, or --kernel FILE"
    )


def _download(packages: Sequence[str], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Unpacked beside its place and renamed, so that a broken download never looks like a kernel.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        folder = Path(scratch)
        _run(["apt-get", "download", "--quiet", *packages], cwd=folder)
        unpacked = folder / "unpacked"
        for package in sorted(folder.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(package), str(unpacked)])
        shutil.rmtree(target, ignore_errors=True)
        unpacked.rename(target)


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BackendError(f"{' '.join(command[:2])} failed: {last}; try: apt-get update, or --kernel FILE")
    return done.stdout


def _describe(image: Path, source: str) -> GuestKernel:
    release = re.sub(r"^vmlinu[xz]-", "", image.name)
    root = image.parent.parent
    folders = (root / "lib/modules" / release, root / "usr/lib/modules" / release)
    modules = next((folder for folder in folders if folder.is_dir()), None)
    return GuestKernel(image, release, hashlib.sha256(image.read_bytes()).hexdigest(), source, modules)


def main(arguments: Sequence[str]) -> int:
    """Run `fetch` or `show`; print one line about the kernel. Returns the exit code of the contract."""
    if list(arguments) not in (["fetch"], ["show"]):
        sys.stderr.write("usage: python -m envbench.payload.kernel fetch|show\n")
        return 2
    try:
        kernel = fetch_kernel(default_cache_dir()) if arguments[0] == "fetch" else find_kernel(default_cache_dir())
    except EnvbenchError as error:
        sys.stderr.write(f"guest kernel: {error}\n")
        return error.exit_code
    sys.stdout.write(
        f"guest kernel: {kernel.release} from {kernel.source} at {kernel.path} (sha256 {kernel.sha256[:12]})\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
