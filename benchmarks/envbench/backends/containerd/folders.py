"""Folders that a run's containerd namespace leaves: containerd, runc and ctr make them and never remove them.

They are named after the namespace or the container, and so carry the run's id.
"""

import contextlib
import os
import shutil
from pathlib import Path

RUNC_FOLDER = Path("/run/containerd/runc")
"""Where the shim has runc keep its states, a folder for each namespace (containerd, pkg/process: RuncRoot)."""
FIFO_FOLDER = Path("/run/containerd/fifo")
"""Where ctr makes a folder with a container's pipes (containerd, cio: NewFIFOSetInDir); a killed one leaves it."""


def task_folders(shim: int, namespace: str) -> tuple[Path, ...]:
    """Return where containerd keeps a namespace's tasks, in its state and in its root; () where it is no shim.

    A shim's working directory is its bundle, STATE/io.containerd.runtime.v2.task/NAMESPACE/ID, and the link `work` in
    it leads to ROOT/io.containerd.runtime.v2.task/NAMESPACE/ID (containerd, core/runtime/v2/README.md).
    """
    try:
        bundle = Path(os.readlink(f"/proc/{shim}/cwd"))  # noqa: PTH115 -- a link of the kernel's
        folders = (bundle.parent, (bundle / "work").resolve().parent)
    except OSError:
        return ()
    return tuple(folder for folder in folders if folder.name == namespace)


def remove_fifos(container: str) -> None:
    """Remove the pipes of a container whose ctr was killed, each with its folder."""
    for pipe in FIFO_FOLDER.glob(f"*/{container}-stdout"):
        with contextlib.suppress(OSError):
            shutil.rmtree(pipe.parent)
