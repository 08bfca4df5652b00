"""Clock sources that a kernel has only as the guest of a hypervisor; anyone may read their names, in containers too."""

from __future__ import annotations

from envinspect.model import Record, Strength


class ClockRow(Record):
    """What a clock source's name, or its beginning, speaks for."""

    id: str
    strength: Strength
    reference: str
    details: tuple[tuple[str, str], ...] = ()


CLOCKS: dict[str, ClockRow] = {
    "kvm-clock": ClockRow(
        "kvm", Strength.STRONG, "https://docs.kernel.org/virt/kvm/x86/timekeeping.html", (("accelerator", "kvm"),)
    ),
    "hyperv_clocksource": ClockRow(
        "hyper-v",
        Strength.STRONG,
        "https://github.com/torvalds/linux/blob/master/drivers/clocksource/hyperv_timer.c",
    ),
    # The control domain has it too.
    "xen": ClockRow("xen", Strength.STRONG, "https://github.com/torvalds/linux/blob/master/arch/x86/xen/time.c"),
}
"""Of /sys/devices/system/clocksource/clocksource0/available_clocksource."""
