"""Turns what a run asked for into guests: artefacts that all starts share, and the few bytes that differ in each."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envbench.backend import Workload
from envbench.backends.vm.emulator import Architecture, Firmware, find_uefi
from envbench.backends.vm.guest import Disk, Guest, default_memory_bytes, disk_format
from envbench.errors import BackendError
from envbench.payload.bootable import bootable_disk, find_loaders
from envbench.payload.busybox import find_busybox
from envbench.payload.entries import entries
from envbench.payload.floor import floor_disk
from envbench.payload.initramfs import cpio, start_line, start_segment, write_initramfs
from envbench.payload.kernel import GuestKernel, find_kernel
from envbench.payload.tree import tree_of_run
from envbench.payload.userland import MACHINES, disk_initrd, require_userland, root_disk
from envbench.payload.words import argv_for
from envbench.settings import Settings, file_variants

VM_KEYS = frozenset({"accel", "boot", "machine", "firmware", "disk", "kernel"})
"""Every key that `vm_variants` may write."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What every start of one variant has in common; `guest` adds what differs."""

    settings: Settings
    variant: Mapping[str, str]
    architecture: Architecture
    kernel: GuestKernel | None = None
    archive: bytes = b""
    """The payload tree as an uncompressed initramfs; b"" where another initrd or a disk is booted."""
    initrd: Path | None = None
    disk: Disk | None = None
    append: str = ""
    uefi: Firmware | None = None
    own_guest: bool = True
    """Whether the guest runs our payload, which can be asked over its serial line to stop."""

    def guest(self, folder: Path, name: str, workload: Workload) -> Guest:
        """Write this start's own files into `folder` and return its guest. Raises OSError where that fails."""
        initrd = self.initrd
        disks: tuple[Disk, ...] = (self.disk,) if self.disk else ()
        stay = workload.keep_running
        memory_bytes = workload.memory_bytes or self.settings.memory_bytes
        # /init itself waits for the word to stop; the ready script need not idle as well.
        argv = argv_for(replace(workload, keep_running=False))
        if self.archive:
            initrd = folder / "initrd"
            write_initramfs(initrd, self.archive, start_segment(argv, stay=stay))
        elif self.variant["boot"] == "floor":
            (folder / "floor.img").write_bytes(floor_disk(workload.nonce, stay=stay))
            disks = (Disk(folder / "floor.img"),)
        elif self.own_guest and self.disk:
            # A whole system gets its words on a second disk: they fit no command line, and a boot loader has its own.
            is_service = self.settings.profile == "service"
            line = f"nonce={workload.nonce}\n".encode() if is_service else start_line(argv, stay=stay)
            (folder / "start.img").write_bytes(line.ljust(-(-len(line) // 512) * 512, b"\0"))
            disks = (self.disk, Disk(folder / "start.img"))
        append = f"{self.append} envbench.nonce={workload.nonce}" if self.kernel and not self.archive else self.append
        return Guest(
            name=name,
            machine=self.variant["machine"],
            accelerator=self.variant["accel"],
            serial=folder / "serial",
            memory_bytes=memory_bytes or default_memory_bytes(self.settings.profile),
            cpus=max(1, round(workload.cpus or self.settings.cpus or 1)),
            kernel=self.kernel.path if self.kernel else None,
            initrd=initrd,
            append=append,
            disks=disks,
            speaks_first=self.variant["boot"] == "floor" or (bool(self.archive) and self.uefi is None),
            uefi=self._own_variables(folder),
            ports=workload.ports,
            monitor=folder / "monitor" if workload.monitored else None,
        )

    def _own_variables(self, folder: Path) -> Firmware | None:
        if self.uefi is None:
            return None
        return replace(self.uefi, variables=Path(shutil.copy(self.uefi.variables, folder / "uefi-variables")))


def make_recipe(settings: Settings, variant: Mapping[str, str], arch: Architecture) -> Recipe:
    """Return the recipe of a variant (keys accel, boot, machine and, where asked, firmware, disk, kernel).

    Raises BackendError where something it needs is missing, with the remedy.
    """
    recipe = Recipe(settings, variant, arch, uefi=_uefi(variant, arch))
    match variant["boot"]:
        case "floor":
            return replace(recipe, own_guest=False)
        case "disk":
            return _from_disk(recipe)
        case _:
            return _from_kernel(recipe)


def check_recipe(settings: Settings, variant: Mapping[str, str], arch: Architecture) -> None:
    """Raise BackendError, with the remedy, where this variant cannot be made here; makes nothing."""
    _uefi(variant, arch)
    if variant["boot"] == "kernel":
        find_kernel(settings.cache_dir, settings.kernel_of(variant))
        find_busybox()
        if settings.profile in MACHINES and settings.initrd is None:
            require_userland(settings.cache_dir, MACHINES[settings.profile], offline=settings.offline)
    elif variant["boot"] == "disk" and not settings.disks and settings.profile in MACHINES:
        find_loaders()
        find_kernel(settings.cache_dir, settings.kernel_of(variant))
        require_userland(settings.cache_dir, MACHINES[settings.profile], offline=settings.offline)
    elif variant["boot"] == "disk":
        _from_disk(Recipe(settings, variant, arch))
        if not settings.tells_own_ready:
            raise BackendError("your own disk has no ready line of ours", remedy="--ready log:REGEX")


def trial_of(settings: Settings, variant: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """Return settings and variant of a small guest that shows whether this variant's machine starts at all.

    It is the variant itself where that boots our own payload; a whole system, and what is the user's own, gives way to
    the floor guest, or to our payload on a machine that has none. One of several kernels gives way too: if it does not
    boot, the others do.
    """
    is_ours = variant["boot"] != "disk" and settings.profile not in MACHINES and settings.initrd is None
    is_ours = is_ours and "kernel" not in variant
    plain = replace(settings, profile="minimal", disks=(), initrd=None, append="", ready=None)
    return plain, dict(variant) if is_ours else floor_of(variant) or {**variant, "boot": "kernel"}


def floor_of(variant: Mapping[str, str]) -> dict[str, str] | None:
    """Return the floor guest on this variant's machine, None on a machine that has none."""
    has_floor = _exists("floor", variant["machine"], variant.get("firmware", ""))
    return {**variant, "boot": "floor"} if has_floor else None


def vm_variants(settings: Settings, accelerators: Sequence[str], arch: Architecture) -> tuple[dict[str, str], ...]:
    """Return what is to be timed on these accelerators: machine types and ways of booting, as asked or by default.

    What a machine type does not have is left out.
    """
    boots = settings.boots or (("disk",) if settings.disks or _boots_as_installed(settings) else ("kernel",))
    return tuple(
        {"accel": accelerator, "boot": boot, "machine": machine, **firmware, **own}
        for accelerator in accelerators
        for machine in settings.machines or arch.machines[:1]
        for boot in boots
        for firmware in ([{"firmware": name} for name in settings.firmwares] or [{}])
        if _exists(boot, machine, firmware.get("firmware", ""))
        for own in _own_files(settings, boot)
    )


def _own_files(settings: Settings, boot: str) -> list[dict[str, str]]:
    """Return which of the user's disks or kernels this way of booting starts, one after the other."""
    if boot == "floor":
        return [{}]
    if boot == "disk" and settings.disks:
        return file_variants("disk", settings.disks)
    return file_variants("kernel", settings.kernels)


def _boots_as_installed(settings: Settings) -> bool:
    """Return whether a whole userland can be started as an installed machine is: by firmware and boot loader."""
    if settings.profile not in MACHINES:
        return False
    try:
        find_loaders()
    except BackendError:
        return False
    return True


def _exists(boot: str, machine: str, firmware: str) -> bool:
    """Return whether there is such a machine: microvm has no disk boot and no flash, a boot sector needs a BIOS."""
    if machine.startswith("microvm"):
        return boot == "kernel" and firmware != "uefi"
    return boot != "floor" or (firmware != "uefi" and not machine.startswith("virt"))


def kernel_words(arch: Architecture, *, own_init: bool) -> str:
    """Return the kernel's command line: a quiet console that still says when the kernel begins and why it ends.

    "debug" makes x86's setup code, the very first of the kernel's code to run, say one line; "quiet" behind it silences
    the rest (the last of the two counts). Another init may understand "debug" too, and UEFI enters a kernel behind that
    code: there the early console comes before "quiet", and the kernel's first page (1 kB) is heard. On a panic the
    machine ends at once: QEMU's -no-reboot.
    """
    start = f"debug quiet {arch.early}" if own_init else f"{arch.early} quiet"
    return f"console={arch.console} {start} panic=-1"


def clock_words(variant: Mapping[str, str], cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the kernel's words for a PC under TCG whose timers a busy host may let down; "" for every other machine.

    A pc or q35 is spared the test whether its timer interrupt comes in time, after which the kernel panics
    (kernel-parameters.txt, no_timer_check; under KVM the kernel leaves it out by itself). A microvm has no HPET or PM
    timer: where its calibration against the PIT fails, the kernel is left without any clock and hangs. So it is told
    (tsc_early_khz). TCG's TSC is the host's; its nominal rate is near enough: nothing is timed by the guest's clock.
    """
    if variant["accel"] != "tcg":
        return ""
    if variant["machine"].startswith(("pc", "q35")):
        return "no_timer_check"
    if not variant["machine"].startswith("microvm"):
        return ""
    try:
        lines = cpuinfo.read_text("utf-8", errors="replace").splitlines()
        mhz = next(float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz"))
    except (OSError, StopIteration, ValueError):
        mhz = 2000.0
    return f"tsc_early_khz={round(mhz * 1000)}"


def _from_kernel(recipe: Recipe) -> Recipe:
    settings, arch = recipe.settings, recipe.architecture
    kernel = find_kernel(settings.cache_dir, settings.kernel_of(recipe.variant))
    own_guest = settings.initrd is None
    own_init = own_guest and settings.profile == "minimal" and recipe.uefi is None
    words = (kernel_words(arch, own_init=own_init), clock_words(recipe.variant), settings.append)
    append = " ".join(filter(None, words))
    if settings.initrd is not None:
        if not os.access(settings.initrd, os.R_OK):
            raise BackendError(f"--initrd {settings.initrd}: not readable", remedy="a readable file")
        return replace(recipe, kernel=kernel, initrd=settings.initrd, append=append, own_guest=False)
    if settings.profile in MACHINES:
        return _whole_system(replace(recipe, kernel=kernel, append=append), kernel)
    archive = cpio(entries(tree_of_run(settings).path))
    return replace(recipe, kernel=kernel, archive=archive, append=append)


def _whole_system(recipe: Recipe, kernel: GuestKernel) -> Recipe:
    settings = recipe.settings
    if kernel.modules is None:
        raise BackendError(f"{kernel.path} comes without modules for a disk", remedy="envbench fetch kernel")
    initrd = settings.work_dir / "disk-initrd"
    initrd.write_bytes(disk_initrd(kernel.modules))
    disk = root_disk(settings.cache_dir, MACHINES[settings.profile], kernel.modules)
    return replace(recipe, initrd=initrd, disk=Disk(disk))


def _from_disk(recipe: Recipe) -> Recipe:
    settings, disk = recipe.settings, recipe.settings.disk_of(recipe.variant)
    if disk is None and settings.profile in MACHINES:
        kernel = find_kernel(settings.cache_dir, settings.kernel_of(recipe.variant))
        words = (kernel_words(recipe.architecture, own_init=False), clock_words(recipe.variant), settings.append)
        userland, line = MACHINES[settings.profile], " ".join(filter(None, words))
        return replace(recipe, disk=Disk(bootable_disk(settings.cache_dir, userland, kernel, line)))
    if disk is None:
        raise BackendError("no disk to boot from", remedy="--disk FILE with --ready log:REGEX")
    try:
        return replace(recipe, disk=Disk(disk, disk_format(disk)), own_guest=False)
    except OSError as error:
        raise BackendError(f"--disk {disk}: {error.strerror}", remedy="a readable raw or qcow2 disk") from error


def _uefi(variant: Mapping[str, str], arch: Architecture) -> Firmware | None:
    if variant.get("firmware") != "uefi":
        return None
    found = find_uefi(arch.firmware_arch)
    if found is None:
        raise BackendError("no UEFI firmware for virtual machines", remedy="apt install ovmf (Arm: qemu-efi-aarch64)")
    return found
