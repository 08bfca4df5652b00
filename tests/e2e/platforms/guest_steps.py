"""What is done on the machine."""

from platforms.steps import STAGE, Step, sh
from platforms.tree_steps import (
    ASK,
    IMAGE,
    LIMITED,
    NO_GUEST,
    OWN_SOCKET,
    PACKAGES,
    RESOURCES,
    ROOTLESS,
    RUN,
    STARTUP,
    USER,
    measured,
    show,
)

SERVICE = "systemd-run --quiet --pipe --wait"
ENGINES = ("process", "namespaces", "runc", "crun", "docker", "podman", "containerd")
SOCKETS = "systemctl is-active docker.socket virtlogd.socket libvirtd.socket"
# A user of root's Docker, who may not read the tables of the firmware.
MEMBER = "member"
BUS = "unix:path=/run/user/1000/bus"
SETUP = "dockerd-rootless-setuptool.sh install"
OWN = {**ROOTLESS, "DBUS_SESSION_BUS_ADDRESS": BUS, "DOCKER_HOST": OWN_SOCKET}
KERNEL = "kernel --quick --backend process --backend docker"


def asked(question: str, *properties: str) -> str:
    """Return the command that asks envinspect in a service of its own with these properties."""
    return f"{SERVICE} {' '.join(f'-p {each}' for each in properties)} {STAGE}/bin/envinspect {question} --json"


def backends(*names: str) -> str:
    return " ".join(f"--backend {name}" for name in names)


ALWAYS: tuple[Step, ...] = (
    sh("versions", "dpkg-query --show --showformat '${Package} ${Version}\\n' " + " ".join(PACKAGES)),
    sh(
        "user",
        f"useradd --create-home --shell /bin/sh {USER} && loginctl enable-linger {USER} && "
        f"useradd --create-home --shell /bin/sh --groups docker {MEMBER}",
        deadline_s=120,
    ),
    sh("cgroups", "stat -f -c %T /sys/fs/cgroup; cat /sys/class/dmi/id/sys_vendor; ls /sys/firmware/acpi/tables"),
    sh("machine", ASK, deadline_s=120),
    sh("resources", "envinspect resources --json", deadline_s=120),
    sh("isolation", "envinspect isolation --json", deadline_s=120),
    sh("capabilities", "envinspect capabilities --json", deadline_s=300),
    sh("service limited", asked("resources", "MemoryMax=256M", "CPUQuota=50%", "TasksMax=50"), deadline_s=180),
    sh(
        "service sandboxed",
        asked("isolation", "ProtectSystem=strict", "PrivateDevices=yes", "NoNewPrivileges=yes"),
        deadline_s=180,
    ),
    sh(
        "scope",
        f"systemd-run --quiet --scope -p MemoryMax=300M {STAGE}/bin/envinspect resources --json",
        deadline_s=180,
    ),
    sh("session", asked("", "PAMName=login", f"User={USER}"), deadline_s=180),
    sh("sockets before", SOCKETS),
    sh("provision", f"PROVISION_SKIP=packages sh {STAGE}/provision.sh", deadline_s=240),
    sh("provision again", f"PROVISION_SKIP=packages sh {STAGE}/provision.sh", deadline_s=240),
    sh("provision stop", f"sh {STAGE}/provision.sh stop", deadline_s=120),
    sh("sockets after", SOCKETS),
    sh(
        "image",
        f"{IMAGE} && docker import /tmp/image.tar inside && podman import /tmp/image.tar inside",
        deadline_s=300,
    ),
    sh("docker", f"docker run {RUN} {ASK}", deadline_s=180),
    sh("docker resources", f"docker run {LIMITED} {RESOURCES}", deadline_s=180),
    sh("podman", f"podman run {RUN} {ASK}", deadline_s=180),
    sh("doctor", f"envbench doctor --json {backends(*ENGINES)}", deadline_s=400),
    sh("doctor as a user", f"envbench doctor --json {backends(*ENGINES)}", user=USER, deadline_s=300),
    measured("kernel", KERNEL, "samples", deadline_s=400),
    sh("kernel claims", show("kernel", "claims")),
)
"""What `make test` takes, too."""

NIGHTLY: tuple[Step, ...] = (
    measured("startup", f"{STARTUP} {backends('runc', 'crun', 'docker', 'podman')}", "summary", deadline_s=600),
    sh("tables", "! cat /sys/firmware/acpi/tables/FACP", user=MEMBER),
    measured("kernel denied", KERNEL, "samples", user=MEMBER, deadline_s=400),
    sh("kernel denied claims", show("kernel denied", "claims")),
    measured("kernel without a guest", NO_GUEST, "claims", deadline_s=600),
    measured(
        "isolation denied",
        "isolation --quick --backend process --backend docker",
        "claims",
        user=MEMBER,
        deadline_s=400,
    ),
    sh("rootless", f"PATH=$PATH:/usr/share/docker.io/contrib {SETUP}", user=USER, deadline_s=300, **OWN),
    sh("rootless image", "docker import /tmp/image.tar inside", user=USER, deadline_s=300, **OWN),
    sh("rootless docker", f"docker run {RUN} {ASK}", user=USER, deadline_s=180, **OWN),
    sh("rootless resources", f"docker run {LIMITED} {RESOURCES}", user=USER, deadline_s=180, **OWN),
    sh("rootless capabilities", "envinspect capabilities --json", user=USER, deadline_s=180, **ROOTLESS),
    measured(
        "rootless isolation",
        "isolation --quick --backend process --backend docker",
        "claims",
        user=USER,
        deadline_s=400,
        **ROOTLESS,
    ),
)
"""What follows in the nightly run: under emulation it takes another quarter of an hour."""
