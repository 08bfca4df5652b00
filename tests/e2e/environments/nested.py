"""Real KVM guests: an emulated machine with AMD's SVM runs QEMU with its KVM accelerator, and that guest is asked.

Slow, so one outer machine runs all inner ones, one after the other.
"""

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

from envbench.payload.modules import module_chain
from environments.case import CannotStartError, Environment
from environments.lab import INSIDE, Lab
from environments.machines import GuestStoppedError, Machine, archive, boot, initramfs, kernel, parts

QEMU = "qemu-system-x86_64"
KVM = {"qemu": {"accelerator": "kvm"}}
# The outer machine's deadline: for itself and for each inner guest; it runs beside the other guests. In QEMU's emulated
# SVM it now and then stops dead, its own timers too: then it is started again for the inner guests that have not
# answered.
OUTER_S, INNER_S = 120, 60
ATTEMPTS = 4

# Name, -cpu of the inner guest, details that must be known, how.
INNER: tuple[tuple[str, str, dict[str, dict[str, str]], str], ...] = (
    ("kvm", "host", KVM, "a KVM guest of QEMU"),
    ("kvm-hv", "host,hv-relaxed,hv-vapic,hv-time,hv-vpindex", KVM, "a KVM guest with Hyper-V enlightenments"),
    ("kvm-off", "host,kvm=off", {}, "a KVM guest with kvm=off: no signature but the hypervisor bit"),
    ("kvm-off-hv", "host,kvm=off,hv-relaxed,hv-time", {}, "a KVM guest that shows only Hyper-V's signature"),
    (
        "kvm-vendor-id",
        "host,hv-relaxed,hv-time,hv-vendor-id=VBoxVBoxVBox",
        KVM,
        "a KVM guest that shows VirtualBox's signature first and KVM's second",
    ),
    ("kvm-vmware-freq", "host,vmware-cpuid-freq=on", KVM, "a KVM guest with VMware's frequency leaf"),
)


def _disk(lab: Lab) -> Path:
    """An ext4 image with QEMU, the kernel and the inner guest's initramfs."""
    folder = lab.folder("nested")
    lab.run(["cp", "-a", f"{lab.cache}/nested/.", folder])
    for name in ("dev", "proc", "sys", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"usr/{name}")
    shutil.copy(kernel(lab).path, folder / "vmlinuz")
    shutil.copy(initramfs(lab, lab.root, "guest"), folder / "initramfs")
    image = lab.scratch / "nested.ext4"
    lab.run(["mke2fs", "-q", "-t", "ext4", "-d", folder, image, "900M"], timeout_s=120)
    shutil.rmtree(folder)
    return image


def _outer(lab: Lab) -> dict[str, str]:
    machine = Machine(machine="q35", cpu="EPYC,+svm,+npt", memory_mib=2560, task="guest-nested")
    disk = [_disk(lab)]
    answered: dict[str, str] = {}
    for _ in range(ATTEMPTS):
        missing = [(name, cpu) for name, cpu, _, _ in INNER if name not in answered]
        if missing:
            deadline_s = OUTER_S + INNER_S * len(missing)
            try:
                said = boot(lab, machine, timeout_s=deadline_s, image=_outer_image(lab, missing), disk=disk)
            except GuestStoppedError as error:
                said = error.said
            answered |= whole_parts(said)
    return answered


def whole_parts(said: str) -> dict[str, str]:
    """Return what the inner guests said that came to their end."""
    return {name: text for name, text in parts(said).items() if "\n=== end\n" in f"\n{text}"}


def _modules(lab: Lab) -> list[tuple[str, bytes]]:
    folder = kernel(lab).modules
    if folder is None:
        raise CannotStartError("the guest kernel has no modules")
    return module_chain(folder, ("virtio_pci", "virtio_blk", "kvm_amd"))


def _outer_image(lab: Lab, inner: Sequence[tuple[str, str]]) -> Path:
    top = lab.folder("outer")
    modules = top / "opt/modules"
    modules.mkdir(parents=True)
    for number, (name, data) in enumerate(_modules(lab)):
        (modules / f"{number:02}-{name}").write_bytes(data)
    over = top / INSIDE.lstrip("/")
    over.mkdir(parents=True)
    (over / "inner").write_text("".join(f"{name} {cpu}\n" for name, cpu in inner))
    image = lab.scratch / "outer.cpio"
    with image.open("wb") as out:
        for part in (initramfs(lab, lab.root, "guest"), archive(lab, top, lab.scratch / "outer-top.cpio")):
            with part.open("rb") as packed:
                shutil.copyfileobj(packed, out)
    return image


def _inner(name: str, lab: Lab) -> str:
    said = lab.shared("nested", lambda: _outer(lab))
    if name not in said:
        raise CannotStartError(f"the outer guest did not get to {name}: {list(said)}")
    return said[name]


ENVIRONMENTS = tuple(
    Environment(
        f"qemu-{name}",
        (QEMU, "tree:nested", "cpio"),
        functools.partial(_inner, name),
        ("qemu",),
        how,
        own_kernel=True,
        details=details,
        never=frozenset({"hyper-v", "vmware", "virtualbox", "xen"}),
        slow=True,
        shared_boot="nested",
        deadline_s=ATTEMPTS * (OUTER_S + INNER_S * len(INNER)) + 40,
    )
    for name, _, details, how in INNER
)
