"""From nothing to ready: fetch an image from a registry, or a machine's files from a server, and start what came.

Both servers are the run's own, on the loopback, behind one link that counts what they send and may hold it to a
bandwidth; or an image comes from a registry of the user's. Before each round the page cache is dropped where that is
allowed, then what is served is read once: the server of a real transfer is another machine.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from envbench.backends.vm.backend import VmBackend
from envbench.errors import BackendError, EnvbenchError, one_line
from envbench.experiments.deploy.guest_files import FORMS, fetch_files, files_of, made_from
from envbench.experiments.deploy.layers import Layer, base_files, write_layer
from envbench.experiments.deploy.link import Link, read_bandwidth
from envbench.experiments.deploy.registry import Registry, own_registry
from envbench.experiments.deploy.served import LOOPBACK, files_served, relayed
from envbench.experiments.deploy.users_image import ways_to_users_image
from envbench.experiments.deploy.way import ABSENT, THERE, Way, configured, nothing_before
from envbench.payload.tree import tree_of_run
from envbench.readiness.output import reader_for
from envbench.readiness.probe import wait_until_ready
from envbench.records.phases import Experiment
from envbench.run.bench import Bench, Prepared
from envbench.run.session import drop_caches
from envbench.settings import PROFILES, new_nonce, ready_of
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

ROUNDS = 6
"""The smallest number of values for which the exact 95 % interval of a median exists."""
LAYERED = "service"
"""The profile whose image has a base below its own layer."""


def run(bench: Bench) -> None:
    """Fetch and start, round by round in a shuffled order, every image and machine of this run."""
    chosen, image = _chosen(bench), bench.settings.registry
    containers = [one for one in chosen if one.backend.pulls_images]
    machines = [one for one in chosen if isinstance(one.backend, VmBackend) and image is None]
    folder = bench.settings.work_dir / "deploy"
    folder.mkdir(mode=0o700, exist_ok=True)
    link = Link()
    with ExitStack() as open_until_end:
        ways: list[Way] = []
        if image is not None:
            ways += ways_to_users_image(bench, containers, image, folder, open_until_end)
        elif containers:
            with bench.attempt(Experiment.DEPLOY, "images from a registry"):
                ways += _image_ways(bench, containers, folder, link, open_until_end)
        seen: set[str] = set()
        for prepared in machines:
            profile = prepared.configuration.profile
            # How a disk is packed is the same whoever starts it.
            forms = FORMS[:1] if profile in seen else FORMS
            seen.add(profile)
            with bench.attempt(Experiment.DEPLOY, f"{prepared.name} {profile}: its files"):
                ways += _machine_ways(bench, prepared, forms, folder, link, open_until_end)
        _take_rounds(bench, ways)


def _chosen(bench: Bench) -> list[Prepared]:
    """Return one variant of each backend and profile; of a quick run a container and a machine of the first profile."""
    all_of_them = [*bench.configurations, *bench.whole_systems]
    if bench.quick:
        all_of_them = [*bench.main_containers(), *bench.vms()[:1]]
    first = {
        (one.configuration.backend, one.configuration.profile): one
        for one in reversed(all_of_them)
        if one.configuration.profile in PROFILES
    }
    return list(reversed(first.values()))


def _take_rounds(bench: Bench, ways: list[Way]) -> None:
    bench.course.expect(len(ways) * ROUNDS)
    by_name = {way.name: way for way in ways}
    for number in range(ROUNDS):
        order = bench.shuffled([way.prepared for way in by_name.values()], number)
        for way in sorted(by_name.values(), key=lambda way: order.index(way.prepared)):
            if not bench.has_time():
                bench.skip(
                    Experiment.DEPLOY, "further rounds", "the time of a quick run was used up", "envbench deploy"
                )
                return
            done = False
            with bench.attempt(Experiment.DEPLOY, way.name):
                _take(bench, way, number)
                done = True
            if not done:
                del by_name[way.name]  # It would fail again, and each time cost its whole deadline.
                if not by_name:
                    return


def _take(bench: Bench, way: Way, number: int) -> None:
    """Go one way once and write its rows."""
    cache = _dropped()
    for path in way.served():
        _read(path)
    with way.already():
        if way.link is not None:
            way.link.begin(way.bytes_per_s)
        begun_ns = monotonic_ns()
        with way.fetched() as told_bytes:
            transfer_ns = monotonic_ns() - begun_ns
            way.between()
            ready_ns = transfer_ns + _start_ns(bench, way)
    fetched_bytes = told_bytes if way.link is None else way.link.passed_bytes
    if fetched_bytes is not None and fetched_bytes < way.least_bytes:
        raise BackendError(f"{fetched_bytes} of {way.least_bytes} bytes came: the rest was there before")
    found = {"deploy_bytes": fetched_bytes, "deploy_transfer": transfer_ns, "deploy_ready": ready_ns}
    for name, value in found.items():
        if value is not None:
            bench.record(name, value, way.configuration, iteration=number, detail=cache)
    amount = "bytes not counted" if fetched_bytes is None else f"{fetched_bytes / 1e6:.1f} MB"
    bench.say(
        f"deploy: {way.name}: {amount} in {transfer_ns / NS_PER_S:.2f} s, ready after {ready_ns / NS_PER_S:.2f} s"
    )


def _dropped() -> str:
    """Drop the page cache; say in words whether that was allowed."""
    try:
        drop_caches()
    except EnvbenchError as error:
        return one_line(error)
    return "page cache dropped before"


def _read(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass


def _start_ns(bench: Bench, way: Way) -> int:
    """Start what was fetched; return how long that took until it was ready. Raises BackendError, StartTimeoutError."""
    configuration, backend = way.configuration, way.prepared.backend
    ready, nonce = ready_of(bench.settings, configuration.profile), new_nonce()
    reader = reader_for(nonce, ready)
    workload = bench.sampler.workload(nonce, configuration)
    bench.order += 1
    begun_ns = monotonic_ns()
    deadline_ns = begun_ns + int(bench.settings.deadline_s * NS_PER_S)
    instance = backend.start(workload, configuration.variant, lambda _mark: None)
    try:
        return wait_until_ready(instance, reader, ready, workload, deadline_ns).ready_ns - begun_ns
    finally:
        instance.destroy()


def _speeds(bench: Bench) -> Iterator[tuple[Mapping[str, str], float | None]]:
    """Yield the keys and the bytes in a second of each bandwidth: none first."""
    yield {}, None
    for words in bench.bandwidths:
        yield {"bandwidth": words}, read_bandwidth(words)


def _image_ways(
    bench: Bench, containers: Sequence[Prepared], folder: Path, link: Link, open_until_end: ExitStack
) -> list[Way]:
    """Push the images of these containers' profiles to a registry; return each way to get them."""
    registry = open_until_end.enter_context(own_registry(bench.journal, bench.settings.run_id, folder))
    port = open_until_end.enter_context(relayed(registry.port, link))
    prefix = f"envbench-{bench.settings.run_id}"
    sizes: dict[str, list[int]] = {}
    for profile in dict.fromkeys(one.configuration.profile for one in containers):
        layers = _layers(bench, profile, folder)
        sizes[profile] = [one.size_bytes for one in layers]
        registry.push(f"{prefix}/{profile}", layers)
        if len(layers) > 1:
            registry.push(f"{prefix}/{profile}-base", layers[:1])
        for one in layers:
            one.path.unlink()
    return [
        way
        for prepared in containers
        for keys, bytes_per_s in _speeds(bench)
        for way in _ways_to_image(
            prepared,
            registry,
            f"{LOOPBACK}:{port}/{prefix}",
            link,
            sizes[prepared.configuration.profile],
            keys,
            bytes_per_s,
        )
    ]


def _layers(bench: Bench, profile: str, folder: Path) -> list[Layer]:
    """Return the layers of this profile's image, the lowest first: the service has a base, the others are one layer."""
    tree, run_id = tree_of_run(replace(bench.settings, profile=profile)).path, bench.settings.run_id
    if profile != LAYERED:
        return [write_layer(tree, folder / f"{profile}-layer", run_id)]
    base = base_files(tree)
    return [
        write_layer(tree, folder / f"{profile}-base", run_id, base.__contains__),
        write_layer(tree, folder / f"{profile}-own", run_id, lambda name: name not in base),
    ]


def _ways_to_image(
    prepared: Prepared,
    registry: Registry,
    place: str,
    link: Link,
    sizes: Sequence[int],
    keys: Mapping[str, str],
    bytes_per_s: float | None,
) -> Iterator[Way]:
    backend, variant, profile = prepared.backend, prepared.configuration.variant, prepared.configuration.profile

    def served() -> list[Path]:
        return [path for path in registry.data.rglob("data") if path.is_file()]

    def fetched() -> AbstractContextManager[None]:
        return backend.pulled(f"{place}/{profile}:latest", variant)

    def base() -> AbstractContextManager[None]:
        return backend.pulled(f"{place}/{profile}-base:latest", variant)

    if len(sizes) == 1:
        configuration = configured(prepared, keys)
        yield Way(prepared, configuration, fetched, link, bytes_per_s, least_bytes=sum(sizes), served=served)
        return
    for state, already, least in ((ABSENT, nothing_before, sum(sizes)), (THERE, base, sizes[-1])):
        configuration = configured(prepared, {"base": state, **keys})
        yield Way(
            prepared, configuration, fetched, link, bytes_per_s, already=already, least_bytes=least, served=served
        )


def _machine_ways(
    bench: Bench, prepared: Prepared, forms: Sequence[str], folder: Path, link: Link, open_until_end: ExitStack
) -> list[Way]:
    """Have a server with the files of this machine, in each form; return each way to get them."""
    backend = cast("VmBackend", prepared.backend)
    recipe = backend.recipe(prepared.configuration.variant)
    own = folder / f"{prepared.configuration.backend}-{prepared.configuration.profile}"
    own.mkdir(mode=0o700)
    ways = []
    for form in forms if recipe.disk else ("",):
        files = files_of(recipe, form, own)
        port = open_until_end.enter_context(files_served(files, link))

        @contextmanager
        def fetched(port: int = port, names: tuple[str, ...] = tuple(files)) -> Iterator[None]:
            arrived = backend.landing(recipe) / f"arrived-{own.name}"
            arrived.mkdir(mode=0o700)
            try:
                with backend.made_of(made_from(recipe, fetch_files(port, names, arrived))):
                    yield
            finally:
                shutil.rmtree(arrived, ignore_errors=True)

        served = tuple(files.values())
        least = sum(path.stat().st_size for path in served)
        for keys, bytes_per_s in _speeds(bench):
            configuration = configured(prepared, {**({"disk": form} if form else {}), **keys})
            read = partial(tuple, served)
            ways.append(Way(prepared, configuration, fetched, link, bytes_per_s, least_bytes=least, served=read))
    return ways
