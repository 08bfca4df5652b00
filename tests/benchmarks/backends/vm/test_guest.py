"""A guest as data: QEMU's command line, libvirt's domain, the kernel to boot and the firmware, all pure."""

import lzma
import struct
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from envbench.backends.libvirt.domain import METADATA_NAMESPACE, domain_xml
from envbench.backends.vm.emulator import ARCHITECTURES, Emulator, Firmware, find_uefi, uefi_of
from envbench.backends.vm.guest import Disk, Guest, disk_format, qemu_argv
from envbench.backends.vm.nested_kvm import inner_command
from envbench.backends.vm.recipe import clock_words, kernel_words, vm_variants
from envbench.errors import BackendError
from envbench.payload.bootable import partition_table
from envbench.payload.kernel import find_kernel
from envbench.payload.modules import module_chain
from envbench.settings import Settings

X86 = Emulator(Path("/usr/bin/qemu-system-x86_64"), "7.2.0", ARCHITECTURES["x86_64"])
ARM = Emulator(Path("/usr/bin/qemu-system-aarch64"), "7.2.0", ARCHITECTURES["aarch64"])


def guest(**more: object) -> Guest:
    fields: dict[str, object] = {
        "name": "envbench-r-1",
        "machine": "q35",
        "accelerator": "tcg",
        "serial": Path("/w/serial"),
        "kernel": Path("/k"),
        "initrd": Path("/i"),
        "append": "console=ttyS0",
    }
    return Guest(**(fields | more))  # type: ignore[arg-type]


def test_a_direct_kernel_boot() -> None:
    assert qemu_argv(guest(), X86) == [
        *("/usr/bin/qemu-system-x86_64", "-name", "guest=envbench-r-1"),
        *("-machine", "q35,accel=tcg", "-m", "262144k", "-smp", "1"),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-chardev", "socket,id=serial0,path=/w/serial", "-serial", "chardev:serial0"),
        *("-kernel", "/k", "-append", "console=ttyS0", "-initrd", "/i"),
    ]


def test_kvm_takes_the_hosts_cpu_and_arm_a_64_bit_one() -> None:
    assert qemu_argv(guest(accelerator="kvm"), X86)[-8:-6] == ["-cpu", "host"]
    assert "-cpu" not in qemu_argv(guest(), X86)
    argv = qemu_argv(guest(machine="virt"), ARM)
    assert argv[argv.index("-cpu") + 1] == "max"


@pytest.mark.parametrize(("machine", "device"), [("q35", "virtio-blk-pci"), ("microvm", "virtio-blk-device")])
def test_a_disk_is_never_written_to_and_commas_survive(machine: str, device: str) -> None:
    argv = qemu_argv(guest(machine=machine, kernel=None, disks=(Disk(Path("/my,disk"), "qcow2"),)), X86)
    assert "-kernel" not in argv
    assert argv[-4:] == [
        *("-drive", "if=none,id=disk0,format=qcow2,snapshot=on,file=/my,,disk"),
        *("-device", f"{device},drive=disk0"),
    ]


def test_uefi_gets_code_and_its_own_variables() -> None:
    argv = qemu_argv(guest(uefi=Firmware(Path("/code"), Path("/w/vars"))), X86)
    flash = [word for word in argv if word.startswith("if=pflash")]
    assert flash == [
        "if=pflash,unit=0,format=raw,readonly=on,file=/code",
        "if=pflash,unit=1,format=raw,file=/w/vars",
    ]


def test_the_domain_carries_the_run_and_nothing_needless() -> None:
    text = domain_xml(guest(append="a=<&>"), X86, "r", ("dac", "apparmor"))
    domain = ET.fromstring(text)  # noqa: S314 -- our own
    assert domain.get("type") == "qemu"
    assert domain.findtext("name") == "envbench-r-1"
    assert domain.findtext(f"metadata/{{{METADATA_NAMESPACE}}}run") == "r"
    assert domain.find("memory").attrib == {"unit": "b"}
    assert domain.findtext("memory") == str(256 << 20)
    assert domain.find("os/type").attrib == {"arch": "x86_64", "machine": "q35"}
    assert [domain.findtext(f"os/{name}") for name in ("kernel", "initrd", "cmdline")] == ["/k", "/i", "a=<&>"]
    assert domain.find("devices/serial/source").attrib == {"mode": "connect", "path": "/w/serial"}
    assert [(label.get("type"), label.get("model")) for label in domain.iter("seclabel")] == [
        ("none", "dac"),
        ("none", "apparmor"),
    ]
    assert not list(domain.iter("interface"))
    assert not list(domain.iter("graphics"))
    assert domain.find("features/acpi") is not None
    assert domain.find("{*}commandline/{*}env").attrib == {"name": "ENVBENCH_RUN_ID", "value": "r"}


def test_a_domain_under_kvm_with_uefi_and_disk() -> None:
    uefi = Firmware(Path("/code"), Path("/vars"))
    made = guest(accelerator="kvm", kernel=None, disks=(Disk(Path("/d"), "qcow2"),), uefi=uefi)
    domain = ET.fromstring(domain_xml(made, X86, "r"))  # noqa: S314 -- our own
    assert domain.get("type") == "kvm"
    assert domain.find("cpu").get("mode") == "host-passthrough"
    assert domain.find("os/kernel") is None
    assert domain.find("os/boot").get("dev") == "hd"
    assert (domain.findtext("os/loader"), domain.findtext("os/nvram")) == ("/code", "/vars")
    assert domain.find("devices/disk/driver").get("type") == "qcow2"
    assert domain.find("devices/disk/target").attrib == {"dev": "vda", "bus": "virtio"}


def test_the_kernel_speaks_first_and_quiet_comes_last() -> None:
    words = kernel_words(ARCHITECTURES["x86_64"], own_init=True).split()
    assert words.index("debug") < words.index("quiet") < words.index("earlyprintk=ttyS0")
    assert "console=ttyS0" in words
    assert "debug" not in kernel_words(ARCHITECTURES["x86_64"], own_init=False)
    words = kernel_words(ARCHITECTURES["x86_64"], own_init=False).split()
    assert words.index("earlyprintk=ttyS0") < words.index("quiet")
    assert "console=ttyAMA0" in kernel_words(ARCHITECTURES["aarch64"], own_init=True)


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings("r", tmp_path / "work", tmp_path / "cache", **more)  # type: ignore[arg-type]


def variants(tmp_path: Path, accelerators: tuple[str, ...], **more: object) -> list[str]:
    found = vm_variants(settings(tmp_path, **more), accelerators, ARCHITECTURES["x86_64"])
    return ["/".join(variant.values()) for variant in found]


def test_variants_always_name_the_accelerator(tmp_path: Path) -> None:
    assert variants(tmp_path, ("tcg",)) == ["tcg/kernel/q35"]
    assert variants(tmp_path, ("kvm", "tcg"), machines=("pc", "microvm")) == [
        *("kvm/kernel/pc", "kvm/kernel/microvm", "tcg/kernel/pc", "tcg/kernel/microvm"),
    ]
    assert variants(tmp_path, ("tcg",), disks=(Path("/d"),)) == ["tcg/disk/q35"]
    two = {"disks": (Path("/a/root.img"), Path("/b/root.img")), "kernels": (Path("/vmlinuz-1"), Path("/vmlinuz-2"))}
    assert variants(tmp_path, ("tcg",), **two) == ["tcg/disk/q35/a/root.img", "tcg/disk/q35/b/root.img"]
    assert variants(tmp_path, ("tcg",), **two, boots=("floor", "kernel")) == [
        *("tcg/floor/q35", "tcg/kernel/q35/vmlinuz-1", "tcg/kernel/q35/vmlinuz-2"),
    ]
    assert variants(tmp_path, ()) == []


def test_machines_that_do_not_exist_are_left_out(tmp_path: Path) -> None:
    found = variants(
        tmp_path, ("tcg",), machines=("q35", "microvm"), boots=("kernel", "floor"), firmwares=("bios", "uefi")
    )
    assert found == [
        *("tcg/kernel/q35/bios", "tcg/kernel/q35/uefi", "tcg/floor/q35/bios", "tcg/kernel/microvm/bios"),
    ]


def kernel_at(folder: Path, release: str) -> Path:
    image = folder / f"boot/vmlinuz-{release}"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"kernel " + release.encode())
    return image


def test_the_users_kernel_comes_first_then_the_newest_of_the_cache(tmp_path: Path) -> None:
    old = kernel_at(tmp_path / "kernels/linux-image-6.1.0-9", "6.1.0-9-cloud")
    new = kernel_at(tmp_path / "kernels/linux-image-6.1.0-56", "6.1.0-56-cloud")
    found = find_kernel(tmp_path)
    assert (found.path, found.release, found.source) == (new, "6.1.0-56-cloud", "linux-image-6.1.0-56")
    assert len(found.sha256) == 64
    assert find_kernel(tmp_path, old).path == old
    (tmp_path / "kernels/linux-image-6.1.0-56/lib/modules/6.1.0-56-cloud").mkdir(parents=True)
    assert find_kernel(tmp_path).modules is not None


def test_a_missing_kernel_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="--kernel /no/such: No such file"):
        find_kernel(tmp_path, Path("/no/such"))
    if not list(Path("/boot").glob("vmlinu[xz]-*")):
        with pytest.raises(BackendError) as caught:
            find_kernel(tmp_path)
        assert "envbench fetch kernel" in caught.value.remedy


def firmware(*features: str, interface: str = "uefi", device: str = "flash") -> dict[str, object]:
    return {
        "interface-types": [interface],
        "mapping": {
            "device": device,
            "executable": {"filename": "/code"},
            "nvram-template": {"filename": "/vars"},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": list(features),
    }


def test_plain_uefi_in_flash_is_taken_and_nothing_else() -> None:
    assert uefi_of(firmware("acpi-s3", "amd-sev"), "x86_64") == Firmware(Path("/code"), Path("/vars"))
    assert uefi_of(firmware("secure-boot"), "x86_64") is None
    assert uefi_of(firmware("requires-smm"), "x86_64") is None
    assert uefi_of(firmware(interface="bios"), "x86_64") is None
    assert uefi_of(firmware(device="memory"), "x86_64") is None
    assert uefi_of(firmware(), "aarch64") is None


def test_a_strange_firmware_description_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "10.json").write_text("{}")
    (tmp_path / "20.json").write_text("not json")
    assert find_uefi("x86_64", (tmp_path, tmp_path / "none")) is None


def test_a_disks_format_is_what_it_begins_with(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"QFI\xfb\0\0\0\3")
    (tmp_path / "b").write_bytes(b"\0" * 512)
    assert (disk_format(tmp_path / "a"), disk_format(tmp_path / "b")) == ("qcow2", "raw")


def test_the_inner_machine_of_the_kvm_proof_is_started_like_any_other_under_kvm() -> None:
    argv = inner_command(X86)
    assert argv[argv.index("-machine") + 1] == "q35,accel=kvm"
    assert argv[argv.index("-cpu") + 1] == "host"
    assert argv[argv.index("-chardev") + 1].startswith("stdio,id=serial0")


def module(needs: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + needs.encode() + b"\0name=x\0"


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "kernel").mkdir()
    (tmp_path / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\nkernel/lib/irqbypass.ko\n")
    (tmp_path / "kernel/kvm-amd.ko").write_bytes(module("kvm,ccp"))
    (tmp_path / "kernel/kvm.ko.xz").write_bytes(lzma.compress(module("irqbypass")))
    (tmp_path / "kernel/ccp.ko").write_bytes(module(""))
    assert [name for name, _ in module_chain(tmp_path, ("kvm_amd", "ext4"))] == ["kvm.ko", "ccp.ko", "kvm_amd.ko"]
    with pytest.raises(BackendError, match="no module virtio_blk"):
        module_chain(tmp_path, ("virtio_blk",))


def test_a_microvm_under_emulation_is_told_its_clock_rate(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\ncpu MHz\t\t: 2445.428\n")
    assert clock_words({"machine": "microvm", "accel": "tcg"}, cpuinfo) == "tsc_early_khz=2445428"
    assert clock_words({"machine": "microvm", "accel": "tcg"}, tmp_path / "none") == "tsc_early_khz=2000000"
    assert clock_words({"machine": "microvm", "accel": "kvm"}, cpuinfo) == ""
    assert clock_words({"machine": "q35", "accel": "tcg"}, cpuinfo) == "no_timer_check"
    assert clock_words({"machine": "q35", "accel": "kvm"}, cpuinfo) == ""
    assert clock_words({"machine": "virt", "accel": "tcg"}, cpuinfo) == ""


def test_a_disk_begins_with_boot_code_two_partitions_and_the_signature():
    sector = partition_table(b"\x90" * 440, [(0x80, 0xEF, 2048, 4096), (0, 0x83, 6144, 8192)])
    assert (len(sector), sector[510:]) == (512, b"\x55\xaa")
    assert sector[:440] == b"\x90" * 440
    assert struct.unpack_from("<B3xB3xII", sector, 446) == (0x80, 0xEF, 2048, 4096)
    assert struct.unpack_from("<B3xB3xII", sector, 462) == (0, 0x83, 6144, 8192)
    assert sector[478:510] == bytes(32)


def test_a_forwarded_port_brings_a_card_without_a_boot_rom_that_reaches_nothing_else() -> None:
    argv = qemu_argv(guest(ports=((8080, 80),)), X86)
    assert argv[-4:] == [
        *("-netdev", "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:8080-:80"),
        *("-device", "virtio-net-pci,netdev=net0,romfile=,addr=0x10"),
    ]
    assert qemu_argv(guest(machine="microvm", ports=((1, 2),)), X86)[-1] == "virtio-net-device,netdev=net0"
    assert not any("net" in word for word in qemu_argv(guest(), X86))


def test_libvirt_passes_the_same_words_on() -> None:
    domain = ET.fromstring(domain_xml(guest(ports=((8080, 80),)), X86, "r"))  # noqa: S314 -- our own XML
    words = [word.get("value") for word in domain.iter("{http://libvirt.org/schemas/domain/qemu/1.0}arg")]
    assert words == qemu_argv(guest(ports=((8080, 80),)), X86)[-4:]


@pytest.mark.parametrize(
    ("begin", "said", "helps"),
    [
        (b"KDMV\1\0\0\0", "of the format VMDK", "qemu-img convert -O qcow2"),
        (b"<<< Oracle VM VirtualBox Disk Image >>>\n", "of the format VDI", "qemu-img convert"),
        (b"vhdxfile", "of the format VHDX", "qemu-img convert"),
        (b"\xfd7zXZ\0\0\4", "is packed", "unxz --keep"),
        (b"\x1f\x8b\x08\0", "is packed", "gunzip --keep"),
        (b"", "is empty", "a disk with a system"),
    ],
)
def test_a_disk_that_no_guest_could_boot_as_it_is_is_named_with_what_helps(begin, said, helps, tmp_path: Path) -> None:
    path = tmp_path / "the disk.img"
    path.write_bytes(begin)
    with pytest.raises(BackendError, match=said) as error:
        disk_format(path)
    assert helps in error.value.remedy
