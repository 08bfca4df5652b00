"""What an image takes on an engine's disk: the blocks of the folders that its layers lie in."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from envbench.errors import BackendError
from envbench.errors.causes import cause_of_errno, remedy_for

BLOCK_BYTES = 512
"""Unit of st_blocks (stat(2))."""


def layer_folders(graph_driver: Mapping[str, object]) -> tuple[Path, ...]:
    """Return the folders of an image's layers, as an engine's `inspect` names them (Docker Engine API, GraphDriver).

    Each holds the layer's files and what the storage driver notes beside them. Raises BackendError where none is named:
    drivers other than overlay keep layers in other ways.
    """
    data = graph_driver.get("Data")
    named = [data[key] for key in ("UpperDir", "LowerDir") if data.get(key)] if isinstance(data, Mapping) else []
    folders = tuple(Path(path).parent for paths in named for path in str(paths).split(":"))
    if not folders:
        raise BackendError(
            f"the storage driver {graph_driver.get('Name', '')} does not say where its layers lie",
            remedy="an engine with overlay2 or containerd's image store",
        )
    return folders


def allocated_bytes(folders: Iterable[Path]) -> int:
    """Return what these folders take on the disk, each file once, as du(1) counts it.

    Raises BackendError where one may not be looked at: what cannot be seen is not nothing.
    """

    def refuse(error: OSError) -> None:
        cause = cause_of_errno(error.errno)
        what = f"{error.filename}: {error.strerror}"
        raise BackendError(what, remedy=remedy_for(cause, "layers"), cause=cause) from error

    blocks: dict[tuple[int, int], int] = {}
    for top in folders:
        for folder, _, names in os.walk(top, onerror=refuse):
            for path in (folder, *(os.path.join(folder, name) for name in names)):  # noqa: PTH118 -- many files
                status = os.lstat(path)
                blocks[status.st_dev, status.st_ino] = status.st_blocks
    return sum(blocks.values()) * BLOCK_BYTES
