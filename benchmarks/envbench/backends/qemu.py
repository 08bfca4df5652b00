"""Virtual machines started by QEMU itself: the payload as initramfs, a disk through its firmware, or a floor guest."""

import itertools
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from envbench.accelerator import choose_accelerators, kvm_of_run
from envbench.backends.protocol import MarkCallback, Unusable, Usable, Workload
from envbench.clock import NS_PER_S, monotonic_ns
from envbench.errors import BackendError
from envbench.journal import Journal, Kind
from envbench.plan import Settings
from envbench.samples import variant_text
from envbench.vm.direct import DirectMachine, start_direct
from envbench.vm.emulator import Emulator, find_emulator
from envbench.vm.recipe import Recipe, check_recipe, make_recipe, vm_variants

VMM_DEADLINE_S = 30.0
"""Longest wait until QEMU has opened the serial line; it needs some 20 ms."""

STOP_WORD = b"stop"


@dataclass(slots=True)
class QemuInstance:
    """One machine."""

    name: str
    machine: DirectMachine
    folder: Path
    asks_over_serial: bool
    journal: Journal
    journal_number: int

    def output_fileno(self) -> int:
        """Return the serial line's descriptor."""
        return self.machine.console.fileno()

    def decode(self, chunk: bytes) -> bytes:
        """Return the bytes as they are; a serial line is not framed."""
        return self.machine.console.hear(chunk)

    def processes(self) -> tuple[int, ...]:
        """Return QEMU's process id; its vCPUs are its threads."""
        return (self.machine.process.pid,) if self.machine.process.status is None else ()

    def cgroup(self) -> Path | None:
        """Return None: a direct QEMU runs in the harness's own cgroup."""
        return None

    def console_tail(self) -> str:
        """Return what the guest and QEMU said last."""
        return self.machine.tail()

    def stop(self, deadline_ns: int) -> None:
        """Ask our payload to power off; end QEMU (the guest's power cut) where the guest is not ours."""
        if self.asks_over_serial:
            self.machine.console.say(STOP_WORD)
        else:
            self.machine.process.terminate()
        if not self.machine.wait_for_end(deadline_ns):
            raise BackendError(f"{self.name} did not power off in time; last words: {self.console_tail() or 'none'}")

    def remove(self, deadline_ns: int) -> None:
        """Hang up and remove the machine's files."""
        self.destroy()

    def destroy(self) -> None:
        """Kill QEMU and remove the machine's files; safe to call twice."""
        self.machine.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.journal.forget(self.journal_number)


class QemuBackend:
    """QEMU without any management layer."""

    name: ClassVar[str] = "qemu"
    is_vm: ClassVar[bool] = True

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._recipes: dict[str, Recipe] = {}
        self._emulator: Emulator
        self._counter = itertools.count(1)

    def check(self) -> Usable | Unusable:
        """Find QEMU, a guest kernel and the truth about KVM (a canary guest; seconds, once a run)."""
        settings = self._settings
        try:
            emulator = find_emulator()
            kvm = kvm_of_run(settings)
            variants = self.variants()
            for variant in variants:
                check_recipe(settings, variant, emulator.architecture)
        except BackendError as error:
            reason, _, remedy = str(error).partition("; try: ")
            return Unusable(reason, remedy)
        if not variants:
            return Unusable(f"only {' and '.join(settings.accelerators)} was asked for: {kvm.reason}", kvm.remedy)
        return Usable({"qemu": emulator.version, "path": str(emulator.path), **kvm.facts()})

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return accelerator x machine type x way of booting, as asked; the accelerator always has a name."""
        settings = self._settings
        kvm = kvm_of_run(settings)
        return vm_variants(settings, choose_accelerators(settings.accelerators, kvm), find_emulator().architecture)

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Build what all starts of this variant share: the initramfs's tree, the kernel's place, the disk."""
        self._emulator = find_emulator()
        self._recipes[variant_text(variant)] = make_recipe(self._settings, variant, self._emulator.architecture)

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> QemuInstance:
        """Start one QEMU and return once its serial line is open."""
        settings = self._settings
        recipe = self._recipes[variant_text(variant)]
        name = f"envbench-{settings.run_id}-{next(self._counter)}"
        folder = settings.work_dir / name
        number = self._journal.intend(Kind.FOLDER, str(folder))
        try:
            folder.mkdir(mode=0o700)
            guest = recipe.guest(folder, name, workload)
            deadline_ns = monotonic_ns() + int(VMM_DEADLINE_S * NS_PER_S)
            machine = start_direct(guest, self._emulator, settings.run_id, folder / "qemu.log", mark, deadline_ns)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            self._journal.forget(number)
            if isinstance(error, OSError):
                raise BackendError(
                    f"cannot write the guest's files: {error}; try: another --output or TMPDIR"
                ) from error
            raise
        return QemuInstance(name, machine, folder, recipe.own_guest, self._journal, number)

    def engine_processes(self) -> tuple[int, ...]:
        """Return nothing: no daemon stands behind a direct QEMU."""
        return ()

    def close(self) -> None:
        """Forget the artefacts; they lie in the run's own folder."""
        self._recipes.clear()
