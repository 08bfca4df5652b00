"""One file a backend; this table is the registry: name → where its class is.

Nothing is imported until it is asked for.
"""

from importlib import import_module

from envbench.backend import Backend

BACKENDS: dict[str, str] = {
    "process": "envbench.backends.process:ProcessBackend",
    "namespaces": "envbench.backends.namespaces:NamespacesBackend",
    "runc": "envbench.backends.oci:RuncBackend",
    "crun": "envbench.backends.oci:CrunBackend",
    "gvisor": "envbench.backends.oci:GvisorBackend",
    "docker": "envbench.backends.docker:DockerBackend",
    "podman": "envbench.backends.podman:PodmanBackend",
    "containerd": "envbench.backends.containerd.backend:ContainerdBackend",
    "qemu": "envbench.backends.qemu:QemuBackend",
    "libvirt": "envbench.backends.libvirt.backend:LibvirtBackend",
    "wsl": "envbench.backends.wsl:WslBackend",
}
"""From the least around a process to the most; this is the order in which backends are listed everywhere."""


def load(name: str) -> type[Backend]:
    """Return the class of one backend; its SDK is still not imported (that happens in `check`).

    Raises KeyError for a name that is not in `BACKENDS`.
    """
    module, _, attribute = BACKENDS[name].partition(":")
    found: type[Backend] = getattr(import_module(module), attribute)
    return found
