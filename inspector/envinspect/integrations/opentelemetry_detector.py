"""A resource detector of OpenTelemetry: where this process runs, as attributes of what it sends.

Switched on by OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=envinspect, or given to `get_aggregated_resources`. Attributes that
the semantic conventions name have their names and values (https://opentelemetry.io/docs/specs/semconv/resource/);
what has no name there stands under `envinspect.`. What is not known is left out.
"""

from __future__ import annotations

from opentelemetry.sdk.resources import Resource, ResourceDetector

from envinspect.answer import summarise
from envinspect.inspection import inspect
from envinspect.model import Kind, Stack
from envinspect.sources.identity import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envinspect.model.facts import Facts

    Value = str | bool | list[str]

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv6l": "arm32",
    "armv7l": "arm32",
    "i386": "x86",
    "i686": "x86",
    "ppc64le": "ppc64",
}
"""The well-known values of host.arch, by uname's word; the others are the same in both."""
_PROVIDERS = {
    "alibaba": "alibaba_cloud",
    "hetzner": "hetzner",
    "ibm": "ibm_cloud",
    "oracle": "oracle_cloud",
    "tencent": "tencent_cloud",
    "akamai": "akamai_cloud",
    "scaleway": "scaleway_cloud",
}
"""The well-known values of cloud.provider, by our id; the others are the same in both."""
_MACHINES = {
    "alibaba": "alibaba_cloud_ecs",
    "aws": "aws_ec2",
    "azure": "azure.vm",
    "gcp": "gcp_compute_engine",
    "hetzner": "hetzner.cloud_server",
    "akamai": "akamai_cloud.compute",
    "oracle": "oracle_cloud_compute",
}
"""The values of cloud.platform for a virtual machine that nothing manages, by our cloud's id."""


class EnvironmentDetector(ResourceDetector):
    """Detects where this process runs. Raises nothing for what it finds."""

    def detect(self) -> Resource:
        """Return the attributes of this process's place."""
        found = inspect()
        return Resource(attributes_of(found.stack, found.facts))


def attributes_of(stack: Stack, facts: Facts) -> Mapping[str, Value]:
    """Return the attributes of a place, without those that are not known there."""
    names = identity(facts, stack)
    engines = [layer.id for layer in stack.layers if layer.kind is Kind.CONTAINER and layer.id != "container"]
    machine = facts.uname.machine
    known = {
        "container.id": names.container_id,
        "container.runtime.name": engines[-1] if engines else None,
        "k8s.pod.uid": names.pod_uid,
        "host.arch": _ARCHITECTURES.get(machine, machine) or None,
        "cloud.provider": _PROVIDERS.get(stack.cloud.id, stack.cloud.id) if stack.cloud else None,
        "cloud.platform": _platform(stack),
    }
    return {
        **{name: value for name, value in known.items() if value is not None},
        "envinspect.summary": summarise(stack),
        "envinspect.determined": stack.determined,
        "envinspect.bare_metal": stack.bare_metal,
        "envinspect.layers": [layer.id for layer in stack.layers],
    }


def _platform(stack: Stack) -> str | None:
    """Return the cloud's platform for a plain virtual machine; which service runs an orchestrator is not to be seen."""
    plain = any(layer.kind is Kind.VM for layer in stack.layers) and not stack.orchestrators
    return _MACHINES.get(stack.cloud.id) if plain and stack.cloud is not None else None
