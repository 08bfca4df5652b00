"""A network and a storage pool of the run's own in libvirt's daemon, for a manager that makes machines there.

Both are transient: they stand in none of libvirt's configuration, and carry the run's id in their name.
"""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from envbench.backends.libvirt.connection import connected, load_libvirt
from envbench.errors import BackendError
from envbench.traces.journal import Journal, Kind

REMEDY = "apt install dnsmasq-base; libvirt also needs to be allowed to make a bridge"
ROUTES = Path("/proc/net/route")
SUBNETS = tuple(IPv4Network(f"{start}.{number}.0/24") for start in ("10.223", "192.168") for number in range(200, 255))
"""Private addresses (RFC 1918) that few others use."""


def free_subnet(taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return one of our subnets that overlaps with none of these. Raises BackendError where there is none."""
    used = tuple(taken)
    free = [one for one in SUBNETS if not any(one.overlaps(other) for other in used)]
    if not free:
        raise BackendError("every subnet that a network of the run's own could have is in use", remedy="ip route")
    return random.choice(free)  # noqa: S311 -- so that two runs at the same time seldom want the same


def routed(table: str) -> Iterator[IPv4Network]:
    """Yield where a kernel's table of routes leads to (proc(5), /proc/net/route), the default route apart."""
    for line in table.splitlines()[1:]:
        words = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(words[column]), "little") for column in (1, 7))
        if mask:
            yield IPv4Network((address, mask.bit_count()), strict=False)


def addresses_of(network_xml: str) -> Iterator[IPv4Network]:
    """Yield the subnets of a libvirt network (libvirt, formatnetwork)."""
    for each in ET.fromstring(network_xml).iter("ip"):  # noqa: S314 -- the engine's own words
        if each.get("family", "ipv4") == "ipv4" and each.get("address"):
            yield IPv4Network(
                (each.get("address", ""), each.get("netmask") or each.get("prefix") or "32"), strict=False
            )


def network_xml(name: str, subnet: IPv4Network) -> str:
    """Return a network between its machines and this one: nothing is forwarded. It tells machines their addresses."""
    gateway, *hosts = map(str, subnet.hosts())
    network = ET.Element("network")
    ET.SubElement(network, "name").text = name
    place = ET.SubElement(network, "ip", address=gateway, netmask=str(subnet.netmask))
    ET.SubElement(ET.SubElement(place, "dhcp"), "range", start=hosts[0], end=hosts[-1])
    return ET.tostring(network, encoding="unicode")


def pool_xml(name: str, folder: Path) -> str:
    """Return a storage pool that is this folder (libvirt, formatstorage)."""
    pool = ET.Element("pool", type="dir")
    ET.SubElement(pool, "name").text = name
    ET.SubElement(ET.SubElement(pool, "target"), "path").text = str(folder)
    return ET.tostring(pool, encoding="unicode")


@contextmanager
def own_network(journal: Journal, uri: str, name: str) -> Iterator[IPv4Network]:
    """Have a network of this name for the length of the block, and give its subnet. Raises BackendError."""
    with _journalled(journal, Kind.NETWORK, name, uri):
        with connected(uri) as connection:
            taken = [*routed(ROUTES.read_text("ascii"))]
            for each in connection.listAllNetworks():
                taken += addresses_of(each.XMLDesc())
            subnet = free_subnet(taken)
            try:
                connection.networkCreateXML(network_xml(name, subnet))
            except load_libvirt().libvirtError as error:
                raise BackendError(f"a network of the run's own: {error}", remedy=REMEDY) from error
        yield subnet


@contextmanager
def own_pool(journal: Journal, uri: str, name: str, folder: Path) -> Iterator[None]:
    """Have a storage pool of this name in this folder for the length of the block. Raises BackendError."""
    with _journalled(journal, Kind.POOL, name, uri):
        with connected(uri) as connection:
            connection.storagePoolCreateXML(pool_xml(name, folder))
        yield


@contextmanager
def _journalled(journal: Journal, kind: Kind, name: str, uri: str) -> Iterator[None]:
    """Journal what the block makes, and remove it at the block's end, whether it fails or not."""
    number = journal.intend(kind, name, "libvirt", uri=uri)
    try:
        yield
    finally:
        remove_transient(kind, uri, name)
        journal.forget(number)


def remove_transient(kind: Kind, uri: str, name: str) -> bool:
    """End a network or a storage pool; return whether it was there. What lies in the pool's folder stays.

    Raises BackendError where the daemon cannot be asked.
    """
    libvirt = load_libvirt()
    absent = {Kind.NETWORK: libvirt.VIR_ERR_NO_NETWORK, Kind.POOL: libvirt.VIR_ERR_NO_STORAGE_POOL}[kind]
    with connected(uri) as connection:
        looked_up = connection.networkLookupByName if kind is Kind.NETWORK else connection.storagePoolLookupByName
        try:
            looked_up(name).destroy()
        except libvirt.libvirtError as error:
            if error.get_error_code() != absent:
                raise
            return False
    return True


def names_of(connection: Any) -> Iterator[str]:
    """Yield the networks and storage pools of a daemon, in words."""
    yield from (f"network {each.name()}" for each in connection.listAllNetworks())
    yield from (f"storage pool {each.name()}" for each in connection.listAllStoragePools())
