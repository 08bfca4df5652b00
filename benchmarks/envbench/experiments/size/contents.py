"""What an artefact holds, class by class, told from the paths in it: of a tree, of an image that an engine saved.

Nothing is unpacked and nothing is mounted: archives are listed.
"""

import json
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from envbench.errors import BackendError

CLASSES = ("kernel", "initramfs", "modules", "boot", "init", "package_manager", "libraries", "app", "other")

_RULES = (
    ("kernel", r"boot/(vmlinu|kernel|Image|xen)|vmlinu[xz][^/]*$"),
    ("initramfs", r"boot/initr|initrd\.img"),
    ("modules", r"(usr/)?lib/(modules|firmware)/"),
    ("boot", r"boot/|efi/|EFI/|(usr/)?(lib|share)/grub|(usr/)?s?bin/grub"),
    (
        "init",
        (
            r"init$|(usr/)?lib/(systemd|udev)/|(usr/)?s?bin/(systemd|init$|telinit|journalctl|loginctl|udevadm|dbus-|openrc)|"
            r"etc/(systemd|init\.d|rc[\dS.]|udev|dbus-1)|var/lib/(systemd|dbus)/|usr/share/(dbus-1|polkit-1)/"
        ),
    ),
    (
        "package_manager",
        (
            r"(usr/)?s?bin/(apt|dpkg|rpm|yum|dnf|apk|pacman|zypper)|(usr/)?lib/(apt|dpkg|rpm)/|lib/apk/|"
            r"var/(lib|cache)/(apt|dpkg|rpm|debconf|pacman|dnf)|usr/share/(dpkg|apt|debconf|keyrings)|etc/(apt|dpkg|apk)/"
        ),
    ),
    ("app", r"envbench/|(usr/)?bin/busybox$|usr/(s?bin|lib|share)/nginx(/|$)|etc/nginx/"),
    (
        "libraries",
        (
            r"(usr/)?lib(32|64|x32)?/.*\.so(\.|$)|(usr/)?lib(32|64)?/(x86_64|aarch64)[^/]*/|"
            r"usr/lib/(python|perl|locale|gconv)|usr/share/(perl|python)"
        ),
    ),
)
"""Class → what the path of its files begins with, below the root; the first that fits counts, the rest is "other"."""
_PATTERNS = tuple((name, re.compile(pattern)) for name, pattern in _RULES)
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


def class_of(path: str) -> str:
    """Return the class of a file by its path below the root of its tree."""
    return next((name for name, pattern in _PATTERNS if pattern.match(path)), "other")


def items_of(files: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return bytes by class; every class is there, with 0 where nothing of it was found."""
    found = dict.fromkeys(CLASSES, 0)
    for path, size_bytes in files:
        found[class_of(path)] += size_bytes
    return found


def tree_files(tree: Path) -> Iterator[tuple[str, int]]:
    """Yield every regular file of a tree once (hard links too) with its length."""
    seen = set()
    for path in sorted(tree.rglob("*")):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            yield path.relative_to(tree).as_posix(), status.st_size


def image_files(saved: Path) -> dict[str, int]:
    """Return the files that an image shows, with their lengths, from what `save` wrote (manifest.json and layers).

    Raises BackendError for an archive of another form, or compressed in a way that Python cannot read.
    """
    shown: dict[str, int] = {}
    try:
        with tarfile.open(saved) as archive:
            for layer in json.loads(_member(archive, "manifest.json"))[0]["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(layer)) as contents:
                    lay_over(shown, contents.getmembers())
    except (tarfile.TarError, KeyError, IndexError, TypeError, ValueError) as error:
        raise BackendError(f"the saved image cannot be listed: {error}") from error
    return shown


def lay_over(shown: dict[str, int], members: Iterable[tarfile.TarInfo]) -> None:
    """Change what is shown by one more layer (OCI image specification, layer.md: whiteouts hide what lies below)."""
    added: dict[str, int] = {}
    for member in members:
        path = member.name.removeprefix("./")
        folder, _, name = path.rpartition("/")
        inside = f"{folder}/" if folder else ""
        if name == _OPAQUE:
            _hide(shown, inside)
        elif name.startswith(_WHITEOUT):
            hidden = inside + name.removeprefix(_WHITEOUT)
            shown.pop(hidden, None)
            _hide(shown, f"{hidden}/")
        elif member.isreg():
            added[path] = member.size
    shown.update(added)


def _hide(shown: dict[str, int], inside: str) -> None:
    for path in [path for path in shown if path.startswith(inside)]:
        del shown[path]


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    if found is None:
        raise KeyError(name)
    return found.read()
