"""A machine with devices that no timed backend has: a balloon, CPU slots and a monitor to work them, a disk that keeps.

It boots the same kernel and payload as the backend `qemu`, with the modules that these devices need beside the payload.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from envbench.backend import Mark, Workload
from envbench.backends.qemu import QemuBackend, QemuInstance
from envbench.backends.vm.direct import DirectMachine, start_direct
from envbench.backends.vm.emulator import Emulator, find_emulator
from envbench.backends.vm.guest import Disk, Guest
from envbench.backends.vm.monitor import Monitor
from envbench.backends.vm.recipe import make_recipe
from envbench.errors import BackendError
from envbench.experiments.shared.running import Running, await_ready, shell
from envbench.payload.kernel import find_kernel
from envbench.payload.modules import module_chain
from envbench.payload.tree import tree_of_run
from envbench.run.bench import Bench, Prepared
from envbench.settings import Settings, new_nonce
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Kind

MODULES = ("virtio_pci", "virtio_balloon", "virtio_blk", "ext4")
MONITOR = "monitor"
"""The socket of the machine's monitor, in its folder."""
LOAD_MODULES = """
for m in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$m; done
"""


def lab_settings(settings: Settings) -> Settings:
    """Return the run's settings with a payload that has the modules beside its minimal tree, made on first call.

    Raises BackendError where the kernel has no such module, neither as a file nor built in. A kernel without a module
    folder must have all of them built in.
    """
    work_dir = settings.work_dir / "lab"
    tree = work_dir / "tree"
    if not tree.exists():
        folder = find_kernel(settings.cache_dir, settings.kernel_of({})).modules
        chain = module_chain(folder, MODULES) if folder else []
        work_dir.mkdir(mode=0o700, exist_ok=True)
        minimal = tree_of_run(replace(settings, profile="minimal")).path
        shutil.copytree(minimal, tree, symlinks=True, copy_function=os.link)
        (tree / "modules").mkdir()
        (tree / "modules/order").write_text("\n".join(name for name, _ in chain), "ascii")
        for name, data in chain:
            (tree / "modules" / name).write_bytes(data)
    return replace(settings, work_dir=work_dir, profile="minimal", images=(), disks=())


def is_lab_able(prepared: Prepared) -> bool:
    """Return whether this backend's machine can be had with other devices: QEMU that boots a kernel directly."""
    return (
        isinstance(prepared.backend, QemuBackend) and prepared.configuration.variant.get("boot", "kernel") == "kernel"
    )


@contextmanager
def lab_machine(
    bench: Bench,
    prepared: Prepared,
    script: str,
    *,
    disk: Disk | None = None,
    own_disk_bytes: int = 0,
    memory_bytes: int,
    keep_running: bool = True,
) -> Iterator[tuple[Running, Monitor]]:
    """Boot the machine with a script as payload; yield it, when it is ready, with its monitor. Ended with the block.

    With `own_disk_bytes` it has an empty disk of its own beside `disk`, in its folder, which is removed with it.
    Raises BackendError, StartTimeoutError.
    """
    settings = lab_settings(bench.settings)
    bench.order += 1
    folder = settings.work_dir / f"machine-{bench.order}"
    workload = Workload(new_nonce(), shell(LOAD_MODULES + script), memory_bytes, keep_running=keep_running)
    instance, requested_ns = _start(bench, prepared, settings, folder, workload, disk, own_disk_bytes)
    try:
        run_ = Running(instance, workload.nonce, requested_ns)
        await_ready(run_, bench.settings.deadline_s)
        monitor = Monitor(folder / MONITOR)
        try:
            yield run_, monitor
        finally:
            monitor.close()
    finally:
        instance.destroy()


def powered_off(bench: Bench, run_: Running) -> QemuInstance:
    """Return the machine of a script that has ended, once it has powered itself off.

    Raises BackendError where it does not in time.
    """
    instance = cast("QemuInstance", run_.instance)
    if not instance.machine.wait_for_end(monotonic_ns() + int(bench.settings.deadline_s * NS_PER_S)):
        raise BackendError(
            f"{instance.name} did not power off in time; last words: {instance.console_tail() or 'none'}"
        )
    return instance


def start_again(bench: Bench, run_: Running) -> Running:
    """Start the same machine once more after it has powered itself off; return it when it is ready.

    Its command line and its files are the same. It is ended with the block of its first start. Raises BackendError,
    StartTimeoutError.
    """
    instance = powered_off(bench, run_)
    instance.machine.destroy()
    instance.machine, requested_ns = _boot(bench, find_emulator(), instance.guest, instance.folder)
    again = Running(instance, run_.nonce, requested_ns)
    await_ready(again, bench.settings.deadline_s)
    return again


def _start(
    bench: Bench,
    prepared: Prepared,
    settings: Settings,
    folder: Path,
    workload: Workload,
    disk: Disk | None,
    own_disk_bytes: int,
) -> tuple[QemuInstance, int]:
    """Start the machine, its files in this folder; return it and the moment of the request.

    Raises BackendError, StartTimeoutError; nothing is left then.
    """
    emulator = find_emulator()
    recipe = make_recipe(settings, prepared.configuration.variant, emulator.architecture)
    name = f"envbench-{settings.run_id}-lab-{bench.order}"
    number = bench.journal.intend(Kind.FOLDER, str(folder))
    folder.mkdir()
    disks = [disk] if disk else []
    try:
        if own_disk_bytes:
            disks.append(Disk(folder / "own-disk", scratch=False))
            write_empty(disks[-1].path, own_disk_bytes)
        guest = replace(
            recipe.guest(folder, name, workload),
            disks=tuple(disks),
            monitor=folder / MONITOR,
            more=("-smp", "1,maxcpus=2", "-device", "virtio-balloon-pci"),
        )
        machine, requested_ns = _boot(bench, emulator, guest, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        bench.journal.forget(number)
        raise
    return QemuInstance(name, machine, guest, folder, True, bench.journal, number), requested_ns


def write_empty(path: Path, size_bytes: int) -> None:
    """Write a file of zeros that takes no room until it is written to."""
    with path.open("wb") as file:
        file.truncate(size_bytes)


def _boot(bench: Bench, emulator: Emulator, guest: Guest, folder: Path) -> tuple[DirectMachine, int]:
    """Start QEMU; return it and the moment of the request. Raises BackendError, StartTimeoutError."""
    moments: dict[Mark, int] = {}
    deadline_ns = monotonic_ns() + int(bench.settings.deadline_s * NS_PER_S)
    machine = start_direct(
        guest, emulator, bench.settings.run_id, folder / "log", lambda mark: _note(moments, mark), deadline_ns
    )
    return machine, moments[Mark.REQUESTED]


def _note(moments: dict[Mark, int], mark: Mark) -> None:
    """Note a moment."""
    moments.setdefault(mark, monotonic_ns())
