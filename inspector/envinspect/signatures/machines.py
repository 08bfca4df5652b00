"""Hypervisors, machine roles and clouds: one row per id, with the reference that defines or documents it.

Type 1 runs on the bare machine, type 2 inside a host operating system: Popek and Goldberg
(https://doi.org/10.1145/361011.361073), Goldberg's thesis
(https://apps.dtic.mil/sti/citations/AD0772809). Where the type is debated the note says so.
"""

from __future__ import annotations

from envinspect.model import Kind
from envinspect.signatures import Entry

VM, ROLE, CLOUD = Kind.VM, Kind.ROLE, Kind.CLOUD

_KVM_NOTE = (
    "Debated: KVM turns the Linux kernel itself into the hypervisor (type 1), "
    "yet that kernel is also a general host operating system (type 2)."
)
_VMM_NOTE = "A user-space VMM on a host kernel (type 2); " + _KVM_NOTE[0].lower() + _KVM_NOTE[1:]

HYPERVISORS: tuple[Entry, ...] = (
    Entry(
        VM,
        "vm",
        "virtual machine",
        None,
        "https://www.dmtf.org/standards/smbios",
        "vm-other",
        "virt",
        note="Which hypervisor could not be told.",
    ),
    Entry(VM, "kvm", "KVM", 1, "https://docs.kernel.org/virt/kvm/x86/cpuid.html", "kvm", "kvm", "vm", _KVM_NOTE),
    Entry(
        VM,
        "qemu",
        "QEMU",
        2,
        "https://www.qemu.org/docs/master/system/introduction.html",
        "qemu",
        "qemu",
        "kvm",
        "An emulator (TCG: type 2) and a VMM for KVM, Xen and other accelerators; with KVM it is debated: see kvm.",
    ),
    Entry(
        VM,
        "firecracker",
        "Firecracker",
        2,
        "https://github.com/firecracker-microvm/firecracker/blob/main/docs/design.md",
        "kvm",
        "kvm",
        "kvm",
        _VMM_NOTE,
    ),
    Entry(
        VM,
        "cloud-hypervisor",
        "Cloud Hypervisor",
        2,
        "https://www.cloudhypervisor.org/docs/prologue/introduction/",
        "kvm",
        "kvm",
        "kvm",
        _VMM_NOTE,
    ),
    Entry(VM, "crosvm", "crosvm", 2, "https://crosvm.dev/book/", "kvm", "kvm", "kvm", _VMM_NOTE),
    Entry(
        VM,
        "kvmtool",
        "kvmtool (lkvm)",
        2,
        "https://git.kernel.org/pub/scm/linux/kernel/git/will/kvmtool.git/about/",
        "kvm",
        "lkvm",
        "kvm",
        _VMM_NOTE,
    ),
    Entry(VM, "xen", "Xen", 1, "https://xenbits.xen.org/docs/unstable/misc/pvh.html", "xen", "xen", "vm"),
    Entry(
        VM,
        "hyper-v",
        "Hyper-V",
        1,
        "https://learn.microsoft.com/en-us/virtualization/hyper-v-on-windows/tlfs/tlfs",
        "microsoft",
        "hyperv",
        "vm",
    ),
    Entry(
        VM,
        "virtualpc",
        "Microsoft Virtual PC",
        2,
        "https://learn.microsoft.com/en-us/lifecycle/products/virtual-pc-2007",
        "microsoft",
        "virtualpc",
        "vm",
    ),
    Entry(
        VM,
        "vmware",
        "VMware",
        None,
        "https://knowledge.broadcom.com/external/article/340368",
        "vmware",
        "vmware",
        "vm",
        "ESXi is type 1; Workstation and Fusion are type 2: details.product tells where it shows.",
    ),
    Entry(
        VM,
        "virtualbox",
        "VirtualBox",
        2,
        "https://www.virtualbox.org/manual/topics/Introduction.html",
        "oracle",
        "virtualbox",
        "vm",
    ),
    Entry(
        VM, "parallels", "Parallels", 2, "https://www.parallels.com/products/desktop/", "parallels", "parallels", "vm"
    ),
    Entry(
        VM,
        "apple-vz",
        "Apple Virtualization",
        2,
        "https://developer.apple.com/documentation/virtualization",
        "apple",
        "",
        "vm",
    ),
    Entry(
        VM,
        "utm",
        "UTM",
        2,
        "https://docs.getutm.app/",
        "qemu",
        "qemu",
        "qemu",
        "A front end of QEMU and of Apple's Virtualization framework.",
    ),
    Entry(
        VM, "bhyve", "bhyve", 2, "https://docs.freebsd.org/en/books/handbook/virtualization/", "bhyve", "bhyve", "vm"
    ),
    Entry(VM, "openbsd-vmm", "OpenBSD vmm", 2, "https://man.openbsd.org/vmm.4", "vm-other", "vmm", "vm"),
    Entry(VM, "nvmm", "NetBSD NVMM", 2, "https://man.netbsd.org/nvmm.4", "vm-other", "", "vm"),
    Entry(VM, "haxm", "Intel HAXM", 2, "https://github.com/intel/haxm", "vm-other", "", "vm"),
    Entry(VM, "acrn", "ACRN", 1, "https://projectacrn.github.io/latest/", "acrn", "", "vm"),
    Entry(
        VM,
        "qnx",
        "QNX Hypervisor",
        1,
        "https://www.qnx.com/developers/docs/8.0/com.qnx.doc.hypervisor/topic/about.html",
        "qnx",
        "",
        "vm",
    ),
    Entry(VM, "jailhouse", "Jailhouse", 1, "https://github.com/siemens/jailhouse", "vm-other", "", "vm"),
    Entry(
        VM,
        "unisys-spar",
        "Unisys s-Par",
        1,
        "https://docs.kernel.org/5.10/admin-guide/kernel-parameters.html",
        "vm-other",
        "",
        "vm",
    ),
    Entry(
        VM,
        "sre",
        "Lockheed Martin Hypervisor for SRE",
        1,
        "https://github.com/systemd/systemd/blob/main/src/basic/virt.c",
        "sre",
        "",
        "vm",
    ),
    Entry(VM, "bochs", "Bochs", 2, "https://bochs.sourceforge.io/", "bochs", "qemu", "vm"),
    Entry(
        VM,
        "uml",
        "User-mode Linux",
        2,
        "https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html",
        "uml",
        "uml",
        "vm",
    ),
    Entry(VM, "zvm", "IBM z/VM", 1, "https://www.ibm.com/docs/en/zvm", "zvm", "ibm_systemz-zvm", "vm"),
    Entry(
        VM,
        "lpar",
        "IBM Z logical partition (PR/SM)",
        1,
        "https://www.ibm.com/docs/en/zos-basic-skills?topic=design-logical-partitions",
        "",
        "ibm_systemz-lpar",
        "vm",
    ),
    Entry(
        VM,
        "powervm",
        "IBM PowerVM",
        1,
        "https://www.ibm.com/docs/en/power10?topic=powervm",
        "powervm",
        "ibm_power-lpar_shared",
        "vm",
    ),
    Entry(
        VM,
        "ldoms",
        "Oracle VM Server for SPARC (LDoms)",
        1,
        "https://docs.oracle.com/cd/E93612_01/index.html",
        "",
        "ldoms",
        "vm",
    ),
    Entry(VM, "lguest", "lguest", 2, "https://lwn.net/Articles/218766/", "vm-other", "", "vm"),
)

ROLES: tuple[Entry, ...] = (
    Entry(
        ROLE, "xen-dom0", "Xen control domain (dom0)", None, "https://wiki.xenproject.org/wiki/Dom0", "none", "xen-dom0"
    ),
    Entry(
        ROLE,
        "hyper-v-root",
        "Hyper-V root partition",
        None,
        "https://learn.microsoft.com/en-us/virtualization/hyper-v-on-windows/tlfs/partition-properties",
    ),
    Entry(ROLE, "kvm-host", "KVM host with running guests", None, "https://docs.kernel.org/virt/kvm/api.html"),
)

_DS = "https://github.com/canonical/cloud-init/blob/main/tools/ds-identify"

CLOUDS: tuple[Entry, ...] = (
    Entry(
        CLOUD,
        "aws",
        "Amazon Web Services",
        None,
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html",
        "amazon",
        "aws",
    ),
    Entry(CLOUD, "azure", "Microsoft Azure", None, _DS),
    Entry(
        CLOUD,
        "gcp",
        "Google Cloud",
        None,
        "https://cloud.google.com/compute/docs/instances/detect-compute-engine",
        "google",
        "google_cloud",
    ),
    Entry(CLOUD, "alibaba", "Alibaba Cloud", None, _DS, "", "alibaba_cloud"),
    Entry(CLOUD, "oracle", "Oracle Cloud", None, _DS),
    Entry(CLOUD, "openstack", "OpenStack", None, _DS),
    Entry(CLOUD, "digitalocean", "DigitalOcean", None, _DS),
    Entry(CLOUD, "hetzner", "Hetzner Cloud", None, _DS),
    Entry(CLOUD, "vultr", "Vultr", None, _DS),
    Entry(CLOUD, "upcloud", "UpCloud", None, _DS),
    Entry(CLOUD, "scaleway", "Scaleway", None, _DS),
    Entry(CLOUD, "exoscale", "Exoscale", None, _DS),
    Entry(CLOUD, "cloudstack", "Apache CloudStack", None, _DS),
    Entry(CLOUD, "akamai", "Akamai (Linode)", None, _DS),
    Entry(CLOUD, "ibm", "IBM Cloud", None, _DS),
    Entry(CLOUD, "ovh", "OVHcloud", None, "https://www.ovhcloud.com/"),
    Entry(
        CLOUD, "rackspace", "Rackspace", None, "https://github.com/chef/ohai/blob/main/lib/ohai/plugins/rackspace.rb"
    ),
    Entry(CLOUD, "huawei", "Huawei Cloud", None, _DS, refines="openstack"),
    Entry(CLOUD, "tencent", "Tencent Cloud", None, "https://www.tencentcloud.com/document/product/213"),
    Entry(CLOUD, "outscale", "3DS Outscale", None, _DS),
    Entry(CLOUD, "equinix", "Equinix Metal (Packet)", None, "https://deploy.equinix.com/developers/docs/metal/"),
    Entry(CLOUD, "smartos", "SmartOS / Triton", None, _DS),
    Entry(CLOUD, "brightbox", "Brightbox", None, _DS),
    Entry(CLOUD, "e24cloud", "e24cloud", None, _DS),
    Entry(CLOUD, "zstack", "ZStack", None, _DS),
    Entry(CLOUD, "tilaa", "Tilaa", None, _DS),
    Entry(CLOUD, "nwcs", "NWCS", None, _DS),
    Entry(CLOUD, "cloudcix", "CloudCIX", None, _DS),
    Entry(CLOUD, "cloudsigma", "CloudSigma", None, _DS),
)

MACHINES: tuple[Entry, ...] = (*HYPERVISORS, *ROLES, *CLOUDS)
