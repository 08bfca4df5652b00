"""Docker and containerd of a test's own: nobody else's containers are touched, and any configuration can be tried."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.surroundings.programs import require_program
from envbench.traces.procfs import children_of, process_start_ticks

# In a network namespace of its own: a daemon without a bridge deletes docker0, whoever's it is.
OWN_NETWORK = ("unshare", "--net")


class OwnDaemon:
    """dockerd over a folder and a socket of its own.

    `config` is its daemon.json, `before` what its command stands behind.
    """

    def __init__(
        self, folder: Path, config: Mapping[str, object] | None = None, before: Sequence[str] = OWN_NETWORK
    ) -> None:
        self.folder = folder
        self.socket = f"unix://{folder}/docker.sock"
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "daemon.json").write_text(json.dumps(dict(config or {})))

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(*self._before, "dockerd", "--host", self.socket, "--data-root", self.folder / "data"),
                    *("--exec-root", self.folder / "exec", "--pidfile", self.folder / "pid", "--bridge=none"),
                    *("--iptables=false", "--ip-forward=false", "--config-file", self.folder / "daemon.json"),
                ],
                stdout=log,
                stderr=log,
            )
        deadline_ns = monotonic_ns() + 60 * NS_PER_S
        while subprocess.run(["docker", "--host", self.socket, "version"], capture_output=True, check=False).returncode:
            assert monotonic_ns() < deadline_ns, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """The process that was started: dockerd itself where all of `before` replace themselves by it."""
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash does; containers' shims live on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        # Its containerd dies with it, a moment later. A new daemon must take neither for alive, be it as a zombie.
        theirs = self.folder / "exec/containerd/containerd.pid"
        while process_start_ticks(int(theirs.read_text())) is not None:
            time.sleep(0.05)
        theirs.unlink()
        (self.folder / "pid").unlink(missing_ok=True)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            # unshare(1) with --fork ignores SIGTERM while it waits for dockerd, its only child.
            forked = children_of(self.pid) if "--fork" in self._before else (self.pid,)
            for pid in forked:
                os.kill(pid, signal.SIGTERM)
            self._process.wait(60)


@contextmanager
def own_daemon(config: Mapping[str, object] | None = None, before: Sequence[str] = OWN_NETWORK) -> Iterator[OwnDaemon]:
    """Give a daemon that answers; nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="own-docker-"))
    made = OwnDaemon(folder, config, before)
    try:
        made.start()
        yield made
    finally:
        made.close()
        _remove(folder)


@contextmanager
def own_containerd(environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Give the socket of a containerd that answers, started with this environment; nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="own-containerd-"))
    socket = folder / "socket"
    words = ("--config", "/dev/null", "--address", socket, "--root", folder / "root", "--state", folder / "state")
    with (folder / "log").open("wb") as log:
        argv = [str(word) for word in (require_program("containerd", ""), *words)]
        process = subprocess.Popen(argv, env=environment, stderr=log)
    try:
        deadline_ns = monotonic_ns() + 30 * NS_PER_S
        while not socket.exists():
            assert monotonic_ns() < deadline_ns, (folder / "log").read_text()[-2000:]
            time.sleep(0.05)
        yield str(socket)
    finally:
        process.terminate()
        process.wait(60)
        _remove(folder)


def _remove(folder: Path) -> None:
    # A daemon that was killed leaves the shims of its containers; their command lines name its folder.
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if bytes(folder) in path.read_bytes():
                os.kill(int(path.parent.name), signal.SIGKILL)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line]
    for point in reversed(mounts):
        subprocess.run(["umount", "--lazy", point], check=False)
    shutil.rmtree(folder, ignore_errors=True)
