"""A Docker engine of the run's own, apart from the user's: for what no run may do to an engine with other users.

It has its own data, socket and process ids, and its own network and mount namespaces, in which lie the networks and
mounts that it makes. Its first process is dockerd itself, so that the end of that one ends all that it has started.
"""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from envbench.backends.shared.child import Child
from envbench.errors import BackendError
from envbench.experiments.shared.own_program import answers, own_program
from envbench.payload.busybox import find_busybox
from envbench.settings import Settings
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.surroundings.programs import require_program
from envbench.traces.journal import Journal, Kind
from envbench.traces.procfs import CGROUP_ROOT, children_of
from envbench.traces.removal import end_process, remove_cgroup

UP_DEADLINE_S = 30.0
ANSWER_DEADLINE_S = 10.0
DOWN_DEADLINE_S = 10.0
INSTALL = "apt install docker.io util-linux"
REMEDY = "as root on a machine, or in a container with --privileged"
SOCKET = "docker.sock"
LONGEST = "exec/containerd/containerd-debug.sock"
SOCKET_PATH_MAX_BYTES = 107
"""What an address has room for beside the 0 at its end (unix(7))."""
NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""unshare(1): all below dies with it, and the mounts and networks with the last process."""
SYSTEM_FOLDERS = ("/run/containerd", "/run/docker", "/etc/docker")
"""The user's engine's: ours would take its containerd, and leave sockets and a key there (dockerd(8))."""
ENTRY = (
    'busybox=$1; shift; for folder in $FOLDERS; do [ ! -d $folder ] || "$busybox" mount -t tmpfs tmpfs $folder '
    '|| exit; done; "$busybox" ip link set lo up && exec "$@"'
)


class EngineConnection(HTTPConnection):
    """A connection to an engine on a socket file; its answers have a deadline, which the SDK's streams have not."""

    def __init__(self, path: Path, deadline_s: float) -> None:
        super().__init__("localhost", timeout=deadline_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@contextmanager
def own_engine(journal: Journal, settings: Settings) -> Iterator[Path]:
    """Run a Docker engine for the length of the block, and give its socket; nothing of it is left then.

    Raises BackendError where it cannot be had here: without root, dockerd or the namespaces that it needs.
    """
    if os.geteuid() != 0:
        raise BackendError("a Docker engine of the run's own needs root", remedy="sudo envbench kernel")
    unshare, dockerd = (require_program(name, INSTALL) for name in ("unshare", "dockerd"))
    folder = settings.work_dir / f"engine-{settings.run_id}"
    cgroup = f"envbench-engine-{settings.run_id}"
    hierarchies = (CGROUP_ROOT, *(root for root in sorted(CGROUP_ROOT.glob("*/")) if root.is_mount()))
    cgroups = [root / cgroup for root in hierarchies]
    if len(os.fsencode(folder / LONGEST)) > SOCKET_PATH_MAX_BYTES:
        raise BackendError(f"the path of its sockets is too long: {folder / LONGEST}", remedy="TMPDIR=/tmp")
    noted = [journal.intend(Kind.FOLDER, str(folder)), *(journal.intend(Kind.CGROUP, str(path)) for path in cgroups)]
    folder.mkdir(mode=0o700)
    try:
        with own_program(
            journal,
            settings.run_id,
            _argv(unshare, dockerd, folder, cgroup),
            folder / "log",
            lambda: answers(EngineConnection(folder / SOCKET, ANSWER_DEADLINE_S), "/_ping"),
            name="a Docker engine of the run's own",
            remedy=REMEDY,
            up_deadline_s=UP_DEADLINE_S,
            end=_end,
            FOLDERS=" ".join(SYSTEM_FOLDERS),
        ):
            yield folder / SOCKET
    finally:
        for each in cgroups:
            remove_cgroup(each)
        shutil.rmtree(folder)
        for number in noted:
            journal.forget(number)


def _argv(unshare: Path, dockerd: Path, folder: Path, cgroup: str) -> list[str | Path]:
    """Return the command of an engine that keeps all that it has in this folder, and its containers in this cgroup."""
    busybox = find_busybox().path
    configuration = folder / "daemon.json"
    configuration.write_text("{}", "ascii")
    return [
        *(unshare, *NAMESPACES, busybox, "sh", "-c", ENTRY, "sh", busybox),
        *(dockerd, "--config-file", configuration, "--host", f"unix://{folder / SOCKET}", "--pidfile", folder / "pid"),
        *("--data-root", folder / "data", "--exec-root", folder / "exec"),
        *("--bridge=none", "--iptables=false", "--ip-forward=false"),
        *("--exec-opt", "native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{cgroup}"),
    ]


def _end(child: Child) -> None:
    """End the engine: its first process ends after all others of its namespace (pid_namespaces(7))."""
    for pid in children_of(child.pid) if child.status is None else ():
        end_process(pid, number=signal.SIGKILL, wait_s=DOWN_DEADLINE_S)
    child.wait(monotonic_ns() + int(DOWN_DEADLINE_S * NS_PER_S))
    child.kill()
