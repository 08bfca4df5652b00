"""By which id its engine, and by which UID its orchestrator, knows the container of a process.

References: the folders of runtimes in `envinspect.signatures.containers`; pods in
https://kubernetes.io/docs/concepts/architecture/cgroups/ and https://kubernetes.io/docs/reference/node/kubelet-files/.
"""

from __future__ import annotations

from envinspect.model import Kind, Record, Stack
from envinspect.model.facts import Facts
from envinspect.signatures.containers import FOLDERS, HOST_SCOPES, HOST_UNITS, SCOPES
from envinspect.sources.cgroups import components, is_container_id, is_pod, is_pod_uid, parse_cgroup
from envinspect.sources.mounts import Mount, mount_table

_NAMED = frozenset(row.name for row in FOLDERS if not row.needs_id)
_PREFIXES = (*(row.prefix for row in SCOPES), "machine-")
_OF_THE_CONTAINER = ("/run/.containerenv",)
"""Files that Podman and CRI-O keep for each container, in a pod as well."""
_OF_ITS_NETWORK = ("/etc/hostname", "/etc/resolv.conf", "/etc/hosts")
"""Files that are the container's own outside a pod; within one they may belong to the pod's first container."""


class Identity(Record):
    """`container_id` is 64 hexadecimal digits, or the name where an engine counts by names; None is not known."""

    container_id: str | None
    pod_uid: str | None


def identity(facts: Facts, stack: Stack, *, cgroup: str | None = None) -> Identity:
    """Return what the innermost container of a stack and its pod are called; where there is none, nothing is called so.

    `cgroup` is the process's cgroup file as it is seen from elsewhere: with a cgroup namespace of its own the process
    itself sees no more than "/" there.
    """
    if not any(layer.kind is Kind.CONTAINER for layer in stack.layers):
        return Identity(None, None)
    text = facts.str_or("/proc/self/cgroup") if cgroup is None else cgroup
    paths = tuple(dict.fromkeys(components(membership.path) for membership in parse_cgroup(text)))
    mounts = facts.derived(mount_table).mounts
    pod = next((uid for path in paths for part in reversed(path) if (uid := _pod_uid(part))), None) or _pod_of(mounts)
    found = next((name for path in paths if (name := container_in(path))), None)
    return Identity(found or _container_of(mounts, in_pod=pod is not None), pod)


def container_in(path: tuple[str, ...]) -> str | None:
    """Return the id or the name of the innermost container along a cgroup path, None where none stands there."""
    for position in range(len(path) - 1, -1, -1):
        name = path[position].removesuffix(".scope").removesuffix(".service")
        if name.startswith(HOST_SCOPES):
            return None
        if name.endswith(HOST_UNITS):
            continue
        tail = name.rpartition("-")[2]
        if is_container_id(tail):
            return tail
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix) and len(name) > len(prefix)), None)
        if prefix is not None:
            return name[len(prefix) :]
        if position and path[position - 1] in _NAMED and "." not in path[position]:
            return name
    return None


def _pod_uid(part: str) -> str | None:
    if not is_pod(part):
        return None
    return part.removesuffix(".slice").rpartition("pod")[2].replace("_", "-")


def _pod_of(mounts: tuple[Mount, ...]) -> str | None:
    """Return the pod whose folder the kubelet bound a file from; on the node itself these lie below that folder."""
    for mount in mounts:
        _, found, rest = mount.root.partition("/pods/")
        uid = rest.partition("/")[0]
        if found and is_pod_uid(uid) and "/pods/" not in mount.target:
            return uid
    return None


def _container_of(mounts: tuple[Mount, ...], *, in_pod: bool) -> str | None:
    """Return the id in the path of a file that the engine keeps for this container and binds into it."""
    targets = _OF_THE_CONTAINER if in_pod else (*_OF_THE_CONTAINER, *_OF_ITS_NETWORK)
    for target in targets:
        for mount in mounts:
            if mount.target == target:
                found = next((part for part in reversed(mount.root.split("/")) if is_container_id(part)), None)
                if found is not None:
                    return found
    return None
