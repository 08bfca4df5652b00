"""containerd by its own client, ctr: what stands between Docker and the OCI runtime, without Docker.

All of a run lives in a containerd namespace of its own, named after the run's id, so that it never sees what others
made.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from envbench.backend import CPU_PERIOD_US, Backend, Instance, Mark, MarkCallback, Unusable, Usable, Workload, unusable
from envbench.backends.containerd.events import StartEvents
from envbench.backends.containerd.folders import RUNC_FOLDER, remove_fifos, shim_sockets, task_folders
from envbench.backends.containerd.shims import end_shims, shims
from envbench.backends.shared.child import Child, environment, output_pipe, run_command
from envbench.backends.shared.images import oci_archive, payload_tar
from envbench.backends.shared.piped import PipedInstance
from envbench.backends.shared.sockets import socket_problem
from envbench.backends.shared.try_start import TRIAL_DEADLINE_S, try_start
from envbench.errors import BackendError, EnvbenchError
from envbench.errors.causes import Cause, remedy_for
from envbench.payload.tree import tree_of_run
from envbench.payload.words import argv_for
from envbench.records.phases import BackendKind, ImageUse
from envbench.settings import LABEL, LIMIT_KEYS, RUN_ENVIRONMENT, Settings, networkless_variants
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.surroundings.programs import require_program
from envbench.traces.daemons import daemon_of
from envbench.traces.journal import Entry, Journal, Kind
from envbench.traces.procfs import cgroup_of, descendants_of, instance_process, shim_of
from envbench.traces.removal import remove_cgroups, remove_folder

SOCKETS = (
    Path("/run/containerd/containerd.sock"),
    Path("/run/docker/containerd/containerd.sock"),
    Path("/run/k3s/containerd/containerd.sock"),
)
"""A containerd of its own, then those that Docker and k3s run for themselves."""

CHECK_DEADLINE_S = 10.0


def find_socket() -> Path:
    """Return CONTAINERD_ADDRESS, else the first known socket behind which a containerd answers, else the usual one."""
    named = os.environ.get("CONTAINERD_ADDRESS")
    if named:
        return Path(named.removeprefix("unix://"))
    return next((path for path in SOCKETS if _listens(path)), SOCKETS[0])


def _listens(path: Path) -> bool:
    """Return whether somebody listens: a socket's file outlives its daemon."""
    import socket

    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        return client.connect_ex(str(path)) == 0


class ContainerdInstance(PipedInstance):
    """One container, its task held by a `ctr task start` of ours, whose output is the payload's."""

    def __init__(
        self, backend: "ContainerdBackend", name: str, nonce: str, child: Child, output: int, number: int
    ) -> None:
        super().__init__(name, output)
        self._backend = backend
        self._nonce = nonce
        self._child = child
        self._number = number
        self._pid_file = backend.pid_file(name)

    def processes(self) -> tuple[int, ...]:
        """Return process 1 of the container, what stems from it, its shim, and the ctr that holds its output."""
        pid = self._payload_pid()
        holder = () if self._child.status is not None else (self._child.pid,)
        return holder if pid is None else (*holder, pid, *descendants_of(pid), *shim_of(pid, self.name))

    def cgroup(self) -> Path | None:
        """Return the container's cgroup."""
        pid = self._payload_pid()
        return None if pid is None else cgroup_of(pid)

    def console_tail(self) -> str:
        """Return how ctr ended, if it did."""
        return f"ctr ended with {self._child.status}" if self._child.wait(monotonic_ns()) else ""

    def stop(self, deadline_ns: int) -> None:
        """Have containerd send SIGTERM and wait until ctr has seen the end."""
        self._backend.ctr("task", "kill", "--signal", "SIGTERM", self.name)
        if not self._child.wait(deadline_ns):
            raise BackendError(f"{self.name} has not ended after SIGTERM")

    def remove(self, deadline_ns: int) -> None:
        """Remove the container and its snapshot; ctr removed the task when it ended."""
        self._backend.ctr("container", "rm", self.name)
        self._forget()
        self.close_output()

    def destroy(self) -> None:
        """Kill and remove it by force; what containerd cannot remove stays in the journal."""
        if self.is_closed:
            return
        self._child.kill()
        with contextlib.suppress(BackendError):
            self._backend.remove_by_force(self.name)
            self._forget()
        self.close_output()

    def _payload_pid(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            pid = int(self._pid_file.read_text("ascii"))
            return instance_process(pid, self._backend.settings.run_id, self._nonce)
        return None

    def _forget(self) -> None:
        self._backend.journal.forget(self._number)
        self._pid_file.unlink(missing_ok=True)


class ContainerdBackend(Backend):
    """containerd with its default runtime, io.containerd.runc.v2."""

    name: ClassVar[str] = "containerd"
    title: ClassVar[str] = "containerd"
    kind: ClassVar[BackendKind] = BackendKind.CONTAINER
    images: ClassVar[ImageUse] = ImageUse.PAYLOAD
    program: ClassVar[str] = "ctr"
    install: ClassVar[str] = "apt install containerd"
    variant_keys: ClassVar[frozenset[str]] = LIMIT_KEYS
    leftover_folders: ClassVar[tuple[Path, ...]] = (RUNC_FOLDER,)

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.settings = settings
        self.journal = journal
        self._folders: dict[Path, int] = {}
        self._socket = find_socket()
        self._namespace = namespace_of(settings.run_id)
        self._image: str | None = None
        self._image_number = 0
        self._packed_bytes = 0
        self._events: StartEvents | None = None

    def check(self) -> Usable | Unusable:
        """Find out by doing: a containerd answers, and a container of its runtime gets ready."""
        if self.settings.images:
            return Unusable(
                "images of other engines are not in containerd's namespace of this run", "leave --image out"
            )
        try:
            path = str(self.program_path)
        except BackendError as error:
            return unusable(error, self.install)
        problem = socket_problem(self._socket, self._row)
        if problem is not None:
            return problem
        try:
            version = self.ctr("version", deadline_s=CHECK_DEADLINE_S)
        except BackendError as error:
            return self._unusable(error, self._row)
        try:
            self.prepare({})
            try_start(self.start, {}, TRIAL_DEADLINE_S, look=self._note_folders)
        except BackendError as error:
            return self._unusable(error, "containerd runtime")
        numbers = [line.split()[-1] for line in version.splitlines() if line.strip().startswith("Version:")]
        return Usable({"path": path, "socket": str(self._socket), "ctr": numbers[0], "containerd": numbers[-1]})

    def _unusable(self, error: BackendError, row: str) -> Unusable:
        cause = error.cause if remedy_for(error.cause, row) else Cause.BROKEN
        return unusable(error, remedy_for(cause, row, socket=self._socket), cause)

    @property
    def _row(self) -> str:
        """Its place in the table of remedies: an address of the user's is not mended by starting the usual one."""
        return "containerd elsewhere" if os.environ.get("CONTAINERD_ADDRESS") else "containerd"

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return the one way there is, with the limits asked for; ctr by itself makes no network."""
        return networkless_variants(self.settings)

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Import the tree as an OCI image into the run's own namespace, once."""
        if self._image is not None:
            return
        tree = tree_of_run(self.settings)
        image = f"envbench.invalid/payload-{tree.digest[:12]}:{self.settings.run_id}"
        archive = self.settings.work_dir / "payload.oci.tar"
        packed = oci_archive(payload_tar(tree.path), image, {LABEL: self.settings.run_id})
        self._note(RUNC_FOLDER / self._namespace)
        archive.write_bytes(packed)
        self._image_number = self.journal.intend(Kind.IMAGE, image, self.name, **self.journal_facts())
        self.ctr("image", "import", str(archive))
        archive.unlink()
        self._events = StartEvents(self._command(), self._namespace, self.settings.run_id)
        self._image, self._packed_bytes = image, len(packed)

    def stored_bytes(self, variant: Mapping[str, str]) -> int:
        """Return what the image takes on the disk: the archive's layers, which containerd keeps, and the unpacked ones.

        Raises BackendError where containerd does not say.
        """
        rows = self.ctr("snapshot", "usage", "-b").splitlines()[1:]
        # The run's own namespace holds the image's layers, and what its containers have written.
        return self._packed_bytes + sum(int(row.split()[1]) for row in rows)

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> ContainerdInstance:
        """Create the container, then start its task; that command lives as long as the payload."""
        name = self.settings.next_name(self.name)
        if self._image is None or self._events is None:
            raise BackendError("containerd: no image has been prepared")
        # The first "--" is ctr's own: its parser would otherwise eat the one that stands in the payload's words.
        words = ("--", self._image, name, *argv_for(workload))
        create = ("container", "create", *_limits(workload), *self._marks(), *words)
        number = self.journal.intend(Kind.CONTAINER, name, self.name, **self.journal_facts())
        task = (*self._command(), "task", "start", "--pid-file", str(self.pid_file(name)), name)
        reader, writer = output_pipe()
        self._events.expect(name, mark)
        try:
            mark(Mark.REQUESTED)
            self.ctr(*create)
            mark(Mark.CREATED)
            child = Child(task, environment(self.settings.run_id), writer)
        except BaseException:
            os.close(reader)
            with contextlib.suppress(BackendError):
                self.remove_by_force(name)
                self.journal.forget(number)
            raise
        finally:
            os.close(writer)
        return ContainerdInstance(self, name, workload.nonce, child, reader, number)

    def engine_processes(self) -> tuple[int, ...] | None:
        """Return containerd, None where it cannot be told."""
        daemon = daemon_of(self._socket)
        return None if daemon is None else (daemon,)

    def pid_file(self, name: str) -> Path:
        """Return where the host's process id of a container is written."""
        return self.settings.work_dir / f"{name}.pid"

    def journal_facts(self) -> dict[str, str]:
        """Return the daemon's socket and the run's namespace."""
        return {"socket": str(self._socket), "namespace": self._namespace}

    @classmethod
    def reap(cls, entry: Entry, run_id: str) -> bool:
        """Remove a journalled container, or the run's namespace with its image. Raises BackendError."""
        namespace = entry.facts["namespace"]
        if run_id not in namespace:
            raise BackendError(f"{entry.name} is not in a namespace of run {run_id}; left alone")
        ctr = str(require_program(cls.program, cls.install))
        command = (ctr, "--address", entry.facts["socket"], "--namespace", namespace)
        if entry.kind is Kind.IMAGE:
            return remove_namespace(command, namespace, run_id)
        return remove_container(command, namespace, entry.name, run_id)

    def remaining(self) -> tuple[str, ...]:
        """Return what containerd still has in the run's namespace, and shims that it no longer knows of."""
        left = tuple(f"shim {pid}" for pid in shims(self._namespace))
        namespaces = self.ctr("namespace", "ls", "--quiet").split()
        return (*left, *self.ctr("container", "ls", "--quiet").split()) if self._namespace in namespaces else left

    @classmethod
    def leftover_processes(cls, run_id: str) -> tuple[int, ...]:
        """Return the shims of the run's namespace."""
        return shims(namespace_of(run_id))

    def close(self) -> None:
        """Remove the image, the namespace, and the cgroup and the folders that held the containers'."""
        if self._events is not None:
            self._events.close()
            self._events = None
        if self._image_number:
            with contextlib.suppress(BackendError):
                remove_namespace(self._command(), self._namespace, self.settings.run_id)
                self.journal.forget(self._image_number)
                self._remove_folders()
            self._image_number, self._image = 0, None

    def _note_folders(self, _instance: Instance) -> None:
        for pid in shims(self._namespace):
            for folder in task_folders(pid, self._namespace):
                self._note(folder)

    def _note(self, folder: Path) -> None:
        """Journal a folder of the run's namespace: containerd and runc make it, and leave it when it is empty."""
        if folder not in self._folders:
            self._folders[folder] = self.journal.intend(Kind.FOLDER, str(folder))

    def _remove_folders(self) -> None:
        for folder, number in self._folders.items():
            with contextlib.suppress(OSError, EnvbenchError):
                remove_folder(folder)
                self.journal.forget(number)
        self._folders.clear()

    def ctr(self, *words: str, deadline_s: float = 60.0) -> str:
        """Run one ctr command in the run's namespace. Raises BackendError with its last words."""
        what = f"containerd {' '.join(words[:2])}"
        return run_command((*self._command(), *words), self.settings.run_id, what, deadline_s)

    def remove_by_force(self, name: str) -> None:
        """Kill and remove a container that may be gone already. Raises BackendError where it is still there."""
        remove_container(self._command(), self._namespace, name, self.settings.run_id)

    def _command(self) -> tuple[str, ...]:
        return (str(self.program_path), "--address", str(self._socket), "--namespace", self._namespace)

    def _marks(self) -> tuple[str, ...]:
        run_id = self.settings.run_id
        return ("--label", f"{LABEL}={run_id}", "--env", f"{RUN_ENVIRONMENT}={run_id}")


def _limits(workload: Workload) -> tuple[str, ...]:
    memory = () if workload.memory_bytes is None else ("--memory-limit", str(workload.memory_bytes))
    quota_us = workload.cpu_quota_us
    cpus = () if quota_us is None else ("--cpu-quota", str(quota_us), "--cpu-period", str(CPU_PERIOD_US))
    return (*memory, *cpus, *(("--read-only",) if workload.read_only else ()))


def namespace_of(run_id: str) -> str:
    """Return the containerd namespace that holds all of a run."""
    return f"envbench-{run_id}"


def remove_container(command: tuple[str, ...], namespace: str, name: str, run_id: str) -> bool:
    """Kill and remove a container with its task and shim; return whether there was any of it.

    Raises BackendError where something stays.
    """
    listed = run_command((*command, "container", "ls", "--quiet"), run_id, "containerd container ls").split()
    if name in listed:
        with contextlib.suppress(BackendError):  # There may be no task, or one that has ended.
            run_command((*command, "task", "rm", "--force", name), run_id, "containerd task rm")
        run_command((*command, "container", "rm", name), run_id, "containerd container rm")
    remove_fifos(name)
    had_shim = end_shims(namespace, name)
    for path in shim_sockets(command[2], namespace, name):
        path.unlink(missing_ok=True)
    return had_shim or name in listed


def remove_namespace(command: tuple[str, ...], namespace: str, run_id: str) -> bool:
    """Remove the run's containerd namespace with all in it, shims too; return whether there was any of it.

    Raises BackendError where something stays.
    """
    had_shims = end_shims(namespace)
    if (
        namespace
        not in run_command((*command, "namespace", "ls", "--quiet"), run_id, "containerd namespace ls").split()
    ):
        return had_shims
    # A request that was broken off may have been fulfilled after its container was looked for.
    for name in run_command((*command, "container", "ls", "--quiet"), run_id, "containerd container ls").split():
        remove_container(command, namespace, name, run_id)
    images = run_command((*command, "image", "ls", "--quiet"), run_id, "containerd image ls").split()
    if images:
        run_command((*command, "image", "rm", "--sync", *images), run_id, "containerd image rm")
    _remove_leases_and_content(command, run_id)
    run_command((*command, "namespace", "rm", namespace), run_id, "containerd namespace rm")
    with contextlib.suppress(OSError):
        remove_cgroups(namespace)
    return True


def _remove_leases_and_content(command: tuple[str, ...], run_id: str) -> None:
    """Wait for containerd's collector: a namespace can only be removed once it is empty (a second at most)."""
    deadline_ns = monotonic_ns() + 10 * NS_PER_S
    while monotonic_ns() < deadline_ns:
        # An import that was broken off leaves its lease, which holds what it had unpacked for a day.
        leases = run_command((*command, "leases", "ls", "--quiet"), run_id, "containerd leases ls").split()
        if leases:
            with contextlib.suppress(BackendError):
                run_command((*command, "leases", "rm", "--sync", *leases), run_id, "containerd leases rm")
        content = run_command((*command, "content", "ls", "--quiet"), run_id, "containerd content ls").split()
        snapshots = run_command((*command, "snapshot", "ls"), run_id, "containerd snapshot ls").splitlines()[1:]
        if not content and not snapshots:
            return
        if content:
            with contextlib.suppress(BackendError):
                run_command((*command, "content", "rm", *content), run_id, "containerd content rm")
