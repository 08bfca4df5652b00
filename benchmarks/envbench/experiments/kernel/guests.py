"""Guests that are not what this machine is: another system's kernel, CPU architecture or release.

All run under emulation (TCG), whatever this machine's KVM can do: what is asked is whether they reach their ready
mark.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from envbench.backends.qemu import QemuBackend
from envbench.backends.shared.child import Child, environment, output_pipe
from envbench.errors import BackendError
from envbench.experiments.shared import artefacts
from envbench.experiments.shared.running import Output
from envbench.payload.busybox import find_busybox
from envbench.payload.entries import Entry
from envbench.payload.initramfs import cpio, write_initramfs
from envbench.payload.kernel import find_kernel
from envbench.readiness.output import last_words, marker_for
from envbench.records.phases import Experiment
from envbench.run.bench import Bench
from envbench.settings import Configuration, new_nonce
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.surroundings.programs import require_program

MACH_MARK = "vm_page: page table size"
"""What Mach prints once its virtual memory is up; any program might print its banner."""
MACH_BANNER = "GNU Mach"
DEADLINE_S = 120.0
MACHINE: Mapping[str, tuple[str, ...]] = {
    "aarch64": ("-machine", "virt", "-cpu", "cortex-a57"),
    "x86_64": ("-machine", "q35"),
}
SERIAL = {"aarch64": "ttyAMA0", "x86_64": "ttyS0"}
_KERNEL = Experiment.KERNEL

FOREIGN_INIT = """\
#!/busybox sh
/busybox mkdir -p /proc
/busybox mount -t proc proc /proc
/busybox echo "ENVBENCH-READY {nonce} $(/busybox uname -s) $(/busybox uname -r) $(/busybox uname -m)"
/busybox poweroff -f
"""


class GuestInstance:
    """A machine whose serial line is its standard output: as much of `Instance` as reading needs."""

    def __init__(self, child: Child, output: int) -> None:
        self._child, self._output = child, output

    def output_fileno(self) -> int:
        """Return the read end of the serial line."""
        return self._output

    def decode(self, chunk: bytes) -> bytes:
        """Return the chunk: nothing frames a serial line."""
        return chunk

    def console_tail(self) -> str:
        """Return "": all it said has been read."""
        return ""

    def destroy(self) -> None:
        """End it."""
        self._child.kill()
        os.close(self._output)


def run(bench: Bench) -> None:
    """Boot these guests, each if its emulator and its files are here."""
    with bench.attempt(_KERNEL, "a guest that is not Linux", artefacts.REMEDY):
        _boot_mach(bench)
    with bench.attempt(_KERNEL, "a guest of another CPU architecture", artefacts.REMEDY):
        _boot_foreign(bench)
    with bench.attempt(_KERNEL, "kernels of two distributions", artefacts.REMEDY):
        _boot_two_kernels(bench)


def _boot_mach(bench: Bench) -> None:
    kernel = artefacts.mach_kernel(bench.settings.cache_dir)
    if kernel is None:
        bench.skip(_KERNEL, "a guest that is not Linux", "no such kernel in the cache", artefacts.REMEDY)
        return
    words = ("-machine", "pc", "-m", "128", "-kernel", kernel, "-append", "console=com0")
    lines = boot(bench, "qemu-system-x86_64", words, MACH_MARK)
    banner = next((line for line in lines if line.startswith(MACH_BANNER)), "no banner")
    _record(
        bench, "guest_not_linux_ready", banner != "no banner", f"{banner} (the kernel of the Hurd, without its servers)"
    )


def _boot_foreign(bench: Bench) -> None:
    names = artefacts.foreign_machine()
    kernel, busybox = (find(bench.settings.cache_dir) for find in (artefacts.foreign_kernel, artefacts.foreign_busybox))
    if names is None or kernel is None or busybox is None:
        reason = "no kernel and busybox for another architecture in the cache"
        bench.skip(_KERNEL, "a guest of another CPU architecture", reason, artefacts.REMEDY)
        return
    nonce = new_nonce()
    initramfs = bench.settings.work_dir / "foreign-initramfs"
    write_initramfs(initramfs, cpio(_init(busybox.read_bytes(), nonce)))
    append = f"console={SERIAL[names[1]]} panic=-1 quiet"
    files: tuple[str | Path, ...] = ("-kernel", kernel, "-initrd", initramfs)
    words = (*MACHINE[names[1]], "-m", "512", *files, "-append", append)
    mark = marker_for(nonce).decode()
    lines = boot(bench, f"qemu-system-{names[1]}", words, mark)
    said = next(line for line in lines if mark in line).partition(mark)[2].strip()
    _record(bench, "guest_other_arch_ready", said.endswith(names[1]), f"{said} on {os.uname().machine}")


def _boot_two_kernels(bench: Bench) -> None:
    """Boot this distribution's kernel and another release's, and compare what each says it is."""
    other = artefacts.another_kernel(bench.settings.cache_dir)
    if other is None:
        bench.skip(
            _KERNEL, "kernels of two distributions", "no kernel of another release in the cache", artefacts.REMEDY
        )
        return
    machine, said = os.uname().machine, {}
    for place, kernel in (("this release", find_kernel(bench.settings.cache_dir).path), (other.parent.name, other)):
        nonce = new_nonce()
        initramfs = bench.settings.work_dir / "kernel-initramfs"
        busybox = find_busybox().path.read_bytes()
        write_initramfs(initramfs, cpio(_init(busybox, nonce)))
        words: tuple[str | Path, ...] = (*MACHINE[machine], "-m", "256", "-kernel", kernel, "-initrd", initramfs)
        mark = marker_for(nonce).decode()
        append = ("-append", f"console={SERIAL[machine]} panic=-1 quiet")
        lines = boot(bench, f"qemu-system-{machine}", (*words, *append), mark)
        said[place] = next(line for line in lines if mark in line).partition(mark)[2].strip()
    detail = "; ".join(f"{place}: {words}" for place, words in said.items())
    _record(bench, "distribution_kernels_equal", len(set(said.values())) == 1, detail)


def _init(busybox: bytes, nonce: str) -> tuple[Entry, ...]:
    return (
        Entry("busybox", stat.S_IFREG | 0o755, busybox),
        Entry("init", stat.S_IFREG | 0o755, FOREIGN_INIT.format(nonce=nonce).encode()),
    )


def _record(bench: Bench, name: str, ready: bool, detail: str) -> None:
    bench.record(name, ready, Configuration(QemuBackend.name, {"accel": "tcg"}, bench.settings.profile), detail=detail)
    bench.say(f"kernel: {name.replace('_', ' ')}: {detail}")


def boot(bench: Bench, program: str, words: Sequence[str | Path], mark: str) -> list[str]:
    """Boot a machine and return the lines of its serial console up to the one with `mark`; it is ended then.

    Raises BackendError without the emulator or where the machine ends before, StartTimeoutError after the deadline.
    """
    emulator = require_program(program, "apt install qemu-system-arm qemu-system-x86")
    argv = (
        *(emulator, "-accel", "tcg", *words, "-display", "none", "-serial", "stdio", "-monitor", "none"),
        *("-nodefaults", "-no-reboot", "-no-user-config"),
    )
    bench.order += 1
    reader, writer = output_pipe()
    requested_ns = monotonic_ns()
    try:
        child = Child(argv, environment(bench.settings.run_id), writer)
    except BackendError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    instance = GuestInstance(child, reader)
    try:
        run_ = Output(instance, "", requested_ns)
        if not run_.read_until(lambda line: mark in line, DEADLINE_S, f"{mark!r}"):
            raise BackendError(f"{program} ended before {mark!r}; {last_words(instance, run_)}")
        after_s = (monotonic_ns() - requested_ns) / NS_PER_S
        bench.say(f"kernel: {program} said {mark.split(maxsplit=1)[0]!r} after {after_s:.1f} s")
        return run_.lines
    finally:
        instance.destroy()
