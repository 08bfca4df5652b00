"""Runs that support, contradict or leave open each claim on kernels, operating systems, emulation and hypervisors."""

from collections.abc import Mapping

from tests.reports.claims.known.rows import (
    SPREAD,
    WIDE,
    Build,
    E,
    Known,
    around,
    both,
    facts,
    host,
    joined,
    seen,
    series,
)


def foreign(slowdown: float, factors: tuple[float, ...] = SPREAD) -> Build:
    return both(
        seen(E.KERNEL, "host", binfmt_registered=1),
        seen(E.KERNEL, "docker", foreign_arch_runs=1),
        series(E.KERNEL, "foreign_arch_slowdown", docker=around(slowdown, factors)),
    )


DESKTOP = seen(E.KERNEL, "docker", engine_is_desktop=1)
EMULATES = seen(E.KERNEL, "docker", foreign_arch_runs=1)
REFUSED = facts(E.KERNEL, "docker", windows_image_refused=1)
WSL2 = {"kind": "wsl", "id": "wsl2", "name": "WSL 2"}
HYPERVISORS = {
    "supports": host({"kind": "vm", "id": "virtualbox", "name": "VirtualBox", "hypervisor_type": 2}, WSL2),
    "contradicts": host({"kind": "vm", "id": "hyper-v", "name": "Hyper-V", "hypervisor_type": 1}, WSL2),
    "leaves_open": host(
        {"kind": "vm", "id": "hyper-v", "name": "Hyper-V", "hypervisor_type": 1},
        {"kind": "vm", "id": "qemu", "hypervisor_type": 2},
        WSL2,
    ),
}
KNOWN: Mapping[str, Known] = {
    "kernel-shared": facts(E.KERNEL, "docker", boot_id_equals_host=1, kernel_equals_host=1, visible_on_host=1),
    "kernel-own": Known(
        seen(E.KERNEL, "qemu", boot_id_equals_host=0, uptime_starts_at_zero=1),
        seen(E.KERNEL, "qemu", boot_id_equals_host=1, uptime_starts_at_zero=0),
        seen(E.KERNEL, "qemu", boot_id_equals_host=[0, 1], uptime_starts_at_zero=1),
    ),
    "wsl1-kernel": facts(E.WSL, "wsl", own_kernel=0),
    "distro-mix": facts(E.KERNEL, "docker", two_userlands_one_kernel=1),
    "distro-kernel": Known(
        None,
        seen(E.KERNEL, "qemu", distribution_kernels_equal=0),
        seen(E.KERNEL, "qemu", distribution_kernels_equal=1),
    ),
    "vm-any-os": Known(
        seen(E.KERNEL, "qemu", guest_not_linux_ready=1, guest_other_arch_ready=1),
        None,
        seen(E.KERNEL, "qemu", guest_not_linux_ready=1, guest_other_arch_ready=0),
    ),
    "container-os-bound": REFUSED,
    "emulation-arch": Known(foreign(8), foreign(0.5), foreign(1, WIDE)),
    "emulation-os": joined(
        facts(E.KERNEL, "docker", windows_image_refused=0),
        Known(EMULATES, EMULATES, EMULATES),
    ),
    "desktop-vm": Known(
        both(DESKTOP, seen(E.KERNEL, "docker", engine_kernel_equals_client=0)),
        both(DESKTOP, seen(E.KERNEL, "docker", engine_kernel_equals_client=1)),
        both(DESKTOP, seen(E.KERNEL, "docker", engine_kernel_equals_client=[0, 1])),
    ),
    "desktop-no-hypervisor": Known(None, None, None),
    "desktop-hosted": Known(DESKTOP, DESKTOP, DESKTOP),
    "hypervisor-types": Known(None, None, None),
    "hypervisor-terms": Known(None, None, None),
    "hypervisor-needed": joined(
        facts(E.KERNEL, "docker", hypervisor_process=0, needs_kvm_device=0),
        facts(E.KERNEL, "qemu", hypervisor_process=1),
    ),
    "hardware-emulated": joined(
        facts(E.KERNEL, "docker", hardware_equals_host=1), facts(E.KERNEL, "qemu", hardware_equals_host=0)
    ),
    "windows-containers": REFUSED,
}
