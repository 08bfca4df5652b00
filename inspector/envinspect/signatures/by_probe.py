"""What probes look for without a table of their own, in words: for the listings and for --why-not.

Each row is held against the captured systems: a probe that no longer finds it there makes a test fail.
"""

from __future__ import annotations

from envinspect.model import Record


class Sign(Record):
    """One sign of an id: `source` begins the source of the evidence for it, `sign` says what is looked for there."""

    source: str
    sign: str
    id: str
    reference: str


_SYSTEMD = "https://systemd.io/CONTAINER_INTERFACE/"
_DRVFS = "https://learn.microsoft.com/en-us/windows/wsl/wsl-config#automount-options"
_WSL = "https://learn.microsoft.com/en-us/windows/wsl/filesystems#run-windows-tools-from-linux"
_PODS = "https://kubernetes.io/docs/concepts/architecture/cgroups/"

SIGNS: tuple[Sign, ...] = (
    Sign("/.dockerenv", "the file", "docker", "https://github.com/moby/moby/blob/master/daemon/initlayer/setup_unix.go"),
    Sign("/run/.containerenv", "the file", "podman", "https://docs.podman.io/en/latest/markdown/podman-run.1.html"),
    Sign("/run/.toolboxenv", "the file", "toolbox", "https://github.com/containers/toolbox/blob/main/src/cmd/initContainer.go"),
    Sign("/proc/1/environ", "the variable container=podman of PID 1", "podman", _SYSTEMD),
    Sign("/proc/1/environ", "the variable container=lxc of PID 1", "lxc", _SYSTEMD),
    Sign("/proc/1/environ", "the variable container=systemd-nspawn of PID 1", "systemd-nspawn", _SYSTEMD),
    Sign("/proc/1/environ", "a variable container=… of PID 1", "container", _SYSTEMD),
    Sign("/run/host/container-manager", "systemd-nspawn", "systemd-nspawn", _SYSTEMD),
    Sign("/dev/lxd/sock", "the guest API's socket", "lxd", "https://documentation.ubuntu.com/lxd/en/latest/dev-lxd/"),
    Sign("/dev/incus/sock", "the guest API's socket", "incus", "https://linuxcontainers.org/incus/docs/main/dev-incus/"),
    Sign("environ APPTAINER_CONTAINER", "set", "apptainer", "https://apptainer.org/docs/user/latest/environment_and_metadata.html"),
    Sign("environ CH_RUNNING", "set", "charliecloud", "https://hpc.github.io/charliecloud/ch-run.html#environment-variables"),
    Sign("/proc/self/mountinfo", "files that Kata's agent keeps below /run/kata-containers", "kata",
         "https://github.com/kata-containers/runtime/issues/1071"),
    Sign("/proc/version", "gVisor's own kernel version", "gvisor", "https://github.com/google/gvisor/blob/master/pkg/sentry/syscalls/linux/linux64.go"),
    Sign("/proc/self/status", "a field envID other than 0", "openvz", "https://wiki.openvz.org/Download/kernel"),
    Sign("/proc/vz", "the folder, without /proc/bc", "openvz", "https://wiki.openvz.org/Download/kernel"),
    Sign("/proc/self/status", "a field VxID other than 0", "linux-vserver", "https://en.wikipedia.org/wiki/Linux-VServer"),
    Sign("/proc/self/ns", "namespaces and a root of this process's own", "container",
         "https://man7.org/linux/man-pages/man7/namespaces.7.html"),
    Sign("uname release", "microsoft-standard", "wsl2", "https://github.com/microsoft/WSL2-Linux-Kernel"),
    Sign("uname release", "a name that ends with -Microsoft", "wsl1",
         "https://learn.microsoft.com/en-us/windows/wsl/compare-versions"),
    Sign("/proc/self/mountinfo", "a root of the type wslfs or lxfs", "wsl1",
         "https://learn.microsoft.com/en-us/windows/wsl/compare-versions"),
    Sign("/proc/self/mountinfo", "a Windows drive (drvfs over 9p)", "wsl2", _DRVFS),
    Sign("/proc/sys/fs/binfmt_misc/WSLInterop", "a handler for Windows programs", "wsl2", _WSL),
    Sign("/run/WSL", "sockets to Windows", "wsl2", _WSL),
    Sign("environ WSL_INTEROP", "set", "wsl2", _WSL),
    Sign("/proc/self/cgroup", "a part kubepods… or cri-containerd-…", "kubernetes", _PODS),
    Sign("/proc/self/mountinfo", "files of the kubelet or of containerd's Kubernetes interface", "kubernetes",
         "https://kubernetes.io/docs/reference/node/kubelet-files/"),
    Sign("/var/run/secrets/kubernetes.io", "a service account", "kubernetes",
         "https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/"),
    Sign("/proc/self/cgroup", "a folder ecs", "aws-ecs",
         "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html"),
    Sign("/proc/self/cgroup", "a container called by its task, or a task's UUID below ecs", "aws-fargate",
         "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html"),
    Sign("/proc/self/cgroup", "a folder nomad.slice", "nomad",
         "https://developer.hashicorp.com/nomad/docs/deploy/production/cgroups"),
    Sign("/proc/self/mountinfo", "a secret of Swarm below /run/secrets", "docker-swarm",
         "https://docs.docker.com/engine/swarm/secrets/"),
    Sign("/proc/self/mountinfo", "a mount on /tekton/results, /tekton/steps or /tekton/run", "tekton",
         "https://github.com/tektoncd/pipeline/blob/main/docs/developers/taskruns.md"),
    Sign("/sys/class/dmi/id/product_uuid", "a UUID that begins ec2", "aws",
         "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html"),
    Sign("/sys/hypervisor/uuid", "a UUID that begins ec2", "aws",
         "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html"),
    Sign("/proc/cpuinfo", "the CPU flag hypervisor", "vm", "https://docs.kernel.org/virt/kvm/x86/cpuid.html"),
    Sign("CPUID 0x00000001", "the hypervisor bit (ECX bit 31)", "vm", "https://docs.kernel.org/virt/kvm/x86/cpuid.html"),
    Sign("/proc/xen/capabilities", "control_d", "xen-dom0", "https://wiki.xenproject.org/wiki/Dom0"),
    Sign("/proc/modules", "a kvm module in use", "kvm-host", "https://man7.org/linux/man-pages/man5/proc_modules.5.html"),
    Sign("/run/docker.sock", "Docker's socket", "docker-host", "https://docs.docker.com/engine/storage/drivers/overlayfs-driver/"),
    Sign("/run/podman/podman.sock", "Podman's socket", "podman-host",
         "https://github.com/containers/storage/blob/main/docs/containers-storage.conf.5.md"),
    Sign("/proc/thread-self/exe", "a program called qemu-…", "qemu-user",
         "https://gitlab.com/qemu-project/qemu/-/blob/master/linux-user/syscall.c"),
    Sign("/proc/cpuinfo", "a CPU of another architecture than uname says", "qemu-user",
         "https://www.qemu.org/docs/master/user/main.html"),
    Sign("/proc/thread-self/exe", "a program called rosetta", "rosetta",
         "https://developer.apple.com/documentation/virtualization/running-intel-binaries-in-linux-vms-with-rosetta"),
    Sign("/proc/1/comm", "bwrap", "bubblewrap", "https://github.com/containers/bubblewrap/blob/main/bubblewrap.c"),
    Sign("/proc/1/comm", "firejail", "firejail", "https://github.com/netblue30/firejail/blob/master/src/include/rundefs.h"),
    Sign("/.flatpak-info", "the file", "flatpak", "https://docs.flatpak.org/en/latest/flatpak-command-reference.html#flatpak-metadata"),
    Sign("environ SNAP_NAME", "set", "snap", "https://snapcraft.io/docs/environment-variables"),
    Sign("/proc/self/attr/current", "a security label snap.…", "snap", "https://github.com/canonical/snapd/blob/master/cmd/snap-confine/snap-confine.rst"),
    Sign("/proc/1/root", "another root than this process's", "chroot",
         "https://github.com/systemd/systemd/blob/main/src/basic/virt.c"),
    Sign("/proc/sysinfo", "a level called z/VM", "zvm",
         "https://github.com/torvalds/linux/blob/master/arch/s390/kernel/sysinfo.c"),
)  # fmt: skip
