"""What is done on the machine."""

from platforms.steps import STAGE, Step, sh
from platforms.tree_steps import ASK, IMAGE, PACKAGES, SHARED

LIMITED = "systemd-run --quiet --pipe --wait"
ENGINES = ("process", "namespaces", "runc", "crun", "docker", "podman", "containerd")
SOCKETS = "systemctl is-active docker.socket virtlogd.socket libvirtd.socket"
RUN = f"--rm --network none {SHARED} inside"


def asked(question: str, *properties: str) -> str:
    """Return the command that asks envinspect in a service of its own with these properties."""
    return f"{LIMITED} {' '.join(f'-p {each}' for each in properties)} {STAGE}/bin/envinspect {question} --json"


def backends(*names: str) -> str:
    return " ".join(f"--backend {name}" for name in names)


_RESULTS = "--output /tmp/results && cat /tmp/results/summary.csv"

STEPS: tuple[Step, ...] = (
    sh("versions", "dpkg-query --show --showformat '${Package} ${Version}\\n' " + " ".join(PACKAGES)),
    sh("user", "useradd --create-home --shell /bin/sh tester && loginctl enable-linger tester", deadline_s=120),
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
    sh("session", asked("", "PAMName=login", "User=tester"), deadline_s=180),
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
    sh("docker resources", f"docker run --memory 256m {RUN} {STAGE}/bin/envinspect resources --json", deadline_s=180),
    sh("podman", f"podman run {RUN} {ASK}", deadline_s=180),
    sh("doctor", f"envbench doctor --json {backends(*ENGINES)}", deadline_s=400),
    sh("doctor as a user", f"envbench doctor --json {backends(*ENGINES)}", user="tester", deadline_s=300),
    sh(
        "startup",
        f"envbench startup --runs 3 --warmup 1 --budget 240 {backends('runc', 'crun', 'docker', 'podman')} {_RESULTS}",
        deadline_s=600,
    ),
)
