"""The walls of a container without an engine: new namespaces by unshare(1), a root of its own, the same payload.

As root: mount, pid, uts, ipc and net namespaces. Without root a user namespace comes first, where the kernel lets
users have one (user_namespaces(7); some distributions restrict it through AppArmor or a sysctl).
"""

import contextlib
import os
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from envbench.backends.child import environment, run_command, spawn
from envbench.backends.process import ProcessInstance
from envbench.backends.protocol import MarkCallback, Unusable, Usable, Workload
from envbench.errors import BackendError
from envbench.journal import Journal
from envbench.payload.busybox import find_busybox
from envbench.payload.tree import argv_for, tree_of_run
from envbench.plan import Settings
from envbench.procfs import children_of

USER_NAMESPACE_REMEDY = (
    "run as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian) or "
    "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)"
)


def unshare_argv(root: Path) -> tuple[str, ...]:
    """Return the unshare command that has its argument run as process 1 of new namespaces with this root.

    When it is killed the kernel kills all in its pid namespace (--kill-child, PR_SET_PDEATHSIG).
    """
    walls = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child=KILL")
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return ("unshare", *user, *walls, f"--root={root}", "--wd=/", "--mount-proc=/proc")


class NamespacesInstance(ProcessInstance):
    """unshare(1), which waits for the payload; the payload is its only child."""

    @property
    def payload_pid(self) -> int:
        """Return process 1 of the namespaces as the host numbers it."""
        return next(iter(children_of(self._child.pid)), self._child.pid)

    def _ask_to_end(self) -> None:
        # unshare(1) ignores SIGTERM while it waits: only the payload itself can be asked.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.payload_pid, signal.SIGTERM)


class NamespacesBackend:
    """Namespaces and a root of its own, made by the kernel's own tools: what an engine adds stands above this."""

    name: ClassVar[str] = "namespaces"
    is_vm: ClassVar[bool] = False

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._tree = settings.work_dir / "tree"
        self._count = 0

    def check(self) -> Usable | Unusable:
        """Find out by doing: run `true` behind the very walls that starts will use."""
        try:
            busybox = find_busybox()
        except BackendError as error:
            return Unusable("no static busybox for the payload", str(error))
        try:
            version = run_command(("unshare", "--version"), self._settings.run_id, "asking for its version")
        except BackendError as error:
            return Unusable(str(error), "apt install util-linux")
        with tempfile.TemporaryDirectory(prefix="check-", dir=self._settings.work_dir) as folder:
            root = Path(folder)
            (root / "proc").mkdir()
            (root / "busybox").write_bytes(busybox.path.read_bytes())
            (root / "busybox").chmod(0o755)
            argv = (*unshare_argv(root), "/busybox", "true")
            try:
                run_command(argv, self._settings.run_id, "new namespaces", deadline_s=10)
            except BackendError as error:
                return Unusable(str(error), USER_NAMESPACE_REMEDY)
        return Usable({"unshare": version.strip(), "user_namespace": "no" if os.geteuid() == 0 else "yes"})

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return the one way there is."""
        return ({},)

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Build the run's tree."""
        self._tree = tree_of_run(self._settings).path

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> NamespacesInstance:
        """Spawn unshare(1), which makes the namespaces, mounts /proc, changes root and runs the payload."""
        self._count += 1
        name = f"envbench-{self._settings.run_id}-namespaces-{self._count}"
        argv = (*unshare_argv(self._tree), *argv_for(workload))
        env = environment(self._settings.run_id)
        child, reader = spawn(argv, env, mark)
        return NamespacesInstance(name, child, reader)

    def engine_processes(self) -> tuple[int, ...]:
        """Return nothing: no daemon stands behind namespaces."""
        return ()

    def close(self) -> None:
        """Nothing is held."""
