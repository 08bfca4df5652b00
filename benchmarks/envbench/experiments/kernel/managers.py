"""Which managers of machines and of containers this machine has: installed, or built into an engine."""

import shutil
from collections.abc import Callable

from envbench.experiments.shared.engine_cli import engine_cli
from envbench.records.phases import Experiment
from envbench.run.bench import Bench

VM_MANAGERS = {
    "vagrant": "Vagrant", "openstack": "OpenStack client", "nova-compute": "OpenStack Nova", "virsh": "libvirt (virsh)",
    "virt-manager": "virt-manager", "VBoxManage": "VirtualBox", "vmrun": "VMware", "xl": "Xen (xl)",
    "multipass": "Multipass",
    "qm": "Proxmox VE", "incus": "Incus", "govc": "vSphere (govc)", "limactl": "Lima", "prlctl": "Parallels",
}  # fmt: skip
CONTAINER_MANAGERS = {
    "kubectl": "Kubernetes (kubectl)", "kubelet": "Kubernetes node", "k3s": "K3s", "minikube": "minikube",
    "kind": "kind",
    "nomad": "Nomad", "docker-compose": "Docker Compose", "helm": "Helm", "oc": "OpenShift", "crictl": "CRI tools",
    "nerdctl": "nerdctl", "podman-compose": "Podman Compose",
}  # fmt: skip


def installed(names: dict[str, str], which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """Return the words for those programs that are on the PATH."""
    return [words for program, words in names.items() if which(program)]


def run(bench: Bench) -> None:
    """Write how many of each kind were found, with their names."""
    containers = installed(CONTAINER_MANAGERS)
    with bench.attempt(Experiment.KERNEL, "the engine's own cluster mode"):
        containers += _swarm(bench)
    for kind, found in (("vm", installed(VM_MANAGERS)), ("container", containers)):
        bench.record(f"managers.{kind}", len(found), detail=", ".join(found) or "none of those looked for")


def _swarm(bench: Bench) -> list[str]:
    for prepared in bench.containers():
        cli = engine_cli(prepared)
        if cli is not None and cli.engine.cluster:
            state = cli.run(bench.settings.run_id, "info", "--format", cli.engine.cluster_state).strip()
            return [f"{cli.engine.cluster} (built in, {state})"]
    return []
