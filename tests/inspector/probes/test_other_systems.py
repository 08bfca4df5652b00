"""macOS and Windows, by recorded sysctls and registry values: constructed from documentation, run on neither."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from envinspect.inspection import Inspection, inspect
from envinspect.model import ABSENT, Found
from envinspect.systems.captured import read_capture
from envinspect.systems.darwin import decoded
from envinspect.systems.windows import WindowsRoot

LXSS = "/registry/HKCU/Software/Microsoft/Windows/CurrentVersion/Lxss"
KVP = "/registry/HKLM/SOFTWARE/Microsoft/Virtual Machine/Guest/Parameters/PhysicalHostName"


def answer(tmp_path: Path, sysname: str, files: dict[str, str], **facts: object) -> Inspection:
    uname = {"sysname": sysname, "machine": "arm64"}
    (tmp_path / "facts.json").write_text(json.dumps({"schema": "envinspect-capture/1", "uname": uname, **facts}))
    for path, text in files.items():
        place = tmp_path / "root" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return inspect(read_capture(str(tmp_path)))


@pytest.mark.parametrize(
    ("sysctls", "layers"),
    [
        ({"kern.hv_vmm_present": "0", "hw.model": "MacBookPro18,3"}, []),
        ({"kern.hv_vmm_present": "1", "hw.model": "VirtualMac2,1"}, ["apple-vz"]),
        ({"kern.hv_vmm_present": "1", "hw.model": "VMware20,1"}, ["vmware"]),
        ({"kern.hv_vmm_present": "1", "hw.model": "MacPro7,1"}, ["vm"]),
        ({"kern.hv_vmm_present": "0", "hw.model": "Mac14,2", "sysctl.proc_translated": "1"}, ["rosetta"]),
    ],
)
def test_macos(tmp_path: Path, sysctls: dict[str, str], layers: list[str]) -> None:
    found = answer(tmp_path, "Darwin", {f"/sysctl/{name}": value for name, value in sysctls.items()})
    assert [layer.id for layer in found.stack.layers] == layers
    assert found.stack.determined
    assert "IOKit" in {item.source for item in found.stack.unknown}


def test_a_mac_that_tells_nothing_is_not_determined(tmp_path: Path) -> None:
    assert not answer(tmp_path, "Darwin", {}).stack.determined


@pytest.mark.parametrize(
    ("maker", "product", "more", "layers"),
    [
        ("LENOVO", "20XW004AUS", {}, []),
        ("Microsoft Corporation", "Surface Laptop 4", {}, []),
        ("Microsoft Corporation", "Virtual Machine", {}, ["hyper-v"]),
        ("Microsoft Corporation", "Virtual Machine", {KVP: "HOST1"}, ["hyper-v"]),
        ("VMware, Inc.", "VMware20,1", {}, ["vmware"]),
        ("innotek GmbH", "VirtualBox", {}, ["virtualbox"]),
    ],
)
def test_windows(tmp_path: Path, maker: str, product: str, more: dict[str, str], layers: list[str]) -> None:
    files = {"/sys/class/dmi/id/sys_vendor": maker, "/sys/class/dmi/id/product_name": product, **more}
    found = answer(tmp_path, "Windows", files)
    assert [layer.id for layer in found.stack.layers] == layers
    assert {"CPUID", "WMI"} <= {item.source for item in found.stack.unknown}
    assert "HOST1" not in json.dumps(found.to_json())


def test_windows_with_wsl_installed(tmp_path: Path) -> None:
    files = {"/sys/class/dmi/id/sys_vendor": "LENOVO", "/sys/class/dmi/id/product_name": "20XW"}
    found = answer(tmp_path, "Windows", files, listings={LXSS: ["{0b12}"]})
    assert [role.id for role in found.stack.roles] == ["wsl-host"]


def test_sysctl_values() -> None:
    assert decoded("kern.hv_vmm_present", b"\1\0\0\0") == b"1"
    assert decoded("hw.memsize", (1 << 34).to_bytes(8, "little")) == str(1 << 34).encode()
    assert decoded("hw.model", b"Mac14,2\0") == b"Mac14,2"


def test_the_registry_reads_like_files() -> None:
    values = {("HKLM", r"HARDWARE\DESCRIPTION\System\BIOS"): {"SystemManufacturer": "QEMU"}}

    def open_key(hive: str, key: str) -> object:
        if (hive, key) not in values:
            raise FileNotFoundError(2, "no such key")
        return nullcontext((hive, key))

    def query(opened: tuple[str, str], name: str) -> tuple[str, int]:
        if name not in values[opened]:
            raise FileNotFoundError(2, "no such value")
        return values[opened][name], 1

    winreg = SimpleNamespace(
        HKEY_LOCAL_MACHINE="HKLM", HKEY_CURRENT_USER="HKCU", OpenKey=open_key, QueryValueEx=query,
        QueryInfoKey=lambda _: (2, 0, 0), EnumKey=lambda _, place: ("b", "a")[place],
    )  # fmt: skip
    root = WindowsRoot(winreg)
    assert root.read("/sys/class/dmi/id/sys_vendor") == Found(b"QEMU")
    assert root.read("/sys/class/dmi/id/product_name") is ABSENT
    assert root.read("/registry/HKCU/None/value") is ABSENT
    assert root.listing("/registry/HKLM/HARDWARE/DESCRIPTION/System/BIOS") == Found(("a", "b"))
    assert root.listing(LXSS) is ABSENT
