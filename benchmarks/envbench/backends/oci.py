"""OCI runtimes without an engine above them: a bundle made by us, then the runtime's own create, start and delete.

runc, crun and gVisor's runsc share the operations of the OCI runtime specification (runtime.md). One folder a start
holds the bundle's config.json; the root is the run's tree, read-only, because nothing writes to it.
"""

import contextlib
import json
import os
import select
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from envbench.backend import Backend, Mark, MarkCallback, Unusable, Usable, Workload, unusable
from envbench.backends.shared.bundle import bundle_config
from envbench.backends.shared.child import environment, output_pipe, run_command
from envbench.backends.shared.piped import PipedInstance
from envbench.backends.shared.try_start import try_start
from envbench.errors import BackendError, CommandError, StartTimeoutError
from envbench.payload.tree import tree_of_run
from envbench.payload.words import argv_for
from envbench.records.phases import BackendKind
from envbench.settings import LIMIT_KEYS, Settings, networkless_variants
from envbench.surroundings.clock import NS_PER_MS, monotonic_ns
from envbench.surroundings.programs import require_program
from envbench.traces.journal import Entry, Journal, Kind
from envbench.traces.procfs import cgroup_of, descendants_of, process_start_ticks, shim_of
from envbench.traces.removal import remove_cgroups

CHECK_DEADLINE_S = 20.0


class OciInstance(PipedInstance):
    """One container of a bare runtime."""

    def __init__(self, backend: "OciBackend", name: str, bundle: Path, output: int, numbers: Sequence[int]) -> None:
        super().__init__(name, output)
        self._backend = backend
        self._bundle = bundle
        self._numbers = tuple(numbers)
        self.pid: int | None = None

    def processes(self) -> tuple[int, ...]:
        """Return process 1 of the container, what stems from it, and the helpers that carry only this container."""
        if self.pid is None or process_start_ticks(self.pid) is None:
            return ()
        return tuple(dict.fromkeys((*self._backend.helpers(self.pid), self.pid, *descendants_of(self.pid))))

    def cgroup(self) -> Path | None:
        """Return the container's cgroup, None where the runtime was told to leave cgroups alone."""
        return None if self.pid is None else cgroup_of(self.pid)

    def console_tail(self) -> str:
        """Return what the runtime says of it."""
        with contextlib.suppress(BackendError):
            return self._backend.state(self.name)
        return ""

    def stop(self, deadline_ns: int) -> None:
        """Have the runtime send SIGTERM and wait until process 1 has ended."""
        self._backend.run("kill", self.name, "TERM")
        if self.pid is not None and not _has_ended(self.pid, deadline_ns):
            raise BackendError(f"{self.name} has not ended after SIGTERM")

    def remove(self, deadline_ns: int) -> None:
        """Have the runtime delete it, and remove the bundle."""
        self._backend.run("delete", self.name)
        self._forget()
        self.close_output()

    def destroy(self) -> None:
        """Delete it by force; what the runtime cannot delete stays in the journal."""
        if self.is_closed:
            return
        with contextlib.suppress(BackendError):
            self._backend.delete_by_force(self.name)
            self._forget()
        self.close_output()

    def _forget(self) -> None:
        shutil.rmtree(self._bundle, ignore_errors=True)
        for number in self._numbers:
            self._backend.journal.forget(number)


class OciBackend(Backend):
    """What runc, crun and runsc share; a subclass names the program and its own options."""

    kind: ClassVar[BackendKind] = BackendKind.CONTAINER
    writes_own_walls: ClassVar[bool] = True
    variant_keys: ClassVar[frozenset[str]] = LIMIT_KEYS

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.settings = settings
        self.journal = journal
        self._tree = settings.work_dir / "tree"
        self._root = settings.work_dir / f"{self.name}-state"
        # Its own: closing removes it with all that runs in it, and other runtimes may be asked at the same time.
        self._cgroup = f"envbench-{settings.run_id}-{self.name}"
        self._cgroup_number = 0

    def global_options(self) -> tuple[str, ...]:
        """Return options that stand before the command: where the state lies, and what this runtime needs here."""
        return ("--root", str(self._root))

    def cgroups_path(self, name: str) -> str:
        """Return the cgroupsPath of a container, "" where the runtime has to leave cgroups alone."""
        return f"/{self._cgroup}/{name}" if os.geteuid() == 0 else ""

    def helpers(self, pid: int) -> tuple[int, ...]:
        """Return host processes besides the payload's that exist only for its container."""
        return ()

    def check(self) -> Usable | Unusable:
        """Find out by doing: create, start and delete a container whose payload gets ready."""
        if self.settings.images:
            return Unusable("a bare OCI runtime has no images", "leave --image out, or leave this backend out")
        try:
            version = self.run("--version")
            self.prepare({})
            try_start(self.start, {}, CHECK_DEADLINE_S)
        except BackendError as error:
            return self.unsupported(error)
        return Usable({self.program: version.splitlines()[0].strip(), **self.facts()})

    def facts(self) -> Mapping[str, str]:
        """Return what else run.json should say of this runtime."""
        return {"path": str(self.program_path), "rootless": "no" if os.geteuid() == 0 else "yes"}

    def unsupported(self, error: BackendError) -> Unusable:
        """Return why this runtime cannot run here, with what may help."""
        return unusable(error, "run as root, or update the runtime")

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return the one way there is, with the limits asked for; a bare runtime knows no network but none."""
        return networkless_variants(self.settings)

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Build the run's tree and the folder of the runtime's state."""
        self._tree = tree_of_run(self.settings).path
        if not self._cgroup_number and self.cgroups_path(""):
            self._cgroup_number = self.journal.intend(Kind.CGROUP, self._cgroup, self.name)
        self._root.mkdir(mode=0o700, exist_ok=True)

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> OciInstance:
        """Write the bundle, then create and start; the payload's output is a pipe from the beginning."""
        name = self.settings.next_name(self.name)
        bundle = self.settings.work_dir / name
        config = bundle_config(self._tree, argv_for(workload), workload, self.settings, self.cgroups_path(name))
        numbers = [
            self.journal.intend(Kind.CONTAINER, name, self.name, options=json.dumps(self.global_options())),
            self.journal.intend(Kind.FOLDER, str(bundle)),
        ]
        bundle.mkdir(mode=0o700)
        (bundle / "config.json").write_text(json.dumps(config))
        reader, writer = output_pipe()
        instance = OciInstance(self, name, bundle, reader, numbers)
        try:
            mark(Mark.REQUESTED)
            try:
                self._create(name, bundle, writer, workload.deadline_s or self.settings.deadline_s)
            finally:
                os.close(writer)
            mark(Mark.CREATED)
            instance.pid = self._read_pid(bundle)
            self.run("start", name)
            mark(Mark.STARTED)
        except BaseException:
            instance.destroy()
            raise
        return instance

    def close(self) -> None:
        """Remove the runtime's state folder and the cgroup that held the containers'."""
        shutil.rmtree(self._root, ignore_errors=True)
        if self._cgroup_number:
            remove_cgroups(self._cgroup)
            self.journal.forget(self._cgroup_number)
            self._cgroup_number = 0

    def run(self, *words: str) -> str:
        """Run one command of the runtime to its end. Raises BackendError with its last words.

        Also asked for its version it is told where its state lies, and nothing of the user's: crun makes a folder for
        it else, in XDG_RUNTIME_DIR or /run.
        """
        argv: tuple[str | Path, ...] = (self.program_path, *self.global_options(), *words)
        return run_command(argv, self.settings.run_id, f"{self.name} {words[0]}", theirs={})

    def delete_by_force(self, name: str) -> None:
        """Kill and delete a container that may never have come to be. Raises BackendError where it is still there."""
        try:
            self.run("delete", "--force", name)
        except BackendError:
            if _has_state(self._root, name):
                raise

    def state(self, name: str) -> str:
        """Return the state that the runtime reports, e.g. "stopped". Raises BackendError."""
        return str(json.loads(self.run("state", name)).get("status", ""))

    def remaining(self) -> tuple[str, ...]:
        """Return the containers that the runtime still lists in this run's state folder."""
        if not self._root.exists():
            return ()
        return tuple(self.run("list", "--quiet").split())

    @classmethod
    def reap(cls, entry: Entry, run_id: str) -> bool:
        """Delete a journalled container with the runtime that made it, or the run's cgroup. Raises BackendError."""
        if entry.kind is Kind.CGROUP:
            return remove_cgroups(entry.name)
        options = json.loads(entry.facts["options"])
        root = Path(options[options.index("--root") + 1])
        if not _has_state(root, entry.name):
            return False
        run_command(
            (require_program(cls.program, cls.install), *options, "delete", "--force", entry.name),
            run_id,
            f"deleting {entry.name}",
            theirs={},
        )
        return True

    def _create(self, name: str, bundle: Path, output: int, deadline_s: float) -> None:
        log, pid_file = str(bundle / "log"), str(bundle / "pid")
        argv = (
            *(str(self.program_path), *self.global_options(), "--log", log, "create"),
            *("--bundle", str(bundle), "--pid-file", pid_file, name),
        )
        try:
            done = subprocess.run(
                argv,
                env=environment(self.settings.run_id),
                # A pipe that nothing is written to, not /dev/null: runsc, and some releases of runc, give what the
                # container reads from and writes to away to its user, and that would be the machine's own device
                # (https://github.com/opencontainers/runc/issues/3674).
                input=b"",
                stdout=output,
                stderr=output,
                timeout=deadline_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise StartTimeoutError(f"{self.name} create did not end within {deadline_s:g} s") from error
        if done.returncode != 0:
            said = _log_tail(bundle / "log")
            raise CommandError(f"{self.name} create", exit_status=done.returncode, said=said)

    def _read_pid(self, bundle: Path) -> int | None:
        try:
            return int((bundle / "pid").read_text("ascii"))
        except (OSError, ValueError):
            return None


class RuncBackend(OciBackend):
    """runc, the runtime under Docker, containerd and others."""

    name: ClassVar[str] = "runc"
    title: ClassVar[str] = "runc"
    program: ClassVar[str] = "runc"
    install: ClassVar[str] = "apt install runc"

    def global_options(self) -> tuple[str, ...]:
        """Return where the state lies; without root runc is told so, to leave cgroups alone."""
        rootless = () if os.geteuid() == 0 else ("--rootless", "true")
        return (*super().global_options(), *rootless)


class CrunBackend(OciBackend):
    """crun, the runtime under Podman."""

    name: ClassVar[str] = "crun"
    title: ClassVar[str] = "crun"
    program: ClassVar[str] = "crun"
    install: ClassVar[str] = "apt install crun"

    def unsupported(self, error: BackendError) -> Unusable:
        """Return why crun cannot run here."""
        if isinstance(error, CommandError) and "hybrid" in error.said:  # crun's own word for cgroup v1 beside v2
            return unusable(error, "boot with cgroup v2 alone: systemd.unified_cgroup_hierarchy=1 on the kernel's line")
        return super().unsupported(error)


class GvisorBackend(OciBackend):
    """gVisor's runsc: a kernel in user space between the payload and the host's kernel."""

    name: ClassVar[str] = "gvisor"
    title: ClassVar[str] = "gVisor"
    kind: ClassVar[BackendKind] = BackendKind.SANDBOX
    program: ClassVar[str] = "runsc"
    install: ClassVar[str] = "apt install runsc"
    platforms: ClassVar[tuple[str, ...]] = ("systrap", "ptrace")
    """How system calls are caught, newest way first; releases before 2023 know only the second."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        super().__init__(settings, journal)
        self._platform = self.platforms[0]

    def check(self) -> Usable | Unusable:
        """Find out by doing, with the newest way to catch system calls that this release knows."""
        answer = super().check()
        for name in self.platforms[1:]:
            if isinstance(answer, Unusable):
                self._platform = name
                answer = super().check()
        return answer

    def global_options(self) -> tuple[str, ...]:
        """Return the options of the user-space kernel: no network, and no cgroups of its own making."""
        rootless = () if os.geteuid() == 0 else ("--rootless",)
        return (
            *super().global_options(),
            "--network=none",
            "--ignore-cgroups",
            f"--platform={self._platform}",
            *rootless,
        )

    def cgroups_path(self, name: str) -> str:
        """Return nothing: runsc is told to leave cgroups alone."""
        return ""

    def facts(self) -> Mapping[str, str]:
        """Return how system calls are caught."""
        return {**super().facts(), "platform": self._platform}

    def helpers(self, pid: int) -> tuple[int, ...]:
        """Return the sandbox's file server, which runsc starts beside it."""
        return shim_of(pid, self.settings.run_id)


def _has_ended(pid: int, deadline_ns: int) -> bool:
    """Wait until a process that is not our child has ended or the moment has come; return whether it has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(max(0, (deadline_ns - monotonic_ns()) // NS_PER_MS)))
    finally:
        os.close(descriptor)


def _has_state(root: Path, name: str) -> bool:
    """Return whether a runtime keeps anything of this container: a folder (runc, crun) or files (runsc) of its name."""
    return any(root.glob(f"*{name}*"))


def _log_tail(path: Path) -> str:
    try:
        lines = path.read_text("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "it wrote no log"
    return " | ".join(lines[-3:])[-400:]
