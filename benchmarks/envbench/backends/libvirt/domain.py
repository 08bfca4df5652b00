"""The libvirt domain that is made of a guest: XML as libvirt's formatdomain documentation defines it."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from envbench.backends.vm.emulator import Emulator
from envbench.backends.vm.guest import Guest, cpu_model, network_words
from envbench.settings import RUN_ENVIRONMENT

METADATA_NAMESPACE = "https://envbench.invalid/run"
"""Names the run whose domain this is; .invalid (RFC 2606), because there is nothing to fetch at this address."""

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
"""libvirt, drvqemu: pass-through of environment variables and arguments."""

_CPU_MODES = {"host": "host-passthrough", "max": "maximum"}


def domain_xml(guest: Guest, emulator: Emulator, run_id: str, security_models: Sequence[str] = ()) -> str:
    """Return the domain of this guest: transient, nothing but what it needs, its serial line on our unix socket.

    `security_models` are those that the connection confines with; each is told to leave the domain's files as they are.
    """
    ET.register_namespace("envbench", METADATA_NAMESPACE)
    ET.register_namespace("qemu", QEMU_NAMESPACE)
    domain = ET.Element("domain", type="kvm" if guest.accelerator == "kvm" else "qemu")
    _add(domain, "name", guest.name)
    metadata = _add(domain, "metadata")
    _add(metadata, f"{{{METADATA_NAMESPACE}}}run", run_id)
    _add(domain, "memory", str(guest.memory_bytes), unit="b")
    _add(domain, "vcpu", str(guest.cpus))
    _add_boot(domain, guest, emulator)
    if emulator.architecture.firmware_arch == "x86_64":
        _add(_add(domain, "features"), "acpi")
    if model := cpu_model(guest.machine, guest.accelerator):
        _add(domain, "cpu", mode=_CPU_MODES[model])
    _add(domain, "on_reboot", "destroy")
    _add(domain, "on_crash", "destroy")
    _add_devices(domain, guest, emulator)
    for security_model in security_models:
        _add(domain, "seclabel", type="none", model=security_model)
    # So that QEMU's process can be recognised as the run's, even after its daemon has ended.
    words = _add(domain, f"{{{QEMU_NAMESPACE}}}commandline")
    _add(words, f"{{{QEMU_NAMESPACE}}}env", name=RUN_ENVIRONMENT, value=run_id)
    # libvirt's own way to forward a port (<portForward>) needs passt, and with it a daemon that may start it.
    for word in network_words(guest):
        _add(words, f"{{{QEMU_NAMESPACE}}}arg", value=word)
    return ET.tostring(domain, encoding="unicode")


def _add_boot(domain: ET.Element, guest: Guest, emulator: Emulator) -> None:
    boot = _add(domain, "os")
    _add(boot, "type", "hvm", arch=emulator.architecture.firmware_arch, machine=guest.machine)
    if guest.uefi:
        _add(boot, "loader", str(guest.uefi.code), readonly="yes", type="pflash")
        _add(boot, "nvram", str(guest.uefi.variables))
    if guest.kernel:
        _add(boot, "kernel", str(guest.kernel))
        if guest.initrd:
            _add(boot, "initrd", str(guest.initrd))
        _add(boot, "cmdline", guest.append)
    else:
        _add(boot, "boot", dev="hd")


def _add_devices(domain: ET.Element, guest: Guest, emulator: Emulator) -> None:
    devices = _add(domain, "devices")
    _add(devices, "emulator", str(emulator.path))
    for number, disk in enumerate(guest.disks):
        element = _add(devices, "disk", type="file", device="disk")
        _add(element, "driver", name="qemu", type=disk.format)
        _add(element, "source", file=str(disk.path))
        _add(element, "target", dev=f"vd{chr(ord('a') + number)}", bus="virtio")
    _add(devices, "controller", type="usb", model="none")
    _add(devices, "memballoon", model="none")
    serial = _add(devices, "serial", type="unix")
    _add(serial, "source", mode="connect", path=str(guest.serial))
    _add(serial, "target", port="0")


def _add(parent: ET.Element, name: str, text: str | None = None, /, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, name, attributes)
    element.text = text
    return element
