"""What is done in a tree: its engines' daemons, envbench on them, envinspect in their containers."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from platforms.steps import STAGE, Step, sh

PACKAGES = (
    "docker.io",
    "containerd",
    "runc",
    "crun",
    "podman",
    "qemu-system-x86",
    "libvirt-daemon",
    "systemd",
    "python3",
)

DAEMONS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "overlay2": {"storage-driver": "overlay2"},
        "containerd-store": {
            "features": {"containerd-snapshotter": True},
            "default-runtime": "crun",
            "runtimes": {"crun": {"path": "/usr/bin/crun"}},
        },
        "userns-remap": {"userns-remap": "default", "features": {"containerd-snapshotter": False}},
    }
)
"""The configurations of Docker's daemon, as its daemon.json has them (docs.docker.com/reference/cli/dockerd)."""

# An image with nothing in it but the folders: the programs come from the tree, read-only.
IMAGE = (
    "mkdir -p /tmp/image && cd /tmp/image && mkdir -p usr opt srv etc tmp proc sys dev run && "
    "ln -sf usr/bin usr/sbin usr/lib usr/lib64 . && tar -cf /tmp/image.tar ."
)
SHARED = "-v /usr:/usr:ro -v /opt:/opt:ro -v /srv:/srv:ro"
ASK = f"{STAGE}/bin/envinspect --json"


def docker_steps(name: str) -> tuple[Step, ...]:
    """Return the steps for one configuration of Docker's daemon."""
    configured = json.dumps(DAEMONS[name])
    docker = "envbench {} --quick --backend docker --output /tmp/{}"
    return (
        *_started(),
        sh("configure", f"mkdir -p /etc/docker && echo '{configured}' >/etc/docker/daemon.json"),
        Step(name="dockerd", argv=("dockerd",), ready=("docker", "version"), deadline_s=90),
        sh("docker info", "docker info --format '{{json .}}'"),
        sh("image", f"{IMAGE} && docker import /tmp/image.tar inside", deadline_s=120),
        sh("docker", f"docker run --rm --network none {SHARED} inside {ASK}"),
        sh(
            "docker resources",
            f"docker run --rm --network none --memory 256m {SHARED} inside {STAGE}/bin/envinspect resources --json",
        ),
        sh("doctor", "envbench doctor --json", deadline_s=180),
        sh("startup", docker.format("startup", "startup"), deadline_s=180),
        sh("size", f"{docker.format('size', 'size')} && cat /tmp/size/samples.csv", deadline_s=120),
        sh("release", docker.format("release", "release"), deadline_s=180),
    )


def machine_steps() -> tuple[Step, ...]:
    """Return the steps with all daemons: containers beside virtual machines."""
    return (
        *_started(),
        Step(name="dockerd", argv=("dockerd",), ready=("docker", "version"), deadline_s=90),
        Step(name="virtlogd", argv=("virtlogd",), ready=("test", "-S", "/run/libvirt/virtlogd-sock"), deadline_s=60),
        Step(name="libvirtd", argv=("libvirtd",), ready=("virsh", "-c", "qemu:///system", "version"), deadline_s=90),
        sh("image", f"{IMAGE} && podman import /tmp/image.tar inside", deadline_s=120),
        sh("podman", f"podman run --rm --network none {SHARED} inside {ASK}"),
        sh("doctor", "envbench doctor --json", deadline_s=180),
        sh("startup", "envbench startup --quick --output /tmp/startup && cat /tmp/startup/claims.csv", deadline_s=400),
        sh("all", "envbench all --quick --backend docker --output /tmp/all", deadline_s=500),
    )


def _started() -> tuple[Step, ...]:
    """Return what each lab begins with."""
    query = "dpkg-query --show --showformat '${Package} ${Version}\\n' "
    return (
        sh("versions", query + " ".join(PACKAGES)),
        Step(name="containerd", argv=("containerd",), ready=("ctr", "version"), deadline_s=60),
    )
