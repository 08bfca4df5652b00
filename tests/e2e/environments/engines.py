"""Runtimes without images of their own: runc, crun, containerd, LXC, systemd-nspawn, gVisor, User-mode Linux."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from environments.case import Environment
from environments.containers import image_archive
from environments.lab import HERE, INSIDE, Lab

Start = Callable[[Lab], str]
OTHER = frozenset({"docker", "podman"})


def _bundle(lab: Lab, *, args: list[str] | None = None) -> Path:
    bundle = lab.folder("bundle")
    config = json.loads((HERE / "runc.json").read_text())
    config["root"] = {"path": str(lab.root), "readonly": True}
    config["process"]["args"] = args or lab.ask_inside
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def _oci(runtime: str) -> Start:
    def start(lab: Lab) -> str:
        name, state = f"{lab.tag}-{runtime}", lab.folder(f"{runtime}-state")
        try:
            return lab.run_v1([runtime, "--root", state, "run", "--bundle", _bundle(lab), name])
        finally:
            lab.quietly(runtime, "--root", state, "delete", "--force", name)

    return start


NOTHING = b""
"""A pipe without words, where runsc would give the machine's own /dev/null away to its user."""


def _runsc_run(lab: Lab) -> str:
    """The OCI runtime of gVisor, networkless, without cgroups of its own."""
    name, state = f"{lab.tag}-runsc", lab.folder("runsc-state")
    flags: list[str | Path] = ["--root", state, "--network=none", "--ignore-cgroups", "--platform=ptrace"]
    try:
        return lab.run(["runsc", *flags, "run", "--bundle", _bundle(lab), name], timeout_s=110, stdin=NOTHING)
    finally:
        lab.quietly("runsc", *flags, "delete", "--force", name)


def _runsc_do(lab: Lab) -> str:
    return lab.run(
        ["runsc", "--network=none", "--ignore-cgroups", "--platform=ptrace", "do", *lab.ask_here],
        timeout_s=110,
        stdin=NOTHING,
    )


def _containerd(*flags: str) -> Start:
    """A containerd of this session's own: its namespaces and snapshots go when it goes."""

    def start(lab: Lab) -> str:
        socket = lab.shared("containerd", lambda: _start_containerd(lab))
        ctr = ["ctr", "--address", socket, "--namespace", lab.tag]

        def load() -> str:
            lab.run([*ctr, "image", "import", "--base-name", "envinspect", _oci_archive(lab)], timeout_s=120)
            return lab.run([*ctr, "image", "list", "--quiet"]).split()[0]

        image = lab.shared("containerd-image", load)
        name = f"{lab.tag}-ctr{abs(hash(flags)) % 1000}"
        try:
            return lab.run([*ctr, "run", "--rm", *flags, image, name, *lab.ask_inside])
        finally:
            lab.quietly(*ctr, "task", "kill", "--signal", "SIGKILL", name)
            lab.quietly(*ctr, "container", "delete", name)

    return start


def _oci_archive(lab: Lab) -> Path:
    """An image that containerd can import, made by hand: Podman's or Docker's would tie the row to them."""
    layer = image_archive(lab)
    folder = lab.folder("oci")
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    content = layer.read_bytes()
    packed = blob(content)
    config = blob(
        json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
                "rootfs": {"type": "layers", "diff_ids": [packed["digest"]]},
            }
        ).encode()
    )
    kind = "application/vnd.oci.image"
    manifest = blob(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{kind}.manifest.v1+json",
                "config": {"mediaType": f"{kind}.config.v1+json", **config},
                "layers": [{"mediaType": f"{kind}.layer.v1.tar", **packed}],
            }
        ).encode()
    )
    name = {"org.opencontainers.image.ref.name": "root"}
    index = {
        "schemaVersion": 2,
        "manifests": [{"mediaType": f"{kind}.manifest.v1+json", **manifest, "annotations": name}],
    }
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    archive = lab.scratch / "oci.tar"
    lab.run(["tar", "-C", folder, "-cf", archive, "."])
    return archive


def _start_containerd(lab: Lab) -> str:
    folder = lab.folder("containerd")
    socket = folder / "containerd.sock"
    config = folder / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{socket}"\n'
    )
    stop = lab.daemon(["containerd", "--config", config], ready=socket.exists, log=folder / "log")
    lab.on_close(stop)
    return str(socket)


# --- LXC --------------------------------------------------------------------------------------------------------------


def _lxc_config(lab: Lab, *lines: str) -> Path:
    folder = lab.folder("lxc")
    config = folder / "config"
    common = (
        "lxc.uts.name = inside",
        f"lxc.rootfs.path = dir:{lab.root}",
        "lxc.net.0.type = empty",
        "lxc.apparmor.profile = unconfined",
        "lxc.mount.auto = proc:mixed sys:mixed",
        "lxc.autodev = 1",
    )
    config.write_text("\n".join((*common, *lines)) + "\n")
    return config


def _lxc_start(*lines: str) -> Start:
    """The question is the container's first process, as /sbin/init would be."""

    def start(lab: Lab) -> str:
        name, console = f"{lab.tag}-lxc", lab.folder("console") / "log"
        own = (f"lxc.init.cmd = {' '.join(lab.ask_inside)}", f"lxc.console.logfile = {console}")
        config = _lxc_config(lab, *own, *lines)
        try:
            printed = lab.run(["lxc-start", "--foreground", "--name", name, "--lxcpath", config.parent, "-f", config])
            return console.read_text() if console.exists() else printed
        finally:
            lab.quietly("lxc-stop", "--kill", "--name", name, "--lxcpath", config.parent)

    return start


def _lxc_execute(lab: Lab) -> str:
    name = f"{lab.tag}-lxce"
    config = _lxc_config(lab)
    command: list[str | Path] = [
        "lxc-execute",
        "--name",
        name,
        "--lxcpath",
        config.parent,
        "-f",
        config,
        "--",
        *lab.ask_inside,
    ]
    try:
        return lab.run(command, check=False)
    finally:
        lab.quietly("lxc-stop", "--kill", "--name", name, "--lxcpath", config.parent)


# --- systemd-nspawn ---------------------------------------------------------------------------------------------------


def _nspawn(*flags: str, script: str = "") -> Start:
    def start(lab: Lab) -> str:
        command = ["sh", "-c", script + "exec " + " ".join(lab.ask_inside)] if script else lab.ask_inside
        return lab.run(
            [
                *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe"),
                *(f"--machine={lab.tag}-n{abs(hash((flags, script))) % 1000}", "-D", lab.root, *flags, "--", *command),
            ],
            env={"SYSTEMD_NSPAWN_LOCK": "0", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0"},
        )

    return start


NSPAWN_WITHOUT_MARKERS = (
    "umount -l /run/host /run/systemd/container 2>/dev/null; rm -rf /run/host /run/systemd/container; "
    "unset container container_uuid container_host_id; "
)


# --- User-mode Linux --------------------------------------------------------------------------------------------------


def _uml(lab: Lab) -> str:
    folder = lab.folder("uml")
    init = folder / "init.sh"
    init.write_text(
        "#!/bin/sh\nmount -t proc proc /proc; mount -t sysfs sysfs /sys\n"
        "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp\n"
        f"sh {INSIDE}/ask.sh -c -u\nhalt -f || busybox halt -f || busybox poweroff -f\n"
    )
    init.chmod(0o755)
    inside = lab.root / "opt/uml-init.sh"
    inside.write_bytes(init.read_bytes())
    inside.chmod(0o755)
    try:
        return lab.run(
            [
                *("linux.uml", "mem=512M", "rootfstype=hostfs", f"rootflags={lab.root}", "rw", "quiet"),
                *("init=/opt/uml-init.sh", "con0=fd:0,fd:1", "con=null", f"uml_dir={folder}", "umid=ask"),
            ],
            timeout_s=110,
            env={"TMPDIR": "/dev/shm"},
            check=False,
        )
    finally:
        inside.unlink(missing_ok=True)


ENGINES = (
    Environment("runc", ("runc",), _oci("runc"), ("container",), "runc run of a bundle", firmware=False, never=OTHER),
    Environment("crun", ("crun",), _oci("crun"), ("container",), "crun run of a bundle", firmware=False, never=OTHER),
    Environment(
        "containerd",
        ("containerd", "ctr"),
        _containerd(),
        ("containerd",),
        "ctr run",
        firmware=False,
        never=OTHER,
    ),
    Environment(
        "containerd-privileged",
        ("containerd", "ctr"),
        _containerd("--privileged"),
        ("containerd",),
        "ctr run --privileged",
        never=OTHER,
    ),
    Environment("lxc", ("lxc-start",), _lxc_start(), ("lxc",), "lxc-start, privileged", never=OTHER),
    Environment(
        "lxc-unprivileged",
        ("lxc-start",),
        _lxc_start("lxc.idmap = u 0 100000 65536", "lxc.idmap = g 0 100000 65536"),
        ("lxc",),
        "lxc-start with a user namespace",
        never=OTHER,
    ),
    Environment(
        "lxc-execute", ("lxc-execute",), _lxc_execute, ("lxc",), "lxc-execute, an application container", never=OTHER
    ),
    Environment(
        "nspawn", ("systemd-nspawn",), _nspawn(), ("systemd-nspawn",), "systemd-nspawn --register=no", never=OTHER
    ),
    Environment(
        "nspawn-private-users",
        ("systemd-nspawn",),
        _nspawn("--private-users=100000:65536", "--private-network"),
        ("systemd-nspawn",),
        "systemd-nspawn --private-users --private-network",
        never=OTHER,
    ),
    Environment(
        "nspawn-without-markers",
        ("systemd-nspawn",),
        _nspawn(script=NSPAWN_WITHOUT_MARKERS),
        ("systemd-nspawn",),
        "systemd-nspawn, its markers removed",
        never=OTHER,
    ),
    Environment(
        "gvisor",
        ("runsc",),
        _runsc_run,
        ("gvisor",),
        "runsc run of a bundle",
        firmware=False,
        hides_host=True,
        traps_cpuid=True,
        never=OTHER,
        deadline_s=180,
    ),
    Environment(
        "gvisor-do",
        ("runsc",),
        _runsc_do,
        ("gvisor",),
        "runsc do, over the host's root",
        firmware=False,
        hides_host=True,
        traps_cpuid=True,
        never=OTHER,
        deadline_s=180,
    ),
    Environment(
        "uml",
        ("linux.uml",),
        _uml,
        ("uml",),
        "User-mode Linux over hostfs",
        firmware=False,
        never_with="amx_tile",  # "ptrace set fp regs failed": its kernel has no room for these registers (6.1)
        never=OTHER | {"container"},
        slow=True,
        deadline_s=180,
    ),
)
