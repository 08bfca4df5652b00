"""Docker, Podman, Buildah and BuildKit: engines that have images, and each of their ways to run something."""

import functools
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from environments.case import CannotStartError, Environment
from environments.lab import INSIDE, Lab

ASK = f"{INSIDE}/ask.sh -c -u"
FOREIGN = frozenset({"podman", "lxc", "systemd-nspawn", "container", "containerd"})

Start = Callable[[Lab], str]

# By bit: include/uapi/linux/capability.h.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *(
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
    ),
    *("SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE"),
    *("SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE"),
    # The three newer ones are left out: engines of the year 2020 do not know their names.
    *("MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ"),
)


# --- images -----------------------------------------------------------------------------------------------------------


def image_archive(lab: Lab) -> Path:
    """The root tree as a tar file, for the engines that import one."""

    def make() -> Path:
        target = lab.scratch / "root.tar"
        # tar's 1 says that a file changed or went meanwhile: other environments run in this very tree.
        pack = ["sh", "-c", 'tar "$@" || [ $? -eq 1 ]', "tar", "--one-file-system", "--exclude=./dev/*"]
        lab.run([*pack, "-C", lab.root, "-cf", target, "."])
        return target

    return lab.shared("image-archive", make)


def _docker_image(lab: Lab) -> str:
    def make() -> str:
        tag = f"{lab.tag}:root"
        lab.run(["docker", "import", image_archive(lab), tag], timeout_s=120)
        lab.on_close(lambda: lab.quietly("docker", "image", "rm", "--force", tag))
        return tag

    return lab.shared("docker-image", make)


def _podman_image(lab: Lab) -> str:
    def make() -> str:
        tag = f"localhost/{lab.tag}:root"
        lab.run(["podman", "import", image_archive(lab), tag], timeout_s=120)
        lab.on_close(lambda: lab.quietly("podman", "image", "rm", "--force", tag))
        return tag

    return lab.shared("podman-image", make)


# --- Docker -----------------------------------------------------------------------------------------------------------


def docker_run(*flags: str, script: str = f"exec {ASK}") -> Start:
    def start(lab: Lab) -> str:
        name = f"{lab.tag}-{abs(hash((flags, script))) % 100_000}"
        words = [word for flag in flags for word in (privileges() if flag == "--privileged" else (flag,))]
        network = () if "--network=host" in flags else ("--network=none",)
        try:
            return lab.run(
                ["docker", "run", "--rm", "--name", name, *network, *words, _docker_image(lab), "sh", "-c", script],
                timeout_s=90,
            )
        finally:
            lab.quietly("docker", "rm", "--force", name)

    return start


def privileges() -> tuple[str, ...]:
    """Return `--privileged`, or what it would do where the machine's own root lacks capabilities: runc refuses that."""
    status = Path("/proc/self/status").read_text()
    bounding = int(status.partition("CapBnd:")[2].split()[0], 16)
    highest = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    if bounding == (1 << (highest + 1)) - 1:
        return ("--privileged",)
    confinement = ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined")
    return (
        *(f"--cap-add={name}" for bit, name in enumerate(CAPABILITIES) if bounding >> bit & 1),
        *(f"--security-opt={word}" for word in confinement),
    )


def _docker_exec(lab: Lab) -> str:
    name = f"{lab.tag}-exec"
    try:
        lab.run(["docker", "run", "--detach", "--name", name, "--network=none", _docker_image(lab), "sleep", "300"])
        return lab.run(["docker", "exec", name, *shlex.split(ASK)], timeout_s=90)
    finally:
        lab.quietly("docker", "rm", "--force", name)


def _build_context(lab: Lab, base: str) -> Path:
    context = lab.folder("build")
    (context / "Dockerfile").write_text(f"FROM {base}\nRUN echo '=== begin' && {ASK}\n")
    return context


def _docker_build(buildkit: str) -> Start:
    def start(lab: Lab) -> str:
        # Debian's own client builds with the engine's BuildKit; newer clients want a plugin for it.
        client = next((path for path in ("/usr/bin/docker",) if Path(path).exists()), "docker")
        context = _build_context(lab, _docker_image(lab))
        tag = f"{lab.tag}:built-{buildkit}"
        flags = ["--progress=plain"] if buildkit == "1" else []
        command: list[str | Path] = [client, "build", "--no-cache", "--network=none", *flags, "--tag", tag, context]
        try:
            if buildkit == "1":
                # BuildKit's progress goes to stderr, each line numbered.
                words = shlex.join(map(str, command))
                printed = lab.run(["sh", "-c", f"{words} 2>&1"], timeout_s=120, env={"DOCKER_BUILDKIT": "1"})
                return _without_progress(printed)
            return lab.run(command, timeout_s=120, env={"DOCKER_BUILDKIT": "0"})
        finally:
            lab.quietly("docker", "image", "rm", "--force", tag)

    return start


def _without_progress(printed: str) -> str:
    """Take `#5 0.123 ` off each line of BuildKit's plain progress."""
    lines = []
    for line in printed.splitlines():
        words = line.split(" ", 2)
        if line.startswith("#") and len(words) == 3 and words[1].replace(".", "").isdigit():
            lines.append(words[2])
        elif line.startswith("#") and len(words) == 2:
            lines.append("")
    return "\n".join(lines)


def _docker_remapped(lab: Lab) -> str:
    """A daemon of this session's own, for user namespaces are a setting of the daemon; without a network."""
    folder = lab.folder("dockerd")
    # The remapped root must be able to reach its data.
    folder.chmod(0o711)
    socket = f"unix://{folder}/docker.sock"
    daemon = lab.daemon(
        [
            # In a network namespace of its own: a daemon without a bridge deletes docker0, whoever's it is.
            *("unshare", "--net", "dockerd", "--host", socket),
            *("--data-root", folder / "data", "--exec-root", folder / "exec"),
            *("--pidfile", folder / "pid", "--bridge=none", "--iptables=false", "--ip-forward=false"),
            *("--userns-remap", ROOTLESS_USER, "--cgroup-parent", lab.tag),
        ],
        ready=lambda: lab.succeeds("docker", "--host", socket, "version"),
        log=folder / "log",
    )
    try:
        docker = ["docker", "--host", socket]
        lab.run([*docker, "import", image_archive(lab), "envinspect:root"], timeout_s=120)
        return lab.run([*docker, "run", "--rm", "--network=none", "envinspect:root", *shlex.split(ASK)], timeout_s=90)
    finally:
        daemon()


def _runc_in_docker(lab: Lab) -> str:
    """Bare runc in a privileged container, over the container's own root."""
    script = (
        "for c in /sys/fs/cgroup/*; do mount -o remount,bind,rw $c 2>/dev/null; done; "
        "mkdir -p /run/bundle /run/rootfs && mount --bind / /run/rootfs && "
        f"cp {INSIDE}/runc.json /run/bundle/config.json && "
        "exec runc --root /run/runc run --no-pivot --bundle /run/bundle inside"
    )
    return docker_run("--privileged", script=script)(lab)


def _unshare_in_docker(lab: Lab) -> str:
    return docker_run("--privileged", script=f"unshare --pid --fork --mount-proc {ASK}; true")(lab)


def _chroot_in_docker(lab: Lab) -> str:
    script = (
        # An overlay, not a bind mount: the latter is the very same folder.
        "mkdir -p /run/rootfs /dev/shm/upper /dev/shm/work && "
        "mount -t overlay overlay -o lowerdir=/,upperdir=/dev/shm/upper,workdir=/dev/shm/work /run/rootfs && "
        "for d in proc sys dev; do mount --rbind /$d /run/rootfs/$d; done && "
        # The first process stays outside: where all are in it, nothing is.
        f"chroot /run/rootfs {ASK}; true"
    )
    return docker_run("--privileged", script=script)(lab)


DOCKER = functools.partial(Environment, needs=("docker",), layers=("docker",), firmware=False, never=FOREIGN)

_DOCKER: tuple[Environment, ...] = (
    DOCKER(name="docker", start=docker_run(), how="docker run"),
    DOCKER(name="docker-privileged", start=docker_run("--privileged"), how="docker run --privileged", firmware=True),
    DOCKER(name="docker-pid-host", start=docker_run("--pid=host"), how="docker run --pid=host"),
    DOCKER(name="docker-net-host", start=docker_run("--network=host"), how="docker run --network=host"),
    DOCKER(
        name="docker-ipc-uts-host", start=docker_run("--ipc=host", "--uts=host"), how="docker run --ipc=host --uts=host"
    ),
    DOCKER(name="docker-cgroupns-host", start=docker_run("--cgroupns=host"), how="docker run --cgroupns=host"),
    DOCKER(name="docker-cgroupns-private", start=docker_run("--cgroupns=private"), how="docker run --cgroupns=private"),
    DOCKER(
        name="docker-all-host",
        start=docker_run("--privileged", "--pid=host", "--network=host", "--ipc=host", "--uts=host", "--cgroupns=host"),
        how="docker run --privileged and every namespace but mount the host's",
        firmware=True,
    ),
    DOCKER(
        name="docker-read-only",
        start=docker_run("--read-only", "--tmpfs", "/tmp"),
        how="docker run --read-only --tmpfs /tmp",
    ),
    DOCKER(
        name="docker-without-dockerenv",
        start=docker_run(script=f"rm -f /.dockerenv; exec {ASK}"),
        how="docker run, /.dockerenv removed",
    ),
    DOCKER(
        name="docker-without-dockerenv-cgroupns-private",
        start=docker_run("--cgroupns=private", script=f"rm -f /.dockerenv; exec {ASK}"),
        how="docker run --cgroupns=private, /.dockerenv removed",
    ),
    DOCKER(name="docker-non-root", start=docker_run("--user=1000:1000"), how="docker run --user=1000:1000"),
    DOCKER(name="docker-exec", start=_docker_exec, how="docker exec into a running container"),
    DOCKER(name="docker-init", start=docker_run("--init"), how="docker run --init"),
    DOCKER(
        name="docker-limits",
        start=docker_run("--memory=256m", "--cpus=0.5", "--pids-limit=64"),
        how="docker run with limits",
    ),
    DOCKER(name="docker-build", start=_docker_build("0"), how="RUN step of docker build (the classic builder)"),
    DOCKER(
        name="docker-fake-containerenv",
        start=docker_run(script=f"mkdir -p /run && : >/run/.containerenv; exec {ASK}"),
        how="docker run, with a faked /run/.containerenv",
    ),
    DOCKER(
        name="docker-fake-container-lxc",
        start=docker_run("--env=container=lxc"),
        how="docker run --env container=lxc",
    ),
    DOCKER(
        name="docker-fake-container-oci",
        start=docker_run("--env=container=oci"),
        how="docker run --env container=oci",
    ),
    Environment(
        "buildkit",
        ("docker",),
        _docker_build("1"),
        ("buildkit",),
        "RUN step of BuildKit, as built into dockerd",
        firmware=False,
        never=FOREIGN | {"docker"},
    ),
    Environment(
        "runc-in-docker",
        ("docker",),
        _runc_in_docker,
        ("docker", "container"),
        "runc inside docker run --privileged",
        never=frozenset({"podman", "lxc"}),
    ),
    DOCKER(
        name="docker-userns-remap",
        start=_docker_remapped,
        how="docker run under dockerd --userns-remap",
        slow=True,
    ),
    DOCKER(
        name="unshare-pid-in-docker",
        start=_unshare_in_docker,
        how="unshare --pid inside docker run --privileged",
        firmware=True,
    ),
    Environment(
        "chroot-in-docker",
        ("docker",),
        _chroot_in_docker,
        ("docker", "chroot"),
        "chroot inside docker run --privileged",
        never=frozenset({"podman", "lxc"}),
    ),
)


# --- Podman and Buildah -----------------------------------------------------------------------------------------------

PODMAN_COMMAND = ("podman", "--cgroup-manager=cgroupfs")
# The engine's own defaults are above what a root without CAP_SYS_RESOURCE may set.
PODMAN_RUN = ("run", "--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")


def _podman(*flags: str, script: str = f"exec {ASK}", runtime: str = "crun") -> Start:
    def start(lab: Lab) -> str:
        image = _podman_image(lab)
        own = (f"--runtime={runtime}", *PODMAN_RUN, "--rm")
        return lab.run_v1([*PODMAN_COMMAND, *own, *flags, image, "sh", "-c", script], timeout_s=90)

    return start


def _podman_exec(lab: Lab) -> str:
    name = f"{lab.tag}-exec"
    try:
        lab.run_v1([*PODMAN_COMMAND, *PODMAN_RUN, "--detach", "--name", name, _podman_image(lab), "sleep", "300"])
        return lab.run_v1([*PODMAN_COMMAND, "exec", name, *shlex.split(ASK)], timeout_s=90)
    finally:
        lab.quietly("podman", "rm", "--force", "--time=0", name)


def _podman_pod(lab: Lab) -> str:
    pod = f"{lab.tag}-pod"
    image = _podman_image(lab)
    try:
        # No infra container: its image would be built or pulled.
        lab.run([*PODMAN_COMMAND, "pod", "create", "--infra=false", "--name", pod])
        return lab.run_v1([*PODMAN_COMMAND, *PODMAN_RUN, "--rm", "--pod", pod, image, *shlex.split(ASK)], timeout_s=90)
    finally:
        lab.quietly(*PODMAN_COMMAND, "pod", "rm", "--force", pod)


ROOTLESS_USER = "envinspect-e2e"


def _rootless(lab: Lab, *words: str | Path, timeout_s: float = 90) -> str:
    """Run as the user that provision.sh made for this, with a runtime folder of its own and an empty environment."""
    home, runtime = _rootless_home(lab)
    return lab.run_v1(
        [
            *(
                "setpriv",
                f"--reuid={ROOTLESS_USER}",
                f"--regid={ROOTLESS_USER}",
                "--init-groups",
                "env",
                "-i",
                "-C",
                home,
            ),
            *(f"HOME={home}", f"XDG_RUNTIME_DIR={runtime}", f"USER={ROOTLESS_USER}"),
            *("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin", *words),
        ],
        timeout_s=timeout_s,
    )


def _rootless_home(lab: Lab) -> tuple[Path, Path]:
    def make() -> tuple[Path, Path]:
        home, runtime = lab.folder("home"), lab.folder("runtime")
        for folder in (home, runtime):
            lab.run(["chown", f"{ROOTLESS_USER}:", folder])
        return home, runtime

    return lab.shared("rootless-home", make)


def _podman_rootless(*flags: str, script: str = f"exec {ASK}") -> Start:
    def start(lab: Lab) -> str:
        podman = ("podman", "--cgroup-manager=cgroupfs", "--storage-driver=vfs", "--events-backend=none")

        def load() -> str:
            tag = "localhost/envinspect-e2e:root"
            _rootless(lab, *podman, "import", image_archive(lab), tag, timeout_s=180)
            lab.on_close(lambda: _rootless_gone(lab, podman))
            return tag

        tag = lab.shared("rootless-image", load)
        return _rootless(lab, *podman, *PODMAN_RUN, "--rm", *flags, tag, "sh", "-c", script)

    return start


def _rootless_gone(lab: Lab, podman: Sequence[str]) -> None:
    try:
        _rootless(lab, *podman, "system", "reset", "--force")
    except CannotStartError:
        lab.quietly("rm", "-rf", _rootless_home(lab)[0])


def _without_markers(program: str = "") -> str:
    return f"umount -l /run/.containerenv 2>/dev/null; rm -f /run/.containerenv; unset container; exec {program or ASK}"


FEW = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""From 1.31 on Buildah asks for a million files and processes, which root without CAP_SYS_RESOURCE may not give."""


def _buildah_run(lab: Lab) -> str:
    buildah = [
        "buildah",
        "--storage-driver=vfs",
        "--root",
        str(_buildah_root(lab)),
        "--runroot",
        str(lab.scratch / "buildah-run"),
    ]
    container = lab.run([*buildah, "from", *FEW, f"docker-archive:{_docker_archive(lab)}"], timeout_s=120).strip()
    try:
        return lab.run_v1([*buildah, "run", "--network=none", container, "--", *shlex.split(ASK)], timeout_s=90)
    finally:
        lab.quietly(*buildah, "rm", container)


def _buildah_root(lab: Lab) -> Path:
    return lab.shared("buildah-root", lambda: lab.folder("buildah"))


def _docker_archive(lab: Lab) -> Path:
    def make() -> Path:
        target = lab.scratch / "image.tar"
        lab.run(["podman", "save", "--output", target, _podman_image(lab)], timeout_s=120)
        return target

    return lab.shared("docker-archive", make)


def _buildah_build(lab: Lab) -> str:
    context = _build_context(lab, _podman_image(lab))
    tag = f"localhost/{lab.tag}:bud"
    try:
        words = ["--no-cache", "--network=none", *FEW, "--tag", tag, context]
        return lab.run_v1(["buildah", "build", *words], timeout_s=120)
    finally:
        lab.quietly("buildah", "rmi", "--force", tag)


PODMAN = functools.partial(
    Environment,
    needs=("podman", "crun"),
    layers=("podman",),
    firmware=False,
    never=frozenset({"docker", "lxc", "systemd-nspawn", "container", "cri-o", "containerd"}),
)

_PODMAN: tuple[Environment, ...] = (
    PODMAN(name="podman", start=_podman(), how="podman run, as root"),
    PODMAN(
        name="podman-runc", needs=("podman", "runc"), start=_podman(runtime="runc"), how="podman --runtime=runc run"
    ),
    PODMAN(name="podman-privileged", start=_podman("--privileged"), how="podman run --privileged", firmware=True),
    PODMAN(name="podman-pid-host", start=_podman("--pid=host"), how="podman run --pid=host"),
    PODMAN(name="podman-cgroupns-host", start=_podman("--cgroupns=host"), how="podman run --cgroupns=host"),
    PODMAN(name="podman-userns", start=_podman("--uidmap=0:100000:65536"), how="podman run --uidmap=0:100000:65536"),
    PODMAN(name="podman-non-root", start=_podman("--user=1000:1000"), how="podman run --user=1000:1000"),
    PODMAN(name="podman-read-only", start=_podman("--read-only"), how="podman run --read-only"),
    PODMAN(name="podman-exec", start=_podman_exec, how="podman exec into a running container"),
    PODMAN(name="podman-pod", start=_podman_pod, how="podman run in a pod"),
    PODMAN(
        name="podman-without-markers",
        start=_podman("--privileged", "--unsetenv=container", script=_without_markers()),
        how="podman run --privileged, /run/.containerenv removed and container= unset",
        firmware=True,
    ),
    PODMAN(name="podman-rootless", start=_podman_rootless(), how="podman run as an ordinary user"),
    PODMAN(
        name="podman-rootless-without-markers",
        start=_podman_rootless("--unsetenv=container", script=_without_markers()),
        how="podman run as an ordinary user, /run/.containerenv removed and container= unset",
    ),
    Environment(
        "buildah-run",
        ("buildah", "podman"),
        _buildah_run,
        ("buildah",),
        "buildah run",
        firmware=False,
        never=frozenset({"docker", "lxc"}),
    ),
    Environment(
        "buildah-build",
        ("buildah", "podman"),
        _buildah_build,
        ("buildah",),
        "RUN step of buildah build",
        firmware=False,
        never=frozenset({"docker", "lxc"}),
    ),
)

CONTAINERS = (*_DOCKER, *_PODMAN)
