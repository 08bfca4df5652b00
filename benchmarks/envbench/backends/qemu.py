"""Virtual machines started by QEMU itself: the payload as initramfs, a disk through its firmware, or a floor guest."""

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from envbench.backend import MarkCallback, Workload
from envbench.backends.vm.backend import STOP_WORD, VMM_DEADLINE_S, VmBackend, machine_folder
from envbench.backends.vm.direct import DirectMachine, start_direct
from envbench.backends.vm.guest import Guest
from envbench.backends.vm.monitor import Monitor
from envbench.errors import BackendError
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Journal
from envbench.traces.procfs import descendants_of


@dataclass(slots=True)
class QemuInstance:
    """One machine."""

    name: str
    machine: DirectMachine
    guest: Guest
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
        """Return QEMU's process id, whose vCPUs are its threads; where a script started it, the script's besides."""
        process = self.machine.process
        return (process.pid, *descendants_of(process.pid)) if process.status is None else ()

    def cgroup(self) -> Path | None:
        """Return None: a direct QEMU runs in the harness's own cgroup."""
        return None

    def console_tail(self) -> str:
        """Return what the guest and QEMU said last."""
        return self.machine.tail()

    def ask(self, command: str, **arguments: Any) -> Any:
        """Return the answer of a monitored machine to one command of QEMU's protocol. Raises BackendError."""
        with contextlib.closing(Monitor(self.folder / "monitor")) as monitor:
            return monitor.execute(command, **arguments)

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


class QemuBackend(VmBackend):
    """QEMU without any management layer."""

    name: ClassVar[str] = "qemu"
    title: ClassVar[str] = "QEMU"

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> QemuInstance:
        """Start one QEMU and return once its serial line is open."""
        recipe, name = self.recipe(variant), self._next_name()
        folder = self._settings.work_dir / name
        with machine_folder(self._journal, folder) as number:
            guest = recipe.guest(folder, name, workload)
            deadline_ns = monotonic_ns() + int(VMM_DEADLINE_S * NS_PER_S)
            log = folder / "qemu.log"
            machine = start_direct(guest, self.emulator, self._settings.run_id, log, mark, deadline_ns)
        return QemuInstance(name, machine, guest, folder, recipe.own_guest, self._journal, number)

    def _facts(self) -> dict[str, str]:
        return {"qemu": self.emulator.version, "path": str(self.emulator.path)}
