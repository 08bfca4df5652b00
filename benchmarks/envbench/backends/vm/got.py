"""What a machine got, as QEMU itself says it: memory, CPUs, accelerator and machine type."""

from collections.abc import Callable, Iterator
from typing import Any

from envbench.backends.vm.guest import Guest
from envbench.records.phases import counted

ROUNDING_BYTES = 1 << 20
"""libvirt rounds a machine's memory up to whole MiB (src/qemu/qemu_domain.c, qemuDomainAlignMemorySizes); QEMU itself
to 8 KiB."""

Ask = Callable[..., Any]
"""Sends one command of QEMU's machine protocol, its arguments by name, and returns the answer. Raises BackendError."""


def differences(guest: Guest, asked_cpus: float | None, ask: Ask) -> tuple[str, ...]:
    """Return what a running machine got that was not asked for, a phrase each; () where all is as asked.

    `asked_cpus` is what the run asked for, None where it did not (a machine has whole CPUs alone). Raises BackendError
    where QEMU does not say. Source: QEMU, docs/interop/qemu-qmp-ref.
    """
    return tuple(_differences(guest, asked_cpus, ask))


def _differences(guest: Guest, asked_cpus: float | None, ask: Ask) -> Iterator[str]:
    memory_bytes = int(ask("query-memory-size-summary")["base-memory"])
    if not 0 <= memory_bytes - guest.memory_bytes // 1024 * 1024 < ROUNDING_BYTES:
        yield f"{guest.memory_bytes} bytes of memory asked for, and the machine has {memory_bytes}"
    wanted_cpus, cpus = asked_cpus or guest.cpus, len(ask("query-cpus-fast"))
    if cpus != wanted_cpus:
        yield f"{counted(wanted_cpus, 'CPU')} asked for, and the machine has {cpus}"
    # Of the accelerators that are asked for here, one is KVM: what is not, is TCG.
    accelerator = "kvm" if ask("query-kvm")["enabled"] else "tcg"
    if accelerator != guest.accelerator:
        yield f"{guest.accelerator} was asked for, and the machine runs on {accelerator}"
    machine = str(ask("qom-get", path="/machine", property="type")).removesuffix("-machine")
    wanted = guest.machine.partition(",")[0]
    if machine != wanted and wanted not in _aliases(machine, ask):
        yield f"a {wanted} was asked for, and the machine is a {machine}"


def _aliases(machine: str, ask: Ask) -> set[str]:
    """Return the other names of a machine type: "q35" is the newest of its kind."""
    return {one["alias"] for one in ask("query-machines") if one["name"] == machine and "alias" in one}
