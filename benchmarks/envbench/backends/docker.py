"""Docker: the engine that the `docker` command goes to; one that may be on another machine is refused unasked."""

import contextlib
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from envbench.backend import Backend, EngineProgram, Unusable, Usable
from envbench.backends.shared.docker_place import DockerPlace, configuration_folder, find_docker
from envbench.backends.shared.engine_api import EngineBackend
from envbench.backends.shared.engine_calls import api_client, engine_errors, reap_by_api, whole_answers
from envbench.backends.shared.engine_causes import address_problem, sdk_problem, speaks_tls
from envbench.backends.shared.engine_instance import EngineInstance
from envbench.backends.shared.sockets import socket_problem
from envbench.errors import BackendError
from envbench.errors.causes import Cause, remedy_for
from envbench.records.phases import BackendKind, ImageUse
from envbench.settings import ENGINE_KEYS, LABEL, Settings, container_variants
from envbench.surroundings.programs import find_program
from envbench.traces.daemons import daemon_of, endpoint_socket
from envbench.traces.journal import Entry, Journal
from envbench.traces.procfs import children_of, command_line

SYSTEM_CONTAINERD = Path("/run/containerd/containerd.sock")
SNAPSHOTTER = "io.containerd.snapshotter.v1"
"""The type of driver that an engine names where its images lie in containerd's store (Docker Engine API, info)."""
SHIM_PREFIX = "io.containerd."
"""Names an engine lists for its own ways to call a runtime that it lists under its plain name too."""


class DockerBackend(EngineBackend, Backend):
    """Docker Engine; each OCI runtime that it lists is a variant."""

    name: ClassVar[str] = "docker"
    title: ClassVar[str] = "Docker"
    kind: ClassVar[BackendKind] = BackendKind.CONTAINER
    images: ClassVar[ImageUse] = ImageUse.ANY
    libraries: ClassVar[tuple[str, ...]] = ("docker",)
    install: ClassVar[str] = "apt install docker.io"
    variant_keys: ClassVar[frozenset[str]] = ENGINE_KEYS
    leftover_commands: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "container": ("docker", "ps", "--all", "--format", "{{.Names}}"),
        "image": ("docker", "images", "--format", "{{.Repository}}:{{.Tag}}"),
    }

    def __init__(self, settings: Settings, journal: Journal) -> None:
        super().__init__(settings, journal)
        self._runtimes: tuple[str, ...] = ()
        self._containerd = ""
        self._has_containerd_store = False

    @cached_property
    def place(self) -> DockerPlace:
        """Where the engine is, looked up once. Raises BackendError."""
        return find_docker()

    def endpoint(self) -> str:
        """Return the engine's address. Raises BackendError."""
        return self.place.endpoint

    def certificates(self) -> Path | None:
        """Return the folder of certificates that the engine asks for."""
        return self.place.certificates

    @whole_answers()
    def check(self) -> Usable | Unusable:
        """Find out by doing: an engine of this machine answers, and a container gets ready with its runtimes."""
        return sdk_problem() or self._reachable() or self._answers()

    def _reachable(self) -> Unusable | None:
        place, endpoint = self.place, self.endpoint()
        problem = address_problem(place)
        if problem is not None:
            return problem
        if not endpoint.startswith("unix://") and not self.settings.allow_remote:
            return Unusable(
                f"{endpoint} ({place.chosen_by}) may be another machine; its network would be timed",
                f"{place.undo}, or --allow-remote",
            )
        path = endpoint_socket(endpoint)
        return None if path is None else socket_problem(path, place.row, undo=place.undo)

    def _answers(self) -> Usable | Unusable:
        import docker

        place, endpoint = self.place, self.endpoint()
        try:
            with engine_errors(f"engine at {endpoint}"):
                version, info = self.api.version(), self.api.info()
            require_docker(version, info, endpoint)
        except BackendError as error:
            missing_tls = place.certificates is None and error.cause is not Cause.NO_ANSWER and speaks_tls(endpoint)
            cause = Cause.TLS_MISSING if missing_tls else error.cause
            words = {"undo": place.undo, "endpoint": endpoint}
            cause = cause if remedy_for(cause, place.row, **words) else Cause.BROKEN
            return Unusable(str(error), remedy_for(cause, place.row, **words), cause)
        other = other_engine(version)
        if other:
            return Unusable(
                f"the engine at {endpoint} is {other}, not Docker",
                "--backend podman; for Docker, DOCKER_HOST with its own socket",
            )
        if info.get("OSType") != "linux":
            return Unusable(f"the engine runs {info.get('OSType')} containers", "switch it to Linux containers")
        self._has_containerd_store = any(SNAPSHOTTER in words for words in info.get("DriverStatus") or ())
        self._containerd = (info.get("Containerd") or {}).get("Address", "")
        listed = runtimes_of(info)
        self._runtimes, refused = self._tried(listed)
        if not self._runtimes or set(refused) & set(self.settings.runtimes):
            words = {"runtime": next(iter(refused)), "listed": ", ".join(listed)}
            return Unusable(
                "; ".join(f"{runtime}: {reason}" for runtime, reason in refused.items()),
                remedy_for(Cause.BROKEN, "docker runtime", **words),
                Cause.BROKEN,
            )
        return Usable(
            {
                "endpoint": endpoint,
                "endpoint_chosen_by": self.place.chosen_by or "its usual socket",
                "sdk": docker.__version__,
                "api": self.api.api_version,
                "version": version["Version"],
                **{part["Name"].lower(): part["Version"] for part in version.get("Components", ())},
                "engine_id": info.get("ID", ""),
                "storage_driver": info.get("Driver", ""),
                "cgroup_driver": info.get("CgroupDriver", ""),
                "kernel": info.get("KernelVersion", ""),
                "operating_system": info.get("OperatingSystem", ""),
                "security": ", ".join(info.get("SecurityOptions") or ()),
                "default_runtime": info.get("DefaultRuntime", ""),
                **{f"{runtime}_path": path for runtime in self._runtimes if (path := path_of(runtime, info))},
                **{f"{runtime}_unusable": reason for runtime, reason in refused.items()},
            }
        )

    def _tried(self, listed: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
        """Start the payload with each runtime asked for, or listed; return those that work and why others do not.

        A quick run takes the first listed one that works, the engine's default as a rule. A runtime may be asked for by
        a name that is not listed: that of a shim or of a program (Docker Engine API, HostConfig.Runtime). An image of
        the user's own is not started before it is measured.
        """
        asked = self.settings.runtimes or listed
        first_alone = self.settings.quick and not self.settings.runtimes
        if self.settings.images:
            return asked[:1] if first_alone else asked, {}
        works: list[str] = []
        refused: dict[str, str] = {}
        for runtime in asked:
            try:
                self.try_payload({"runtime": runtime})
            except BackendError as error:
                refused[runtime] = str(error)
            else:
                works.append(runtime)
                if first_alone:
                    break
        return tuple(works), refused

    def _require_runtime(self, instance: EngineInstance, variant: Mapping[str, str]) -> None:
        """Raise BackendError where the engine says that it took another runtime than this (ContainerInspect)."""
        got = instance.inspected()["HostConfig"].get("Runtime")
        if got != variant["runtime"]:
            raise BackendError(f"{variant['runtime']} was asked for, and the engine took {got}")

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return each runtime that worked, of those asked for (quick: the default one), with each network."""
        return container_variants(self.settings, self._runtimes)

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Have the image ready."""
        self.prepare_image(variant)

    def stored_bytes(self, variant: Mapping[str, str]) -> int:
        """Return what the image takes on the engine's disk. Raises BackendError where that cannot be seen.

        With containerd's image store the engine's list of images has it: the packed layers, which the store keeps, and
        the unpacked ones. `inspect` has the packed size alone there.
        """
        if not self._has_containerd_store:
            return super().stored_bytes(variant)
        with engine_errors("listing the image"):
            packed = int(self.api.inspect_image(self.image(variant))["Size"])  # type: ignore[no-untyped-call]
            listed = [int(one["Size"]) for one in self.api.images(name=self.image(variant))]
        if not listed or listed[0] <= packed:
            raise BackendError("the engine lists the packed size alone", remedy="Docker 26 or newer")
        return listed[0]

    def login(self, image: str) -> dict[str, Any] | None:
        """Return what `docker login` has kept for the image's registry, None where it has nothing for it."""
        from docker import auth

        registry, _ = auth.resolve_repository_name(image)
        path = configuration_folder() / "config.json"
        if not path.is_file():
            return None
        try:
            found: dict[str, Any] | None = auth.load_config(str(path)).resolve_authconfig(registry)
        except Exception as error:  # The SDK raises all kinds of errors, and its words may hold the login.
            words = f"Docker's configuration has no login that can be read: {type(error).__name__}"
            raise BackendError(words, remedy=f"docker login {registry}") from error
        return found

    def remaining(self) -> tuple[str, ...]:
        """Return the containers that carry the run's label. Raises BackendError where the engine does not answer."""
        with engine_errors("docker ps"):
            found = self.api.containers(all=True, filters={"label": f"{LABEL}={self.settings.run_id}"})
        return tuple(name.lstrip("/") for one in found for name in one["Names"])

    def engine_processes(self) -> tuple[int, ...] | None:
        """Return dockerd and its containerd, None where one of them cannot be told."""
        path = endpoint_socket(self.endpoint())
        daemon = None if path is None else daemon_of(path)
        containerd = None if daemon is None else self._containerd_of(daemon)
        return None if daemon is None or containerd is None else (daemon, containerd)

    def _containerd_of(self, daemon: int) -> int | None:
        """Return the containerd of a dockerd: at the address that the engine gives, which its root folder holds.

        Engines before API 1.46 give none: they start one as their child, or use the system's where it runs.
        """
        children = () if self._containerd else children_of(daemon)
        for child in children:
            if Path(command_line(child).partition(" ")[0]).name == "containerd":
                return child
        address = self._containerd or os.fspath(SYSTEM_CONTAINERD)
        return daemon_of(Path(f"/proc/{daemon}/root{address}"))

    def engine_program(self, variant: Mapping[str, str]) -> EngineProgram | None:
        """Return the program `docker` with options for this backend's engine; else it would follow its context."""
        found = find_program("docker")
        if found is None:
            return None
        return EngineProgram(
            (str(found), *self.place.options),
            kernel_and_system="{{.KernelVersion}}|{{.OperatingSystem}}",
            cluster="Docker Swarm",
            cluster_state="{{.Swarm.LocalNodeState}}",
        )

    @classmethod
    def reap(cls, entry: Entry, run_id: str) -> bool:
        """Remove a journalled container or image of a dead run. Raises BackendError where no engine answers."""
        certificates = entry.facts.get("certificates")
        api = api_client(entry.facts["endpoint"], 30, Path(certificates) if certificates else None)
        with contextlib.closing(api):
            return reap_by_api(api, entry, run_id)


def require_docker(version: Any, info: Any, endpoint: str) -> None:
    """Raise BackendError where what somebody answers is not of the form of Docker's (Docker Engine API, info)."""
    shapes = {"Runtimes": dict, "Containerd": dict, "DriverStatus": list}
    if not all(isinstance(one, dict) for one in (version, info)) or not (info.get("OSType") and version.get("Version")):
        raise BackendError(f"engine at {endpoint}: it answers, and not as Docker does")
    for name, kind in shapes.items():
        if not isinstance(info.get(name) or kind(), kind):
            raise BackendError(f"engine at {endpoint}: its {name} are not of Docker's form")


def other_engine(version: Mapping[str, Any]) -> str:
    """Return the name of an engine that offers Docker's API and is not Docker, "" for Docker.

    The first component of its version (Docker Engine API, SystemVersion) is "Engine"; Podman's is "Podman Engine". Such
    an engine takes a runtime's name and starts its own all the same.
    """
    names = [str(part.get("Name", "")) for part in version.get("Components") or ()]
    return "" if not names or "Engine" in names else names[0]


def path_of(runtime: str, info: Mapping[str, Any]) -> str:
    """Return the program or shim that an engine has configured under a runtime's name, "" where it does not say."""
    configured = (info.get("Runtimes") or {}).get(runtime) or {}
    return str(configured.get("path") or configured.get("runtimeType") or "")


def runtimes_of(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the runtimes that an engine's info lists, its default first, its own shim names for them left out."""
    listed = [name for name in info.get("Runtimes") or {} if not name.startswith(SHIM_PREFIX)]
    default = info.get("DefaultRuntime", "runc")
    return tuple(sorted(listed, key=lambda name: (name != default, name)))
