"""Files and variables by which container managers announce themselves. Anybody can copy or set them."""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Record, Strength
from envinspect.model.facts import Facts
from envinspect.probes.roots import root_place
from envinspect.signatures.containers import CONTAINER_INTERFACE, MANAGERS, TOLD_ELSEWHERE
from envinspect.sources.process import parse_assignments, variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTAINERENV = "https://docs.podman.io/en/latest/markdown/podman-run.1.html"
_DOCKERENV = "https://github.com/moby/moby/blob/master/daemon/initlayer/setup_unix.go"
_TOOLBOX = "https://github.com/containers/toolbox/blob/main/src/cmd/initContainer.go"
_LXD = "https://documentation.ubuntu.com/lxd/en/latest/dev-lxd/"
_INCUS = "https://linuxcontainers.org/incus/docs/main/dev-incus/"
_APPTAINER = "https://apptainer.org/docs/user/latest/environment_and_metadata.html"
_CHARLIECLOUD = "https://hpc.github.io/charliecloud/ch-run.html#environment-variables"


class Marker(Record):
    """One marker. `by_manager`: set for PID 1 by the manager; `needs_mount`: comes with mounts that name the engine.

    `inherited`: a variable of this process, which the first one may have had too.
    """

    evidence: Evidence
    by_manager: bool = False
    needs_mount: bool = False
    inherited: bool = False


def markers(facts: Facts) -> tuple[Marker, ...]:
    """Return the markers, the ones that are hardest to come by accidentally first."""
    return (*_manager_says(facts), *_sockets(facts), *_images(facts), *_engine_files(facts), *_own_variable(facts))


def _marker(
    container_id: str,
    strength: Strength,
    source: str,
    observed: str,
    reference: str,
    *,
    by_manager: bool = False,
    needs_mount: bool = False,
) -> Marker:
    piece = Evidence(Kind.CONTAINER, container_id, strength, source, observed[:200], reference)
    return Marker(piece, by_manager, needs_mount)


def _manager_says(facts: Facts) -> Iterator[Marker]:
    """Read the container interface of systemd, which nspawn, LXC, Podman and others follow."""
    for path in ("/run/host/container-manager", "/run/systemd/container"):
        yield from _manager(path, facts.str_or(path))
    yield from _manager("/proc/1/environ", variable(_raw(facts, "/proc/1/environ"), "container") or "")


def _manager(source: str, value: str) -> Iterator[Marker]:
    """Any value says that there is a manager, by the interface's own word; a known one says which."""
    if not value or value in TOLD_ELSEWHERE or not value.isprintable() or len(value) > 64:
        return
    observed = f"container={value}" if source.endswith("environ") else value
    container_id = MANAGERS.get(value, "container")
    yield _marker(container_id, Strength.STRONG, source, observed, CONTAINER_INTERFACE, by_manager=True)


def _sockets(facts: Facts) -> Iterator[Marker]:
    for path, container_id, reference in (("/dev/incus/sock", "incus", _INCUS), ("/dev/lxd/sock", "lxd", _LXD)):
        if isinstance(facts.stat(path), Found):
            yield _marker(container_id, Strength.STRONG, path, "present", reference, by_manager=True)


def _images(facts: Facts) -> Iterator[Marker]:
    """Look for the HPC runtimes, which share the host's namespaces and change little but the root."""
    for name in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        value = facts.environ(name)
        if isinstance(value, Found):
            # Its own images have that folder; a plain tree that it runs has not.
            sure = isinstance(facts.stat("/.singularity.d"), Found) or facts.derived(root_place).changed
            strength = Strength.STRONG if sure else Strength.HINT
            yield _marker("apptainer", strength, f"environ {name}", value.value, _APPTAINER, by_manager=True)
    if isinstance(facts.stat("/.singularity.d"), Found):
        yield _marker("apptainer", Strength.HINT, "/.singularity.d", "present", _APPTAINER)
    value = facts.environ("CH_RUNNING")
    if isinstance(value, Found):
        yield _marker(
            "charliecloud", Strength.STRONG, "environ CH_RUNNING", value.value, _CHARLIECLOUD, by_manager=True
        )


def _engine_files(facts: Facts) -> Iterator[Marker]:
    if isinstance(facts.stat("/run/.toolboxenv"), Found):
        yield _marker("toolbox", Strength.STRONG, "/run/.toolboxenv", "present", _TOOLBOX, needs_mount=True)
    containerenv = facts.text("/run/.containerenv")
    if isinstance(containerenv, Found) or isinstance(facts.stat("/run/.containerenv"), Found):
        engine = parse_assignments(containerenv.value).get("engine", "") if isinstance(containerenv, Found) else ""
        container_id = "buildah" if engine.startswith("buildah") else "podman"
        observed = f"engine={engine}" if engine else "present"
        yield _marker(container_id, Strength.STRONG, "/run/.containerenv", observed, _CONTAINERENV, needs_mount=True)
    for path in ("/.dockerenv", "/.dockerinit"):
        if isinstance(facts.stat(path), Found):
            yield _marker("docker", Strength.STRONG, path, "present", _DOCKERENV, needs_mount=True)


def _own_variable(facts: Facts) -> Iterator[Marker]:
    value = facts.environ("container")
    if isinstance(value, Found) and value.value in MANAGERS:
        piece = _marker(MANAGERS[value.value], Strength.HINT, "environ container", value.value, CONTAINER_INTERFACE)
        yield piece.replace(inherited=True)


def _raw(facts: Facts, path: str) -> str:
    found = facts.bytes(path)
    return found.value.decode("utf-8", "replace") if isinstance(found, Found) else ""
