"""Finds the one program of the payload: a static BusyBox built for this machine.

Static, because the payload tree holds no libraries; for this machine's architecture, because the same bytes run on
every backend.
"""

import hashlib
import os
import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envbench.errors import BackendError
from envbench.surroundings.programs import answer_of

REMEDY = "apt install busybox-static (or put a static busybox on the PATH)"

NAMES = ("busybox", "busybox-static", "busybox.static")
"""What distributions call it: Debian and Ubuntu, Arch, Alpine."""

ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "riscv64": 243, "ppc64le": 21, "s390x": 22, "armv7l": 40, "i686": 3}
"""uname's machine → e_machine (elf.h, EM_*)."""

PT_INTERP = 3
"""Program header that names a dynamic loader (elf(5)); a static program has none."""


@dataclass(frozen=True, slots=True)
class BusyBox:
    """A static BusyBox: where it is, its own version words and the hash of its bytes."""

    path: Path
    version: str
    sha256: str


def static_elf_problem(data: bytes, machine: str) -> str | None:
    """Return why this program cannot be the payload's BusyBox on `machine` (uname's word), or None if it can."""
    if data[:4] != b"\x7fELF" or len(data) < 64:
        return "not an ELF program"
    is_64_bit, order = data[4] == 2, "<" if data[5] == 1 else ">"
    found = struct.unpack_from(f"{order}H", data, 18)[0]
    wanted = ELF_MACHINES.get(machine)
    if wanted is not None and found != wanted:
        return f"built for another architecture (e_machine {found}, this machine is {machine})"
    (table_at,) = struct.unpack_from(f"{order}Q", data, 32) if is_64_bit else struct.unpack_from(f"{order}I", data, 28)
    entry_bytes, entries = struct.unpack_from(f"{order}HH", data, 54 if is_64_bit else 42)
    if table_at + entry_bytes * entries > len(data):
        return "a truncated ELF program"
    kinds = (struct.unpack_from(f"{order}I", data, table_at + entry_bytes * index)[0] for index in range(entries))
    return "linked dynamically" if PT_INTERP in kinds else None


def find_busybox() -> BusyBox:
    """Return the first static BusyBox for this machine: /bin/busybox, then the PATH.

    Raises BackendError, with what was wrong with each candidate, where there is none.
    """
    problems = []
    machine = os.uname().machine
    for path in _candidates():
        try:
            data = path.read_bytes()
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
            continue
        problem = static_elf_problem(data, machine)
        if problem is None:
            return BusyBox(path, _version(path), hashlib.sha256(data).hexdigest())
        problems.append(f"{path}: {problem}")
    raise BackendError(f"no static busybox for the payload ({'; '.join(problems) or 'none found'})", remedy=REMEDY)


def _candidates() -> Iterator[Path]:
    seen = set()
    for found in ("/bin/busybox", *(shutil.which(name) for name in NAMES)):
        if found is None or not Path(found).exists():
            continue
        path = Path(found).resolve()
        if path not in seen:
            seen.add(path)
            yield path


def _version(path: Path) -> str:
    """Return what BusyBox calls itself, e.g. "1.35.0 (Debian 1:1.35.0-4)"; "unknown" if it says nothing of the kind."""
    banner = re.match(r"BusyBox v(\S+ \([^)]*\))", answer_of((path,), REMEDY).decode(errors="replace"))
    return banner[1] if banner else "unknown"
