"""Downloads packages of Debian and Ubuntu and unpacks them; installs nothing.

Packages of another architecture are asked of apt with a state of its own, so that the machine's own package lists and
architectures stay as they are.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from envbench.errors import BackendError
from envbench.payload.growth import Grew, growing, tell_grown

_KERNEL_PART = re.compile(r"^\s*\|?Depends: (linux-(?:image|binary|modules|base)-(?:unsigned-)?\d\S*)$", re.MULTILINE)
"""What a kernel is split into: image and modules in one package (Debian 12 and 13), apart (Ubuntu), or the image in
`linux-binary-RELEASE`, the list of what is built in in `linux-base-RELEASE` (Debian 14 and unstable)."""


ANOTHER_RELEASE = {"bookworm": "trixie", "trixie": "bookworm", "jammy": "noble", "noble": "jammy"}
"""Release of Debian or Ubuntu → another that the same archive has, to hold this one against."""
_ARCHIVES = {
    **dict.fromkeys(("bookworm", "trixie"), ("http://deb.debian.org/debian", "debian-archive-keyring", "main")),
    **dict.fromkeys(
        ("jammy", "noble"), ("http://archive.ubuntu.com/ubuntu", "ubuntu-archive-keyring", "main universe")
    ),
}
"""Release → its archive, the name of the keyring that signs it, its components."""


@dataclass(frozen=True, slots=True)
class Apt:
    """apt for one architecture; `config` is its configuration file, None for the machine's own."""

    config: Path | None = None
    architecture: str = ""

    def kernel_packages(self, meta: str) -> tuple[str, ...]:
        """Return the packages that together hold the kernel a meta-package leads to; empty where it leads to none."""
        found: list[str] = []
        asked = [meta]
        while asked:
            parts = kernel_parts(self._ask("apt-cache", "depends", asked.pop(0)))
            new = [part for part in parts if part not in found]
            found += new
            asked += new
        return tuple(found)

    def version(self, package: str) -> str:
        """Return the version that a download would bring, "" where the lists do not know the package."""
        told = self._ask("apt-cache", "show", "--no-all-versions", package)
        found = re.search(r"^Version: (\S+)$", told, re.MULTILINE)
        return found[1] if found else ""

    def unpack(self, packages: Sequence[str], target: Path, grew: Grew = tell_grown) -> None:
        """Download packages and unpack them into `target`. Raises BackendError where one cannot be had."""
        with tempfile.TemporaryDirectory(prefix="envbench-packages-") as scratch:
            with growing(f"download of {packages[0]}", Path(scratch), grew):
                _run(["apt-get", "download", "--quiet", *packages], self, cwd=Path(scratch))
            for archive in sorted(Path(scratch).glob("*.deb")):
                _run(["dpkg-deb", "--extract", str(archive), str(target)], self)

    def _ask(self, *words: str) -> str:
        """Return what apt says, "" where it knows nothing of it: another package may do."""
        return subprocess.run(words, capture_output=True, text=True, check=False, env=_environment(self)).stdout


def unpack_onto(tree: Path, packages: Sequence[str], grew: Grew = tell_grown) -> None:
    """Download packages, and what they need that a Debian tree has not installed, and unpack all of it there.

    None of it is configured. Raises BackendError where one cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="envbench-packages-") as scratch:
        lacking = ("install", "--download-only", "--yes", "--no-install-recommends", "--quiet")
        places = (
            f"Dir::State::status={tree}/var/lib/dpkg/status",
            f"Dir::Cache::archives={scratch}/",
            "Dir::Cache::pkgcache=",
            "Dir::Cache::srcpkgcache=",
            "Debug::NoLocking=true",
            "APT::Sandbox::User=",
        )
        options = (word for place in places for word in ("-o", place))
        Path(scratch, "partial").mkdir()
        with growing(f"download of {packages[0]}", Path(scratch), grew):
            _run(["apt-get", *lacking, *options, *packages], Apt())
        for archive in sorted(Path(scratch).glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(archive), str(tree)], Apt())


def kernel_parts(depends: str) -> tuple[str, ...]:
    """Return the packages with a part of a kernel in the output of `apt-cache depends`."""
    return tuple(_KERNEL_PART.findall(depends))


def require_apt() -> None:
    """Raise BackendError where this is not Debian, Ubuntu or a relative of theirs."""
    for tool in ("apt-cache", "apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise BackendError(f"no {tool}: kernels are fetched from Debian or Ubuntu packages", remedy="--kernel FILE")


@contextmanager
def foreign_apt(architecture: str, release: str = "") -> Iterator[Apt]:
    """Give apt for another architecture (Debian's name of it) or release, with lists and cache in a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="envbench-apt-") as scratch:
        folder = Path(scratch)
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        config = folder / "apt.conf"
        config.write_text(
            f'APT::Architecture "{architecture}";\n'
            f'APT::Architectures {{ "{architecture}"; }};\n'
            f'Dir::State "{folder}/state";\nDir::State::status "/dev/null";\nDir::Cache "{folder}/cache";\n'
            'Acquire::Languages "none";\nAPT::Sandbox::User "";\n'
        )
        if release:
            (folder / "sources.list").write_text(_source(release))
            with config.open("a") as file:
                file.write(f'Dir::Etc::SourceList "{folder}/sources.list";\nDir::Etc::SourceParts "/dev/null";\n')
        apt = Apt(config, architecture)
        # Without deb-src and the like some index is always missing; what counts is whether the package is found then.
        subprocess.run(["apt-get", "update", "--quiet"], capture_output=True, check=False, env=_environment(apt))
        yield apt


def _source(release: str) -> str:
    archive, keyring, components = _ARCHIVES[release]
    return f"deb [signed-by=/usr/share/keyrings/{keyring}.gpg] {archive} {release} {components}\n"


def kernel_images(root: Path) -> list[Path]:
    """Return the kernel images in unpacked packages, newest first: in /boot, or beside their modules (Debian 14)."""
    places = ("boot/vmlinu[xz]-*", "usr/lib/modules/*/vmlinu[xz]", "lib/modules/*/vmlinu[xz]")
    return newest_first({image.resolve(): image for place in places for image in root.glob(place)}.values())


def beside_modules(image: Path) -> bool:
    """Say whether a kernel image lies in its own module folder, as since Debian 14 and on Fedora."""
    return image.parent.parent.name == "modules"


def release_of(image: Path) -> str:
    """Return the release of a kernel image: the end of its name in /boot, its folder's name beside the modules."""
    return image.parent.name if beside_modules(image) else re.sub(r"^vmlinu[xz]-", "", image.name)


def newest_first(images: Iterable[Path]) -> list[Path]:
    """Return kernel images by the numbers of their release, newest first: 6.1.0-56 comes before 6.1.0-9."""
    return sorted(images, key=lambda image: [int(each) for each in re.findall(r"\d+", release_of(image))], reverse=True)


def _environment(apt: Apt) -> dict[str, str]:
    own = {"APT_CONFIG": str(apt.config)} if apt.config else {}
    return {**os.environ, "LC_ALL": "C", **own}


def _run(command: Sequence[str], apt: Apt, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=_environment(apt))
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        which = f" for {apt.architecture}" if apt.architecture else ""
        # Another architecture's lists were fetched a moment ago: only another mirror or release has what these lack.
        remedy = "a mirror or an older release that has it" if apt.architecture else "apt-get update, or another mirror"
        raise BackendError(f"{' '.join(command[:2])} failed{which}: {last}", remedy=remedy)
