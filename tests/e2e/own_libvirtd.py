"""libvirtd of a test's own: the machine's is never touched."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

STATE, LIBRARY, LOGS = "/run/libvirt", "/var/lib/libvirt", "/var/log/libvirt"


class OwnLibvirtd:
    """libvirtd and virtlogd in a mount namespace where their folders are new, and empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        mounts = "".join(f"mount -t tmpfs -o mode=755 none {place} && " for place in (STATE, LIBRARY, LOGS))
        words = ["unshare", "--mount", "sh", "-c", f"{mounts} echo made && exec sleep 600"]
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        self.usable = self._holder.stdout.readline() == "made\n"
        self.env = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}

    def command(self, *words: object) -> list[str]:
        """Return the words of a command that runs where this daemon is the system's."""
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--", *map(str, words)]

    def run(self, *words: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, check=False, timeout=200, env=self.env
        )

    def start(self, *names: str, before: Sequence[str] = ()) -> None:
        """Start daemons; `before` is what their command stands behind."""
        for name in names:
            done = self.run(*before, name, "--daemon", "--pid-file", self.folder / f"{name}.pid")
            assert done.returncode == 0, done.stderr

    def kill(self, name: str = "libvirtd") -> None:
        pid_file = self.folder / f"{name}.pid"
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGKILL)
        pid_file.unlink()
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.02)

    def domains(self) -> list[str]:
        return self.run("virsh", "--quiet", "--connect", "qemu:///system", "list", "--all", "--name").stdout.split()

    def files_of(self, run_id: str) -> list[str]:
        """Return the daemon's own files about a run; folders' names are cut, so by the most that is never cut off."""
        return self.run("find", STATE, LIBRARY, LOGS, "-name", f"*{run_id[:10]}*").stdout.split()

    def close(self) -> None:
        for name in ("libvirtd", "virtlogd"):
            if (self.folder / f"{name}.pid").exists():
                self.kill(name)
        self._holder.kill()
        self._holder.communicate()
