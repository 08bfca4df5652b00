"""Containers through the Docker Engine API, which Docker and Podman both offer: one client, one order of calls.

create, attach, start, in that order and by the low-level client: the high-level `run` would pull a missing image
inside the timed region, and attaching after the start would lose bytes.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from envbench.backend import Instance, Mark, MarkCallback, Workload
from envbench.backends.shared.engine_calls import (
    INTERRUPTED_PATIENCE_S,
    api_client,
    engine_errors,
    inspected_image,
    remove_image,
    remove_when_it_appears,
    shows_file,
)
from envbench.backends.shared.engine_instance import EngineInstance
from envbench.backends.shared.images import payload_tar
from envbench.backends.shared.sight import nonce_file, unseen
from envbench.backends.shared.stored import allocated_bytes, layer_folders
from envbench.backends.shared.try_start import TRIAL_DEADLINE_S, try_start
from envbench.backends.shared.users_image import PULL_SILENCE_S, EngineImage
from envbench.errors import BackendError
from envbench.payload.tree import tree_of_run
from envbench.payload.userland import IMAGES, USERLANDS
from envbench.payload.words import NONCE_ENVIRONMENT, SERVE, argv_for
from envbench.settings import LABEL, RUN_ENVIRONMENT, Settings, new_nonce
from envbench.settings.condition import SERVICE_READY, ExecReady, HealthReady, health_argv
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Journal, Kind
from envbench.traces.procfs import instance_process

if TYPE_CHECKING:
    from docker.api.client import APIClient
    from docker.types import Mount

ANSWER_DEADLINE_S = 10
"""Longest wait for an engine's answer before any work is asked of it."""
WORK_DEADLINE_S = 120
"""Longest wait for the answer to work of which nobody knows how long it takes: importing an image, removing one."""

PULLED = "Pull complete"
"""How Docker's stream of a pull says that a layer which was not there is in place (its `status`)."""

PAYLOAD_MOUNT = "/envbench-payload"
"""Where the payload tree is seen inside an image of the user's own."""


class EngineBackend:
    """What Docker's and Podman's backends share; a subclass says where the engine is."""

    name: ClassVar[str]
    publishes_ports: ClassVar[bool] = True
    pulls_images: ClassVar[bool] = True
    first_answer_s: ClassVar[int] = ANSWER_DEADLINE_S
    """Longest wait for the answer to the first question."""
    image_prefix = "envbench-payload"
    health_remedy: ClassVar[str] = "--ready exec:COMMAND, or a HEALTHCHECK line where the image is built"

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.settings = settings
        self.journal = journal
        self._api: APIClient | None = None
        self._image: str | None = None
        """The payload's."""
        self._own_images: dict[str, tuple[str, ...]] = {}
        """The user's images that the engine has, each with the command that tells inside whether a container of it is
        ready, () where that is seen from outside."""
        self._image_number = 0
        self._warnings: dict[str, None] = {}

    @property
    def api(self) -> "APIClient":
        """Return the client, connected when it is first asked for. Raises BackendError where it cannot connect."""
        if self._api is None:
            self._api = api_client(self.endpoint(), self.first_answer_s, self.certificates())
        return self._api

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> EngineInstance:
        """Create, attach, start; one that is asked at a port is given out once its start call has returned."""
        name = self.settings.next_name(self.name)
        api, deadline_s = self.api, workload.deadline_s or self.settings.deadline_s
        api.timeout = max(ANSWER_DEADLINE_S, int(deadline_s))  # for what comes after the start: stopping, removing
        config = self._config(api, workload, variant)
        number = self.journal.intend(Kind.CONTAINER, name, self.name, **self.journal_facts())
        identity = name
        try:
            mark(Mark.REQUESTED)
            with engine_errors("creating", deadline_s):
                answer = api.create_container_from_config(config, name)  # type: ignore[no-untyped-call]
            identity = answer["Id"]
            mark(Mark.CREATED)
            self._warnings |= dict.fromkeys(answer.get("Warnings") or ())
            own_process = partial(self._own_process, workload, identity)
            check = self._own_images.get(variant.get("image", ""), ())
            forget = partial(self.journal.forget, number)
            instance = EngineInstance(api, identity, name, forget, own_process, deadline_s, check)
            try:
                instance.attach()
                mark(Mark.ATTACHED)
                instance.begin(mark)
                if workload.ports:
                    # Docker's proxy listens before the container's network is up: whoever asks so early has the kernel
                    # look for the container in vain, and it looks again after a second only (arp(7),
                    # retrans_time_ms). Nobody gets an answer within that second.
                    instance.wait_started(monotonic_ns() + int(deadline_s * NS_PER_S))
            except BaseException:
                instance.destroy()
                raise
        except BackendError:
            self._forget_if_absent(identity, number)
            raise
        except BaseException:
            # Interrupted while the engine was at it: what was asked for may still come to be.
            self._forget_if_absent(identity, number, patience_s=INTERRUPTED_PATIENCE_S)
            raise
        return instance

    def endpoint(self) -> str:
        """Return the engine's address, for the journal."""
        raise NotImplementedError

    def certificates(self) -> Path | None:
        """Return the folder with ca.pem, cert.pem and key.pem that the engine asks for, None without TLS."""
        return None

    def journal_facts(self) -> dict[str, str]:
        """Return the engine's address, and what opens it."""
        folder = self.certificates()
        return {"endpoint": self.endpoint()} | ({} if folder is None else {"certificates": str(folder)})

    def prepare_image(self, variant: Mapping[str, str]) -> None:
        """Have the image of a variant ready, once: the user's own, else the run's tree. Raises BackendError."""
        own = self.settings.image_of(variant)
        if own in self._own_images or (own is None and self._image is not None):
            return
        self.api.timeout = WORK_DEADLINE_S
        tree = tree_of_run(self.settings)  # Into an image of the user's own it is mounted.
        if own is None:
            self._import_payload(payload_tar(tree.path))
        else:
            self._require_image(own)
            if not self._runs_own_program:
                self._require_sight(own)
            self._require_volumes()
            self._own_images[own] = self._check_of(own)

    def host_options(self) -> Mapping[str, Any]:
        """Return what this engine needs besides in a container's host configuration."""
        return {}

    def image(self, variant: Mapping[str, str]) -> str:
        """Return the image that this variant starts. Raises BackendError before `prepare`."""
        own = self.settings.image_of(variant)
        found = self._image if own is None else own if own in self._own_images else None
        if found is None:
            raise BackendError(f"{self.name}: no image has been prepared")
        return found

    def facts_of(self, variant: Mapping[str, str]) -> Mapping[str, str]:
        """Return the digest of the user's own image. Raises BackendError."""
        own = self.settings.image_of(variant)
        if own is None:
            return {}
        with engine_errors(f"inspecting image {own}"):
            return {f"image {own}": str(self.api.inspect_image(own)["Id"])}  # type: ignore[no-untyped-call]

    def try_one(self) -> None:
        """Try the payload, or the first of the user's images that starts. Raises BackendError where none does."""
        failed: list[BackendError] = []
        for way in [{"image": image} for image in self.settings.images] or [{}]:
            try:
                self.try_payload(way)
            except BackendError as error:
                failed.append(error)
            else:
                return
        remedies = dict.fromkeys(error.remedy for error in failed if error.remedy)
        reasons = dict.fromkeys(map(str, failed))
        raise BackendError("; ".join(reasons), remedy="; ".join(remedies), cause=failed[0].cause) from failed[0]

    @contextlib.contextmanager
    def pulled(self, image: str, variant: Mapping[str, str]) -> Iterator[None]:
        """Pull an image on entry; starts in the block use it, and its end removes it. Raises BackendError."""
        number = self.journal.intend(Kind.IMAGE, image, self.name, **self.journal_facts())
        before, self._image = self._image, image
        try:
            with engine_errors(f"pulling {image}", PULL_SILENCE_S):
                self.pull(image)
            yield
        finally:
            self._image = before
            remove_image(self.api, image)
            self.journal.forget(number)

    def pull(self, image: str, login: dict[str, Any] | None = None) -> int | None:
        """Pull an image to its end; return the bytes of its layers, None where the engine does not tell all of them.

        Docker takes a registry on the loopback without TLS (dockerd(8)). Raises BackendError where it says an error.
        """
        from docker.utils import parse_repository_tag

        repository, tag = parse_repository_tag(image)
        layers: dict[str, int | None] = {}
        for said in self.api.pull(repository, tag, stream=True, decode=True, auth_config=login):
            if "error" in said:
                raise BackendError(f"{self.name} cannot pull {image}: {said['error']}")
            length = (said.get("progressDetail") or {}).get("total")
            if length or said.get("status") == PULLED:
                layers[said["id"]] = length or layers.get(said["id"])
        lengths = [length for length in layers.values() if length is not None]
        return sum(lengths) if len(lengths) == len(layers) else None

    def login(self, image: str) -> dict[str, Any] | None:
        """Return what opens the image's registry, by the engine's own login; None without one. Raises BackendError."""
        raise NotImplementedError

    def users_image(self, image: str, variant: Mapping[str, str]) -> EngineImage:
        """Return what fetches an image from a registry of the user's. Raises BackendError."""
        self._require_volumes()
        tree_of_run(self.settings)  # Without a program of its own that is waited for, it runs the payload.
        return EngineImage(self, image)

    def take_over(self, image: str) -> None:
        """Have starts of this image of the user's made, now that the engine has it. Raises BackendError."""
        self._own_images[image] = self._check_of(image)

    def try_payload(self, variant: Mapping[str, str]) -> None:
        """Start one container of the run's payload and see it ready. Raises BackendError where it does not get so.

        A program of the user's own is not waited for: a runtime that cannot run here refuses before it begins.
        """
        self.prepare_image(variant)
        way = {**variant, "network": "bridge" if self._is_service else "none"}
        if self._runs_own_program:
            self.start(Workload(new_nonce()), way, lambda _mark: None).destroy()
            return

        def look(instance: Instance) -> None:
            self._require_runtime(instance, variant)

        try_start(self.start, way, TRIAL_DEADLINE_S, SERVICE_READY if self._is_service else None, look=look)

    def warnings(self) -> tuple[str, ...]:
        """Return what the engine's create answers warned of, each once (Docker Engine API, ContainerCreate)."""
        return tuple(self._warnings)

    def stored_bytes(self, variant: Mapping[str, str]) -> int:
        """Return what the image takes on the engine's disk. Raises BackendError where that cannot be seen."""
        with engine_errors("inspecting the image"):
            found = self.api.inspect_image(self.image(variant))  # type: ignore[no-untyped-call]
        return allocated_bytes(layer_folders(found.get("GraphDriver") or {}))

    def close(self) -> None:
        """Remove the imported image and close the client."""
        if self._api is not None and self._image is not None and self._image_number:
            with contextlib.suppress(BackendError):
                remove_image(self._api, self._image)
                self.journal.forget(self._image_number)
            self._image_number = 0
        if self._api is not None:
            self._api.close()
            self._api = None

    def _import_payload(self, layer: bytes) -> None:
        """Import the payload's tar as an image with the run's id in its name.

        Two trees of one run (the payload, and the payload with tools) get two names.
        """
        run_id = self.settings.run_id
        # The id is in the repository's name and not the tag: Podman's import knows no tag and always makes "latest".
        repository = f"{self.image_prefix}-{hashlib.sha256(layer).hexdigest()[:12]}-{run_id}"
        image = f"{repository}:latest"
        self._image_number = self.journal.intend(Kind.IMAGE, image, self.name, **self.journal_facts())
        with engine_errors("importing the payload image"):
            self.api.import_image_from_data(
                layer, repository=repository, tag="latest", changes=[f"LABEL {LABEL}={run_id}"]
            )
        self._image = image

    def _require_image(self, image: str) -> None:
        """Raise BackendError unless the engine has this image already: nothing is ever pulled."""
        from docker.errors import APIError, NullResource

        try:
            found = inspected_image(self.api, image)
        except BackendError as error:
            if not isinstance(error.__cause__, APIError | NullResource):
                raise
            raise BackendError(str(error), remedy=f"a name as `{self.name} images` lists it, or an id") from error
        if found is None:
            words = f"{self.name} has no image {image}, and a run never pulls one"
            raise BackendError(words, remedy=f"{self.name} pull {image} (or build it, or load it)")

    def _require_sight(self, image: str) -> None:
        """Raise BackendError where the engine does not see a folder of the run's: it is asked for a file in there.

        The container that shows it is made and never started.
        """
        import docker

        said = ""
        with nonce_file(self.settings.work_dir) as path:
            mount = docker.types.Mount(PAYLOAD_MOUNT, str(path.parent), type="bind", read_only=True)
            try:
                with self._unstarted(image, [mount]) as identity:
                    if shows_file(self.api, identity, f"{PAYLOAD_MOUNT}/{path.name}", path.read_bytes()):
                        return
            except BackendError as error:
                with self._unstarted(image, []):  # Refused as well, it is not the mount that the engine does not take.
                    said = str(error)
            raise unseen(path, self.name, said)

    @contextlib.contextmanager
    def _unstarted(self, image: str, mounts: "list[Mount]") -> Iterator[str]:
        """Give the id of a container with these mounts, which is gone afterwards. Raises BackendError."""
        name = self.settings.next_name(self.name)
        number = self.journal.intend(Kind.CONTAINER, name, self.name, **self.journal_facts())
        patience_s = INTERRUPTED_PATIENCE_S
        try:
            with engine_errors("creating"):
                host = self.api.create_host_config(mounts=mounts, **self.host_options())
                labels = {LABEL: self.settings.run_id}
                made = self.api.create_container(image, ["sight"], name=name, labels=labels, host_config=host)
            patience_s = 0.0
            yield made["Id"]
        except BackendError:
            patience_s = 0.0
            raise
        finally:
            self._forget_if_absent(name, number, patience_s)

    def _check_of(self, image: str) -> tuple[str, ...]:
        ready = self.settings.ready
        if not isinstance(ready, HealthReady):
            return ready.argv if isinstance(ready, ExecReady) else ()
        argv = self.health_of(image)
        if not argv:
            raise BackendError(f"image {image} has no HEALTHCHECK in {self.name}", remedy=self.health_remedy)
        return argv

    def health_of(self, image: str) -> tuple[str, ...]:
        """Return the command of an image's HEALTHCHECK, () where it has none. Raises BackendError."""
        with engine_errors(f"inspecting image {image}"):
            config = self.api.inspect_image(image).get("Config") or {}  # type: ignore[no-untyped-call]
        return health_argv((config.get("Healthcheck") or {}).get("Test") or (), config.get("Shell") or ())

    def _require_volumes(self) -> None:
        """Raise BackendError unless the engine has each volume that has a name: it would make and keep one."""
        from docker.errors import NotFound

        for name in named_volumes(self.settings.volumes):
            with engine_errors(f"looking for volume {name}"):
                try:
                    self.api.inspect_volume(name)
                except NotFound as error:
                    words = f"{self.name} has no volume {name}, and would keep what it made for one"
                    raise BackendError(words, remedy=f"{self.name} volume create {name}") from error

    def _config(self, api: "APIClient", workload: Workload, variant: Mapping[str, str]) -> Any:
        import docker

        settings = self.settings
        argv = list(argv_for(workload))
        mounts: list[docker.types.Mount] = []
        environ = {RUN_ENVIRONMENT: settings.run_id}
        if self._is_service:
            argv = [SERVE]
            environ[NONCE_ENVIRONMENT] = workload.nonce
        if self._runs_own_program:
            argv = []
            environ |= dict(pair.split("=", 1) for pair in settings.environment)
        elif settings.images:
            # As a structure: in the words SOURCE:TARGET:ro no path with a colon can stand.
            mounts = [docker.types.Mount(PAYLOAD_MOUNT, str(settings.work_dir / "tree"), type="bind", read_only=True)]
            environ["ENVBENCH_BUSYBOX"] = f"{PAYLOAD_MOUNT}/bin/busybox"
            argv = [environ["ENVBENCH_BUSYBOX"], "sh", PAYLOAD_MOUNT + argv[0], *argv[1:]]
        bindings = port_bindings(workload.ports, settings.published)
        host = api.create_host_config(
            network_mode=variant.get("network", workload.network),
            mem_limit=workload.memory_bytes,
            nano_cpus=None if workload.cpus is None else int(workload.cpus * 1_000_000_000),
            read_only=workload.read_only,
            tmpfs=dict.fromkeys(self._written(), "") if workload.read_only else None,
            # Said either way: an engine may be configured to put one in front of every program.
            init=workload.init,
            mounts=mounts,
            binds=[volume for volume in settings.volumes if ":" in volume],
            runtime=variant.get("runtime"),
            port_bindings=bindings,
            **self.host_options(),
        )
        return api.create_container_config(
            image=self.image(variant),
            entrypoint=argv[:1] or None,
            command=argv[1:] or list(settings.command),
            environment=environ,
            # A pipe for gVisor, which would give the machine's own /dev/null away to its user.
            stdin_open=not self._runs_own_program and "runsc" in variant.get("runtime", ""),
            labels={LABEL: settings.run_id},
            ports=[
                (number, protocol or "tcp") for number, _, protocol in (str(key).partition("/") for key in bindings)
            ],
            volumes=[volume for volume in settings.volumes if ":" not in volume],
            host_config=host,
            # We run it ourselves; Podman needs systemd to do so.
            healthcheck=docker.types.Healthcheck(test=["NONE"]) if isinstance(settings.ready, HealthReady) else None,
            stop_signal="SIGTERM",
        )

    def _require_runtime(self, instance: Any, variant: Mapping[str, str]) -> None:
        """See that a container has the runtime that its variant names. Raises BackendError where it has another."""
        raise NotImplementedError

    def _own_process(self, workload: Workload, identity: str, pid: int) -> int | None:
        """Return the process that the engine says is the container's, None unless it proves it."""
        own = instance_process(pid, self.settings.run_id, workload.nonce, identity)
        if own is None and self._runs_own_program:
            # The image's own program has no nonce, but it has the environment that we gave the container.
            return instance_process(pid, self.settings.run_id)
        return own

    def _written(self) -> tuple[str, ...]:
        """Return the folders that the run's own image writes to; of a user's image nobody knows them."""
        settings = self.settings
        return USERLANDS[IMAGES[settings.profile]].writes if not settings.images and settings.profile in IMAGES else ()

    @property
    def _runs_own_program(self) -> bool:
        """Whether the image's own program is run, as its maker meant it, and not the payload."""
        return bool(self.settings.images) and self.settings.tells_own_ready

    @property
    def _is_service(self) -> bool:
        """Whether nginx is run, from the run's own image."""
        return not self.settings.images and self.settings.profile == "service"

    def _forget_if_absent(self, identity: str, number: int, patience_s: float = 0.0) -> None:
        """Remove a container that a failed start may have made, waiting so long for it to appear, and forget it."""
        with contextlib.suppress(BackendError):
            # A name clash must not remove the other's container: only what carries this run's id goes.
            remove_when_it_appears(self.api, identity, self.settings.run_id, patience_s)
            self.journal.forget(number)


def port_bindings(
    asked: Sequence[tuple[int, int]], published: Sequence[str]
) -> dict[int | str, list[tuple[str, int | str | None]]]:
    """Return what a container publishes: port inside → addresses and ports of the host (None: the engine's choice).

    `asked` are ports of the loopback that lead inside, `published` the words of `docker run --publish`.
    """
    from docker.utils.ports import split_port

    found: dict[int | str, list[tuple[str, int | str | None]]] = {}
    for host_port, inside in asked:
        found.setdefault(f"{inside}/tcp", []).append(("127.0.0.1", host_port))
    for words in published:
        (inside,), outside = split_port(words)
        key = inside if "/" in inside else f"{inside}/tcp"
        ((address, port),) = [one if isinstance(one, tuple) else ("", one) for one in outside or [None]]
        found.setdefault(key, []).append((address, port))
    return found


def named_volumes(volumes: Sequence[str]) -> tuple[str, ...]:
    """Return the names of those that the engine keeps, which are neither folders of the host nor made for a start."""
    sources = (volume.partition(":")[0] for volume in volumes if ":" in volume)
    return tuple(source for source in sources if not source.startswith("/"))
