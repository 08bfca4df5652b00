"""Proves the KVM path where the machine's own KVM is of no use: an emulated machine with AMD's SVM runs QEMU itself.

The outer guest loads kvm_amd and starts the floor guest with the very command line that `accel=kvm` makes; the inner
ready line is seen on the outer console. It takes a minute or more, and its time says nothing about KVM's speed: it is
never shown as one.
"""

import re
import shlex
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from envbench.backend import Mark, Workload
from envbench.backends.vm.direct import start_direct
from envbench.backends.vm.emulator import Emulator, find_emulator
from envbench.backends.vm.guest import Disk, Guest, qemu_argv
from envbench.backends.vm.recipe import make_recipe
from envbench.errors import BackendError, EnvbenchError, one_line
from envbench.payload.entries import Entry
from envbench.payload.floor import floor_disk
from envbench.payload.initramfs import cpio
from envbench.payload.kernel import default_cache_dir
from envbench.payload.modules import module_chain
from envbench.readiness.output import marker_for
from envbench.settings import Settings, new_nonce, new_run_id
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

OUTER_CPU = "EPYC,+svm,+npt"
OUTER_MEMORY_BYTES = 1536 << 20
DEADLINE_S = 600.0

FIRMWARE = ("seabios/bios-256k.bin", "qemu/bios-256k.bin", "qemu/kvmvapic.bin")
"""Below /usr/share: what QEMU's PC machines load; distributions keep the BIOS in one of the two folders."""

QEMU_SCRATCH = "/var/tmp"  # noqa: S108 -- QEMU's own choice of a place for what a guest writes to its disk

_LIBRARY = re.compile(r"(/\S+) \(0x")


def prove_kvm_path(settings: Settings, deadline_s: float = DEADLINE_S) -> str:
    """Boot the floor guest with accel=kvm inside an emulated machine; return the inner command line that did it.

    Raises BackendError where something is missing or fails, StartTimeoutError after the deadline.
    """
    emulator = find_emulator()
    if emulator.architecture.firmware_arch != "x86_64":
        raise BackendError("the KVM path is proved with an emulated AMD processor", remedy="an x86-64 machine")
    recipe = make_recipe(settings, {"accel": "tcg", "boot": "kernel", "machine": "q35"}, emulator.architecture)
    if recipe.kernel is None or recipe.kernel.modules is None:
        raise BackendError("the guest kernel comes without modules", remedy="envbench fetch kernel")
    nonce = f"{new_nonce()}-kvm"
    inner = inner_command(emulator)
    extra = nested_entries(
        emulator, module_chain(recipe.kernel.modules, ("kvm_amd",)), floor_disk(nonce, stay=False), inner
    )
    recipe = replace(recipe, archive=recipe.archive + cpio(extra))
    with tempfile.TemporaryDirectory(prefix=f"envbench-{settings.run_id}-nested-") as scratch:
        folder = Path(scratch)
        workload = Workload(new_nonce(), argv=("/bin/sh", "/nested/run"))
        guest = recipe.guest(folder, f"envbench-{settings.run_id}-nested", workload)
        guest = replace(guest, cpu=OUTER_CPU, memory_bytes=OUTER_MEMORY_BYTES)
        deadline_ns = monotonic_ns() + int(deadline_s * NS_PER_S)
        words = {Mark.READY: (marker_for(nonce),)}
        log = folder / "qemu.log"
        machine = start_direct(guest, emulator, settings.run_id, log, lambda _moment: None, deadline_ns, words)
        try:
            machine.wait_until_heard(Mark.READY, deadline_ns)
        finally:
            machine.destroy()
    return shlex.join(inner)


def inner_command(emulator: Emulator) -> list[str]:
    """Return the inner QEMU's command line: that of `accel=kvm`, its serial line on the outer guest's console."""
    floor = (Disk(Path("/nested/floor.img")),)
    guest = Guest("inner", "q35", "kvm", Path("/unused"), memory_bytes=64 << 20, disks=floor)
    argv = qemu_argv(guest, emulator)
    argv[argv.index("-chardev") + 1] = "stdio,id=serial0,signal=off"
    return argv


def nested_entries(
    emulator: Emulator, modules: Iterable[tuple[str, bytes]], disk: bytes, inner: Iterable[str]
) -> Iterator[Entry]:
    """Yield what the outer guest needs beside the payload: QEMU, its libraries and firmware, modules, disk, script."""
    files: dict[str, bytes] = {str(path): path.read_bytes() for path in (emulator.path, *_libraries(emulator.path))}
    for name in FIRMWARE:
        path = Path("/usr/share", name)
        if path.exists():
            files[str(path)] = path.read_bytes()
    loads = []
    for name, data in modules:
        files[f"/nested/{name}"] = data
        loads.append(f"/bin/busybox insmod /nested/{name} || exit 1")
    files["/nested/floor.img"] = disk
    files["/nested/run"] = "\n".join((*loads, f"exec {shlex.join(inner)} </dev/null", "")).encode()
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents} | {"/var", QEMU_SCRATCH}
    for folder in sorted(folders - {"/"}):
        yield Entry(folder.lstrip("/"), stat.S_IFDIR | 0o755, b"")
    for name in sorted(files):
        yield Entry(name.lstrip("/"), stat.S_IFREG | 0o755, files[name])


def _libraries(program: Path) -> list[Path]:
    """Return the shared libraries of a program and its loader, as ldd(1) finds them."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BackendError(f"ldd {program} failed: {done.stderr.strip()}")
    return [Path(found) for found in _LIBRARY.findall(done.stdout)]


def main() -> int:
    """Run the proof by itself and say in one line how it went; returns the exit code of the contract."""
    with tempfile.TemporaryDirectory(prefix="envbench-nested-") as folder:
        try:
            inner = prove_kvm_path(Settings(new_run_id(), Path(folder), default_cache_dir()))
        except EnvbenchError as error:
            sys.stderr.write(f"KVM path: not proved: {one_line(error)}\n")
            return error.exit_code
    sys.stdout.write(f"KVM path: proved inside an emulated machine (its time says nothing about KVM's): {inner}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
