"""The layers of an image as a registry keeps them: a tree in one, or what a service needs above its base.

Every layer holds the run's id, so that no engine can have it from an earlier run: what is pulled is pulled.
"""

import gzip
import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, cast

from envbench.backends.shared.images import tar_member

GZIP_LEVEL = 6
"""The usual one: image builders pack layers with it."""
RUN_FILE = "envbench/run"
"""Where a layer holds the run's id, with the layer's name behind it."""
Wanted = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Layer:
    """A packed layer in a file. `digest` is of the packed bytes, `diff_id` of the archive in it (OCI image format)."""

    path: Path
    digest: str
    diff_id: str

    @property
    def size_bytes(self) -> int:
        """Return the length of the packed file."""
        return self.path.stat().st_size


def write_layer(tree: Path, target: Path, run_id: str, wanted: Wanted = lambda _name: True) -> Layer:
    """Write the folders, files and links of a tree whose names are wanted, packed; owned by root, dated 0."""
    with target.open("wb") as file:
        packed = _Hashing(file)
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as zipped:
            plain = _Hashing(cast("IO[bytes]", zipped))
            with tarfile.open(fileobj=cast("IO[bytes]", plain), mode="w|", format=tarfile.PAX_FORMAT) as archive:
                _add(archive, f"{RUN_FILE}-{target.name}", run_id.encode())
                for found in _found(tree):
                    name = found.relative_to(tree).as_posix()
                    if wanted(name):
                        _add_found(archive, found, name)
    return Layer(target, f"sha256:{packed.digest}", f"sha256:{plain.digest}")


def _found(tree: Path) -> Iterator[Path]:
    """Yield what is in a tree, parents first."""
    for folder, folders, files in os.walk(tree):
        folders.sort()
        yield from (Path(folder, name) for name in sorted((*folders, *files)))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, BytesIO(content))


def _add_found(archive: tarfile.TarFile, found: Path, name: str) -> None:
    mode = found.lstat().st_mode
    member = tar_member(name, mode)
    if stat.S_ISREG(mode):
        member.size = found.stat().st_size
        with found.open("rb") as content:
            archive.addfile(member, content)
    elif stat.S_ISLNK(mode) or stat.S_ISDIR(mode):  # A device an engine makes itself.
        member.linkname = os.fspath(found.readlink()) if member.issym() else ""
        archive.addfile(member)


class _Hashing:
    """A file to write to that keeps the digest of what was written."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._target.write(data)

    def flush(self) -> None:
        """Nothing is held."""

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def base_files(tree: Path) -> frozenset[str]:
    """Return the names of what the base of a Debian tree holds: the files of the packages that every Debian has.

    These are the packages that Debian calls essential or required, apt, and whatever they need (deb-control(5)), with
    their entries in dpkg's list of files. What belongs to another package, or to none (accounts, caches, the settings
    that an installation made, dpkg's status), is not in the base.
    """
    packages = read_status((tree / "var/lib/dpkg/status").read_text("utf-8", errors="replace"))
    base = _with_needs([name for name, fields in packages.items() if _is_base(name, fields)], packages)
    lists = tree / "var/lib/dpkg/info"
    held: set[str] = set()
    for path in sorted(lists.iterdir()):
        if path.stem.partition(":")[0] in base:
            held.add(path.relative_to(tree).as_posix())
            if path.suffix == ".list":
                held.update(_real_names(tree, path.read_text("utf-8").splitlines()))
    return frozenset(held)


def read_status(text: str) -> dict[str, Mapping[str, str]]:
    """Return the installed packages of dpkg's status file: name → fields on one line each."""
    found: dict[str, Mapping[str, str]] = {}
    for block in text.split("\n\n"):
        pairs = (line.partition(": ") for line in block.splitlines() if line[:1].strip())
        fields = {key: value for key, _, value in pairs}
        if fields.get("Status", "").endswith(" installed"):
            found[fields["Package"]] = fields
    return found


def _is_base(name: str, fields: Mapping[str, str]) -> bool:
    return name == "apt" or fields.get("Essential") == "yes" or fields.get("Priority") == "required"


def _with_needs(names: Iterable[str], packages: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return these packages and all that they depend on, of those that are installed."""
    provided: dict[str, str] = {}
    for name, fields in packages.items():
        provided.update((each, name) for each in _named(fields.get("Provides", "")))
    found: set[str] = set()
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        name = name if name in packages else provided.get(name, name)
        if name in packages and name not in found:
            found.add(name)
            for field in ("Depends", "Pre-Depends"):
                open_names += _named(packages[name].get(field, ""))
    return found


def _named(relation: str) -> Iterator[str]:
    """Yield the names in a relation such as "a (>= 1), b | c:any"."""
    for part in relation.replace("|", ",").split(","):
        words = part.split()
        if words:
            yield words[0].partition(":")[0]


def _real_names(tree: Path, listed: Iterable[str]) -> Iterator[str]:
    """Yield listed paths as they lie in the tree: /bin/x is usr/bin/x where /bin is a link (merged /usr)."""
    for line in listed:
        path = PurePosixPath(line.lstrip("/"))
        if path.parts and path.parts[0] not in {"", "."}:
            first = tree / path.parts[0]
            if first.is_symlink() and len(path.parts) > 1:
                path = PurePosixPath(first.readlink().as_posix().lstrip("/"), *path.parts[1:])
            yield path.as_posix()
