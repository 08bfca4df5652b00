"""How calm the machine is: stamps taken just before each start, and warnings about the run with advice on what to do.

Sources: /proc/loadavg and /proc/stat (proc(5)), pressure stall information (Documentation/accounting/psi.rst),
cpu.stat of our own cgroup (Documentation/admin-guide/cgroup-v2.rst), /proc/vmstat, cpufreq and clocksource in sysfs.
What cannot be read is left out of the stamps and named "unknown" in the record: in many guests the governor cannot be
seen.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import CLOCK_REALTIME, clock_gettime_ns, sleep

from envbench.records.metrics import STAMPS, is_noisy, noise_code
from envbench.records.phases import Unit
from envbench.records.run_json import Caution
from envbench.run import machine
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

PRESSURES = ("cpu", "io", "memory")
QUIET_POLL_S = 1.0

Stamps = Mapping[str, tuple[float, Unit]]


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters that only grow; None where the kernel does not show them."""

    cpu_ticks: int | None
    steal_ticks: int | None
    swapped_pages: int | None
    throttled: int | None


def _text(path: str | Path) -> str | None:
    try:
        return Path(path).read_text("ascii", errors="replace").strip()
    except OSError:
        return None


def _number_after(text: str | None, *keys: str) -> int | None:
    """Return the sum of the values of these keys in "key value" lines, None where none is there."""
    found = [int(line.split()[1]) for line in (text or "").splitlines() if line.split()[0] in keys]
    return sum(found) if found else None


def read_counters() -> Counters:
    """Return this moment's counters."""
    cpu = (_text("/proc/stat") or "").partition("\n")[0].split()[1:]
    ticks = [int(word) for word in cpu]
    throttled = _number_after(_text("/sys/fs/cgroup/cpu.stat"), "nr_throttled")
    if throttled is None:
        throttled = _number_after(_text("/sys/fs/cgroup/cpu/cpu.stat"), "nr_throttled")
    return Counters(
        # guest and guest_nice (fields 9, 10) are counted in user and nice already.
        cpu_ticks=sum(ticks[:8]) if ticks else None,
        steal_ticks=ticks[7] if len(ticks) > 7 else None,
        swapped_pages=_number_after(_text("/proc/vmstat"), "pswpin", "pswpout"),
        throttled=throttled,
    )


def load1_ratio() -> float | None:
    """Return the 1-minute load per CPU."""
    text = _text("/proc/loadavg")
    return float(text.split()[0]) / (os.cpu_count() or 1) if text else None


def pressure_ratio(resource: str) -> float | None:
    """Return the share of the last 10 s in which some task waited for "cpu", "io" or "memory"."""
    text = _text(f"/proc/pressure/{resource}")
    words = (text or "").partition("\n")[0].split()
    shown = next((word.partition("=")[2] for word in words if word.startswith("avg10=")), None)
    return None if shown is None else float(shown) / 100


class NoiseWatch:
    """Stamps for each start; remembers the worst of each for the run's warnings."""

    def __init__(self) -> None:
        self._last = read_counters()
        self._count = 0
        self._noisy: dict[str, int] = {}
        self._worst: dict[str, float] = {}
        self._clock_offset_ns = _wall_minus_monotonic_ns()

    def stamps(self) -> dict[str, tuple[float, Unit]]:
        """Return the machine's state now, by stamp name; steal, throttled and swap are since the last call."""
        now, last = read_counters(), self._last
        self._last = now
        seen = {
            "load1": load1_ratio(),
            **{f"psi_{resource}": pressure_ratio(resource) for resource in PRESSURES},
            "steal": _share(_grown(now.steal_ticks, last.steal_ticks), _grown(now.cpu_ticks, last.cpu_ticks)),
            "throttled": _grown(now.throttled, last.throttled),
            "swap": _grown(now.swapped_pages, last.swapped_pages),
        }
        found = {name: (round(value, 4), STAMPS[name].unit) for name, value in seen.items() if value is not None}
        self._remember(found)
        return found

    def warnings(self) -> tuple[Caution, ...]:
        """Return what made this run's figures less sure."""
        found = [
            Caution(
                noise_code(name),
                STAMPS[name].sentence(count, self._count, self._worst[name]),
                STAMPS[name].advice,
            )
            for name, count in self._noisy.items()
            if is_noisy(count, self._count)
        ]
        drift_ns = abs(_wall_minus_monotonic_ns() - self._clock_offset_ns)
        if drift_ns > NS_PER_S // 10:
            found.append(
                Caution(
                    "clock-jumped",
                    f"the wall clock moved by {drift_ns / NS_PER_S:.1f} s against the monotonic one during the run",
                    "durations are safe (monotonic clock); distrust this run's observer lag and dates",
                )
            )
        return tuple(found)

    def record(self) -> dict[str, object]:
        """Return the run's noise for run.json: limits, worst stamps, and what the machine says about its clocks."""
        return {
            "starts": self._count,
            "noisy_starts": dict(self._noisy),
            "worst": {name: round(value, 4) for name, value in self._worst.items()},
            "limits": {name: stamp.calm for name, stamp in STAMPS.items()},
            "governor": governor(),
            "clocksource": _text("/sys/devices/system/clocksource/clocksource0/current_clocksource") or "unknown",
        }

    def _remember(self, stamps: Stamps) -> None:
        self._count += 1
        for name, (value, _) in stamps.items():
            self._worst[name] = max(self._worst.get(name, value), value)
            if STAMPS[name].unless not in stamps and value > STAMPS[name].calm:
                self._noisy[name] = self._noisy.get(name, 0) + 1


def wait_for_calm(deadline_ns: int) -> bool:
    """Sleep until load and pressure are low, or the moment has come; return whether it is calm."""
    while not _is_calm():
        if monotonic_ns() >= deadline_ns:
            return False
        sleep(QUIET_POLL_S)
    return True


def _is_calm() -> bool:
    # Pressure over 10 s falls soon after other work has ended; the load of a minute would hold up a calm machine.
    known = {f"psi_{resource}": pressure_ratio(resource) for resource in PRESSURES}
    seen = {name: value for name, value in known.items() if value is not None} or {"load1": load1_ratio() or 0.0}
    return all(value <= STAMPS[name].calm for name, value in seen.items())


def governor() -> str:
    """Return the CPU frequency governors in use, "unknown" where none can be seen (most virtual machines)."""
    return machine.governor().value or "unknown"


def machine_warnings() -> tuple[Caution, ...]:
    """Return what makes this machine's figures less sure, as far as it is known before anything is measured."""
    found = []
    name = governor()
    if name not in ("performance", "unknown"):
        found.append(
            Caution("governor", f"CPU frequency governor: {name}", "cpupower frequency-set -g performance (as root)")
        )
    if (os.cpu_count() or 1) < 2:
        found.append(
            Caution("one-cpu", "one CPU: harness and payload take turns", "read figures as upper bounds; use 2 CPUs")
        )
    return tuple(found)


def _grown(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else max(0, now - before)


def _share(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None


def _wall_minus_monotonic_ns() -> int:
    return clock_gettime_ns(CLOCK_REALTIME) - monotonic_ns()
