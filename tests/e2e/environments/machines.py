"""Virtual machines for the matrix: the root tree as an initramfs, booted by QEMU, asked over its serial line."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from envbench.payload.kernel import GuestKernel, default_cache_dir, fetch_kernel
from environments.case import CannotStartError
from environments.lab import HERE, INSIDE, Lab

# What a guest of one question does not need of the tree.
LEFT_OUT = (
    *("opt/envinspect", "usr/share", "var/lib/dpkg", "var/cache", "usr/lib/apt", "usr/lib/locale", "usr/lib/udev"),
    *("usr/lib/systemd/system", "usr/lib/*/gconv", "usr/lib/*/perl*", "usr/bin/perl*", "dev/*", "boot", "lib/modules"),
    *("usr/lib/modules", "usr/lib/python3*/test", "usr/lib/python3*/idlelib", "usr/lib/python3*/pydoc_data"),
    *("usr/lib/python3*/ensurepip", "usr/lib/python3*/lib2to3", "usr/lib/firmware"),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What QEMU is told. `smbios` are `-smbios` values, `flags` further options."""

    machine: str = "pc"
    cpu: str = "max"
    smbios: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    firmware: Path | None = None
    memory_mib: int = 512
    task: str = "ask"
    append: str = ""
    program: str = "qemu-system-x86_64"
    console: str = "ttyS0"


def kernel(_lab: Lab) -> GuestKernel:
    """The distribution's cloud kernel, unpacked in the user's cache."""
    return fetch_kernel(default_cache_dir())


def archive(lab: Lab, folder: Path, target: Path, leave_out: Sequence[str] = ()) -> Path:
    """Write a folder as an uncompressed newc archive: unpacking it costs the guest the least."""
    pruned = " -o ".join(f"-path './{pattern}'" for pattern in leave_out)
    pruned = f"\\( {pruned} \\) -prune -o" if pruned else ""
    script = f"find . -xdev {pruned} -print | cpio --create --format=newc --quiet >{target}"
    lab.run(["sh", "-c", script], cwd=folder, timeout_s=120)
    return target


def initramfs(lab: Lab, tree: Path, name: str) -> Path:
    """The tree with /init and the question on top; made once a session."""

    def make() -> Path:
        base = archive(lab, tree, lab.scratch / f"{name}-base.cpio", LEFT_OUT)
        top = lab.folder(f"{name}-top")
        (top / "opt").mkdir()
        shutil.copytree(tree / INSIDE.lstrip("/"), top / INSIDE.lstrip("/"))
        shutil.copy(HERE / "guest-init.sh", top / "init")
        (top / "init").chmod(0o755)
        over = archive(lab, top, lab.scratch / f"{name}-top.cpio")
        whole = lab.scratch / f"{name}.cpio"
        with whole.open("wb") as out:
            for part in (base, over):
                with part.open("rb") as data:
                    shutil.copyfileobj(data, out)
        base.unlink()
        return whole

    return lab.shared(f"initramfs-{name}", make)


class GuestStoppedError(CannotStartError):
    """A guest that did not end itself; `said` is what it had said until then."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def boot(
    lab: Lab,
    machine: Machine,
    *,
    timeout_s: float = 300,
    image: Path | None = None,
    disk: Sequence[Path] = (),
    guest_kernel: Path | None = None,
) -> str:
    """Boot, wait for the guest to end itself, and return what it said on its serial line.

    Raises GuestStoppedError where it does not end in time.
    """
    chosen = image or initramfs(lab, lab.root, "guest")
    serial = lab.folder("guest") / "serial"
    quiet = "quiet loglevel=1 panic=-1 reboot=t"
    firmware = (
        ["-drive", f"if=pflash,format=raw,readonly=on,file={machine.firmware}"] if machine.firmware is not None else []
    )
    command: list[str | Path] = [
        machine.program,
        *("-accel", "tcg", "-machine", machine.machine, "-cpu", machine.cpu, "-m", str(machine.memory_mib)),
        *("-display", "none", "-monitor", "none", "-no-reboot", "-no-user-config", "-nic", "none"),
        *("-serial", f"file:{serial}", "-kernel", guest_kernel or kernel(lab).path, "-initrd", chosen),
        *("-append", f"console={machine.console} {quiet} ask.task={machine.task} {machine.append}"),
        *firmware,
        *(word for value in machine.smbios for word in ("-smbios", value)),
        *(word for path in disk for word in ("-drive", f"file={path},format=raw,if=virtio,readonly=on")),
        *machine.flags,
    ]
    try:
        lab.run(command, timeout_s=timeout_s)
    except CannotStartError as error:
        said = serial.read_text(errors="replace") if serial.exists() else ""
        raise GuestStoppedError(f"{error}\nserial: {said[-2000:]}", said) from None
    return serial.read_text(errors="replace")


def parts(said: str) -> dict[str, str]:
    """Split what a guest said that was asked in several environments: `## NAME` begins each."""
    found: dict[str, str] = {}
    name = ""
    for line in said.replace("\r", "").split("\n"):
        if line.startswith("## "):
            name = line[3:].strip()
            found[name] = ""
        elif name:
            found[name] += line + "\n"
    return found


def transcripts(lab: Lab, task: str) -> dict[str, str]:
    """Boot the guest of a task that asks in several environments, once a session."""
    return lab.shared(task, lambda: parts(boot(lab, Machine(task=task, memory_mib=768))))


# --- other architectures ----------------------------------------------------------------------------------------------

ARM64 = Machine(cpu="cortex-a72", memory_mib=768, program="qemu-system-aarch64", console="ttyAMA0")
S390X = Machine(machine="s390-ccw-virtio", cpu="max", memory_mib=768, program="qemu-system-s390x", console="ttysclp0")


def foreign_machine(lab: Lab, architecture: str, machine: Machine) -> str:
    """Boot a guest of another architecture: kernel and userland are its packages, unpacked into a tree."""
    tree = lab.foreign_root(architecture)
    images = sorted(tree.glob("boot/vmlinuz-*"))
    if not images:
        raise CannotStartError(f"no {architecture} kernel in {tree}; try: tests/e2e/provision.sh")
    return boot(lab, machine, timeout_s=400, image=initramfs(lab, tree, architecture), guest_kernel=images[-1])
