"""Puts a stack into words and into JSON (contract 2)."""

from __future__ import annotations

from envinspect.model import Evidence, Kind, Layer, Mark, Stack, Strength
from envinspect.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envinspect.model.facts import Observer

SCHEMA = "envinspect/1"

_ACCELERATORS = {"kvm": "KVM", "tcg": "TCG", "xen": "Xen", "hvf": "HVF", "nvmm": "NVMM", "haxm": "HAXM", "whpx": "WHPX"}
_SPELLING = {
    "openstack": "OpenStack",
    "kubevirt": "KubeVirt",
    "ovirt": "oVirt",
    "rhv": "RHV",
    "nutanix-ahv": "Nutanix AHV",
    "proxmox": "Proxmox",
    "lxd-vm": "LXD",
    "vagrant": "Vagrant",
    "sev": "SEV",
    "sev-es": "SEV-ES",
    "sev-snp": "SEV-SNP",
    "tdx": "TDX",
    "protvirt": "Secure Execution",
    "cca": "CCA",
    "azure-hcl": "Azure confidential VM",
    "hvm": "HVM",
    "pv": "PV",
    "pvh": "PVH",
    "esxi": "ESXi",
    "workstation": "Workstation",
    "fusion": "Fusion",
}


UNDETERMINED = "an undetermined machine"
AT_REST = "not determined: these are files of a system that does not run, an image or a disk"
_OWN_NOUN = (
    "zone",
    "pod",
    "guest",
    "step",
    "partition",
    "translation",
    "emulation",
    "confinement",
    "sandbox",
    "container",
)
"""Last words of names that already say what the thing is."""


def summarise(stack: Stack) -> str:
    """Return one plain sentence without a full stop, innermost layer first."""
    phrases = [_phrase(layer, stack.cloud) for layer in reversed(stack.layers)]
    machine_known = any(layer.kind in {Kind.VM, Kind.WSL} for layer in stack.layers)
    if machine_known:
        sentence = " in ".join([*phrases[:1], *(_with_article(phrase) for phrase in phrases[1:])])
    elif phrases or stack.determined:
        ground = "bare metal" if stack.determined else UNDETERMINED
        inner = " in ".join([*phrases[:1], *(_with_article(phrase) for phrase in phrases[1:])])
        sentence = f"{inner} on {ground}" if inner else ground
    elif stack.at_rest:
        sentence = AT_REST
    elif stack.container_open:
        sentence = "not determined: this may be a container or the machine itself"
    else:
        sentence = "not determined: too little of the machine could be read"
    if stack.container_open and phrases and not stack.at_rest:
        sentence += ", perhaps in a container"
    if stack.cloud:
        sentence += f", {stack.cloud.name}" if machine_known or stack.determined else f"; cloud: {stack.cloud.name}"
    if stack.roles:
        sentence += f"; {', '.join(role.name for role in stack.roles)}"
    # Names keep their own spelling (systemd-nspawn, gVisor); our own words begin a sentence.
    ours = sentence.startswith(("bare metal", "virtual machine", "not determined", "chroot"))
    return sentence[:1].upper() + sentence[1:] if ours else sentence


def _with_article(phrase: str) -> str:
    if phrase.startswith("Windows Subsystem"):
        return phrase
    sounds_like_vowel = phrase[:1].lower() in "aeio" or phrase.startswith(("LXC", "LXD"))
    return f"{'an' if sounds_like_vowel else 'a'} {phrase}"


def _phrase(layer: Layer, cloud: Mark | None) -> str:
    noun = {
        Kind.VM: "virtual machine",
        Kind.CONTAINER: "container",
        Kind.SANDBOX: "sandbox",
        Kind.EMULATION: "emulation",
    }.get(layer.kind, "")
    name = layer.name
    if name.lower().endswith((noun, *_OWN_NOUN)) or "partition" in name:
        noun = ""
    extras = []
    accelerator = layer.detail("accelerator")
    if accelerator:
        extras.append(_ACCELERATORS.get(accelerator, accelerator))
    for key in ("product", "mode", "platform", "confidential"):
        word = _SPELLING.get(layer.detail(key), layer.detail(key))
        if word and (cloud is None or word != cloud.name):
            extras.append(word)
    return " ".join(word for word in (name, noun) if word) + (f" ({', '.join(extras)})" if extras else "")


def answer_as_json(
    stack: Stack, *, subject: str = "", observer: Observer | None = None, **blocks: Any
) -> dict[str, Any]:
    """Return contract 2's object; `blocks` (host=, resources=) are put in at the end as they are.

    Evidence is referred to by its place in the list. `subject` is what another system is called, `observer` how it was
    looked at.
    """
    places = {piece: place for place, piece in enumerate(stack.evidence)}
    return {
        "schema": SCHEMA,
        "tool_version": __version__,
        "summary": summarise(stack),
        "determined": stack.determined,
        "bare_metal": stack.bare_metal,
        "layers": [_layer(layer, places) for layer in stack.layers],
        "roles": [_mark(role, places) for role in stack.roles],
        "cloud": _mark(stack.cloud, places) if stack.cloud else None,
        "orchestrator": _mark(stack.orchestrator, places) if stack.orchestrator else None,
        "orchestrators": [_mark(mark, places) for mark in stack.orchestrators],
        "engine": _mark(stack.engine, places) if stack.engine else None,
        "evidence": [
            {
                "kind": piece.kind.word,
                "layer": piece.id,
                "strength": piece.strength.name.lower(),
                "source": piece.source,
                "observed": piece.observed,
                "reference": piece.reference,
            }
            for piece in stack.evidence
        ],
        "overruled": [
            {"layer": item.evidence.id, "evidence": places[item.evidence], "rule": item.rule, "because": item.because}
            for item in stack.overruled
        ],
        "unknown": [
            {"source": item.source, "error": item.error, "would_tell": item.would_tell} for item in stack.unknown
        ],
        "undecided": [kind.word for kind in stack.undecided],
        **({"outer": {"state": "not-visible", "because": stack.outer}} if stack.outer else {}),
        **({"at_rest": True} if stack.at_rest else {}),
        **({"subject": subject} if subject else {}),
        **({"observer": observer.to_dict()} if observer is not None else {}),
        **blocks,
    }


def layer_block(layer: Layer) -> dict[str, Any]:
    """Return what JSON says of a layer, without its evidence."""
    return {
        "kind": layer.kind.word,
        "id": layer.id,
        "name": layer.name,
        "hypervisor_type": layer.hypervisor_type,
        "confidence": Strength(layer.confidence).name.lower(),
        "details": dict(layer.details),
    }


def _layer(layer: Layer, places: dict[Evidence, int]) -> dict[str, Any]:
    return {**layer_block(layer), "evidence": [places[piece] for piece in layer.evidence]}


def _mark(mark: Mark, places: dict[Evidence, int]) -> dict[str, Any]:
    return {"id": mark.id, "name": mark.name, "evidence": [places[piece] for piece in mark.evidence]}
