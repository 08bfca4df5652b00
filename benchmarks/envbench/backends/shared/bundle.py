"""The config.json of an OCI bundle (OCI runtime specification 1.0.2): walls, limits, mounts and the run's id."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envbench.backend import CPU_PERIOD_US, Workload
from envbench.backends.shared.child import environment
from envbench.settings import LABEL, Settings
from envbench.surroundings.programs import USUAL_PATH

_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
"""What `runc spec` gives a process: the least that runtimes agree on."""

_MOUNTS: tuple[dict[str, Any], ...] = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
        "destination": "/sys",
        "type": "sysfs",
        "source": "sysfs",
        "options": ["nosuid", "noexec", "nodev", "ro"],
    },
    {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},  # noqa: S108
)


def bundle_config(
    tree: Path, argv: Sequence[str], workload: Workload, settings: Settings, cgroup: str
) -> dict[str, Any]:
    """Return config.json for one start (OCI runtime specification 1.0.2, config.md and config-linux.md).

    `cgroup` is the cgroupsPath, "" to leave cgroups alone. Without root a user namespace maps this user to root.
    """
    namespaces = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")]
    linux: dict[str, Any] = {"namespaces": namespaces, "resources": _resources(workload)}
    if cgroup:
        linux["cgroupsPath"] = cgroup
    mounts = [dict(mount) for mount in _MOUNTS]
    if os.geteuid() != 0:
        namespaces.append({"type": "user"})
        linux["uidMappings"] = [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
        linux["gidMappings"] = [{"containerID": 0, "hostID": os.getegid(), "size": 1}]
        linux["resources"] = {}
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(argv),
            "env": [f"{key}={value}" for key, value in environment(settings.run_id, PATH=USUAL_PATH).items()],
            "cwd": "/",
            "capabilities": {
                kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted", "inheritable")
            },
            "noNewPrivileges": True,
        },
        "root": {"path": str(tree.resolve()), "readonly": True},  # runc takes no link.
        "hostname": "envbench",
        "mounts": mounts,
        "annotations": {LABEL: settings.run_id},
        "linux": linux,
    }


def _resources(workload: Workload) -> dict[str, Any]:
    resources: dict[str, Any] = {"devices": [{"allow": False, "access": "rwm"}]}
    if workload.memory_bytes is not None:
        resources["memory"] = {"limit": workload.memory_bytes}
    if workload.cpu_quota_us is not None:
        resources["cpu"] = {"quota": workload.cpu_quota_us, "period": CPU_PERIOD_US}
    return resources
