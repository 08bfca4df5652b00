"""Finds what a machine of this architecture is run with: the QEMU binary, its console's name, UEFI firmware."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envbench.errors import BackendError
from envbench.surroundings.programs import answer_of, require_program

FIRMWARE_FOLDERS = (
    Path("/etc/qemu/firmware"),
    Path("/usr/local/share/qemu/firmware"),
    Path("/usr/share/qemu/firmware"),
)
"""Where distributions describe their firmware images (QEMU, docs/interop/firmware.json), the administrator's first."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """How guests of one architecture are run. `machines` are QEMU's machine types, the default first."""

    qemu: str
    package: str
    machines: tuple[str, ...]
    console: str
    early: str
    """Kernel words that make it speak before its console driver is up; "" where that needs an address."""
    firmware_arch: str


ARCHITECTURES: dict[str, Architecture] = {
    "x86_64": Architecture(
        "qemu-system-x86_64", "qemu-system-x86", ("q35", "pc", "microvm"), "ttyS0", "earlyprintk=ttyS0", "x86_64"
    ),
    "aarch64": Architecture(
        "qemu-system-aarch64", "qemu-system-arm", ("virt",), "ttyAMA0", "earlycon=pl011,0x9000000", "aarch64"
    ),
}


@dataclass(frozen=True, slots=True)
class Emulator:
    """An installed QEMU for this machine's architecture."""

    path: Path
    version: str
    architecture: Architecture


@dataclass(frozen=True, slots=True)
class Firmware:
    """A UEFI firmware: its code, and the template of its variable store."""

    code: Path
    variables: Path


def architecture() -> Architecture:
    """Return this machine's architecture. Raises BackendError where guests of it are not supported."""
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        raise BackendError(f"no virtual machines on {machine}", remedy=f"one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[machine]


def find_emulator() -> Emulator:
    """Return the QEMU on the PATH. Raises BackendError, with the package to install, where there is none that runs."""
    arch = architecture()
    found = require_program(arch.qemu, f"apt install {arch.package}")
    said = answer_of((found, "--version"), f"apt install --reinstall {arch.package}").decode(errors="replace")
    version = re.search(r"version (\S+)", said)
    return Emulator(found, version[1] if version else "unknown", arch)


def find_uefi(firmware_arch: str, folders: Sequence[Path] = FIRMWARE_FOLDERS) -> Firmware | None:
    """Return the first UEFI firmware in flash without secure boot that is described here, None where there is none."""
    for folder in folders:
        for description in sorted(folder.glob("*.json")):
            try:
                found = uefi_of(json.loads(description.read_text()), firmware_arch)
            except (OSError, ValueError, KeyError, TypeError):
                continue  # A description that cannot be read or has another form is somebody else's.
            if found and found.code.exists() and found.variables.exists():
                return found
    return None


def uefi_of(described: Mapping[str, Any], firmware_arch: str) -> Firmware | None:
    """Return the firmware of one description, None where it is not plain UEFI in flash for this architecture."""
    features = described["features"]
    mapping = described["mapping"]
    fits = (
        "uefi" in described["interface-types"]
        and mapping["device"] == "flash"
        and any(target["architecture"] == firmware_arch for target in described["targets"])
        and not {"secure-boot", "enrolled-keys", "requires-smm"} & set(features)
    )
    if not fits:
        return None
    return Firmware(Path(mapping["executable"]["filename"]), Path(mapping["nvram-template"]["filename"]))
