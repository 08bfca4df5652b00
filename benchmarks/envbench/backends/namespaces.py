"""What isolates a container, without an engine: new namespaces by unshare(1), a root of its own, the same payload.

As root: mount, pid, uts, ipc and net namespaces. Without root a user namespace comes first, where the kernel lets
users have one (user_namespaces(7); some distributions restrict it through AppArmor or a sysctl).
"""

import contextlib
import os
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from envbench.backend import Unusable, Usable, Workload, unusable
from envbench.backends.shared.child import run_command
from envbench.backends.shared.spawned import SpawnedInstance, SpawningBackend
from envbench.errors import BackendError
from envbench.payload.busybox import REMEDY, find_busybox
from envbench.payload.tree import require_runnable
from envbench.payload.words import argv_for
from envbench.records.phases import BackendKind
from envbench.traces.procfs import children_of

USER_NAMESPACE_REMEDY = (
    "run as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian) or "
    "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)"
)


def unshare_argv(unshare: Path, root: Path) -> tuple[str | Path, ...]:
    """Return the unshare command that has its argument run as process 1 of new namespaces with this root.

    When it is killed the kernel kills all in its pid namespace (--kill-child, PR_SET_PDEATHSIG).
    """
    walls = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child=KILL")
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return (unshare, *user, *walls, f"--root={root}", "--wd=/", "--mount-proc=/proc")


class NamespacesInstance(SpawnedInstance):
    """unshare(1), which waits for the payload; the payload is its only child."""

    def _ask_to_end(self) -> None:
        # unshare(1) ignores SIGTERM while it waits, so the payload itself gets it, by its process id on the host.
        payload = next(iter(children_of(self._child.pid)), self._child.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(payload, signal.SIGTERM)


class NamespacesBackend(SpawningBackend):
    """Namespaces and a root of its own, made by util-linux's tools: what an engine takes beyond this, it adds."""

    name: ClassVar[str] = "namespaces"
    title: ClassVar[str] = "bare namespaces"
    kind: ClassVar[BackendKind] = BackendKind.NAMESPACES
    writes_own_walls: ClassVar[bool] = True
    program: ClassVar[str] = "unshare"
    install: ClassVar[str] = "apt install util-linux"
    instance: ClassVar[type[SpawnedInstance]] = NamespacesInstance

    def check(self) -> Usable | Unusable:
        """Find out by trying: run `true` in the same namespaces and root that starts will use."""
        try:
            busybox = find_busybox()
            require_runnable(self._settings.work_dir)
        except BackendError as error:
            return unusable(error, REMEDY)
        try:
            version = run_command((self.program_path, "--version"), self._settings.run_id, "asking for its version")
        except BackendError as error:
            return unusable(error, self.install)
        with tempfile.TemporaryDirectory(prefix="check-", dir=self._settings.work_dir) as folder:
            root = Path(folder)
            (root / "proc").mkdir()
            (root / "busybox").write_bytes(busybox.path.read_bytes())
            (root / "busybox").chmod(0o755)
            argv = (*unshare_argv(self.program_path, root), "/busybox", "true")
            try:
                run_command(argv, self._settings.run_id, "new namespaces", deadline_s=10)
            except BackendError as error:
                return unusable(error, USER_NAMESPACE_REMEDY)
        facts = {"unshare": version.strip(), "path": str(self.program_path)}
        return Usable({**facts, "user_namespace": "no" if os.geteuid() == 0 else "yes"})

    def command(self, workload: Workload) -> Sequence[str | Path]:
        """Return unshare(1), which makes the namespaces, mounts /proc, changes root and runs the payload."""
        return (*unshare_argv(self.program_path, self._tree), *argv_for(workload))
