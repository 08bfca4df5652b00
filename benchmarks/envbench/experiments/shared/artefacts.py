"""What some experiments need and this machine has not: programs and kernels of other systems.

`python -m envbench.experiments.shared.artefacts fetch` downloads distribution packages and unpacks them into the user's
cache; nothing is installed, and no run ever fetches. Packages of another architecture are asked of apt with a state of
its own, so that the machine's own package lists and architectures stay as they are.
"""

import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from envbench.errors import BackendError, EnvbenchError
from envbench.payload.kernel import default_cache_dir, newest_first

REMEDY = "python -m envbench.experiments.shared.artefacts fetch (Debian or Ubuntu, network needed once)"
FOREIGN = {"x86_64": ("arm64", "aarch64"), "aarch64": ("amd64", "x86_64")}
"""This machine's architecture → Debian's and uname's name of the foreign one that is tried."""
MACH_PACKAGE = "gnumach-image-1.8-486"
_KERNEL = re.compile(r"^\s*\|?Depends: (linux-image-(?:unsigned-)?\d\S*)$", re.MULTILINE)


def foreign_machine() -> tuple[str, str] | None:
    """Return the foreign architecture as (Debian's name, uname's name), None where none is known for this machine."""
    return FOREIGN.get(os.uname().machine)


def foreign_busybox(cache_dir: Path) -> Path | None:
    """Return the static BusyBox for the foreign architecture, None where it has not been fetched."""
    names = foreign_machine()
    path = cache_dir / "foreign" / names[1] / "busybox" if names else None
    return path if path and path.is_file() else None


def foreign_kernel(cache_dir: Path) -> Path | None:
    """Return the kernel for the foreign architecture, None where it has not been fetched."""
    names = foreign_machine()
    path = cache_dir / "foreign" / names[1] / "vmlinuz" if names else None
    return path if path and path.is_file() else None


def mach_kernel(cache_dir: Path) -> Path | None:
    """Return GNU Mach, the kernel of the Hurd, for a PC with multiboot; None where it has not been fetched."""
    path = cache_dir / "guests" / "gnumach"
    return path if path.is_file() else None


def fetch(cache_dir: Path) -> list[str]:
    """Download what is missing; return a line for each. Raises BackendError without apt or network."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise BackendError(f"no {tool}: these files come from Debian or Ubuntu packages")
    done = []
    names = foreign_machine()
    if names:
        folder = cache_dir / "foreign" / names[1]
        if foreign_busybox(cache_dir) is None:
            with _Packages(names[0]) as packages:
                _keep(packages.unpack("busybox-static") / "bin/busybox", folder / "busybox")
        if foreign_kernel(cache_dir) is None:
            with _Packages(names[0]) as packages:
                root = packages.unpack(packages.kernel_package(f"linux-image-cloud-{names[0]}"))
                _keep(newest_first(root.glob("boot/vmlinu[xz]-*"))[0], folder / "vmlinuz")
        done += [f"{names[1]} busybox: {folder / 'busybox'}", f"{names[1]} kernel: {folder / 'vmlinuz'}"]
    if os.uname().machine == "x86_64":
        target = cache_dir / "guests" / "gnumach"
        if mach_kernel(cache_dir) is None:
            with _Packages("i386") as packages:
                image = next(packages.unpack(MACH_PACKAGE).glob("boot/gnumach*.gz"))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(gzip.decompress(image.read_bytes()))
        done.append(f"GNU Mach: {target}")
    return done


class _Packages:
    """apt for one architecture, with lists and cache in a scratch folder."""

    def __init__(self, architecture: str) -> None:
        self._architecture = architecture

    def __enter__(self) -> Self:
        self._scratch = tempfile.TemporaryDirectory(prefix="envbench-apt-")
        folder = Path(self._scratch.name)
        for part in ("state/lists/partial", "cache/archives/partial", "root"):
            (folder / part).mkdir(parents=True)
        (folder / "apt.conf").write_text(
            f'APT::Architecture "{self._architecture}";\n'
            f'APT::Architectures {{ "{self._architecture}"; }};\n'
            f'Dir::State "{folder}/state";\nDir::State::status "/dev/null";\nDir::Cache "{folder}/cache";\n'
            'Acquire::Languages "none";\nAPT::Sandbox::User "";\n'
        )
        # Without deb-src and the like some index is always missing; what counts is whether the package is found then.
        self._run("apt-get", "update", "--quiet", check=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def kernel_package(self, meta: str) -> str:
        """Return the package that a kernel's meta-package leads to."""
        found = _KERNEL.search(self._run("apt-cache", "depends", meta))
        if not found:
            raise BackendError(f"{meta} leads to no kernel package; try: apt-get update")
        return found[1]

    def unpack(self, package: str) -> Path:
        """Download a package and return the folder it is unpacked in."""
        folder = Path(self._scratch.name)
        self._run("apt-get", "download", "--quiet", package)
        archive = next(folder.glob(f"{package}_*.deb"))
        self._run("dpkg-deb", "--extract", str(archive), str(folder / "root" / package))
        return folder / "root" / package

    def _run(self, *words: str, check: bool = True) -> str:
        folder = Path(self._scratch.name)
        environment = {**os.environ, "LC_ALL": "C", "APT_CONFIG": str(folder / "apt.conf")}
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder, env=environment)
        if check and done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise BackendError(f"{' '.join(words[:2])} failed for {self._architecture}: {last}")
        return done.stdout


def _keep(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    shutil.copy(source.resolve(), partial)
    partial.rename(target)


def main(arguments: Sequence[str]) -> int:
    """Run `fetch`; print one line a file. Returns the exit code of the contract."""
    if list(arguments) != ["fetch"]:
        sys.stderr.write("usage: python -m envbench.experiments.shared.artefacts fetch\n")
        return 2
    try:
        lines = fetch(default_cache_dir())
    except (EnvbenchError, OSError) as error:
        sys.stderr.write(f"artefacts: {error}\n")
        return getattr(error, "exit_code", 1)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
