"""The cgroup path of this process: written by the kernel, named by whoever made the container, outermost first."""

from __future__ import annotations

from envinspect.model import Absent, Evidence, Found, Record, Strength, Unknown
from envinspect.model.facts import Facts
from envinspect.probes.mounts import is_of_pod
from envinspect.signatures.containers import FOLDERS, HOST_SCOPES, HOST_UNITS, SCOPES, Folder
from envinspect.sources.cgroups import (
    Membership,
    components,
    is_container_id,
    is_hex,
    is_id,
    is_kubelets,
    is_pod,
    parse_cgroup,
)
from envinspect.sources.mounts import mount_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDERS = {row.name: row for row in FOLDERS}
_KUBERNETES = "https://kubernetes.io/docs/setup/production-environment/container-runtimes/#cgroup-drivers"
_ECS = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html"
_MOBY = "https://docs.docker.com/reference/cli/dockerd/#default-cgroup-parent"
_LIBVIRT = "https://libvirt.org/cgroups.html"
_LXC_DRIVER = "https://github.com/moby/moby/blob/v1.8.0/daemon/execdriver/lxc/driver.go"
_NSPAWN = "https://github.com/systemd/systemd/blob/main/src/nspawn/nspawn-cgroup.c"


class Level(Record):
    """One container along a cgroup path: who named it, how sure that is, and the part of the path that says so."""

    id: str
    strength: Strength
    part: str
    reference: str


class Cgroups(Record):
    """The paths of this process, the file they come from, and the containers along the most telling one."""

    source: str
    paths: tuple[tuple[str, ...], ...]
    chain: tuple[Level, ...]


def cgroups(facts: Facts) -> Cgroups:
    """Return what the cgroup files say of this process itself.

    PID 1 is asked only where this process's own file is not there: with the host's PID namespace it describes the host.
    The roots of cgroup mounts come last, because anybody who may mount can bind another cgroup there.
    """
    own = facts.text("/proc/self/cgroup")
    first = facts.text("/proc/1/cgroup") if not isinstance(own, Found) else own
    source = "/proc/self/cgroup" if isinstance(own, Found) else "/proc/1/cgroup"
    answer = _read(source, parse_cgroup(first.value) if isinstance(first, Found) else ())
    if answer.chain:
        return answer
    table = facts.derived(mount_table)
    mounted = tuple(
        Membership(-1, "", mount.root)
        for mount in table.mounts
        if mount.fstype in {"cgroup", "cgroup2"}
        and mount.root not in {"", "/"}
        and mount.target.startswith("/sys/fs/cgroup")
    )
    return _read(table.source, mounted) if mounted else answer


def beyond_first(facts: Facts) -> bool:
    """Say whether the own cgroup path names a container in which PID 1, whose path is read, is not."""
    own, first = facts.derived(cgroups), facts.text("/proc/1/cgroup")
    if not own.chain or own.source != "/proc/self/cgroup" or not isinstance(first, Found):
        return False
    parts = {part for path in _read("/proc/1/cgroup", parse_cgroup(first.value)).paths for part in path}
    return own.chain[-1].part.rpartition("/")[2] not in parts


def _read(source: str, memberships: tuple[Membership, ...]) -> Cgroups:
    paths = tuple(dict.fromkeys(components(membership.path) for membership in memberships))
    # /../ID is another container beside this one's cgroup namespace: whose, the path does not say.
    relative = {components(membership.path) for membership in memberships if membership.path.startswith("/..")}
    chains = [levels(path, named=path not in relative) for path in paths]
    return Cgroups(source, paths, max(chains, key=_weight, default=()))


def _weight(chain: tuple[Level, ...]) -> tuple[int, int, int]:
    """Rank a path: the one that names most containers says most; unused v1 controllers stay at the root."""
    strong = [level for level in chain if level.strength > Strength.HINT]
    return (len(strong), sum(level.id != "container" for level in strong), len(chain))


def levels(path: tuple[str, ...], *, named: bool = True) -> tuple[Level, ...]:
    """Return the containers along one path, outermost first: hints only where there is nothing better.

    `named` False: the folders above are not shown, so that a bare id is nobody's.
    """
    bare = "docker" if named and not any(is_pod(part) or is_kubelets(part) for part in path) else "container"
    found = tuple(_levels(path, bare))
    sure = tuple(level for level in found if level.strength > Strength.HINT)
    if not sure and any(is_kubelets(part) for part in path) and not path[-1].startswith(HOST_SCOPES):
        return (Level("container", Strength.STRONG, "/".join(path), _KUBERNETES),)
    return sure or found


def _levels(path: tuple[str, ...], bare: str) -> Iterator[Level]:
    previous: Level | None = None
    for position, part in enumerate(path):
        level = _level(path, position, part, bare)
        if level is None:
            continue
        if level.id == "container" and previous is not None and previous.id == "container":
            continue  # a pod below an ECS task: two folders, one container
        previous = level
        yield level


def _level(path: tuple[str, ...], position: int, part: str, bare: str) -> Level | None:
    name = part.removesuffix(".scope")
    if part.endswith(HOST_UNITS):
        return None  # a container's file system as the host's systemd sees it mounted
    if name.startswith(HOST_SCOPES) or (part.endswith(".service") and not name.startswith("systemd-nspawn@")):
        return None  # engines and their helpers are services of the host; of containers only nspawn's are
    parent = path[position - 1] if position else ""
    for scope in SCOPES:
        if name.startswith(scope.prefix) and len(name) > len(scope.prefix):
            sure = not scope.needs_id or is_id(name[len(scope.prefix) :])
            return Level(scope.id, _strength(sure), part, scope.reference)
    if name.startswith("machine-") and part.endswith(".scope"):
        return Level("systemd-nspawn", Strength.STRONG, part, _NSPAWN)
    if name.endswith(".libvirt-lxc"):
        return Level("lxc-libvirt", Strength.STRONG, part, _LIBVIRT)
    folder = _folder(path, position - 1)
    return _unnamed(path, position, part, bare) if folder is None else _in_folder(folder, name, f"{parent}/{part}")


def _in_folder(folder: Folder, name: str, observed: str) -> Level:
    if folder.name == "lxc" and is_container_id(name):
        return Level("docker", Strength.STRONG, observed, _LXC_DRIVER)
    return Level(folder.id, _strength(not folder.needs_id or is_id(name)), observed, folder.reference)


def _folder(path: tuple[str, ...], position: int) -> Folder | None:
    """Return the row of a folder whose next part names a container; `docker/buildkit` is a folder in a folder."""
    if position < 0:
        return None
    name = path[position + 1]
    if name in _FOLDERS or name.startswith("kubepods") or name.endswith((".service", ".slice", ".scope")):
        return None
    return _FOLDERS.get(path[position])


def _unnamed(path: tuple[str, ...], position: int, part: str, bare: str) -> Level | None:
    """Tell a container from the shape of the path where no runtime's name stands in it."""
    parent = path[position - 1] if position else ""
    if parent and is_pod(parent) and not part.startswith("pod") and not part.endswith((".slice", ".service")):
        return Level("container", Strength.STRONG, f"{parent}/{part}", _KUBERNETES)
    if parent == "ecs":
        return Level("container", Strength.STRONG, "/".join(path[position - 1 :]), _ECS)
    if position == len(path) - 1 and is_container_id(part) and "ecs" not in path:
        # containerd's CRI keeps containers in pods, Podman and CRI-O put a prefix before the id: left is Docker with a
        # --cgroup-parent of one's own.
        return Level(bare, Strength.STRONG, part, _MOBY)
    return None


def _strength(sure: bool) -> Strength:
    return Strength.STRONG if sure else Strength.HINT


def is_fargate_name(part: str) -> bool:
    """Say whether a part is `task-number`, as Fargate's platform 1.4 names containers."""
    task, dash, number = part.rpartition("-")
    return bool(dash) and is_hex(task, 32) and number.isdecimal()


def in_pod(facts: Facts) -> bool:
    """Say whether this process's cgroup or a file bound into its root belongs to a Kubernetes pod."""
    if any(is_pod(part) for path in facts.derived(cgroups).paths for part in path):
        return True
    return any(is_of_pod(mount) for mount in facts.derived(mount_table).mounts)


def probe_cgroup(facts: Facts) -> Iterator[Evidence | Unknown]:
    """Say where nothing tells this process's cgroups."""
    if isinstance(facts.text("/proc/self/cgroup"), Absent) and not isinstance(facts.text("/proc/1/cgroup"), Found):
        yield Unknown("/proc/self/cgroup", "absent", "which container's cgroup this process is in")
