"""Keeps what guests showed (whether KVM is of use, that Linux gets ready), while nothing that it hangs on changes.

`envbench doctor` may be told what was found a while ago; what measures always asks anew, and so renews it.
"""

import contextlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envbench.surroundings.clock import NS_PER_S, monotonic_ns

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


Conditions = Mapping[str, Any]


def conditions(*files: Path, **words: str) -> Conditions | None:
    """Return all that an answer hangs on: this boot and its kernel, who asks, these files and devices, these words.

    The boot's id (proc_sys_kernel(5), random/boot_id) covers the firmware's settings; a module that is loaded again
    makes its device anew. None where one of them cannot be read: then no answer is kept.
    """
    try:
        nodes = {str(path): path.stat() for path in files}
        boot_id = BOOT_ID.read_text("ascii").strip()
    except OSError:
        return None
    found = {path: [node.st_ctime_ns, node.st_size] for path, node in nodes.items()}
    return {"boot_id": boot_id, "kernel": platform.release(), "uid": os.geteuid(), "files": found, "words": words}


def remembered(file: Path, now: Conditions | None, age_max_s: float) -> tuple[Any, float] | None:
    """Return the kept answer and its age in seconds; None where there is none, it is older, or a condition is another.

    The answer is of JSON's types.
    """
    if now is None or age_max_s <= 0:
        return None
    try:
        kept = json.loads(file.read_text("utf-8"))
        # The conditions name the boot: its clock tells the age.
        age_s = (monotonic_ns() - kept["asked_ns"]) / NS_PER_S
        if kept["conditions"] == dict(now) and 0 <= age_s <= age_max_s:
            return kept["answer"], age_s
    except (OSError, ValueError, KeyError, TypeError):
        pass  # what cannot be read is not remembered: the guests are asked
    return None


def remember(file: Path, now: Conditions | None, answer: Any) -> None:
    """Keep an answer of JSON's types for the next one who asks; a folder that cannot be written keeps none."""
    if now is None:
        return
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"asked_ns": monotonic_ns(), "conditions": dict(now), "answer": answer}, indent=1)
        part.write_text(text + "\n", "utf-8")
        part.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
