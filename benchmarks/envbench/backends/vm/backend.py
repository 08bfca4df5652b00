"""What the backends that run QEMU share: what they need here, what they time, and a folder for each machine."""

import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

from envbench.backend import Backend, Instance, MarkCallback, Unusable, Usable, Workload, unusable
from envbench.backends.shared.try_start import try_start
from envbench.backends.vm.accelerator import choose_accelerators
from envbench.backends.vm.emulator import Emulator, find_emulator
from envbench.backends.vm.got import differences
from envbench.backends.vm.guest import Guest
from envbench.backends.vm.kept_answers import conditions, remember, remembered
from envbench.backends.vm.kvm import TCG_DEADLINE_S, probe_kvm
from envbench.backends.vm.recipe import VM_KEYS, Recipe, check_recipe, floor_of, make_recipe, trial_of, vm_variants
from envbench.errors import BackendError
from envbench.payload.kernel import find_kernel
from envbench.records.phases import BackendKind
from envbench.records.samples import variant_text
from envbench.settings import Settings
from envbench.traces.journal import Journal, Kind

STOP_WORD = b"stop"
"""What our payload powers off at, said on its serial line."""

VMM_DEADLINE_S = 30.0
"""Longest wait until QEMU has opened the serial line; it needs some 20 ms."""

REINSTALL = "apt install --reinstall qemu-system-x86 (Arm: qemu-system-arm)"


class Machine(Instance, Protocol):
    """One started machine."""

    guest: Guest

    def ask(self, command: str, **arguments: Any) -> Any:
        """Return the answer of a monitored machine to one command of QEMU's protocol. Raises BackendError."""
        ...


class VmBackend(Backend):
    """A backend whose instances are QEMU machines. A subclass says what stands around QEMU and how it is started."""

    kind: ClassVar[BackendKind] = BackendKind.VM
    publishes_ports: ClassVar[bool] = True
    variant_keys: ClassVar[frozenset[str]] = VM_KEYS

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._recipes: dict[frozenset[tuple[str, str]], Recipe] = {}

    @cached_property
    def emulator(self) -> Emulator:
        """The QEMU of this machine, looked up once. Raises BackendError where there is none that runs."""
        return find_emulator()

    def check(self) -> Usable | Unusable:
        """Find out by doing: QEMU and what is around it start a guest that gets ready; and the truth about KVM."""
        settings = self._settings
        try:
            facts = self._facts()
            kvm = settings.once(probe_kvm)
            variants = self.variants()
            if not variants:
                return Unusable(f"only {' and '.join(settings.accelerators)} was asked for: {kvm.reason}", kvm.remedy)
            for variant in variants:
                check_recipe(settings, variant, self.emulator.architecture)
            facts |= self._try_guest(variants[0], facts)
        except BackendError as error:
            return unusable(error, self._otherwise())
        return Usable({**facts, **kvm.facts()})

    def _otherwise(self) -> str:
        """Return what to try where QEMU starts no guest: without what was asked for, else with a QEMU that is whole."""
        settings = self._settings
        asked = {
            "--kernel": settings.kernels,
            "--initrd": settings.initrd,
            "--append": settings.append,
            "--machine": settings.machines,
            "--memory": settings.memory_bytes,
            "--cpus": settings.cpus,
        }
        words = [word for word, value in asked.items() if value]
        return f"another {' or '.join(words)}, or none" if words else REINSTALL

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return accelerator x machine type x way of booting, as asked; the accelerator always has a name."""
        settings = self._settings
        accelerators = choose_accelerators(settings.accelerators, settings.once(probe_kvm))
        return vm_variants(settings, accelerators, self.emulator.architecture)

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Build what all starts of this variant share: the initramfs's tree, the kernel's place, the disk."""
        self._recipes[frozenset(variant.items())] = self._recipe(self._settings, variant)

    def facts_of(self, variant: Mapping[str, str]) -> Mapping[str, str]:
        """Return where each of several disks or kernels of the user's lies, and the kernel's digest."""
        recipe, facts = self.recipe(variant), {}
        if "disk" in variant:
            facts[f"disk {variant['disk']} path"] = str(self._settings.disk_of(variant))
        if "kernel" in variant:
            facts[f"kernel {variant['kernel']} path"] = str(self._settings.kernel_of(variant))
            if recipe.kernel is not None:
                facts[f"kernel {variant['kernel']}"] = f"sha256:{recipe.kernel.sha256}"
        return facts

    def differences(self, asked: Workload, variant: Mapping[str, str]) -> tuple[str, ...]:
        """Start one machine and return what QEMU says it got that was not asked for; its guest is not waited for."""
        instance = self.start(replace(asked, monitored=True), variant, lambda _mark: None)
        try:
            return differences(instance.guest, asked.cpus, instance.ask)
        finally:
            instance.destroy()

    @abstractmethod
    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> "Machine":
        """Start one machine and return once its serial line is open."""

    def recipe(self, variant: Mapping[str, str]) -> Recipe:
        """Return what all starts of a variant have in common. Raises KeyError before `prepare`."""
        return self._recipes[frozenset(variant.items())]

    def landing(self, recipe: Recipe) -> Path:
        """Return the folder for files that a machine of this recipe's variant is to start from: its QEMU sees it."""
        return self._settings.work_dir

    @contextmanager
    def made_of(self, recipe: Recipe) -> Iterator[None]:
        """Have the starts of this recipe's variant made of it in the block; its files lie in its landing."""
        key = frozenset(recipe.variant.items())
        before, self._recipes[key] = self._recipes[key], recipe
        try:
            yield
        finally:
            self._recipes[key] = before

    def close(self) -> None:
        """Forget the artefacts; they lie in the run's own folder."""
        self._recipes.clear()

    def _recipe(self, settings: Settings, variant: Mapping[str, str]) -> Recipe:
        """Return what all starts of a variant share, made and put where its QEMU finds it. Raises BackendError."""
        return make_recipe(settings, variant, self.emulator.architecture)

    def _try_guest(self, variant: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
        """Start one small guest of this variant's machine and see it ready. Raises BackendError with QEMU's words.

        Where Linux got ready a while ago, and such an answer may be taken, the floor guest takes its place; a fact
        then says how long ago that was.
        """
        settings, trial = trial_of(self._settings, variant)
        file, now, floor = settings.cache_dir / f"{self.name}-guest.json", None, floor_of(trial)
        if trial["boot"] == "kernel" and floor is not None:
            files = (self.emulator.path, find_kernel(settings.cache_dir, settings.kernel_of(trial)).path)
            now = conditions(*files, **facts, variant=variant_text(trial))
        kept = remembered(file, now, settings.guest_age_max_s)
        if kept is not None and floor is not None:
            self._see_ready(settings, floor)
            return {"linux_guest_age_s": f"{kept[1]:.0f}"}
        self._see_ready(settings, trial)
        remember(file, now, "ready")
        return {}

    def _see_ready(self, settings: Settings, variant: Mapping[str, str]) -> None:
        key = frozenset(variant.items())
        self._recipes[key] = self._recipe(settings, variant)
        try:
            try_start(self.start, variant, TCG_DEADLINE_S)
        finally:
            del self._recipes[key]

    def _facts(self) -> dict[str, str]:
        """Return what run.json says about this backend. Raises BackendError where something it needs is missing."""
        raise NotImplementedError

    def _next_name(self) -> str:
        return self._settings.next_name()


@contextmanager
def machine_folder(journal: Journal, folder: Path) -> Iterator[int]:
    """Make the folder of one machine and give its number in the journal; where the block fails, it is gone again.

    Raises BackendError for an OSError inside the block: it is one of writing the guest's files.
    """
    number = journal.intend(Kind.FOLDER, str(folder))
    try:
        folder.mkdir(mode=0o700)
        yield number
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        journal.forget(number)
        if isinstance(error, OSError):
            remedy = "another --output or TMPDIR"
            raise BackendError(f"cannot write the guest's files: {error}", remedy=remedy) from error
        raise
