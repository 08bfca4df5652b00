"""Whose cloud a machine is in, by SMBIOS strings: virtual machines and whole rented machines alike.

The rules are those by which cloud-init's ds-identify chooses, checked against each provider's own pages where there is
one.
Exact where that tool is exact: "e24cloudyday" is no e24cloud, "Not 3DS Outscale VM" no Outscale.
"""

from __future__ import annotations

from envinspect.model import Kind, Record, Strength
from envinspect.signatures.dmi import AZURE_TAG, DS_IDENTIFY, EC2, ENDS, HAS, IS, STARTS, DmiRow

CLOUD = Kind.CLOUD
GCE = "https://cloud.google.com/compute/docs/instances/detect-compute-engine"
OHAI = "https://github.com/chef/ohai/tree/main/lib/ohai/plugins"
CLOUDDETECT = "https://github.com/mondoohq/cnquery/tree/main/providers/os/id/clouddetect"
VIRT_WHAT = "https://people.redhat.com/~rjones/virt-what/"

CLOUD_ROWS: tuple[DmiRow, ...] = (
    DmiRow(CLOUD, "aws", (("sys_vendor", IS, "Amazon EC2"),), EC2),
    DmiRow(CLOUD, "aws", (("bios_vendor", IS, "Amazon EC2"),), EC2),
    DmiRow(CLOUD, "aws", (("board_vendor", IS, "Amazon EC2"),), EC2),
    DmiRow(CLOUD, "aws", (("chassis_asset_tag", IS, "Amazon EC2"),), EC2),
    DmiRow(CLOUD, "aws", (("product_version", ENDS, ".amazon"),), VIRT_WHAT),
    DmiRow(CLOUD, "aws", (("bios_version", ENDS, ".amazon"),), VIRT_WHAT),
    DmiRow(CLOUD, "azure", (("chassis_asset_tag", IS, AZURE_TAG),), DS_IDENTIFY),
    DmiRow(CLOUD, "gcp", (("product_name", IS, "Google Compute Engine"),), GCE),
    DmiRow(CLOUD, "gcp", (("product_serial", STARTS, "GoogleCloud-"),), DS_IDENTIFY),
    # Chromebooks are sold by Google too: only together with the product is it more than a hint.
    DmiRow(CLOUD, "gcp", (("bios_vendor", IS, "Google"),), GCE, Strength.HINT),
    DmiRow(CLOUD, "alibaba", (("product_name", IS, "Alibaba Cloud ECS"),), DS_IDENTIFY),
    DmiRow(CLOUD, "alibaba", (("sys_vendor", STARTS, "Alibaba Cloud"),), VIRT_WHAT),
    DmiRow(CLOUD, "oracle", (("chassis_asset_tag", IS, "OracleCloud.com"),), DS_IDENTIFY),
    DmiRow(CLOUD, "openstack", (("product_name", IS, "OpenStack Nova"),), DS_IDENTIFY),
    DmiRow(CLOUD, "openstack", (("product_name", IS, "OpenStack Compute"),), DS_IDENTIFY),
    DmiRow(CLOUD, "openstack", (("sys_vendor", STARTS, "OpenStack Foundation"),), DS_IDENTIFY),
    DmiRow(CLOUD, "openstack", (("chassis_asset_tag", IS, "OpenStack Nova"),), DS_IDENTIFY),
    DmiRow(CLOUD, "openstack", (("chassis_asset_tag", IS, "OpenStack Compute"),), DS_IDENTIFY),
    DmiRow(CLOUD, "openstack", (("chassis_asset_tag", IS, "OpenTelekomCloud"),), DS_IDENTIFY),
    DmiRow(CLOUD, "openstack", (("chassis_asset_tag", IS, "SAP CCloud VM"),), DS_IDENTIFY),
    DmiRow(CLOUD, "openstack", (("chassis_asset_tag", IS, "Samsung Cloud Platform"),), DS_IDENTIFY),
    DmiRow(CLOUD, "huawei", (("chassis_asset_tag", IS, "HUAWEICLOUD"),), DS_IDENTIFY),
    DmiRow(CLOUD, "digitalocean", (("sys_vendor", IS, "DigitalOcean"),), DS_IDENTIFY),
    DmiRow(CLOUD, "hetzner", (("sys_vendor", IS, "Hetzner"),), DS_IDENTIFY),
    DmiRow(CLOUD, "vultr", (("sys_vendor", IS, "Vultr"),), DS_IDENTIFY),
    DmiRow(CLOUD, "upcloud", (("sys_vendor", IS, "UpCloud"),), DS_IDENTIFY),
    DmiRow(CLOUD, "scaleway", (("sys_vendor", IS, "Scaleway"),), DS_IDENTIFY),
    DmiRow(CLOUD, "exoscale", (("product_name", STARTS, "Exoscale"),), DS_IDENTIFY),
    DmiRow(CLOUD, "exoscale", (("sys_vendor", IS, "Exoscale"),), DS_IDENTIFY),
    DmiRow(CLOUD, "cloudstack", (("product_name", STARTS, "CloudStack"),), DS_IDENTIFY),
    DmiRow(CLOUD, "akamai", (("sys_vendor", IS, "Linode"),), DS_IDENTIFY),
    DmiRow(CLOUD, "akamai", (("sys_vendor", IS, "Akamai"),), DS_IDENTIFY),
    DmiRow(CLOUD, "ibm", (("chassis_vendor", STARTS, "IBM:Cloud Compute Server"),), CLOUDDETECT),
    DmiRow(CLOUD, "ibm", (("chassis_asset_tag", STARTS, "IBM SoftLayer"),), OHAI),
    DmiRow(CLOUD, "ibm", (("board_asset_tag", STARTS, "IBM SoftLayer"),), OHAI),
    DmiRow(CLOUD, "ovh", (("sys_vendor", IS, "OVHcloud"),), "https://www.ovhcloud.com/"),
    DmiRow(
        CLOUD,
        "tencent",
        (("sys_vendor", STARTS, "Tencent Cloud"),),
        "https://www.tencentcloud.com/document/product/213",
    ),
    DmiRow(
        CLOUD, "outscale", (("sys_vendor", IS, "3DS Outscale"), ("product_name", IS, "3DS Outscale VM")), DS_IDENTIFY
    ),
    DmiRow(
        CLOUD,
        "equinix",
        (("chassis_asset_tag", STARTS, "Equinix Metal"),),
        "https://deploy.equinix.com/developers/docs/metal/",
    ),
    DmiRow(CLOUD, "smartos", (("product_name", STARTS, "SmartDC"),), DS_IDENTIFY),
    DmiRow(CLOUD, "brightbox", (("product_serial", ENDS, ".brightbox.com"),), DS_IDENTIFY),
    DmiRow(CLOUD, "e24cloud", (("sys_vendor", IS, "e24cloud"),), DS_IDENTIFY),
    DmiRow(CLOUD, "zstack", (("chassis_asset_tag", ENDS, ".zstack.io"),), DS_IDENTIFY),
    DmiRow(CLOUD, "tilaa", (("sys_vendor", IS, "Tilaa"),), DS_IDENTIFY),
    DmiRow(CLOUD, "nwcs", (("sys_vendor", IS, "NWCS"),), DS_IDENTIFY),
    DmiRow(CLOUD, "cloudcix", (("product_name", IS, "CloudCIX"),), DS_IDENTIFY),
    DmiRow(CLOUD, "cloudsigma", (("product_name", HAS, "CloudSigma"),), DS_IDENTIFY),
)

CLOUD_INIT = "https://docs.cloud-init.io/en/latest/explanation/instancedata.html"


class CloudIdRow(Record):
    """What cloud-init's own word for the cloud speaks for."""

    id: str
    reference: str


CLOUD_IDS: dict[str, CloudIdRow] = {
    word: CloudIdRow(cloud_id, CLOUD_INIT)
    for word, cloud_id in (
        ("aws", "aws"),
        ("aws-china", "aws"),
        ("aws-gov", "aws"),
        ("azure", "azure"),
        ("azure-china", "azure"),
        ("gce", "gcp"),
        ("aliyun", "alibaba"),
        ("oracle", "oracle"),
        ("openstack", "openstack"),
        ("digitalocean", "digitalocean"),
        ("hetzner", "hetzner"),
        ("vultr", "vultr"),
        ("upcloud", "upcloud"),
        ("scaleway", "scaleway"),
        ("exoscale", "exoscale"),
        ("cloudstack", "cloudstack"),
        ("akamai", "akamai"),
        ("ibmcloud", "ibm"),
        ("outscale", "outscale"),
        ("smartos", "smartos"),
        ("brightbox", "brightbox"),
        ("e24cloud", "e24cloud"),
        ("zstack", "zstack"),
        ("tilaa", "tilaa"),
        ("nwcs", "nwcs"),
        ("cloudcix", "cloudcix"),
        ("cloudsigma", "cloudsigma"),
    )
}
"""The words in /run/cloud-init/cloud-id but those that name no provider (`nocloud`, `configdrive`, `lxd`, `none`)."""
