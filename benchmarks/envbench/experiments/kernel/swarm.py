"""What a manager of containers adds to a start: a service of Docker Swarm against a plain start on the same engine.

Both are asked for by the engine's API, both run the same payload in the network of their engine, and both are ready by
the same sign: the engine says that the container has been started, and its log has the ready line.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlencode

from envbench.backend import Workload
from envbench.backends.shared.engine_calls import api_client, engine_errors, remove_container
from envbench.backends.shared.images import payload_tar
from envbench.errors import BackendError, EnvbenchError, StartTimeoutError
from envbench.experiments.shared.engine_cli import engine_cli
from envbench.experiments.shared.own_engine import EngineConnection, own_engine
from envbench.payload.tree import tree_of_run
from envbench.payload.words import argv_for
from envbench.readiness.output import marker_for
from envbench.run.bench import Bench, Prepared
from envbench.settings import LABEL, RUN_ENVIRONMENT, Settings, new_nonce
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

ROUNDS = 6
"""As many as the exact interval of a median needs; one more comes before them and does not count."""
REMOVAL_DEADLINE_S = 30.0
POLL_S = 0.02
STOP_GRACE_NS = 5 * NS_PER_S
NONCE_LABEL = f"{LABEL}.nonce"
RUNTIME = "runc"
"""What an engine without a configuration starts containers with."""
Remove = Callable[[], object]


def run(bench: Bench) -> str:
    """Start the payload both ways in turns and write how long each took; return the manager in words.

    Raises EnvbenchError where there is no such engine, or a start fails.
    """
    configuration = _engine_with_clusters(bench).configuration
    with _cluster(bench) as (manager, starts):
        details = {"managed_ready": f"{manager}, a service of one task", "plain_ready": f"{manager}, no service"}
        for number in range(ROUNDS + 1):
            for metric, start in starts.in_turns(number):
                bench.order += 1
                took_ns, first = starts.time_ns(start), not number
                bench.record(metric, took_ns, configuration, iteration=number, warmup=first, detail=details[metric])
    bench.say(f"kernel: {manager}: a service and a plain start, {ROUNDS} times each")
    return manager


@contextlib.contextmanager
def _cluster(bench: Bench) -> Iterator[tuple[str, "_Starts"]]:
    """Give a cluster of one node with the payload's image: its manager in words, and what starts there."""
    layer = payload_tar(tree_of_run(bench.settings).path)
    with own_engine(bench.journal, bench.settings) as path:
        api = api_client(f"unix://{path}", int(bench.settings.deadline_s))
        with contextlib.closing(api):
            with engine_errors("docker swarm init"):
                manager = f"Docker Swarm {api.version()['Version']}"
                api.init_swarm("127.0.0.1")
            yield manager, _Starts(api, path, _imported(api, layer), bench.settings)


def _engine_with_clusters(bench: Bench) -> Prepared:
    for one in bench.containers():
        cli = engine_cli(one)
        if cli is not None and cli.engine.cluster and one.configuration.variant.get("runtime", RUNTIME) == RUNTIME:
            return one
    raise EnvbenchError("no engine with a cluster mode is part of this run", remedy="--backend docker beside it")


def _imported(api: Any, layer: bytes) -> str:
    """Return the image's id: an engine asks a registry for every other name that a service gives."""
    with engine_errors("importing the payload image"):
        api.import_image_from_data(layer, repository="payload", tag="latest")
        return str(api.inspect_image("payload:latest")["Id"])


class _Starts:
    """Starts of one image on one engine, in both ways; none runs any more when the next one begins."""

    def __init__(self, api: Any, path: Path, image: str, settings: Settings) -> None:
        self._api, self._path, self._image = api, path, image
        self._run_id, self._deadline_s = settings.run_id, settings.deadline_s

    def in_turns(self, number: int) -> Sequence[tuple[str, Callable[[str], Remove]]]:
        """Return both ways by their metric, in the order of this round."""
        ways = (("plain_ready", self._plain), ("managed_ready", self._service))
        return ways if number % 2 else ways[::-1]

    def time_ns(self, start: Callable[[str], Remove]) -> int:
        """Return the time from the request until the ready line is in the container's log; nothing of it runs then.

        Raises BackendError, StartTimeoutError where it does not get ready.
        """
        nonce, remove = new_nonce(), None
        started = {"type": ["container"], "event": ["start"], "label": [f"{NONCE_LABEL}={nonce}"]}
        try:
            # `since` the beginning: an engine subscribes a moment after its answer has begun.
            with self._answer("/events", since=1, filters=json.dumps(started)) as events:
                requested_ns = monotonic_ns()
                remove = start(nonce)
                identity = str(json.loads(events.readline())["id"])
            with self._answer(f"/containers/{identity}/logs", stdout=1, stderr=1, follow=1) as log:
                _read_until(log, marker_for(nonce))
                return monotonic_ns() - requested_ns
        finally:
            if remove is not None:
                with engine_errors("removing"):
                    remove()
                    self._await_end(nonce)

    @contextlib.contextmanager
    def _answer(self, place: str, **words: object) -> Iterator[HTTPResponse]:
        """Give a stream of the engine's (Docker Engine API, SystemEvents, ContainerLogs). Raises BackendError."""
        asked = EngineConnection(self._path, self._deadline_s)
        try:
            asked.request("GET", f"{place}?{urlencode(words)}")
            with asked.getresponse() as answer:
                if answer.status != 200:
                    raise BackendError(f"the engine answers {answer.status} to {place}")
                yield answer
        except TimeoutError as error:
            raise StartTimeoutError(f"nothing in {place} within {self._deadline_s:g} s") from error
        except (OSError, HTTPException, ValueError) as error:
            raise BackendError(f"{place}: {error}") from error
        finally:
            asked.close()

    def _labels(self, nonce: str) -> dict[str, str]:
        return {LABEL: self._run_id, NONCE_LABEL: nonce}

    def _plain(self, nonce: str) -> Remove:
        api, argv = self._api, argv_for(Workload(nonce, keep_running=True))
        with engine_errors("starting a container"):
            config = api.create_container_config(
                image=self._image,
                entrypoint=list(argv[:1]),
                command=list(argv[1:]),
                environment={RUN_ENVIRONMENT: self._run_id},
                labels=self._labels(nonce),
                host_config=api.create_host_config(network_mode="host"),
            )
            identity = api.create_container_from_config(config)["Id"]
            api.start(identity)
        return lambda: remove_container(api, identity)

    def _service(self, nonce: str) -> Remove:
        api, argv = self._api, argv_for(Workload(nonce, keep_running=True))
        task = {
            "ContainerSpec": {
                "Image": self._image,
                "Command": list(argv[:1]),
                "Args": list(argv[1:]),
                "Env": [f"{RUN_ENVIRONMENT}={self._run_id}"],
                "Labels": self._labels(nonce),
                "StopGracePeriod": STOP_GRACE_NS,
            },
            "RestartPolicy": {"Condition": "none"},
            "Networks": [{"Target": "host"}],
        }
        with engine_errors("creating a service"):
            identity = api.create_service(task)["ID"]
        return lambda: api.remove_service(identity)

    def _await_end(self, nonce: str) -> None:
        """Wait until no container of this start runs; a manager tells it to end, and removes it, seconds later.

        Raises StartTimeoutError.
        """
        deadline_ns = monotonic_ns() + int(REMOVAL_DEADLINE_S * NS_PER_S)
        while self._api.containers(filters={"label": f"{NONCE_LABEL}={nonce}"}):
            if monotonic_ns() > deadline_ns:
                raise StartTimeoutError("a container that was told to end still runs")
            sleep(POLL_S)


def _read_until(log: HTTPResponse, marker: bytes) -> None:
    """Read a log up to these bytes. Raises BackendError where it ends before, the socket's errors else."""
    said = b""
    while marker not in said:
        chunk = log.read1(1 << 16)
        if not chunk:
            raise BackendError(f"it ended before its ready line: {said[-200:].decode(errors='replace')}")
        said += chunk
