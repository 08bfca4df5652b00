"""Where libvirt is asked: as its own programs are led, and never on another machine unasked."""

import pytest

from envbench.backends.libvirt.connection import default_uri, refuse_remote
from envbench.errors import BackendError


def test_the_users_variable_leads_as_it_leads_virsh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu:///embed?root=/x")
    assert default_uri() == "qemu:///embed?root=/x"
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI")
    assert default_uri() in {"qemu:///system", "qemu:///session"}


@pytest.mark.parametrize(
    "uri", ["qemu:///system", "qemu:///session", "qemu+unix:///system?socket=/x", "qemu:///embed?root=/x"]
)
def test_this_machines_connections_are_taken(uri: str) -> None:
    refuse_remote(uri)


@pytest.mark.parametrize("uri", ["qemu+ssh://me@far/system", "qemu+tls://far:16514/system", "qemu://far/system"])
def test_another_machines_connection_is_refused_with_its_name(uri: str) -> None:
    with pytest.raises(BackendError, match="another machine, far") as error:
        refuse_remote(uri)
    assert "--allow-remote" in error.value.remedy
