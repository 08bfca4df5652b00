"""SMBIOS.

The strings that firmware or VMM put there, as the kernel's dmi-id files show them, and the virtual-machine bit of the
BIOS structure.
"""

from __future__ import annotations

from envinspect.model import Denied, Evidence, Found, Kind, Origin, Strength, Unknown
from envinspect.model.facts import Facts
from envinspect.signatures.cpuid import REAL_CPU_NAMES
from envinspect.sources.cpu import cpuinfo, flags
from envinspect.sources.firmware import is_ec2_uuid, vm_bit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from envinspect.signatures.dmi import DmiRow

FOLDERS = ("/sys/class/dmi/id", "/sys/devices/virtual/dmi/id")
FIELDS = (
    "sys_vendor",
    "product_name",
    "product_version",
    "product_family",
    "bios_vendor",
    "bios_version",
    "board_vendor",
    "board_name",
    "board_asset_tag",
    "chassis_vendor",
    "chassis_asset_tag",
)
ROOT_ONLY_FIELDS = ("product_serial", "product_uuid")
BIOS_STRUCTURE = "/sys/firmware/dmi/entries/0-0/raw"
_CPUINFO = "/proc/cpuinfo"
VM_BIT_REFERENCE = "https://www.dmtf.org/sites/default/files/standards/documents/DSP0134_3.7.0.pdf"

# Virtual PC shows the same maker and product as Hyper-V; its versions are these (imVirt), and it sets no hypervisor bit
# (virt-what).
_VIRTUAL_PC_VERSIONS = ("vs2005r2", "vpc", "5.0")


def folder_of(facts: Facts) -> str:
    """Return where the dmi-id files are, "" where there are none."""
    for folder in FOLDERS:
        if isinstance(facts.listing(folder), Found):
            return folder
    return ""


def strings(facts: Facts) -> dict[str, str]:
    """Return the fields that could be read, as they are written there; empty ones too."""
    folder = folder_of(facts)
    found: dict[str, str] = {}
    if folder:
        for field in FIELDS + ROOT_ONLY_FIELDS:
            reading = facts.text(f"{folder}/{field}")
            if isinstance(reading, Found):
                found[field] = reading.value
    return found


def probe_dmi(facts: Facts) -> Iterator[Evidence | Unknown]:
    """Yield one piece of evidence per row whose conditions hold."""
    folder = folder_of(facts)
    if not folder:
        return
    from envinspect.signatures.cloud import CLOUD_ROWS
    from envinspect.signatures.dmi import MAYBE_WHOLE_ROWS, ROWS

    texts = strings(facts)
    fields = {field: text.casefold() for field, text in texts.items()}
    for row in ROWS:
        if not row.holds(fields):
            continue
        piece = _evidence(row, folder, texts, _id_of(row, fields, facts))
        error = _cpu_is_refused(facts) if row in MAYBE_WHOLE_ROWS else ""
        if error:
            told = "whether this is a whole machine of the cloud's or a virtual one"
            yield Unknown(_CPUINFO, error, told, shows=(Kind.VM,))
            yield piece.replace(strength=Strength.HINT)
        elif row not in MAYBE_WHOLE_ROWS or not _cpu_denies_hypervisor(facts):
            yield piece
    for row in CLOUD_ROWS:
        if row.holds(fields):
            yield _evidence(row, folder, texts, row.id)
    yield from _ec2_uuid(folder, texts, fields)
    yield from _vm_bit(facts)


def names_behind(facts: Facts) -> tuple[str, ...]:
    """Return the ids, and what details say, of the rows that hold as far as can be read and ask a denied field too."""
    from envinspect.signatures.cloud import CLOUD_ROWS
    from envinspect.signatures.dmi import ROWS

    folder = folder_of(facts)
    denied = {field for field in FIELDS + ROOT_ONLY_FIELDS if isinstance(facts.text(f"{folder}/{field}"), Denied)}
    fields = {field: text.casefold() for field, text in strings(facts).items()}
    ids: set[str] = set()
    for row in (*ROWS, *CLOUD_ROWS):
        open_ = tuple(condition for condition in row.when if condition[0] in denied)
        if open_ and row.replace(when=tuple(set(row.when) - set(open_))).holds(fields):
            ids |= {row.id, *(value for _, value in row.details)}
    if "product_uuid" in denied and _unnamed(fields):
        ids.add("aws")
    return tuple(sorted(ids))


def _unnamed(fields: dict[str, str]) -> bool:
    """Say whether the maker's name leaves room for EC2."""
    return fields.get("sys_vendor", "") in {"", "xen", "amazon ec2"}


def _evidence(row: DmiRow, folder: str, texts: dict[str, str], evidence_id: str) -> Evidence:
    first = row.when[0][0]
    observed = "; ".join(dict.fromkeys(texts[field][:80] for field, _, _ in row.when))
    return Evidence(
        row.kind,
        evidence_id,
        row.strength,
        f"{folder}/{first}",
        observed,
        row.reference,
        details=row.details,
        origin=Origin.SMBIOS,
    )


def _id_of(row: DmiRow, fields: dict[str, str], facts: Facts) -> str:
    """Tell Virtual PC from Hyper-V, whose maker and product are the same."""
    if row.id == "bochs" and row.strength is Strength.STRONG and _cpu_shows_hypervisor(facts):
        return "qemu"  # Bochs emulates a bare CPU
    if row.id != "hyper-v" or row.when[0][0] != "sys_vendor":
        return row.id
    if fields.get("product_version", "").startswith(_VIRTUAL_PC_VERSIONS):
        return "virtualpc"
    return "virtualpc" if _cpu_denies_hypervisor(facts) else row.id


def _cpu_denies_hypervisor(facts: Facts) -> bool:
    """Say whether an x86 CPU, or the kernel's list of its flags, shows that there is no hypervisor.

    Kernels before 3 need not know the flag.
    """
    features = facts.cpuid(1)
    if isinstance(features, Found):
        return not features.value.ecx >> 31 & 1
    listed, shown = facts.derived(cpuinfo), flags(facts.derived(cpuinfo))
    told = bool(shown) and listed.get("vendor_id") in REAL_CPU_NAMES and not facts.uname.release.startswith("2.")
    return told and "hypervisor" not in shown


def _cpu_is_refused(facts: Facts) -> str:
    """Return how the CPU's word and the kernel's list of its flags were refused, "" where one of them was read."""
    readings = (facts.cpuid(1), facts.text(_CPUINFO))
    if any(isinstance(reading, Found) for reading in readings):
        return ""
    return next((each.error for each in readings if isinstance(each, Denied) and each.refused), "")


def _cpu_shows_hypervisor(facts: Facts) -> bool:
    """Say whether the CPU, or the kernel's list of its flags, shows a hypervisor."""
    features = facts.cpuid(1)
    if isinstance(features, Found):
        return bool(features.value.ecx >> 31 & 1)
    return "hypervisor" in flags(facts.derived(cpuinfo))


def _ec2_uuid(folder: str, texts: dict[str, str], fields: dict[str, str]) -> Iterator[Evidence]:
    """One UUID in two thousand begins so by chance: it counts only where no other maker's name stands beside it."""
    uuid = texts.get("product_uuid", "")
    if not is_ec2_uuid(uuid):
        return
    from envinspect.signatures.dmi import EC2

    serial = fields.get("product_serial", "")
    strength = Strength.STRONG if serial == uuid.casefold() or (_unnamed(fields) and not serial) else Strength.HINT
    yield Evidence(Kind.CLOUD, "aws", strength, f"{folder}/product_uuid", uuid[:8] + "…", EC2, origin=Origin.SMBIOS)


def _vm_bit(facts: Facts) -> Iterator[Evidence]:
    """Firmware of some real machines sets the bit by mistake, and most VMMs do not set it: a hint."""
    reading = facts.bytes(BIOS_STRUCTURE)
    if isinstance(reading, Found) and vm_bit(reading.value):
        yield Evidence(
            Kind.VM,
            "vm",
            Strength.HINT,
            BIOS_STRUCTURE,
            "BIOS characteristics: virtual machine",
            VM_BIT_REFERENCE,
            origin=Origin.SMBIOS,
        )
