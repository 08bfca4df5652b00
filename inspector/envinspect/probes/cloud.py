"""Whose cloud: what cloud-init found out at boot, and SmartOS's own socket. SMBIOS is read by the dmi probe."""

from __future__ import annotations

from envinspect.model import Evidence, Found, Kind, Strength
from envinspect.model.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CLOUD_ID = "/run/cloud-init/cloud-id"
VAGRANT = "/etc/vagrant_box_build_time"
VAGRANT_REFERENCE = "https://github.com/chef/bento"
ZONE_SOCKET = "/native/.zonecontrol/metadata.sock"
ZONE_REFERENCE = "https://github.com/canonical/cloud-init/blob/main/cloudinit/sources/DataSourceSmartOS.py"


def probe_cloud(facts: Facts) -> Iterator[Evidence]:
    """Yield the cloud that the system itself names. /run is empty at boot, so the word is not a copied image's."""
    reading = facts.text(CLOUD_ID)
    if isinstance(reading, Found):
        from envinspect.signatures.cloud import CLOUD_IDS

        row = CLOUD_IDS.get(reading.value.lower())
        if row:
            yield Evidence(Kind.CLOUD, row.id, Strength.STRONG, CLOUD_ID, reading.value[:40], row.reference)
    if facts.exists(ZONE_SOCKET):
        yield Evidence(Kind.CLOUD, "smartos", Strength.STRONG, ZONE_SOCKET, "present", ZONE_REFERENCE)
        yield Evidence(Kind.CONTAINER, "illumos-lx", Strength.STRONG, ZONE_SOCKET, "present", ZONE_REFERENCE)
    if facts.exists(VAGRANT):
        # A file of the disk's image: it says how the machine was made, not that it is one.
        details = (("platform", "vagrant"),)
        yield Evidence(Kind.VM, "vm", Strength.HINT, VAGRANT, "present", VAGRANT_REFERENCE, details=details)
