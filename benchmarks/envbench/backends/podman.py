"""Podman through its Docker-compatible API, on a socket of our own that `podman system service` listens on.

The same client and the same calls as for Docker, so that the two can be compared; the clock starts before create for
both, because Podman runs the OCI runtime's create inside the attach call, where Docker runs it inside start.
"""

import contextlib
import json
import os
import resource
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from pathlib import Path
from time import sleep
from typing import Any, ClassVar

from envbench.backend import Backend, EngineProgram, Instance, Unusable, Usable, Workload, unusable
from envbench.backends.shared.child import STORE, Child, output_pipe, run_command, users_environment
from envbench.backends.shared.engine_api import EngineBackend
from envbench.backends.shared.engine_calls import FETCHED, whole_answers
from envbench.backends.shared.engine_causes import sdk_problem
from envbench.backends.shared.sockets import is_listened_on
from envbench.backends.shared.users_image import EngineImage
from envbench.errors import BackendError, CommandError, EnvbenchError, without_passwords
from envbench.errors.causes import Cause, remedy_for
from envbench.records.phases import BackendKind, ImageUse
from envbench.settings import ENGINE_KEYS, LABEL, Settings, container_variants
from envbench.settings.condition import health_argv
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.surroundings.programs import find_program, require_program
from envbench.traces.journal import Entry, Journal
from envbench.traces.procfs import command_line, marked_processes, pids_named
from envbench.traces.removal import end_process

SERVICE_DEADLINE_S = 30.0
"""Longest wait for a service to take connections, and then for its first answer: an emulated machine takes 10 s."""
LIBPOD_VERSION = "4.0.0"
"""The oldest version of Podman's own API that is asked for."""
RUNTIMES = ("crun", "runc")
"""OCI runtimes that Podman packages use; each one found on the PATH is a variant."""


class Service:
    """`podman system service` on a socket in the run's folder; ends with the run.

    Raises BackendError from the constructor where it does not come up.
    """

    def __init__(self, podman: Path, socket: Path, runtime: Path, settings: Settings) -> None:
        self.endpoint = f"unix://{socket}"
        self._run_id = settings.run_id
        self._living = settings.once(living_services)
        socket.unlink(missing_ok=True)  # That of a service that has ended would be taken for this one's.
        reader, writer = output_pipe()
        try:
            # Its conmon leaves a file "oom" where it was started, once a container ran out of memory.
            argv = (
                *("sh", "-c", 'cd "$0" && exec "$@"', socket.parent),
                *(podman, "--runtime", runtime, "system", "service", "--time=0", self.endpoint),
            )
            self.child = Child(argv, users_environment(settings.run_id), writer)
            self._living.add(self.child.pid)
        finally:
            os.close(writer)
        self._output = reader
        deadline_ns = monotonic_ns() + int(SERVICE_DEADLINE_S * NS_PER_S)
        while not is_listened_on(socket):
            if self.child.wait(monotonic_ns()) or monotonic_ns() > deadline_ns:
                words = self._last_words()
                self.close()
                raise BackendError(f"podman system service did not come up: {words}")
            sleep(0.02)

    def close(self) -> None:
        """End the service, with the last one what Podman keeps for a user's next command; safe to call twice."""
        self.child.kill()
        self._living.discard(self.child.pid)
        end_lingering(self._run_id, self._living)
        if self._output >= 0:
            os.close(self._output)
            self._output = -1

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return os.read(self._output, 4096).decode("utf-8", errors="replace").strip()[-300:] or "it said nothing"
        return "it said nothing"


def living_services(_settings: Settings) -> set[int]:
    """Return a set for the process ids of a run's services that have not been closed."""
    return set()


def end_lingering(run_id: str, living: Collection[int] = ()) -> None:
    """End what Podman keeps for the user's next command, if the run began it.

    A rootless Podman keeps its namespaces by a process, and one of the API keeps what watched a command in a container
    for five minutes (conmon; containers.conf(5), exit_command_delay). One that was there before does not carry the
    run's id and stays; containers hold their namespaces themselves. While a service of the run lives (another
    runtime's, or of an experiment's own tree) these may be its processes.
    """
    if not living:
        pauses = pids_named("podman", "podman pause", "catatonit")
        watchers = (pid for pid in pids_named("conmon") if "--exec-process-spec" in command_line(pid).split())
        for pid in set(marked_processes(run_id)) & {*pauses, *watchers}:
            with contextlib.suppress(EnvbenchError):
                end_process(pid)


def run_podman(
    podman: Path,
    *words: str,
    run_id: str,
    what: str,
    living: Collection[int] = (),
    theirs: Mapping[str, str] = os.environ,
) -> str:
    """Run a podman command and return its output; nothing that it would keep stays. Raises BackendError."""
    try:
        return run_command((podman, *words), run_id, what, theirs=theirs)
    finally:
        end_lingering(run_id, living)


class RuntimeEngine(EngineBackend):
    """Podman with one OCI runtime: its API takes no runtime for a container, so each has a service of its own."""

    name: ClassVar[str] = "podman"
    first_answer_s: ClassVar[int] = int(SERVICE_DEADLINE_S)  # Its service has just been started, and sets itself up.
    health_remedy: ClassVar[str] = (
        "--ready exec:COMMAND, or podman build --format docker (OCI images keep no HEALTHCHECK)"
    )

    def __init__(self, settings: Settings, journal: Journal, podman: Path, runtime: Path) -> None:
        super().__init__(settings, journal)
        # A bare name would be looked for in a registry.
        self._runtime, self._podman = runtime, podman
        self.image_prefix = f"localhost/envbench-payload-{runtime.name}"
        self.service = Service(podman, settings.work_dir / f"podman-{runtime.name}.sock", runtime, settings)

    def endpoint(self) -> str:
        """Return the service's socket."""
        return self.service.endpoint

    def journal_facts(self) -> dict[str, str]:
        """Return the service's socket, and which store it keeps its things in."""
        return super().journal_facts() | {name: os.environ[name] for name in STORE if name in os.environ}

    def host_options(self) -> Mapping[str, Any]:
        """Return this process's own limits: Podman's defaults may be above what a restricted host allows."""
        import docker

        limits = own_limits().items()
        return {"ulimits": [docker.types.Ulimit(name=name, soft=most, hard=most) for name, most in limits]}

    def health_of(self, image: str) -> tuple[str, ...]:
        """Return the command of an image's HEALTHCHECK; Podman's program tells it, its Docker-compatible API does not.

        Podman gives a shell's words to /bin/sh, whatever the image says.
        """
        words = ("image", "inspect", "--format", "{{json .HealthCheck}}", image)
        living = self.settings.once(living_services)
        said = run_podman(self._podman, *words, run_id=self.settings.run_id, what=f"inspecting {image}", living=living)
        return health_argv((json.loads(said) or {}).get("Test") or ())

    def login(self, image: str) -> None:
        """Return no login: the service reads the user's own (containers-auth.json(5))."""

    def pull(self, image: str, login: dict[str, Any] | None = None) -> None:
        """Pull an image to its end, by Podman's own API: in the other, TLS cannot be left out (libpod, images/pull).

        It is left out on the loopback, as Docker does it; elsewhere registries.conf says. The API tells no bytes.
        """
        place = f"{self.api.base_url}/v{LIBPOD_VERSION}/libpod/images/pull"
        words = {"reference": image, "policy": "always"} | ({"tlsVerify": "false"} if is_on_loopback(image) else {})
        answer = self.api.post(place, params=words, stream=True)
        for line in answer.iter_lines():
            said = json.loads(line) if line else {}
            problem = said.get("error") or said.get("message")
            if problem:
                raise BackendError(f"podman cannot pull {image}: {problem}")

    def _require_runtime(self, instance: Instance, variant: Mapping[str, str]) -> None:
        """Raise BackendError where the container's conmon was told another runtime (conmon(8), --runtime)."""
        words = [command_line(pid).split() for pid in instance.processes()]
        monitors = [line for line in words if line and Path(line[0]).name == "conmon"]
        if monitors and not any(str(self._runtime) in line for line in monitors):
            raise BackendError(f"{self._runtime} was asked for, and conmon was told another: {' '.join(monitors[0])}")

    def close(self) -> None:
        """Remove the image, close the client, end the service."""
        if self.service.child.wait(monotonic_ns()):
            # The service has ended: the image stays in the journal and is removed later by Podman's own command. (The
            # SDK leaves a socket open whose connection is refused.)
            self._image_number = 0
        try:
            super().close()
        finally:
            self.service.close()


def is_on_loopback(image: str) -> bool:
    """Return whether an image's registry is on the loopback, by its name: the one place where none needs TLS."""
    host = image.partition("/")[0]
    name = host[1 : host.index("]")] if host.startswith("[") and "]" in host else host.partition(":")[0]
    with contextlib.suppress(ValueError):
        return ip_address(name).is_loopback
    return name == "localhost"


def own_limits() -> dict[str, int]:
    """Return this process's hard limits by their names for `--ulimit`; -1 is none.

    Podman holds itself to as many processes as there are process ids (proc(5), pid_max), and cannot give more.
    """
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return {"nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1], "nproc": _smaller(processes, _pid_max())}


def _pid_max() -> int:
    try:
        return int(Path("/proc/sys/kernel/pid_max").read_text("ascii"))
    except OSError:
        return resource.RLIM_INFINITY


def _smaller(*limits: int) -> int:
    """Return the smallest limit; -1 is none."""
    return min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=resource.RLIM_INFINITY)


def none_works(refused: Mapping[str, Unusable]) -> Unusable:
    """Return why no runtime works, from what each came to; a reason that all share is said once."""
    reasons = {why.reason for why in refused.values()}
    each = "; ".join(f"{runtime}: {why.reason}" for runtime, why in refused.items())
    known = (why for why in refused.values() if why.remedy)
    helps = next(known, Unusable("", remedy_for(Cause.BROKEN, "podman"), Cause.BROKEN))
    return Unusable(reasons.pop() if len(reasons) == 1 else each, helps.remedy, helps.cause)


def not_followed(variables: Mapping[str, str]) -> tuple[str, str]:
    """Return what is said of the podman command's own remote engine and what to try, two "" where none is set.

    Its commands would go there (podman(1), CONTAINER_HOST); services of our own are always this machine's.
    """
    for name in ("CONTAINER_HOST", "CONTAINER_CONNECTION"):
        if variables.get(name):
            told = without_passwords(f"{name}={variables[name]}")
            return f"{told} is not followed: it is this machine's podman that runs", f"unset {name}"
    return "", ""


def its_store(facts: Mapping[str, str], ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return our variables, with those of them that say where Podman's store is as a run's journal has them."""
    return {name: value for name, value in ours.items() if name not in STORE} | {
        name: facts[name] for name in STORE if name in facts
    }


class PodmanBackend(Backend):
    """Podman, each OCI runtime a variant; no daemon of the user's is touched."""

    name: ClassVar[str] = "podman"
    title: ClassVar[str] = "Podman"
    kind: ClassVar[BackendKind] = BackendKind.CONTAINER
    images: ClassVar[ImageUse] = ImageUse.ANY
    publishes_ports: ClassVar[bool] = True
    pulls_images: ClassVar[bool] = True
    program: ClassVar[str] = "podman"
    install: ClassVar[str] = "apt install podman"
    libraries: ClassVar[tuple[str, ...]] = ("docker",)
    variant_keys: ClassVar[frozenset[str]] = ENGINE_KEYS
    leftover_commands: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "container": ("podman", "ps", "--all", "--format", "{{.Names}}"),
        "image": ("podman", "images", "--format", "{{.Repository}}:{{.Tag}}"),
    }

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._engines: dict[str, RuntimeEngine] = {}
        self._runtimes = {name: path for name in settings.runtimes or RUNTIMES if (path := find_program(name))}
        self._works: tuple[str, ...] = ()

    @whole_answers()
    def check(self) -> Usable | Unusable:
        """Find out by doing: for each runtime, a service, the payload's image and one container that gets ready."""
        problem = sdk_problem()
        if problem is not None:
            return problem
        try:
            facts = self._facts()
        except CommandError as error:  # It is there, and refuses: what the user's configuration says, for instance.
            return unusable(error, remedy_for(Cause.BROKEN, "podman"), Cause.BROKEN)
        except BackendError as error:
            return unusable(error, self.install)
        if not self._runtimes:
            remedy = remedy_for(Cause.NOT_INSTALLED, "podman runtime")
            return Unusable("podman has no OCI runtime here", remedy, Cause.NOT_INSTALLED)
        refused: dict[str, Unusable] = {}
        for runtime in self._runtimes:
            try:
                engine = self._engine(runtime)
                engine.try_one()
                facts |= {"api": engine.api.api_version}
                self._works = (*self._works, runtime)
            except (BackendError, OSError) as error:
                refused[runtime] = unusable(error, "")
                self._drop(runtime)
        facts |= {f"{runtime}_unusable": why.reason for runtime, why in refused.items()}
        if not self._works:
            return none_works(refused)
        return Usable(facts, *not_followed(os.environ))

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return each runtime that worked (a quick run: the first), with each network."""
        return container_variants(self._settings, self._works[:1] if self._settings.quick else self._works)

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Have a service with this runtime and the image ready."""
        self._engine(variant["runtime"]).prepare_image(variant)

    def start(self, workload: Workload, variant: Mapping[str, str], mark: Any) -> Any:
        """Create, attach (which runs the runtime's create), start."""
        without_runtime = {key: value for key, value in variant.items() if key != "runtime"}
        return self._engine(variant["runtime"]).start(workload, without_runtime, mark)

    def image(self, variant: Mapping[str, str]) -> str:
        """Return the image of starts, by the first runtime's name for it. Raises BackendError before `prepare`."""
        return self._first_engine().image(variant)

    def facts_of(self, variant: Mapping[str, str]) -> Mapping[str, str]:
        """Return the digest of the user's own image."""
        return self._engine(variant["runtime"]).facts_of(variant)

    def pulled(self, image: str, variant: Mapping[str, str]) -> contextlib.AbstractContextManager[None]:
        """Pull an image on entry; starts in the block use it, and its end removes it. Raises BackendError."""
        return self._engine(variant["runtime"]).pulled(image, variant)

    def users_image(self, image: str, variant: Mapping[str, str]) -> EngineImage:
        """Return what fetches an image from a registry of the user's. Raises BackendError."""
        return self._engine(variant["runtime"]).users_image(image, variant)

    def warnings(self) -> tuple[str, ...]:
        """Return what the services' create answers warned of, each once."""
        return tuple(dict.fromkeys(words for engine in self._engines.values() for words in engine.warnings()))

    def stored_bytes(self, variant: Mapping[str, str]) -> int:
        """Return what the image takes on the disk. Raises BackendError where that cannot be seen."""
        return self._first_engine().stored_bytes(variant)

    def engine_processes(self) -> tuple[int, ...]:
        """Return our services; each container's conmon is told by its instance."""
        return tuple(engine.service.child.pid for engine in self._engines.values())

    def remaining(self) -> tuple[str, ...]:
        """Return containers that carry the run's label."""
        run_id = self._settings.run_id
        words = ("ps", "--all", "--format", "{{.Names}}", "--filter", f"label={LABEL}={run_id}")
        living = self._settings.once(living_services)
        return tuple(run_podman(self.program_path, *words, run_id=run_id, what="podman ps", living=living).split())

    def engine_program(self, variant: Mapping[str, str]) -> EngineProgram | None:
        """Return the program `podman`; its default runtime and limits may not work here, where the backend's own do."""
        words: tuple[str, ...] = ("run",)
        if "runtime" in variant:
            limits = (("--ulimit", f"{name}={most}:{most}") for name, most in own_limits().items())
            words = (
                "--runtime",
                str(self._runtimes[variant["runtime"]]),
                "run",
                *(word for pair in limits for word in pair),
            )
        return EngineProgram(
            (str(self.program_path),), words, kernel_and_system="{{.Host.Kernel}}|{{.Host.Distribution.Distribution}}"
        )

    @classmethod
    def reap(cls, entry: Entry, run_id: str) -> bool:
        """Remove a journalled container, image or volume of a dead run by Podman's own command. Raises BackendError."""
        kind, podman = str(entry.kind), require_program(cls.program, cls.install)
        theirs = its_store(entry.facts)
        try:
            run_podman(podman, kind, "exists", entry.name, run_id=run_id, what="looking for it", theirs=theirs)
        except BackendError:
            return False
        names = [entry.name]
        if FETCHED in entry.facts:  # While the user's name is still that of the image which the run named.
            with contextlib.suppress(BackendError):
                words = ("image", "inspect", "--format", "{{.Id}}", entry.name, entry.facts[FETCHED])
                ids = run_podman(podman, *words, run_id=run_id, what="looking for it", theirs=theirs).split()
                names += [entry.facts[FETCHED]] if len(set(ids)) == 1 else []
        for name in reversed(names):
            run_podman(podman, kind, "rm", "--force", name, run_id=run_id, what=f"removing {name}", theirs=theirs)
        return True

    def close(self) -> None:
        """Remove the images and end the services."""
        for runtime in tuple(self._engines):
            self._drop(runtime)

    def _engine(self, runtime: str) -> RuntimeEngine:
        if runtime not in self._engines:
            engine = RuntimeEngine(self._settings, self._journal, self.program_path, self._runtimes[runtime])
            self._engines[runtime] = engine
        return self._engines[runtime]

    def _first_engine(self) -> RuntimeEngine:
        for engine in self._engines.values():
            return engine
        raise BackendError("podman: no image has been prepared")

    def _drop(self, runtime: str) -> None:
        engine = self._engines.pop(runtime, None)
        if engine is not None:
            engine.close()

    def _facts(self) -> dict[str, str]:
        version = run_command((self.program_path, "--version"), self._settings.run_id, "asking for its version").strip()
        runtimes = {f"{name}_path": str(path) for name, path in self._runtimes.items()}
        return {
            "podman": version,
            "path": str(self.program_path),
            **runtimes,
            "rootless": "no" if os.geteuid() == 0 else "yes",
        }
