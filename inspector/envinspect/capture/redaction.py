"""Takes out of a capture what names one machine or one person, and keeps what tells environments apart.

Pure: bytes in, bytes out. Serial numbers, UUIDs, MAC addresses, host and user names and secrets go; their shape stays
where a signature rests on it (`ec2` in a UUID, `VMware-` before a serial number, the vendor half of a MAC address).
"""

from __future__ import annotations

import re

from envinspect.signatures.catalogue import ENTRIES
from envinspect.signatures.orchestrators import VARIABLES
from envinspect.signatures.rows import signature_rows

KEPT_VARIABLES = frozenset(
    {"container", "container_ttys", "AWS_EXECUTION_ENV", "SYSTEMD_VIRTUALIZATION", "FLATPAK_ID", "TERM"}
)
"""Environment variables whose value is itself the evidence; of all others only that they are set is kept."""
SET = "set"
_IDS = frozenset(entry.id for entry in ENTRIES)

_UUID = re.compile(
    r"([0-9A-Fa-f]{8})([-_])([0-9A-Fa-f]{4})\2([0-9A-Fa-f]{4})\2([0-9A-Fa-f]{4})\2([0-9A-Fa-f]{12})(?![0-9A-Fa-f])"
)
_MAC = re.compile(r"(?<![0-9A-Fa-f:])((?:[0-9A-Fa-f]{2}:){3})(?:[0-9A-Fa-f]{2}:){2}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:])")
_USER = re.compile(r"(?:(?<=/home/)|(?<=/Users/))(?!core(?:[/\s,:;]|$))[^/\s,:;]+")
"""`core` is nobody's name: it is the account of CoreOS images, by which Podman's machine is told."""
_SECRET = re.compile(r"(?i)\b([\w.-]*(?:passw|passphrase|secret|token|credential|api_?key|private_?key)[\w.-]*)=\S+")
_SERIAL_LINE = re.compile(r"(?mi)^(serial[ \t]*:[ \t]*)\S.*$")

_SERIAL_FILES = re.compile(
    r"/(?:product|board|chassis)_serial$|/serial-number$|/serial$|_asset_tag$|^/etc/machine-id$|/boot_id$"
)
_HOST_FILES = frozenset({"/etc/hostname", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/etc/hosts"})
_FILLERS = frozenset({"", "none", "no asset tag", "not specified", "default string", "to be filled by o.e.m.", "0"})
_ACPI_HEADER_BYTES = 36
"""System description table header (ACPI 6.5, 5.2.6): signature, OEM ids, creator. A licence key may follow (MSDM)."""
_ACPI_WHOLE = frozenset({"FACP", "APIC", "WAET"})
"""Tables without anything of the machine's owner, in which signatures lie behind the header."""


class Redaction:
    """One capture's scrubbing: equal inputs become equal outputs, so that comparisons between files still hold."""

    def __init__(self, host_names: tuple[str, ...] = ()) -> None:
        pattern = "|".join(re.escape(name) for name in sorted(host_names, key=len, reverse=True))
        self._host = re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])") if pattern else None
        self._uuids: dict[str, int] = {}

    def text(self, text: str) -> str:
        """Return text without UUIDs, MAC addresses, host and user names, and secrets."""
        text = _SECRET.sub(r"\1=redacted", text)
        text = _UUID.sub(self._uuid, text)
        text = _MAC.sub(r"\g<1>00:00:00", text)
        text = _USER.sub("user", text)
        text = _SERIAL_LINE.sub(r"\g<1>0", text)
        return self._host.sub("host", text) if self._host is not None else text

    def file(self, path: str, data: bytes) -> bytes:
        """Return a file's bytes, scrubbed by what is known of its format."""
        if path.startswith("/proc/") and path.endswith("/environ"):
            return self._environ(data)
        # EC2's Xen machines show their UUID as serial number, and are told by it.
        if _SERIAL_FILES.search(path) and not _UUID.fullmatch(data.decode("latin-1").strip()):
            return _serial(path.rpartition("/")[2], data)
        if path in _HOST_FILES:
            return b"host\n"
        if path.startswith("/sys/firmware/acpi/tables/"):
            return data if path.rpartition("/")[2].rstrip("0123456789") in _ACPI_WHOLE else data[:_ACPI_HEADER_BYTES]
        if path.startswith("/sys/firmware/dmi/") and path.endswith(("/raw", "/DMI")):
            return smbios(data)
        return self.text(data.decode("latin-1")).encode("latin-1", "replace")

    def variable(self, name: str, value: str) -> str:
        """Return an environment variable's value: as it is where that is the evidence, else only that it is set."""
        if name in KEPT_VARIABLES or value == "" or value in _IDS:
            return self.text(value)
        looked_for = (row.value for row in VARIABLES if name in row.names and row.value)
        return next((start for start in looked_for if value.startswith(start)), SET)

    def _environ(self, data: bytes) -> bytes:
        """Keep names; a NUL-separated environment without its secrets still tells which orchestrator set it."""
        kept: list[str] = []
        for line in data.decode("latin-1").split("\0"):
            name, equals, value = line.partition("=")
            if equals:
                kept.append(f"{name}={self.variable(name, value)}")
        return "".join(f"{line}\0" for line in kept).encode("latin-1", "replace")

    def _uuid(self, match: re.Match[str]) -> str:
        """Return the UUID's number in its place, and what tells EC2: `ec2` in front or, byte-swapped, `2?ec` later."""
        whole = match[0].lower()
        number = self._uuids.setdefault(whole, len(self._uuids) + 1)
        first = "0" * 8
        if whole.startswith("ec2"):
            first = match[1][:3] + "0" * 5
        elif re.fullmatch(r".{4}2.ec", match[1].lower()):
            first = "00002" + "0" + match[1][6:]
        separator = match[2]
        return separator.join([first, "0000", "0000", "0000", f"{number:012x}"])


def _serial(field: str, data: bytes) -> bytes:
    """Blank a serial number or asset tag but for what a signature rests on: that is the maker's, not the owner's."""
    value = data.decode("latin-1").strip()
    if value.lower() in _FILLERS:
        return data
    keep = _witness(field, value)
    blanked = "".join("0" if place not in keep and letter.isalnum() else letter for place, letter in enumerate(value))
    return f"{blanked}\n".encode("latin-1", "replace")


def _witness(field: str, value: str) -> range:
    """Return which part of an SMBIOS string some signature looks for, empty where none does."""
    best = range(0)
    for row in signature_rows():
        for name, how, text in row.when:
            at = value.lower().find(text.lower()) if name == field else -1
            if at >= 0 and not (how == "starts" and at) and not (how == "is" and len(text) != len(value)):
                best = max(best, range(at, at + len(text)), key=len)
    return best


# Offsets of string numbers that identify one machine, by structure type (SMBIOS 3.7, chapter 7): system, board,
# chassis, processor, memory device. Type 11 holds free strings, which clouds and QEMU use to hand over credentials.
_SMBIOS_SERIALS = {1: (7,), 2: (7, 8), 3: (7, 8), 4: (0x20, 0x21), 17: (0x18, 0x19)}
_SMBIOS_UUID = range(8, 24)


def smbios(data: bytes) -> bytes:
    """Return raw SMBIOS structures with serial numbers, the UUID and the OEM's free strings blanked; lengths stay."""
    scrubbed = bytearray(data)
    at = 0
    while at + 4 <= len(scrubbed):
        kind, length = scrubbed[at], scrubbed[at + 1]
        end = scrubbed.find(b"\0\0", at + length)
        end = len(scrubbed) if end < 0 else end
        if kind == 1:
            for place in _SMBIOS_UUID:
                if place < length and at + place < len(scrubbed):
                    scrubbed[at + place] = 0
        numbers = {
            scrubbed[at + offset]
            for offset in _SMBIOS_SERIALS.get(kind, ())
            if offset < length and at + offset < len(data)
        }
        _blank_strings(scrubbed, at + length, end, None if kind == 11 else numbers)
        if length < 4:
            break
        at = end + 2
    return bytes(scrubbed)


def _blank_strings(data: bytearray, start: int, end: int, numbers: set[int] | None) -> None:
    """Blank the numbered strings between two places, all where `numbers` is None."""
    number = 1
    for place in range(start, min(end, len(data))):
        if data[place] == 0:
            number += 1
        elif (numbers is None or number in numbers) and bytes(data[place : place + 1]).isalnum():
            data[place] = ord("0")
