"""What is done in a tree: its engines' daemons, envbench on them, envinspect in their containers."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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
        "overlay2, journald": {"storage-driver": "overlay2", "log-driver": "journald"},
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
RESOURCES = f"{STAGE}/bin/envinspect resources --json"
RUN = f"--rm --network none {SHARED} inside"
LIMITED = f"--memory 256m {RUN}"

USER = "tester"
"""An ordinary user, the first one of a Debian."""
ROOTLESS: Mapping[str, str] = MappingProxyType({"XDG_RUNTIME_DIR": "/run/user/1000"})
OWN_SOCKET = "unix:///run/user/1000/docker.sock"
ROOTS_SOCKET = "unix:///var/run/docker.sock"
NO_GUEST = (
    "kernel --quick --backend process --backend docker --backend qemu --deadline 60 --append 'rdinit=/none panic=0'"
)
"""Asks whose kernel runs, with guests that have nothing to start and so never answer."""
DOCKERD = Step(name="dockerd", argv=("dockerd",), ready=("docker", "version"), deadline_s=90)


# The budget is needed on a busy machine only: the deadline of a start is a share of it.
STARTUP = "startup --quick --budget 300"

MACHINES = "--backend runc --backend docker --backend podman --backend containerd --backend qemu --backend libvirt"


def measured(name: str, options: str, table: str = "", **more: Any) -> Step:
    """Return a measurement of the minimal profile, which then prints this table of its results."""
    command = f"envbench {options} --profile minimal --output {results_of(name)}"
    return sh(name, f"{command} && {show(name, table)}" if table else command, **more)


def results_of(name: str) -> str:
    """Return the folder inside the lab into which a measurement puts its results."""
    return f"/tmp/{name.replace(' ', '-')}"


def show(name: str, table: str) -> str:
    """Return the command that prints a table of a measurement's results."""
    return f"cat {results_of(name)}/{table}.csv"


def docker_steps(name: str) -> tuple[Step, ...]:
    """Return the steps for one configuration of Docker's daemon."""
    configured = json.dumps(DAEMONS[name])
    log = "docker run --rm --name said --network none -v /usr:/usr:ro inside echo to the journal"
    return (
        *_started(),
        *((_JOURNALD,) if DAEMONS[name].get("log-driver") == "journald" else ()),
        sh("configure", f"mkdir -p /etc/docker && echo '{configured}' >/etc/docker/daemon.json"),
        DOCKERD,
        sh("docker info", "docker info --format '{{json .}}'"),
        sh("image", f"{IMAGE} && docker import /tmp/image.tar inside", deadline_s=120),
        *(
            (sh("journal", f"{log} && journalctl --sync && journalctl --output cat CONTAINER_NAME=said"),)
            if DAEMONS[name].get("log-driver") == "journald"
            else ()
        ),
        sh("docker", f"docker run {RUN} {ASK}"),
        sh("docker resources", f"docker run {LIMITED} {RESOURCES}"),
        sh("doctor", "envbench doctor --json", deadline_s=180),
        measured("startup", f"{STARTUP} --backend docker", "summary", deadline_s=400),
        measured("size", "size --quick --backend docker", "samples", deadline_s=120),
        measured("release", "release --quick --backend docker", deadline_s=180),
    )


def rootless_steps() -> tuple[Step, ...]:
    """Return the steps with root's Docker, which the user may not ask, and one of the user's own."""
    program = "PATH=$PATH:/usr/share/docker.io/contrib exec dockerd-rootless.sh"
    own = {**ROOTLESS, "DOCKER_HOST": OWN_SOCKET}
    elsewhere = {**ROOTLESS, "DOCKER_HOST": ROOTS_SOCKET}
    return (
        *_started(),
        sh(
            "user",
            f"useradd --create-home {USER} && install -d /run/user && install -d -o {USER} -m 700 /run/user/1000",
        ),
        DOCKERD,
        Step(
            name="dockerd-rootless",
            argv=("sh", "-c", program),
            ready=("docker", "version"),
            deadline_s=90,
            user=USER,
            env=own,
        ),
        sh("docker info", "docker info --format '{{json .}}'", user=USER, **own),
        sh("image", f"{IMAGE} && docker import /tmp/image.tar inside", user=USER, deadline_s=120, **own),
        sh("docker", f"docker run {RUN} {ASK}", user=USER, **own),
        sh("docker resources", f"docker run {LIMITED} {RESOURCES}", user=USER, **own),
        sh("capabilities", "envinspect capabilities --json", user=USER, **ROOTLESS),
        sh("capabilities elsewhere", "envinspect capabilities --json", user=USER, **elsewhere),
        sh("doctor", "envbench doctor --json", user=USER, deadline_s=180, **ROOTLESS),
        sh("doctor elsewhere", _REFUSED, user=USER, deadline_s=180, **elsewhere),
        *(
            measured(name, options, table, user=USER, deadline_s=400, **ROOTLESS)
            for name, options, table in (
                ("startup", f"{STARTUP} --backend docker", "summary"),
                ("isolation", "isolation --quick --backend process --backend docker", "claims"),
                ("memory", "memory --quick --backend docker", "samples"),
                ("resize", "resize --quick --backend docker", "claims"),
                ("release", "release --quick --backend docker", ""),
            )
        ),
    )


def machine_steps() -> tuple[Step, ...]:
    """Return the steps with all daemons: containers beside virtual machines."""
    return (
        *_started(),
        DOCKERD,
        Step(name="virtlogd", argv=("virtlogd",), ready=("test", "-S", "/run/libvirt/virtlogd-sock"), deadline_s=60),
        Step(name="libvirtd", argv=("libvirtd",), ready=("virsh", "-c", "qemu:///system", "version"), deadline_s=90),
        sh("image", f"{IMAGE} && podman import /tmp/image.tar inside", deadline_s=120),
        sh("podman", f"podman run {RUN} {ASK}"),
        sh("doctor", "envbench doctor --json", deadline_s=180),
        measured("startup", f"{STARTUP} {MACHINES}", "claims", deadline_s=500),
        measured("all", "all --quick --backend docker", deadline_s=500),
        measured("kernel without a guest", NO_GUEST, "claims", deadline_s=300),
    )


_JOURNALD = Step(
    name="journald",
    argv=("/usr/lib/systemd/systemd-journald",),
    ready=("test", "-S", "/run/systemd/journal/socket"),
    deadline_s=60,
)

# No usable backend is what this one is to find.
_REFUSED = "envbench doctor --json --backend docker; test $? -eq 3"


def _started() -> tuple[Step, ...]:
    """Return what each lab begins with."""
    query = "dpkg-query --show --showformat '${Package} ${Version}\\n' "
    return (
        sh("versions", query + " ".join(PACKAGES)),
        Step(name="containerd", argv=("containerd",), ready=("ctr", "version"), deadline_s=60),
    )


LABS: Mapping[str, tuple[Step, ...]] = MappingProxyType(
    {
        **{name: docker_steps(name) for name in DAEMONS},
        "rootless": rootless_steps(),
        "all daemons": machine_steps(),
    }
)
"""The steps of each lab in a tree."""
