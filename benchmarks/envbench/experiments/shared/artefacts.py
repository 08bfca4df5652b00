"""What some experiments need and this machine does not have: programs and kernels of other systems.

`envbench fetch foreign` downloads distribution packages and unpacks them into the user's cache; nothing is installed.
Packages of another architecture are asked of apt with a state of its own, so that the machine's own package lists and
architectures stay as they are.
"""

import gzip
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from envbench.errors import BackendError, EnvbenchError
from envbench.payload.kernel import PACKAGES
from envbench.payload.packages import ANOTHER_RELEASE, foreign_apt, kernel_images, require_apt

REMEDY = "envbench fetch foreign (Debian or Ubuntu, network needed once)"
FOREIGN = {"x86_64": ("arm64", "aarch64"), "aarch64": ("amd64", "x86_64")}
"""This machine's architecture → Debian's and uname's name of the foreign one that is tried."""
MACH_PACKAGE = "gnumach-image-1.8-486"


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


def another_kernel(cache_dir: Path) -> Path | None:
    """Return the kernel of the distribution's other release, None where it has not been fetched."""
    release = _another_release()
    path = cache_dir / "foreign" / release / "vmlinuz"
    return path if release and path.is_file() else None


def _another_release() -> str:
    try:
        return ANOTHER_RELEASE.get(platform.freedesktop_os_release().get("VERSION_CODENAME", ""), "")
    except OSError:
        return ""


def mach_kernel(cache_dir: Path) -> Path | None:
    """Return GNU Mach, the kernel of the Hurd, for a PC with multiboot; None where it has not been fetched."""
    path = cache_dir / "guests" / "gnumach"
    return path if path.is_file() else None


def fetch(cache_dir: Path) -> Iterator[tuple[str, Path | EnvbenchError | OSError]]:
    """Download what is missing; give each file's name with where it lies, or with why it could not be had.

    One that cannot be had does not keep the others back. Raises BackendError where there is no apt.
    """
    require_apt()
    for item in _items(cache_dir):
        try:
            if not item.target.is_file():
                item.fetch()
        except (EnvbenchError, OSError) as error:
            yield item.name, error
        else:
            yield item.name, item.target


@dataclass(frozen=True, slots=True)
class _Item:
    """A file of a package: what it is, where it is kept, and where it lies in the unpacked package."""

    name: str
    target: Path
    architecture: str
    package: str
    found_in: Callable[[Path], Sequence[Path]]
    release: str = ""
    """Of another release than this machine's."""

    def fetch(self) -> None:
        with (
            foreign_apt(self.architecture, self.release) as apt,
            tempfile.TemporaryDirectory(prefix="envbench-fetch-") as scratch,
        ):
            packages = apt.kernel_packages(self.package) or (self.package,)
            sys.stderr.write(f"{self.name}: downloading {' '.join(packages)} into {self.target.parent}\n")
            apt.unpack(packages, Path(scratch))
            found = self.found_in(Path(scratch))
            if not found:
                raise BackendError(f"{' '.join(packages)} holds no {self.name}", remedy="an older release's mirror")
            data = found[0].read_bytes()
        self.target.parent.mkdir(parents=True, exist_ok=True)
        partial = self.target.with_name(f".{self.target.name}.part")
        partial.write_bytes(gzip.decompress(data) if found[0].suffix == ".gz" else data)
        partial.chmod(0o755)
        partial.rename(self.target)


def _items(cache_dir: Path) -> Iterator[_Item]:
    names = foreign_machine()
    if names:
        own, other = names
        folder = cache_dir / "foreign" / other
        yield _Item(f"{other} busybox", folder / "busybox", own, "busybox-static", _programs("busybox"))
        yield _Item(f"{other} kernel", folder / "vmlinuz", own, f"linux-image-cloud-{own}", kernel_images)
    machine, release = os.uname().machine, _another_release()
    if release and machine in PACKAGES:
        target = cache_dir / "foreign" / release / "vmlinuz"
        own = FOREIGN[FOREIGN[machine][1]][0]
        yield _Item(f"{release} kernel", target, own, PACKAGES[machine][0], kernel_images, release)
    if machine == "x86_64":
        yield _Item("GNU Mach", cache_dir / "guests" / "gnumach", "i386", MACH_PACKAGE, _mach_images)


def _programs(name: str) -> Callable[[Path], Sequence[Path]]:
    # In /usr/bin since the distribution has merged its folders (Debian 13), in /bin before.
    return lambda root: [path for path in (root / "usr/bin" / name, root / "bin" / name) if path.is_file()]


def _mach_images(root: Path) -> Sequence[Path]:
    return sorted(root.glob("boot/gnumach*.gz"))
