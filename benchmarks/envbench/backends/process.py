"""The least of all backends: the payload as a plain process of this machine, fork and exec of the tree's BusyBox."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from envbench.backend import Unusable, Usable, Workload, unusable
from envbench.backends.shared.child import environment
from envbench.backends.shared.spawned import SpawningBackend
from envbench.errors import BackendError
from envbench.payload.busybox import REMEDY, find_busybox
from envbench.payload.tree import require_runnable, tree_of_run
from envbench.payload.words import argv_for
from envbench.records.phases import BackendKind


class ProcessBackend(SpawningBackend):
    """fork and exec without any isolation: the lowest cost, which every other backend is compared with."""

    name: ClassVar[str] = "process"
    title: ClassVar[str] = "plain process"
    kind: ClassVar[BackendKind] = BackendKind.HOST

    def check(self) -> Usable | Unusable:
        """Find out whether there is a payload that can be run where it lies: all that this backend needs."""
        try:
            busybox = find_busybox()
            require_runnable(tree_of_run(self._settings).path)
        except BackendError as error:
            return unusable(error, REMEDY)
        return Usable({"busybox": busybox.version})

    def command(self, workload: Workload) -> Sequence[str | Path]:
        """Return the payload's script with the tree's own BusyBox, all by their places on the host."""
        ready, *words = argv_for(workload)
        if "--" in words:
            at = words.index("--") + 1
            words[at] = os.fspath(self._in_tree(words[at]))
        return (self._busybox, "sh", self._in_tree(ready), *words)

    def environ(self) -> Mapping[str, str]:
        """Return the command's environment, which tells the payload where its BusyBox is."""
        return environment(self._settings.run_id, ENVBENCH_BUSYBOX=os.fspath(self._busybox))

    @property
    def _busybox(self) -> Path:
        return self._tree / "bin/busybox"

    def _in_tree(self, name: str) -> Path:
        """Return where a program of the tree lies on the host; a name that is not in the tree stays as it is."""
        inside = self._tree / name.lstrip("/")
        with contextlib.suppress(OSError):
            if inside.is_symlink() or inside.exists():
                return inside
        return Path(name)
