"""Windows: the registry as files, so that probes, captures and tests read it as they read Linux's files.

`/registry/HKLM/KEY/…/VALUE` is a value, its folder's listing are the sub-keys. Windows keeps the SMBIOS strings there,
so they are found under Linux's names as well, and one table of signatures serves both. Not looked at, and said so in
the answer: CPUID, WMI, the device tree. Tested with recorded values only.
"""

from __future__ import annotations

from importlib import import_module

from envinspect.model import Found, Reading
from envinspect.systems.files import LiveRoot, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDER = "/registry/"
_BIOS = "HKLM/HARDWARE/DESCRIPTION/System/BIOS/"
_DMI = "/sys/class/dmi/id/"
SMBIOS_VALUES = {
    f"{_DMI}sys_vendor": f"{_BIOS}SystemManufacturer",
    f"{_DMI}product_name": f"{_BIOS}SystemProductName",
    f"{_DMI}product_family": f"{_BIOS}SystemFamily",
    f"{_DMI}product_version": f"{_BIOS}SystemVersion",
    f"{_DMI}product_sku": f"{_BIOS}SystemSKU",
    f"{_DMI}board_vendor": f"{_BIOS}BaseBoardManufacturer",
    f"{_DMI}board_name": f"{_BIOS}BaseBoardProduct",
    f"{_DMI}bios_vendor": f"{_BIOS}BIOSVendor",
    f"{_DMI}bios_version": f"{_BIOS}BIOSVersion",
}
_HIVES = {"HKLM": "HKEY_LOCAL_MACHINE", "HKCU": "HKEY_CURRENT_USER"}


class WindowsRoot(LiveRoot):
    """The files of Windows, and the registry below /registry."""

    def __init__(self, winreg: Any = None) -> None:
        self._winreg = import_module("winreg") if winreg is None else winreg

    def read(self, path: str) -> Reading[bytes]:
        """Return a registry value as text, or a file's bytes."""
        place = SMBIOS_VALUES.get(path) or (path.removeprefix(FOLDER) if path.startswith(FOLDER) else None)
        if place is None:
            return super().read(path)
        key, _, name = place.rpartition("/")
        try:
            with self._open(key) as opened:
                value, _ = self._winreg.QueryValueEx(opened, name)
        except OSError as error:
            return refused(error)
        return Found(value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass"))

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        """Return the names of a key's sub-keys, or of a folder's files."""
        if not path.startswith(FOLDER):
            return super().listing(path)
        try:
            with self._open(path.removeprefix(FOLDER)) as opened:
                count = self._winreg.QueryInfoKey(opened)[0]
                return Found(tuple(sorted(self._winreg.EnumKey(opened, place) for place in range(count))))
        except OSError as error:
            return refused(error)

    def _open(self, path: str) -> Any:
        hive, _, key = path.partition("/")
        return self._winreg.OpenKey(getattr(self._winreg, _HIVES[hive]), key.replace("/", "\\"))
