"""Who schedules this container, and whose Linux machine the engine runs in."""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Reading, Strength
from envinspect.model.facts import Facts
from envinspect.probes.cgroup import cgroups, is_fargate_name
from envinspect.probes.mounts import is_of_pod
from envinspect.probes.namespaces import namespaces
from envinspect.probes.roots import is_left_over
from envinspect.signatures.orchestrators import ENGINE_MOUNTS, VARIABLES
from envinspect.sources.cgroups import is_container_id, is_kubelets, is_pod
from envinspect.sources.mounts import Mount, mount_table
from envinspect.sources.process import parse_environ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST_ENVIRON = "/proc/1/environ"
_OF_CONTAINERS = frozenset({"kubernetes", "aws-ecs"})
"""Orchestrators of containers alone: who runs on the host itself is none of theirs, whatever its variables say."""
_PODS = "https://kubernetes.io/docs/concepts/architecture/cgroups/"
_KUBELET = "https://kubernetes.io/docs/reference/node/kubelet-files/"
_ACCOUNT = "https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/"
_ECS = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html"
_FARGATE = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html"
_NOMAD = "https://developer.hashicorp.com/nomad/docs/deploy/production/cgroups"
_SLURM = "https://slurm.schedmd.com/cgroup_v2.html"
_ACTIONS = "https://docs.github.com/en/actions/how-tos/write-workflows/choose-where-workflows-run"
_JOBS = {
    "actions_job": ("github-actions", _ACTIONS),
    "azpl_job": (
        "azure-pipelines",
        "https://learn.microsoft.com/en-us/azure/devops/pipelines/process/container-phases",
    ),
}
"""The groups in which hosted runners keep the containers of their jobs."""
_TEKTON = "https://github.com/tektoncd/pipeline/blob/main/docs/developers/taskruns.md"
_SWARM = "https://docs.docker.com/engine/swarm/secrets/"
_LINUXKIT = "https://github.com/linuxkit/linuxkit"
_ORBSTACK = "https://docs.orbstack.dev/architecture"
_MACHINE = "https://docs.podman.io/en/latest/markdown/podman-machine.1.html"
_LIMA = "https://lima-vm.io/docs/dev/internals/"
CROS_MILESTONE = "/dev/.cros_milestone"
CROS_REFERENCE = "https://chromium.googlesource.com/chromiumos/platform2/+/HEAD/vm_tools/garcon/"
VMINITD = "init=/sbin/vminitd"
"""How Apple's container tool boots the virtual machine that it makes for each container, with macOS's framework."""
VMINITD_REFERENCE = "https://github.com/apple/containerization/blob/main/Sources/Containerization/Kernel.swift"
_RANCHER = "https://docs.rancherdesktop.io/"


def probe_orchestrators(facts: Facts) -> Iterator[Evidence]:
    """Look for the orchestrator."""
    left_over = _came_from_a_container(facts)
    for piece in _in_variables("environ ", lambda name: _value(facts.environ(name))):
        yield piece.replace(strength=Strength.HINT) if left_over and piece.id in _OF_CONTAINERS else piece
    if "pid" in facts.derived(namespaces).others:
        # The first process here is the container's own: whoever came in by ssh, or through sudo, has not its variables.
        given = facts.derived(first_variables)
        yield from _in_variables(f"{_FIRST_ENVIRON} ", given.get)
    seen = facts.derived(cgroups)
    for path in seen.paths:
        yield from _in_path(path, seen.source)
    yield from _in_mounts(facts)
    yield from _tekton(facts)
    for folder in ("/var/run/secrets/kubernetes.io", "/run/secrets/kubernetes.io"):
        if isinstance(facts.stat(folder), Found):
            yield _mark("kubernetes", Strength.STRONG, folder, "present", _ACCOUNT)
            break


def _came_from_a_container(facts: Facts) -> bool:
    """Say whether this process left a container for the host (`nsenter -t 1`): its variables came with it."""
    if not facts.derived(is_left_over):
        return False
    return bool(facts.derived(cgroups).chain) or "cgroup" in facts.derived(namespaces).others


def _in_variables(source: str, value_of: Callable[[str], str | None]) -> Iterator[Evidence]:
    """Yield a mark for each row whose variables are all set; `value_of` returns None for one that is not."""
    for row in VARIABLES:
        values = [value_of(name) for name in row.names]
        first = values[0]
        if row.unless and any(_is_set(other, value_of) for other in row.unless):
            continue
        if first is not None and None not in values and first.startswith(row.value):
            yield _mark(row.id, row.strength, source + row.names[0], first if row.value else "set", row.reference)


def _is_set(other: str, value_of: Callable[[str], str | None]) -> bool:
    """Say whether a variable of another product's is set: by its name, or by its name and how its value begins."""
    name, _, start = other.partition("=")
    value = value_of(name)
    return value is not None and value.startswith(start)


def _value(reading: Reading[str]) -> str | None:
    return reading.value if isinstance(reading, Found) else None


def first_variables(facts: Facts) -> dict[str, str]:
    """Return the variables that PID 1 was started with; empty where they cannot be read."""
    found = facts.bytes(_FIRST_ENVIRON)
    return parse_environ(found.value.decode("utf-8", "replace")) if isinstance(found, Found) else {}


def _mark(mark_id: str, strength: Strength, source: str, observed: str, reference: str) -> Evidence:
    return Evidence(Kind.ORCHESTRATOR, mark_id, strength, source, observed[:200], reference)


def _in_path(path: tuple[str, ...], source: str) -> Iterator[Evidence]:
    for position, part in enumerate(path):
        below = path[position + 1 :]
        if part.startswith("cri-containerd-") or is_kubelets(part) or (is_pod(part) and below):
            yield _mark("kubernetes", Strength.STRONG, source, part, _PODS)
        elif part == "ecs" and below:
            yield from _ecs(below, source)
        elif part.startswith("ecstasks-") and part.endswith(".slice"):
            yield _mark("aws-ecs", Strength.STRONG, source, part, _ECS)
        elif part in {"nomad.slice", "nomad"} and below:
            yield _mark("nomad", Strength.STRONG, source, "/".join(path), _NOMAD)
        elif part.startswith("step_") and position and path[position - 1].startswith("job_"):
            yield _mark("slurm", Strength.STRONG, source, "/".join(path), _SLURM)
        elif part in _JOBS and below:
            mark_id, reference = _JOBS[part]
            yield _mark(mark_id, Strength.STRONG, source, "/".join(path), reference)


def _ecs(below: tuple[str, ...], source: str) -> Iterator[Evidence]:
    """Tell Fargate by its names: `task-number` since platform 1.4, a task's UUID straight below `ecs` before.

    The agent on EC2 puts the cluster's name or a task id of the later form there.
    """
    observed = "/".join(("ecs", *below))
    yield _mark("aws-ecs", Strength.STRONG, source, observed, _ECS)
    old = below[0].count("-") == 4 and len(below[0]) == 36 and len(below) > 1 and is_container_id(below[1])
    if old or any(is_fargate_name(part) for part in below[:2]):
        yield _mark("aws-fargate", Strength.STRONG, source, observed, _FARGATE)


def _in_mounts(facts: Facts) -> Iterator[Evidence]:
    table = facts.derived(mount_table)
    for mount in table.mounts:
        if mount.target.startswith("/run/secrets/") and mount.fstype == "tmpfs" and _is_swarm_id(mount.root[1:]):
            yield _mark("docker-swarm", Strength.STRONG, table.source, f"{mount.target} is a secret of Swarm", _SWARM)
        if mount.target.startswith(("/var/run/secrets/kubernetes.io/", "/run/secrets/kubernetes.io/")):
            yield _mark("kubernetes", Strength.STRONG, table.source, f"a mount on {mount.target}", _ACCOUNT)
            return
        if is_of_pod(mount):
            observed = f"{mount.target} is {mount.root}"
            yield _mark("kubernetes", Strength.STRONG, table.source, observed, _KUBELET)
            return
        if "/io.containerd.grpc.v1.cri/" in mount.root and mount.target.startswith("/etc/"):
            observed = f"{mount.target} is kept by containerd's Kubernetes interface"
            yield _mark("kubernetes", Strength.STRONG, table.source, observed, _PODS)
            return


def _tekton(facts: Facts) -> Iterator[Evidence]:
    """Look for the folders that Tekton mounts into each step of a task; it sets no variables."""
    table = facts.derived(mount_table)
    for mount in table.mounts:
        if mount.target.startswith(("/tekton/results", "/tekton/steps", "/tekton/run/")):
            yield _mark("tekton", Strength.STRONG, table.source, f"a mount on {mount.target}", _TEKTON)
            return


def _is_swarm_id(text: str) -> bool:
    """Say whether a text is an id of a Swarm object: 25 digits of base 36."""
    return len(text) == 25 and text.isalnum() and text == text.lower()


def _named(source: str, pattern: str) -> bool:
    stem = pattern.removesuffix("<n>")
    return source.startswith(stem) and (stem == pattern or source[len(stem) :].isdecimal())


def _shows(folder: str, mount: Mount) -> bool:
    """Say whether a folder is part of what is mounted or of where; of the root, its layers count too."""
    return folder in mount.root or folder in mount.target or (mount.target == "/" and folder in mount.options)


def probe_engines(facts: Facts) -> Iterator[Evidence]:
    """Look for the product whose Linux machine the engine runs in."""
    release = facts.uname.release
    for word, mark_id, reference in (
        ("linuxkit", "docker-desktop", _LINUXKIT),
        ("orbstack", "orbstack", _ORBSTACK),
    ):
        if word in release:
            yield Evidence(Kind.ENGINE, mark_id, Strength.STRONG, "uname release", release, reference)
    table = facts.derived(mount_table)
    for mount in table.mounts:
        for row in ENGINE_MOUNTS:
            if (
                (row.fstype and mount.fstype == row.fstype and (not row.source or _named(mount.source, row.source)))
                or (row.source and not row.fstype and _named(mount.source, row.source))
                or (row.folder and _shows(row.folder, mount))
            ):
                observed = f"{mount.target} is {mount.fstype} {mount.source}"
                yield Evidence(Kind.ENGINE, row.id, Strength.STRONG, table.source, observed[:200], row.reference)
    for path, mark_id, reference in (
        ("/etc/containers/podman-machine", "podman-machine", _MACHINE),
        ("/mnt/lima-cidata", "lima", _LIMA),
        ("/mnt/lima-colima", "colima", _LIMA),
        ("/mnt/lima-rancher-desktop", "rancher-desktop", _RANCHER),
        ("/opt/orbstack-guest", "orbstack", _ORBSTACK),
        (CROS_MILESTONE, "crostini", CROS_REFERENCE),
    ):
        if isinstance(facts.stat(path), Found):
            yield Evidence(Kind.ENGINE, mark_id, Strength.STRONG, path, "present", reference)
    if VMINITD in facts.str_or("/proc/cmdline").split():
        yield Evidence(Kind.ENGINE, "apple-container", Strength.STRONG, "/proc/cmdline", VMINITD, VMINITD_REFERENCE)
    distribution = facts.environ("WSL_DISTRO_NAME")
    if isinstance(distribution, Found) and distribution.value in {"docker-desktop", "rancher-desktop"}:
        source = "environ WSL_DISTRO_NAME"
        yield Evidence(Kind.ENGINE, distribution.value, Strength.STRONG, source, distribution.value, _RANCHER)
