"""The workshop of the matrix: root trees, the staged inspector, processes with deadlines, what rows share."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import envinspect
from environments.case import CannotStartError

HERE = Path(__file__).parent
INSIDE = "/opt/envinspect"
T = TypeVar("T")


def cache_dir() -> Path:
    """Where provision.sh keeps trees and kernels (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "envinspect-e2e"


class Lab:
    """One session's workshop. All that it makes lies under one scratch folder, removed at the end."""

    def __init__(self) -> None:
        self.cache = cache_dir()
        self.tree = self.cache / "tree"
        self.apptainer_tree = self.cache / "apptainer"
        # Names that images, containers and control groups may have too: they end with a letter or a digit.
        self.tag = f"envinspect-e2e-{secrets.token_hex(4)}"
        self.scratch = Path(tempfile.gettempdir(), self.tag)
        self.scratch.mkdir()
        self.scratch.chmod(0o755)
        self._closing = contextlib.ExitStack()
        self._shared: dict[str, object] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self.stage = self._stage(self.scratch / "stage", native=True)

    def close(self) -> None:
        """Undo everything that was set up, newest first."""
        self._closing.close()
        # Runtimes leave empty control groups behind.
        self.quietly(
            "find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", f"*{self.tag}*", "-exec", "rmdir", "{}", ";"
        )
        shutil.rmtree(self.scratch, ignore_errors=True)

    def on_close(self, undo: Callable[[], object]) -> None:
        self._closing.callback(undo)

    def shared(self, name: str, make: Callable[[], T]) -> T:
        """Make something once a session; whoever asks for it meanwhile waits."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._shared:
                try:
                    self._shared[name] = make()
                except Exception as error:
                    self._shared[name] = error
                    raise
            made = self._shared[name]
        if isinstance(made, Exception):
            raise CannotStartError(f"{name}: {made}")
        return made  # type: ignore[return-value]

    def folder(self, name: str) -> Path:
        """Return a new folder of this session."""
        made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.scratch))
        made.chmod(0o755)
        return made

    # --- the question ---------------------------------------------------------------------------------------------

    def _stage(self, folder: Path, *, native: bool) -> Path:
        """Put the inspector and the question together: the folder that environments see as /opt/envinspect."""
        library = folder / "lib"
        library.mkdir(parents=True)
        skip = shutil.ignore_patterns("__pycache__", "tests")
        shutil.copytree(Path(envinspect.__file__).parent, library / "envinspect", ignore=skip)
        site = Path(sysconfig.get_path("purelib"))
        for package in ("click", *(("psutil",) if native else ())):
            shutil.copytree(site / package, library / package, ignore=skip)
        for file in (*HERE.glob("*.sh"), HERE / "runc.json"):
            shutil.copy(file, folder)
            (folder / file.name).chmod(0o755)
        return folder

    @property
    def ask_here(self) -> list[str]:
        """The question, asked with the host's files and this Python."""
        return [str(self.stage / "ask.sh"), "-c", "-u", sys.executable]

    @property
    def ask_inside(self) -> list[str]:
        """The question, asked in a root tree."""
        return [f"{INSIDE}/ask.sh", "-c", "-u"]

    @property
    def root(self) -> Path:
        """A Debian root tree with the question in it; shared by all who do not write to it."""
        return self.shared("root", self._root)

    def _root(self) -> Path:
        root = self._copy(self.tree, "root")
        shutil.copytree(self.stage, root / INSIDE.lstrip("/"))
        # Under emulation, compiling takes longer than asking.
        self.run(["chroot", root, "python3", "-m", "compileall", "-q", INSIDE])
        return root

    def _copy(self, tree: Path, name: str) -> Path:
        """Copy a tree of the cache, so that no session sees another's, and every user can reach it."""
        if not tree.is_dir():
            raise CannotStartError(f"no {tree.name} tree in {self.cache}; try: tests/e2e/provision.sh")
        self.run(["cp", "-a", "--reflink=auto", tree, self.scratch / name], timeout_s=120)
        return self.scratch / name

    def foreign_root(self, architecture: str) -> Path:
        """As `root`, for another architecture."""
        return self.shared(f"{architecture}-root", lambda: self._foreign_root(architecture))

    def _foreign_root(self, architecture: str) -> Path:
        root = self._copy(self.cache / architecture, architecture)
        self._stage(root / INSIDE.lstrip("/"), native=False)
        return root

    # --- processes ------------------------------------------------------------------------------------------------

    def run(
        self,
        command: Sequence[str | Path],
        *,
        timeout_s: float = 60,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        check: bool = True,
        stdin: bytes | None = None,
    ) -> str:
        """Run a command to its end and return its stdout; its whole session is killed at the deadline.

        Raises CannotStartError at the deadline and, with `check`, where it fails.
        """
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **env} if env is not None else None,
            cwd=cwd,
            start_new_session=True,
        )
        try:
            out, errors = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            out, errors = process.communicate()
            tail = (out + errors).decode(errors="replace")[-1500:]
            raise CannotStartError(f"{command[0]}: no end within {timeout_s} s:\n{tail}") from None
        if check and process.returncode != 0:
            tail = (out[-1500:] + errors[-1500:]).decode(errors="replace")
            raise CannotStartError(f"{' '.join(map(str, command[:6]))}: exit {process.returncode}:\n{tail}")
        return out.decode(errors="replace")

    def run_v1(self, command: Sequence[str | Path], *, timeout_s: float = 60) -> str:
        """Run where /sys/fs/cgroup is plain v1: crun refuses a hybrid hierarchy with controllers on both sides."""
        if Path("/sys/fs/cgroup/unified").is_mount():
            script = 'mount -t tmpfs none /sys/fs/cgroup/unified && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", script, "sh", *command]
        return self.run(command, timeout_s=timeout_s)

    def daemon(
        self, command: Sequence[str | Path], *, ready: Callable[[], bool], log: Path, timeout_s: float = 30
    ) -> Callable[[], None]:
        """Start a daemon and wait until it is ready; return what stops it and undoes the mounts beside its log."""
        with log.open("wb") as out:
            process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out, start_new_session=True)

        def stop() -> None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            left = f"awk '$2 ~ \"^{log.parent}/\" {{print $2}}' /proc/mounts | sort -r | xargs -r umount -l"
            self.quietly("sh", "-c", left)

        for _ in range(int(timeout_s * 10)):
            if process.poll() is not None:
                break
            if ready():
                return stop
            time.sleep(0.1)
        stop()
        raise CannotStartError(f"{command[0]} did not get ready: {log.read_text(errors='replace')[-1500:]}")

    def succeeds(self, *command: str | Path) -> bool:
        try:
            self.run(command)
        except CannotStartError:
            return False
        return True

    def quietly(self, *command: str | Path) -> None:
        """Run a clean-up command; it may fail, for there may be nothing left to clean."""
        with contextlib.suppress(CannotStartError, OSError):
            self.run(command, check=False)

    @contextlib.contextmanager
    def mounted(self, *arguments: str | Path) -> Iterator[Path]:
        """Mount for the time of the block; the last argument is the mount point."""
        target = Path(arguments[-1])
        target.mkdir(parents=True, exist_ok=True)
        self.run(["mount", *arguments])
        try:
            yield target
        finally:
            self.quietly("umount", "--recursive", "--lazy", target)
