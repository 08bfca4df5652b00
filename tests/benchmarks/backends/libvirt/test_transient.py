"""A network of the run's own: which addresses are free, and what libvirt is asked to make."""

from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from envbench.backends.libvirt import removal, transient
from envbench.backends.libvirt.backend import LibvirtBackend
from envbench.backends.libvirt.removal import end_domain
from envbench.backends.libvirt.transient import SUBNETS, addresses_of, free_subnet, network_xml, pool_xml, routed
from envbench.errors import BackendError
from envbench.traces.journal import Entry, Kind

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100A8C0	0003	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth0	0000DF0A	00000000	0001	0	0	0	0000FFFF	0	0	0
"""


def test_routes_are_read_the_default_route_apart() -> None:
    assert list(routed(ROUTES)) == [ip_network("172.17.0.0/16"), ip_network("10.223.0.0/16")]


def test_a_subnet_that_a_route_or_another_network_has_is_not_taken() -> None:
    taken = [*routed(ROUTES), ip_network("192.168.0.0/17")]
    found = free_subnet([*taken, *SUBNETS[-55:-1]])
    assert found == SUBNETS[-1] == ip_network("192.168.254.0/24")
    with pytest.raises(BackendError, match="in use"):
        free_subnet([ip_network("0.0.0.0/0")])


def test_the_addresses_of_a_network_are_found_again_and_it_leads_nowhere() -> None:
    subnet = ip_network("10.223.201.0/24")
    made = network_xml("envbench-r", subnet)
    assert list(addresses_of(made)) == [subnet]
    assert "forward" not in made
    assert 'start="10.223.201.2" end="10.223.201.254"' in made
    others = '<ip family="ipv6" address="fd00::1" prefix="64"/><ip address="10.0.0.1" prefix="8"/>'
    assert list(addresses_of(f"<network>{others}</network>")) == [ip_network("10.0.0.0/8")]


def test_a_pool_is_the_folder_whatever_its_name() -> None:
    assert "<path>/tmp/a &amp; b</path>" in pool_xml("envbench-r", Path("/tmp/a & b"))


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.POOL])
def test_a_dead_runs_network_or_pool_is_removed_by_its_kind(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        "envbench.backends.libvirt.backend.remove_transient", lambda *words: asked.append(words) or True
    )
    assert LibvirtBackend.reap(Entry(1, kind, "envbench-r-vagrant", "libvirt", {"uri": "qemu:///system"}), "r")
    assert asked == [(kind, "qemu:///system", "envbench-r-vagrant")]


class LibvirtError(Exception):
    def __init__(self, code: int) -> None:
        self.code = code

    def get_error_code(self) -> int:
        return self.code


LIBVIRT = SimpleNamespace(
    libvirtError=LibvirtError,
    VIR_DOMAIN_METADATA_ELEMENT=2,
    VIR_DOMAIN_METADATA_DESCRIPTION=0,
    VIR_DOMAIN_UNDEFINE_NVRAM=4,
    VIR_ERR_NO_DOMAIN=42,
    VIR_ERR_NO_DOMAIN_METADATA=80,
    VIR_ERR_OPERATION_INVALID=55,
    VIR_ERR_NO_NETWORK=43,
    VIR_ERR_NO_STORAGE_POOL=49,
)


class Domain:
    """A domain that a manager has defined: it stays when it is destroyed, unless it is undefined as well."""

    def __init__(self, description: str) -> None:
        self.description, self.calls = description, []

    def lookupByName(self, _name: str) -> "Domain":  # noqa: N802 -- libvirt's
        if self.calls[-1:] == ["destroy"]:
            raise LibvirtError(LIBVIRT.VIR_ERR_NO_DOMAIN)
        return self

    def metadata(self, kind: int, _place: str | None) -> str:
        if kind == LIBVIRT.VIR_DOMAIN_METADATA_ELEMENT or not self.description:
            raise LibvirtError(LIBVIRT.VIR_ERR_NO_DOMAIN_METADATA)
        return self.description

    def isPersistent(self) -> bool:  # noqa: N802 -- libvirt's
        return True

    def undefineFlags(self, _flags: int) -> None:  # noqa: N802 -- libvirt's
        self.calls.append("undefine")

    def destroy(self) -> None:
        self.calls.append("destroy")


def test_a_domain_that_a_manager_defined_for_the_run_is_undefined_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "load_libvirt", lambda: LIBVIRT)
    domain = Domain("run-a")
    assert end_domain(domain, "envbench-run-a-vagrant-default", "run-a")
    assert domain.calls == ["undefine", "destroy"]


@pytest.mark.parametrize("description", ["", "run-b"])
def test_a_domain_that_says_nothing_of_the_run_is_left_alone(monkeypatch: pytest.MonkeyPatch, description: str) -> None:
    monkeypatch.setattr(removal, "load_libvirt", lambda: LIBVIRT)
    domain = Domain(description)
    with pytest.raises(BackendError, match="does not carry the run's id run-a; left alone"):
        end_domain(domain, "envbench-run-a-vagrant-default", "run-a")
    assert domain.calls == []


def test_what_was_there_no_more_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_name: str) -> None:
        raise LibvirtError(LIBVIRT.VIR_ERR_NO_NETWORK)

    class Connected:
        networkLookupByName = staticmethod(absent)  # noqa: N815 -- libvirt's
        storagePoolLookupByName = networkLookupByName  # noqa: N815 -- libvirt's

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_what: object) -> None: ...

    monkeypatch.setattr(transient, "load_libvirt", lambda: LIBVIRT)
    monkeypatch.setattr(transient, "connected", lambda _uri: Connected())
    assert not transient.remove_transient(Kind.NETWORK, "qemu:///system", "n")
    with pytest.raises(LibvirtError):
        transient.remove_transient(Kind.POOL, "qemu:///system", "n")
