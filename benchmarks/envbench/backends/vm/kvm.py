"""Finds out whether KVM works: a device that opens proves nothing, only a guest that gets ready in time does.

There are machines where /dev/kvm opens, a machine and a vCPU are made, and yet a guest hangs or runs many times slower
than under emulation. So a canary guest runs under KVM, with a deadline set by what the same guest takes under TCG in
the same minute: first the floor guest (a boot sector), then a real kernel.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from envbench.backend import Mark, Workload
from envbench.backends.vm.accelerator import Accelerator
from envbench.backends.vm.direct import start_direct
from envbench.backends.vm.emulator import Emulator, find_emulator
from envbench.backends.vm.kept_answers import conditions, remember, remembered
from envbench.backends.vm.recipe import make_recipe, trial_of
from envbench.errors import BackendError, StartTimeoutError
from envbench.readiness.output import marker_for
from envbench.settings import Settings, new_nonce
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

KVM_DEVICE = Path("/dev/kvm")
KEPT_FILE = "kvm.json"
"""In the cache folder."""
KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_API_VERSION = 12
"""linux/kvm.h; the version has been 12 since Linux 2.6.22 (Documentation/virt/kvm/api.rst)."""

CANARY_FACTOR = 2.0
CANARY_SLACK_S = 0.5
"""KVM's canary may take CANARY_FACTOR times what TCG took, and CANARY_SLACK_S for a busy machine: KVM that is slower
than emulation is of no use."""

TCG_DEADLINE_S = 60.0
ALONE_DEADLINE_S = 10.0
"""For KVM's canary where no TCG is there to compare with."""


def probe_kvm(settings: Settings, device: Path = KVM_DEVICE) -> Accelerator:
    """Find out by device, ioctls and canary guests whether KVM can be used; takes a few seconds at most.

    Where the settings allow an answer of some age, one that nothing has changed since is taken in the guests' place.
    """
    refused = open_problem(device)
    if refused is not None:
        return refused
    file = settings.cache_dir / KEPT_FILE
    try:
        emulator = find_emulator()
        now = conditions(emulator.path, device)
        kept = remembered(file, now, settings.guest_age_max_s)
        if kept is not None:
            with contextlib.suppress(TypeError):  # Another version may have kept other words.
                return replace(Accelerator(**kept[0]), age_s=kept[1])
        answer = _run_canaries(settings, emulator)
    except BackendError as error:
        return Accelerator(usable=False, reason=f"no canary guest could be run: {error}", remedy=error.remedy)
    remember(file, now, asdict(answer))
    return answer


def open_problem(device: Path = KVM_DEVICE) -> Accelerator | None:
    """Return why KVM cannot be used if its device already says so, None if a guest has to be asked."""
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        remedy = "enable virtualisation in the firmware (a VM: on its host), then modprobe kvm_intel or kvm_amd"
        return Accelerator(usable=False, reason=f"no {device}", remedy=remedy)
    except PermissionError:
        remedy = "sudo usermod -aG kvm $USER and log in again (on CI runners: chmod 0666 by a udev rule)"
        return Accelerator(usable=False, reason=f"{device} may not be opened", remedy=remedy)
    except OSError as error:
        return Accelerator(
            usable=False, reason=f"{device}: {error.strerror}", remedy="look at dmesg for kvm's own words"
        )
    try:
        version = fcntl.ioctl(descriptor, KVM_GET_API_VERSION)
        if version != KVM_API_VERSION:
            return Accelerator(usable=False, reason=f"{device} speaks version {version} of KVM's interface, not 12")
        os.close(fcntl.ioctl(descriptor, KVM_CREATE_VM, 0))
    except OSError as error:
        reason = f"{device} opens, but makes no machine: {error.strerror}"
        return Accelerator(usable=False, reason=reason, remedy="look at dmesg for kvm's own words")
    finally:
        os.close(descriptor)
    return None


def canary_deadline_s(tcg_s: float | None) -> float:
    """Return how long KVM's canary may take where the same guest took `tcg_s` under TCG (None: there is no TCG)."""
    if tcg_s is None:
        return ALONE_DEADLINE_S
    return CANARY_FACTOR * tcg_s + CANARY_SLACK_S


def _run_canaries(settings: Settings, emulator: Emulator) -> Accelerator:
    kvm_s, tcg_s = 0.0, None
    for boot, what in (("floor", "a boot sector"), ("kernel", "a Linux kernel")):
        tcg_s = _tcg_canary_s(settings, emulator, boot)
        deadline_s = canary_deadline_s(tcg_s)
        try:
            kvm_s = run_canary(settings, emulator, {"accel": "kvm", "boot": boot}, deadline_s)
        except StartTimeoutError:
            reason = f"{KVM_DEVICE} opens, but {what} was not ready under KVM within {deadline_s:.1f} s{_beside(tcg_s)}"
        except BackendError as error:
            reason = f"{KVM_DEVICE} opens, but {what} failed under KVM: {error}"
        else:
            continue
        remedy = "nested virtualisation that works is the host's to give; TCG figures stay TCG figures"
        return Accelerator(usable=False, reason=reason, remedy=remedy, tcg_canary_s=tcg_s)
    reason = f"a Linux kernel was ready under KVM after {kvm_s:.2f} s{_beside(tcg_s)}"
    return Accelerator(usable=True, reason=reason, canary_s=kvm_s, tcg_canary_s=tcg_s)


def _tcg_canary_s(settings: Settings, emulator: Emulator, boot: str) -> float | None:
    """Return how long this guest takes under TCG, None where this QEMU cannot start it so: some are built without TCG.

    Raises StartTimeoutError.
    """
    try:
        return run_canary(settings, emulator, {"accel": "tcg", "boot": boot}, TCG_DEADLINE_S)
    except StartTimeoutError:
        raise
    except BackendError:
        return None


def _beside(tcg_s: float | None) -> str:
    return "" if tcg_s is None else f" (TCG: {tcg_s:.2f} s)"


def run_canary(settings: Settings, emulator: Emulator, variant: Mapping[str, str], deadline_s: float) -> float:
    """Boot one guest and return its seconds from request to the ready line; nothing of it is left.

    Raises StartTimeoutError after the deadline and BackendError where it fails otherwise.
    """
    arch = emulator.architecture
    plain, _ = trial_of(settings, {"machine": arch.machines[0], **variant})
    recipe = make_recipe(plain, {"machine": arch.machines[0], **variant}, arch)
    with tempfile.TemporaryDirectory(prefix="canary-", dir=settings.work_dir) as scratch:
        folder = Path(scratch)
        workload = Workload(nonce=new_nonce())
        moments: dict[Mark, int] = {}
        guest = recipe.guest(folder, f"envbench-{settings.run_id}-canary", workload)
        deadline_ns = monotonic_ns() + int(deadline_s * NS_PER_S)
        machine = start_direct(
            guest,
            emulator,
            settings.run_id,
            folder / "qemu.log",
            lambda moment: moments.update({moment: monotonic_ns()}),
            deadline_ns,
            {Mark.READY: (marker_for(workload.nonce),)},
        )
        try:
            machine.wait_until_heard(Mark.READY, deadline_ns)
        finally:
            machine.destroy()
        return (moments[Mark.READY] - moments[Mark.REQUESTED]) / NS_PER_S
