"""Containers: what the cgroup path, the mounts, the marker files and the namespaces say together, outermost first.

The cgroup path and the mounts are made by the engine for this very container and name it. Marker files and variables
are only copied into it: they count where nothing real is known, and are shown as contradicted where it is (see
`envinspect.resolver.overrules.inner`).
"""

from __future__ import annotations

from envinspect.model import Denied, Evidence, Found, Kind, Record, Strength, Unknown
from envinspect.model.facts import Facts
from envinspect.probes.cgroup import cgroups, in_pod
from envinspect.probes.isolation import ID_MAP, isolation, masks_proc, shifted_ids
from envinspect.probes.kernels import kernel_evidence
from envinspect.probes.markers import Marker, markers
from envinspect.probes.mounts import (
    chain_in,
    evidence_of_mount,
    filesystem_rows,
    has_engine_files,
    on_whole_disk,
    storage_chains,
)
from envinspect.probes.namespaces import namespaces
from envinspect.probes.roots import FIRST_MOUNTINFO, SAME, around_root, is_left_over, root_place
from envinspect.probes.sandboxes import sandbox_evidence
from envinspect.signatures.containers import BOUND_FILES
from envinspect.sources.mounts import MOUNTINFO, mount_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_GENERIC = "container"
_REMAP = "https://docs.docker.com/engine/security/userns-remap/"
_NAMESPACES = "https://man7.org/linux/man-pages/man7/namespaces.7.html"

REFINES: dict[str, frozenset[str]] = {
    "cri-o": frozenset({"podman"}),
    "toolbox": frozenset({"podman"}),
    "buildah": frozenset({"podman"}),
    "lxd": frozenset({"lxc"}),
    "incus": frozenset({"lxc"}),
    "virtuozzo": frozenset({"openvz"}),
}
"""Who leaves another's traces beside its own: the key is the truth where both are found for one container."""

KEEPS_ITS_FILES_WITH: dict[str, frozenset[str]] = {
    "docker": frozenset({"containerd"}),
    "buildkit": frozenset({"containerd", "docker"}),
    "garden": frozenset({"containerd"}),
}
"""Whose storage an engine may use; a storage's name alone does not make a container the storage's own."""


class Trace(Record):
    """One trace of one container. `engine` is False for a storage, which several engines share."""

    id: str
    engine: bool
    evidence: Evidence


Levels = list[list[Trace]]
"""The traces of each container, outermost first."""


def probe_containers(facts: Facts) -> Iterator[Evidence | Unknown]:
    """Say which containers this process is in, and how each piece of evidence speaks for one of them."""
    levels = _levels(facts)
    own_kernel = facts.derived(kernel_evidence)
    name: str | None
    if own_kernel:
        # These are told by the kernel or its file systems: the engine that started them is a detail.
        yield from (piece.replace(depth=max(len(levels) - 1, 0)) for piece in own_kernel)
        name = own_kernel[-1].id
    else:
        name = _name(levels[-1]) if levels else None
        if name == "podman" and facts.derived(in_pod) and not _is_named_by_path(facts, levels[-1], name):
            name = "cri-o"  # the same storage and the same files, but a group of another name
    depth = max(len(levels) - 1, 0)
    left_over, cgroup_source = facts.derived(is_left_over), facts.derived(cgroups).source
    if left_over and all(trace.evidence.source == cgroup_source for traces in levels for trace in traces):
        name = None
    for number, traces in enumerate(levels):
        here = name if number == depth else _name(traces)
        for trace in traces:
            if own_kernel and number == depth and trace.id != _GENERIC:
                yield trace.evidence.replace(id=own_kernel[0].id, depth=depth, details=(("engine", trace.id),))
            elif left_over and trace.evidence.source == cgroup_source:
                yield trace.evidence.replace(depth=number, details=(("contradicted", "left-over-cgroup"),))
            else:
                yield _believed(trace, here or trace.id, number)
    yield from _marked(facts, name, depth)
    yield from _isolated(facts, depth)


def _is_named_by_path(facts: Facts, traces: list[Trace], name: str) -> bool:
    """Say whether it is the control group that bears an engine's name."""
    source = facts.derived(cgroups).source
    return any(trace.id == name and trace.evidence.source == source for trace in traces)


def _isolated(facts: Facts, depth: int) -> Iterator[Evidence | Unknown]:
    """Weigh what the namespaces say without a name, and say where a marker file stands alone."""
    if facts.derived(markers) and _nothing_contradicts(facts) and not _stands_on_a_disk(facts):
        told = "whether the marker files were left in a tree or are a container's"
        mounts = facts.text(MOUNTINFO)
        error = mounts.error if isinstance(mounts, Denied) else "absent"
        yield Unknown(MOUNTINFO, error, told, shows=(Kind.CONTAINER,))
    isolated = facts.derived(isolation)
    if isolated.strength is not None:
        if facts.derived(lost_engine_files) and masks_proc(facts.derived(mount_table)):
            depth += 1
        piece = Evidence(
            Kind.CONTAINER, _GENERIC, isolated.strength, "/proc/self/ns", isolated.observed[:200], _NAMESPACES, depth
        )
        yield piece.replace(details=(("doubt", isolated.doubt),)) if isolated.doubt else piece


def _believed(trace: Trace, name: str, depth: int) -> Evidence:
    """Let a storage or a more general trace speak for the container that it belongs to."""
    return trace.evidence.replace(id=name if _same(trace, name) else trace.id, depth=depth)


def _same(trace: Trace, name: str) -> bool:
    if trace.id in {name, _GENERIC} or trace.id in REFINES.get(name, ()):
        return True
    return not trace.engine and trace.id in KEEPS_ITS_FILES_WITH.get(name, ())


def _name(traces: list[Trace]) -> str | None:
    """Return the id that all traces of a container agree on, None where they do not."""
    name = _GENERIC
    for trace in traces:
        if trace.evidence.strength is Strength.HINT or _same(trace, name):
            continue
        if name == _GENERIC or name in REFINES.get(trace.id, ()):
            name = trace.id
        elif trace.id not in REFINES.get(name, ()):
            by_storage = KEEPS_ITS_FILES_WITH.get(trace.id, frozenset())
            if not any(other.id == name and not other.engine for other in traces) or name not in by_storage:
                return None
            name = trace.id
    return name


def _levels(facts: Facts) -> Levels:
    """Line up the chains of the mounts and of the cgroup path: each ends with the innermost container."""
    levels: Levels = []
    for chain in _mount_chains(facts):
        _align(levels, chain)
    seen = facts.derived(cgroups)
    path = [
        Trace(
            level.id,
            engine=True,
            evidence=Evidence(Kind.CONTAINER, level.id, level.strength, seen.source, level.part, level.reference),
        )
        for level in seen.chain
    ]
    if path:
        _align(levels, path)
    outer = _outer_by_ids(facts) if len(levels) == 1 else None
    return [[outer], *levels] if outer else levels


def _outer_by_ids(facts: Facts) -> Trace | None:
    """Return the trace that a container with shifted user ids leaves in a Docker container within it.

    Docker shifts ids itself only where it is told to, and then keeps its files in a folder that is named after them;
    a rootless Docker gives root the user's own id, alone.
    """
    if facts.derived(kernel_evidence):
        return None  # Sysbox shifts them for Docker
    shifted = next((row for row in shifted_ids(facts) if row[0] == 0), None)
    bound = [mount for mount in facts.derived(mount_table).mounts if mount.target in BOUND_FILES]
    docker = [mount for mount in bound if any(row.id == "docker" and row.engine for row in chain_in(mount.root))]
    if shifted is None or not docker:
        return None
    if any(_is_pair_of_ids(part) for mount in docker for part in mount.root.split("/")):
        return None
    observed = f"root here is {shifted[1]} outside, in a Docker container whose own files are not shifted"
    return Trace(
        _GENERIC, engine=False, evidence=Evidence(Kind.CONTAINER, _GENERIC, Strength.STRONG, ID_MAP, observed, _REMAP)
    )


def _is_pair_of_ids(part: str) -> bool:
    """Say whether a folder is named `uid.gid`, as Docker names those of shifted ids."""
    uid, dot, gid = part.partition(".")
    return bool(dot) and uid.isdecimal() and gid.isdecimal()


def _align(levels: Levels, chain: list[Trace]) -> None:
    """Lay a chain over the levels: its last container meets the innermost level it can be, else it lies outside."""
    meets = next(
        (position for position in range(len(levels) - 1, -1, -1) if _name([*levels[position], chain[-1]]) is not None),
        -1,
    )
    missing = len(chain) - 1 - meets
    if missing > 0:
        levels[:0] = [[] for _ in range(missing)]
        meets += missing
    for offset, trace in enumerate(reversed(chain)):
        levels[meets - offset].append(trace)


def _mount_chains(facts: Facts) -> Iterator[list[Trace]]:
    table = facts.derived(around_root)
    chains = [
        [
            Trace(
                piece.row.id,
                piece.row.engine,
                evidence_of_mount(piece.mount, table.source, piece.row.id, Strength.STRONG, piece.row.reference),
            )
            for piece in stored
        ]
        for stored in storage_chains(table)
    ]
    yield from sorted(chains, key=lambda chain: (-len(chain), not chain[-1].engine))
    named = bool(chains)
    for row, mount in filesystem_rows(table):
        if row.id in {"kata", "sysbox"} or (row.id == "lxc" and named):
            continue  # told by `kernel_evidence`; lxcfs is offered to any engine's containers
        yield [
            Trace(
                row.id,
                engine=True,
                evidence=evidence_of_mount(mount, table.source, row.id, Strength.STRONG, row.reference),
            )
        ]
        return


def lost_engine_files(facts: Facts) -> bool:
    """Say whether / is a Docker container's root without the files that Docker mounts into it.

    Docker always binds them: where they are missing, somebody within took the container's root for another one.
    A capture that kept no identities may have kept only some mounts, and says nothing.
    """
    own, table = facts.stat("/"), facts.derived(mount_table)
    if not isinstance(own, Found) or own.value.ino == 0 or table.root is None:
        return False
    if any(piece.strength > Strength.HINT for piece in facts.derived(sandbox_evidence)):
        return False
    first = facts.text(FIRST_MOUNTINFO)
    unmounted = facts.derived(root_place).state == SAME or (isinstance(first, Denied) and first.refused)
    if unmounted and not _in_a_group_below(facts):
        return False  # PID 1 has, or may have, the same root without the files, unless it is a container's within
    chains = [chain for chain in storage_chains(table) if chain[-1].mount is table.root]
    on_docker = any(chain[-1].row.id == "docker" for chain in chains)
    return on_docker and not has_engine_files(table)


def _in_a_group_below(facts: Facts) -> bool:
    """Say whether the own cgroup lies below that of the innermost container that the path names, as runc puts it."""
    seen = facts.derived(cgroups)
    return bool(seen.chain) and any(seen.chain[-1].part.rpartition("/")[2] in path[:-1] for path in seen.paths)


def _marked(facts: Facts, name: str | None, depth: int) -> Iterator[Evidence]:
    """Weigh the marker files and variables against what is known for real."""
    found, unseen = facts.derived(markers), _nothing_contradicts(facts)
    doubt = "" if name not in {None, _GENERIC} else _doubt(facts)
    chosen = name if name not in {None, _GENERIC} else None
    for marker in found:
        piece = marker.evidence.replace(depth=depth)
        if unseen and piece.strength > Strength.HINT:
            piece = piece.replace(strength=Strength.HINT)
        if chosen is None:
            reason = doubt if not marker.by_manager or doubt == "initial-namespaces" else ""
            reason = reason or _missing_mount(facts, marker)
            if not reason and marker.inherited and _is_isolated(facts):
                piece = piece.replace(strength=Strength.STRONG)
            if not reason and piece.strength > Strength.HINT and piece.id != _GENERIC:
                chosen = marker.evidence.id
        elif piece.id in {chosen, _GENERIC} or piece.id in REFINES.get(chosen, ()):
            piece, reason = piece.replace(id=chosen), ""
        elif chosen in REFINES.get(piece.id, ()):
            reason, chosen = "", piece.id
        else:
            reason = "real-evidence"
        yield piece.replace(details=(("contradicted", reason),)) if reason else piece


def _is_isolated(facts: Facts) -> bool:
    """Say whether a container is certain and nothing accounts for it: then the own variable may name it."""
    found = facts.derived(isolation)
    return found.strength is Strength.STRONG and not found.doubt


def _doubt(facts: Facts) -> str:
    """Return the rule that speaks against a marker file where neither mounts nor cgroup name an engine, "" for none."""
    if facts.derived(namespaces).on_host:
        return "initial-namespaces"
    if on_whole_disk(facts.derived(around_root).root) or _stands_on_a_disk(facts):
        return "root-is-a-disk"
    if any(piece.strength > Strength.HINT for piece in facts.derived(sandbox_evidence)):
        return "sandbox"
    return ""


def _stands_on_a_disk(facts: Facts) -> bool:
    """Say whether / is the root of a block device's file system, where no table of mounts can say it.

    Its inode is 2 on ext4, 64 to 1024 on XFS; btrfs and overlays have no device behind them.
    """
    own = facts.stat("/")
    if facts.derived(mount_table).mounts or not isinstance(own, Found):
        return False
    return bool((own.value.dev >> 8) & 0xFFF) and 0 < own.value.ino <= 1024


def _nothing_contradicts(facts: Facts) -> bool:
    """Say whether nothing of /proc can be seen: a marker then stands alone.

    So it does where the mounts may not be read, and the namespaces are not those of a container.
    """
    seen, mounts = facts.derived(namespaces), facts.text(MOUNTINFO)
    few = "pid" not in seen.others and len(seen.others & {"uts", "ipc", "net", "cgroup"}) < 2
    if few and isinstance(mounts, Denied) and mounts.refused:
        return not facts.derived(mount_table).mounts and not facts.derived(cgroups).chain
    return not (
        facts.derived(mount_table).mounts
        or seen.initial | seen.others
        or facts.derived(cgroups).paths
        or isinstance(facts.text("/proc/1/environ"), Found)
    )


def _missing_mount(facts: Facts, marker: Marker) -> str:
    """Docker and Podman bind files of theirs into every container: a marker without these was left in a file tree."""
    table = facts.derived(around_root)
    if marker.needs_mount and table.root is not None and table.root.root:
        return "no-engine-mounts"
    return ""
