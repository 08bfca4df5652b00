"""OCI runtimes without an engine above them: a bundle made by us, then the runtime's own create, start and delete.

runc, crun and gVisor's runsc share the operations of the OCI runtime specification (runtime.md). One folder a start
holds the bundle's config.json; the root is the run's tree, read-only, for nothing writes to it.
"""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from envbench.backends.child import environment, output_pipe, run_command
from envbench.backends.protocol import Mark, MarkCallback, Unusable, Usable, Workload
from envbench.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from envbench.errors import BackendError
from envbench.journal import Entry, Journal, Kind
from envbench.payload.tree import argv_for, tree_of_run
from envbench.plan import LABEL, Settings, container_variants, new_nonce
from envbench.procfs import cgroup_of, descendants_of, parent_of, process_start_ticks
from envbench.readiness import OutputReader, marker_for, wait_ready
from envbench.removal import remove_cgroup

CHECK_DEADLINE_S = 20.0

_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
"""What `runc spec` gives a process: the least that runtimes agree on."""

_MOUNTS: tuple[dict[str, Any], ...] = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
        "destination": "/sys",
        "type": "sysfs",
        "source": "sysfs",
        "options": ["nosuid", "noexec", "nodev", "ro"],
    },
    {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},  # noqa: S108
)


def bundle_config(
    tree: Path, argv: Sequence[str], workload: Workload, settings: Settings, cgroup: str
) -> dict[str, Any]:
    """Return config.json for one start (OCI runtime specification 1.0.2, config.md and config-linux.md).

    `cgroup` is the cgroupsPath, "" to leave cgroups alone. Without root a user namespace maps this user to root.
    """
    namespaces = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")]
    linux: dict[str, Any] = {"namespaces": namespaces, "resources": _resources(workload)}
    if cgroup:
        linux["cgroupsPath"] = cgroup
    mounts = [dict(mount) for mount in _MOUNTS]
    if os.geteuid() != 0:
        namespaces.append({"type": "user"})
        linux["uidMappings"] = [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
        linux["gidMappings"] = [{"containerID": 0, "hostID": os.getegid(), "size": 1}]
        linux["resources"] = {}
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(argv),
            "env": [f"{key}={value}" for key, value in environment(settings.run_id).items()],
            "cwd": "/",
            "capabilities": {
                kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted", "inheritable")
            },
            "noNewPrivileges": True,
        },
        "root": {"path": str(tree), "readonly": True},
        "hostname": "envbench",
        "mounts": mounts,
        "annotations": {LABEL: settings.run_id},
        "linux": linux,
    }


def _resources(workload: Workload) -> dict[str, Any]:
    resources: dict[str, Any] = {"devices": [{"allow": False, "access": "rwm"}]}
    if workload.memory_bytes is not None:
        resources["memory"] = {"limit": workload.memory_bytes}
    if workload.cpus is not None:
        resources["cpu"] = {"quota": int(workload.cpus * 100_000), "period": 100_000}
    return resources


class OciInstance:
    """One container of a bare runtime."""

    def __init__(self, backend: "OciBackend", name: str, bundle: Path, output: int, numbers: Sequence[int]) -> None:
        self._backend = backend
        self._name = name
        self._bundle = bundle
        self._output: int | None = output
        self._numbers = tuple(numbers)
        self.pid: int | None = None

    @property
    def name(self) -> str:
        """The container's id."""
        return self._name

    def output_fileno(self) -> int:
        """Return the read end of the payload's pipe. Raises BackendError once it is destroyed."""
        if self._output is None:
            raise BackendError(f"{self._name} is gone")
        return self._output

    def decode(self, chunk: bytes) -> bytes:
        """Return the chunk: nothing frames a pipe."""
        return chunk

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
            return self._backend.state(self._name)
        return ""

    def stop(self, deadline_ns: int) -> None:
        """Have the runtime send SIGTERM and wait until process 1 has ended."""
        self._backend.run("kill", self._name, "TERM")
        self._wait_ended(deadline_ns)

    def remove(self, deadline_ns: int) -> None:
        """Have the runtime delete it, and remove the bundle."""
        self._backend.run("delete", self._name)
        self._close()

    def destroy(self) -> None:
        """Delete it by force; what the runtime cannot delete stays in the journal."""
        if self._output is None:
            return
        with contextlib.suppress(BackendError):
            self._backend.delete_by_force(self._name)
            self._close()
        if self._output is not None:
            os.close(self._output)
            self._output = None

    def _wait_ended(self, deadline_ns: int) -> None:
        pid = self.pid
        if pid is None:
            return
        import select

        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            poller = select.poll()
            poller.register(descriptor, select.POLLIN)
            if not poller.poll(max(0, (deadline_ns - monotonic_ns()) // NS_PER_MS)):
                raise BackendError(f"{self._name} has not ended after SIGTERM")
        finally:
            os.close(descriptor)

    def _close(self) -> None:
        shutil.rmtree(self._bundle, ignore_errors=True)
        for number in self._numbers:
            self._backend.journal.forget(number)
        if self._output is not None:
            os.close(self._output)
            self._output = None


class OciBackend:
    """What runc, crun and runsc share; a subclass names the program and its own options."""

    name: ClassVar[str]
    is_vm: ClassVar[bool] = False
    program: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.settings = settings
        self.journal = journal
        self._tree = settings.work_dir / "tree"
        self._counter = itertools.count(1)
        self._root = settings.work_dir / f"{self.name}-state"
        self._cgroup_number = 0

    def global_options(self) -> tuple[str, ...]:
        """Return options that stand before the command: where the state lies, and what this runtime needs here."""
        return ("--root", str(self._root))

    def cgroups_path(self, name: str) -> str:
        """Return the cgroupsPath of a container, "" where the runtime has to leave cgroups alone."""
        return f"/{_cgroup_name(self.settings.run_id)}/{name}" if os.geteuid() == 0 else ""

    def helpers(self, pid: int) -> tuple[int, ...]:
        """Return host processes besides the payload's that exist only for its container."""
        return ()

    def check(self) -> Usable | Unusable:
        """Find out by doing: create, start and delete a container whose payload gets ready."""
        if shutil.which(self.program) is None:
            return Unusable(f"no {self.program} on the PATH", f"apt install {self.package}")
        if self.settings.image is not None:
            return Unusable("a bare OCI runtime has no images", "leave --image out, or leave this rung out")
        try:
            version = run_command((self.program, "--version"), self.settings.run_id, "asking for its version")
            self.prepare({})
            self._try()
        except BackendError as error:
            return self.unsupported(str(error))
        return Usable({self.program: version.splitlines()[0].strip(), **self.facts()})

    def facts(self) -> Mapping[str, str]:
        """Return what else run.json should say of this runtime."""
        return {"rootless": "no" if os.geteuid() == 0 else "yes"}

    def unsupported(self, reason: str) -> Unusable:
        """Return why this runtime cannot run here, with what may help."""
        return Unusable(f"unsupported here: {reason}", "run as root, or update the runtime")

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return the one way there is, with the limits asked for; a bare runtime knows no network but none."""
        return tuple(one for one in container_variants(self.settings) if one["network"] == "none")

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Build the run's tree and the folder of the runtime's state."""
        self._tree = tree_of_run(self.settings).path
        if not self._cgroup_number and self.cgroups_path(""):
            self._cgroup_number = self.journal.intend(Kind.CGROUP, _cgroup_name(self.settings.run_id), self.name)
        self._root.mkdir(mode=0o700, exist_ok=True)

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> OciInstance:
        """Write the bundle, then create and start; the payload's output is a pipe from the beginning."""
        name = f"envbench-{self.settings.run_id}-{self.name}-{next(self._counter)}"
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
                self._create(name, bundle, writer)
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

    def engine_processes(self) -> tuple[int, ...]:
        """Return nothing: a bare runtime has no daemon."""
        return ()

    def close(self) -> None:
        """Remove the runtime's state folder and the cgroup that held the containers'."""
        shutil.rmtree(self._root, ignore_errors=True)
        if self._cgroup_number:
            _remove_cgroups(self.settings.run_id)
            self.journal.forget(self._cgroup_number)
            self._cgroup_number = 0

    def run(self, *words: str) -> str:
        """Run one command of the runtime to its end. Raises BackendError with its last words."""
        return run_command(
            (self.program, *self.global_options(), *words), self.settings.run_id, f"{self.name} {words[0]}"
        )

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

    def _create(self, name: str, bundle: Path, output: int) -> None:
        argv = (
            *(self.program, *self.global_options(), "--log", str(bundle / "log"), "create"),
            *("--bundle", str(bundle), "--pid-file", str(bundle / "pid"), name),
        )
        done = subprocess.run(
            argv,
            env=environment(self.settings.run_id),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=self.settings.deadline_s,
            check=False,
        )
        if done.returncode != 0:
            raise BackendError(f"{self.name} create ended with {done.returncode}: {_log_tail(bundle / 'log')}")

    def _read_pid(self, bundle: Path) -> int | None:
        try:
            return int((bundle / "pid").read_text("ascii"))
        except (OSError, ValueError):
            return None

    def _try(self) -> None:
        nonce = new_nonce()
        instance = self.start(Workload(nonce), {}, lambda _mark: None)
        try:
            wait_ready(instance, OutputReader(marker_for(nonce)), monotonic_ns() + int(CHECK_DEADLINE_S * NS_PER_S))
        finally:
            instance.destroy()


class RuncBackend(OciBackend):
    """runc, the runtime under Docker, containerd and others."""

    name: ClassVar[str] = "runc"
    program: ClassVar[str] = "runc"
    package: ClassVar[str] = "runc"

    def global_options(self) -> tuple[str, ...]:
        """Return where the state lies; without root runc is told so, to leave cgroups alone."""
        rootless = () if os.geteuid() == 0 else ("--rootless", "true")
        return (*super().global_options(), *rootless)


class CrunBackend(OciBackend):
    """crun, the runtime under Podman."""

    name: ClassVar[str] = "crun"
    program: ClassVar[str] = "crun"
    package: ClassVar[str] = "crun"

    def unsupported(self, reason: str) -> Unusable:
        """Return why crun cannot run here."""
        if "hybrid" in reason:
            return Unusable(
                f"unsupported here: {reason}",
                "boot with cgroup v2 alone: systemd.unified_cgroup_hierarchy=1 on the kernel's line",
            )
        return super().unsupported(reason)


class GvisorBackend(OciBackend):
    """gVisor's runsc: a kernel in user space between the payload and the host's kernel."""

    name: ClassVar[str] = "gvisor"
    program: ClassVar[str] = "runsc"
    package: ClassVar[str] = "runsc"
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
        parent = parent_of(pid)
        return () if parent in (None, 1) else (parent or 1,)


def _has_state(root: Path, name: str) -> bool:
    """Return whether a runtime keeps anything of this container: a folder (runc, crun) or files (runsc) of its name."""
    return any(root.glob(f"*{name}*"))


def _log_tail(path: Path) -> str:
    try:
        lines = path.read_text("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "it wrote no log"
    return " | ".join(lines[-3:])[-400:]


def _cgroup_name(run_id: str) -> str:
    """Return the name of the cgroup that holds all of a run's containers."""
    return f"envbench-{run_id}"


def _remove_cgroups(run_id: str) -> bool:
    """Remove the cgroup above the containers' own, which runtimes leave behind; return whether there was any."""
    hierarchies = (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/"))
    return bool(sum(remove_cgroup(parent / _cgroup_name(run_id)) for parent in hierarchies))


def reap(entry: Entry, run_id: str) -> bool:
    """Delete a journalled container of a dead run by force, with the runtime that made it. Raises BackendError."""
    if run_id not in entry.name:
        raise BackendError(f"{entry.name} does not carry the run's id {run_id}; left alone")
    if entry.kind is Kind.CGROUP:
        return _remove_cgroups(run_id)
    options = json.loads(entry.facts["options"])
    root = Path(options[options.index("--root") + 1])
    if not _has_state(root, entry.name):
        return False
    program = {"runc": "runc", "crun": "crun", "gvisor": "runsc"}[entry.backend]
    run_command((program, *options, "delete", "--force", entry.name), run_id, f"deleting {entry.name}")
    return True
