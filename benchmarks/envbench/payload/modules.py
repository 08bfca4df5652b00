"""Picks kernel modules with all that they need, in the order in which they must be loaded."""

import lzma
import re
from collections.abc import Sequence
from pathlib import Path

from envbench.errors import BackendError

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def module_chain(folder: Path, wanted: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return (file name, uncompressed module) of these modules and their dependencies, each after what it needs.

    `folder` is a release's module folder, as its package has it: dependencies are read from the modules themselves
    (the .modinfo section), for depmod has not run. What is built into the kernel is left out. Raises BackendError for
    a module that is neither there nor built in.
    """
    built_in = {_name(Path(line)) for line in (folder / "modules.builtin").read_text().splitlines()}
    files = {_name(path): path for path in folder.rglob("*.ko*")}
    chain: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in chain or name in built_in:
            return
        if name not in files:
            raise BackendError(f"the kernel in {folder} has no module {name}", remedy="another --kernel")
        data = _unpacked(files[name])
        needs = _DEPENDS.search(data)
        for need in needs[1].decode().split(",") if needs else []:
            if need:
                add(need.replace("-", "_"))
        chain[name] = data

    for name in wanted:
        add(name.replace("-", "_"))
    return [(f"{name}.ko", data) for name, data in chain.items()]


def _name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")


def _unpacked(path: Path) -> bytes:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".ko":
        return path.read_bytes()
    raise BackendError(f"{path}: modules compressed so cannot be unpacked here", remedy="a Debian kernel")
