"""Which managers of machines and of containers this machine has: installed, built into an engine, or tried."""

from collections.abc import Callable

from envbench.experiments.kernel import swarm, vagrant
from envbench.experiments.shared.engine_cli import engine_cli
from envbench.records.phases import Experiment
from envbench.run.bench import Bench
from envbench.surroundings.programs import find_program

VM_MANAGERS = {
    "vagrant": "Vagrant", "openstack": "OpenStack client", "nova-compute": "OpenStack Nova", "virsh": "libvirt (virsh)",
    "virt-manager": "virt-manager", "VBoxManage": "VirtualBox", "vmrun": "VMware", "xl": "Xen (xl)",
    "multipass": "Multipass",
    "qm": "Proxmox VE", "incus": "Incus", "govc": "vSphere (govc)", "limactl": "Lima", "prlctl": "Parallels",
}  # fmt: skip
"""What makes machines from a description, and the tools of hypervisors: the claim names both."""
CONTAINER_MANAGERS = {
    "kubectl": "Kubernetes (kubectl)", "kubelet": "Kubernetes node", "k3s": "K3s", "minikube": "minikube",
    "kind": "kind", "nomad": "Nomad", "oc": "OpenShift",
}  # fmt: skip
"""What keeps a declared number of containers running on the hosts of a cluster, and its clients.

Engines' clients (nerdctl), launchers on one host (docker-compose, podman-compose), a debugger of the runtime interface
(crictl) and a packager (helm) keep nothing running.
"""


def installed(names: dict[str, str], which: Callable[[str], object] = find_program) -> list[str]:
    """Return the words for those programs that are on the PATH."""
    return [words for program, words in names.items() if which(program)]


def run(bench: Bench) -> None:
    """Try one manager of each kind; write how many of each kind there are, with their names."""
    containers = installed(CONTAINER_MANAGERS)
    machines = installed(VM_MANAGERS)
    with bench.attempt(Experiment.KERNEL, "a machine by Vagrant"):
        if not bench.quick:
            tried = f"{vagrant.run(bench)} (tried)"
            machines = [tried if name == VM_MANAGERS["vagrant"] else name for name in machines]
    if not find_program("virsh") and any(one.configuration.backend == "libvirt" for one in bench.vms()):
        machines.append("libvirt")
    built_in: list[str] = []
    with bench.attempt(Experiment.KERNEL, "a service in an engine of the run's own"):
        built_in = [] if bench.quick else [f"{swarm.run(bench)} (tried)"]
    with bench.attempt(Experiment.KERNEL, "the engine's own cluster mode"):
        built_in = built_in or _swarm(bench)
    for kind, found in (("vm", machines), ("container", containers + built_in)):
        bench.record(f"managers.{kind}", len(found), detail=", ".join(found) or "none of those looked for")


def _swarm(bench: Bench) -> list[str]:
    for prepared in bench.containers():
        cli = engine_cli(prepared)
        if cli is not None and cli.engine.cluster:
            state = cli.run(bench.settings.run_id, "info", "--format", cli.engine.cluster_state).strip()
            return [f"{cli.engine.cluster} (built in, {state})"]
    return []
