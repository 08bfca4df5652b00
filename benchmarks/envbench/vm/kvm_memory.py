"""Keeps what the canary guests said about KVM, for as long as nothing that it hangs on has changed.

`envbench doctor` may be told what was found a while ago; what measures always asks anew, and so renews it.
"""

import contextlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from envbench.clock import NS_PER_S, monotonic_ns
from envbench.vm.accelerator import Accelerator

FILE = "kvm.json"
"""In the cache folder."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


Conditions = Mapping[str, str | int]


def conditions(emulator: Path, device: Path) -> Conditions | None:
    """Return all that an answer hangs on: this boot and its kernel, the device, this QEMU, and who asks.

    The boot's id (proc_sys_kernel(5), random/boot_id) covers the firmware's settings; a module that is loaded again
    makes its device anew. None where one of them cannot be read: then no answer is kept.
    """
    try:
        node, program = device.stat(), emulator.stat()
        boot_id = BOOT_ID.read_text("ascii").strip()
    except OSError:
        return None
    return {
        "boot_id": boot_id,
        "kernel": platform.release(),
        "device": str(device),
        "device_changed_ns": node.st_ctime_ns,
        "emulator": str(emulator),
        "emulator_changed_ns": program.st_mtime_ns,
        "emulator_bytes": program.st_size,
        "uid": os.geteuid(),
    }


def remembered(cache_dir: Path, now: Conditions | None, age_max_s: float) -> Accelerator | None:
    """Return the kept answer with its age; None where there is none, it is older, or a condition is another now."""
    if now is None:
        return None
    try:
        kept = json.loads((cache_dir / FILE).read_text("utf-8"))
        # The conditions name the boot: its clock tells the age.
        age_s = (monotonic_ns() - kept["asked_ns"]) / NS_PER_S
        if kept["conditions"] == dict(now) and 0 <= age_s <= age_max_s:
            return replace(Accelerator(**kept["answer"]), age_s=age_s)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # what cannot be read is not remembered: the guests are asked
    return None


def remember(cache_dir: Path, now: Conditions | None, answer: Accelerator) -> None:
    """Keep an answer for the next one who asks; a folder that cannot be written keeps none."""
    if now is None:
        return
    part = cache_dir / f".{FILE}.{os.getpid()}"
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"asked_ns": monotonic_ns(), "conditions": dict(now), "answer": asdict(answer)}, indent=1)
        part.write_text(text + "\n", "utf-8")
        part.replace(cache_dir / FILE)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
