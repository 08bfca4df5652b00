"""What a run's containerd namespace leaves in folders: containerd, runc, shims and ctr make it and never remove it.

It is named after the namespace or the container, and so carries the run's id, a socket's name as a part of its digest.
"""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from envbench.traces.daemons import spellings

RUNC_FOLDER = Path("/run/containerd/runc")
"""Where the shim has runc keep its states, a folder for each namespace (containerd, pkg/process: RuncRoot)."""
FIFO_FOLDER = Path("/run/containerd/fifo")
"""Where ctr makes a folder with a container's pipes (containerd, cio: NewFIFOSetInDir); a killed one leaves it."""

SHIM_SOCKET_FOLDER = Path("/run/containerd/s")
"""Where a shim listens for its containerd; one that is killed, or told to end too early, leaves its socket."""


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


def shim_sockets(address: str, namespace: str, container: str) -> tuple[Path, ...]:
    """Return where a container's shim may have listened for the containerd at this address, there or not.

    The name is the digest of ADDRESS/NAMESPACE/ID, ADDRESS as containerd was told it (containerd, pkg/shim:
    SocketAddress).
    """
    names = (f"{name}/{namespace}/{container}" for name in sorted(spellings(Path(address))))
    return tuple(SHIM_SOCKET_FOLDER / hashlib.sha256(name.encode()).hexdigest() for name in names)
