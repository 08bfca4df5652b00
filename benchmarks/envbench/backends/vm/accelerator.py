"""What is known about KVM on this machine, and which accelerators are timed accordingly."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What is known about KVM here. Times are seconds from request to the ready line, None where none was reached."""

    usable: bool
    reason: str
    """Why it is usable or not, in one line."""
    remedy: str = ""
    canary_s: float | None = None
    tcg_canary_s: float | None = None
    age_s: float | None = None
    """How long ago this was found out; None: just now."""

    def facts(self) -> dict[str, str]:
        """Return this as words for run.json."""
        found = {"kvm": "usable" if self.usable else "unusable", "kvm_because": self.reason}
        if self.canary_s is not None:
            found["kvm_canary_s"] = f"{self.canary_s:.3f}"
        if self.tcg_canary_s is not None:
            found["tcg_canary_s"] = f"{self.tcg_canary_s:.3f}"
        if self.age_s is not None:
            found["kvm_age_s"] = f"{self.age_s:.0f}"
        return found


def choose_accelerators(asked: tuple[str, ...], kvm: Accelerator) -> tuple[str, ...]:
    """Return the accelerators to time: those asked for and usable; unasked, KVM where it is proved, else TCG."""
    if not asked:
        return ("kvm",) if kvm.usable else ("tcg",)
    return tuple(name for name in asked if name != "kvm" or kvm.usable)
