"""The answer as a feature file of Kubernetes' Node Feature Discovery, which makes labels of a node of it.

Put it into /etc/kubernetes/node-feature-discovery/features.d/ of the node. A line is NAME=VALUE; NFD puts
feature.node.kubernetes.io/ before the name
(https://kubernetes-sigs.github.io/node-feature-discovery/stable/usage/customization-guide.html#local-feature-source).
"""

from __future__ import annotations

import re

from envinspect.inspection import Inspection
from envinspect.model import Stack
from envinspect.render import Rendered, answered
from envinspect.render.terminal import Palette

_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""What Kubernetes takes as a label's value.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""


def render(answer: Inspection, palette: Palette) -> Rendered:  # noqa: ARG001 - labels have no colours
    """Return a line for each label."""
    text = "".join(f"{name}={value}\n" for name, value in labels_of(answer.stack).items())
    return Rendered(text, answered(answer))


def labels_of(stack: Stack) -> dict[str, str]:
    """Return the labels by name; what could not be told, and what Kubernetes would refuse, has none.

    `envinspect-stack` is all layers, outermost first; `envinspect-KIND` the innermost layer of that kind.
    """
    labels = {"envinspect-determined": _word(answer=stack.determined)}
    if stack.determined:
        labels["envinspect-bare-metal"] = _word(answer=stack.bare_metal)
    labels["envinspect-stack"] = ".".join(layer.id for layer in stack.layers)
    labels |= {f"envinspect-{layer.kind.word}": layer.id for layer in stack.layers}
    if stack.cloud is not None:
        labels["envinspect-cloud"] = stack.cloud.id
    labels |= {f"envinspect-{role.id}": "true" for role in stack.roles}
    return {name: value for name, value in labels.items() if _VALUE.fullmatch(value)}


def _word(*, answer: bool) -> str:
    return "true" if answer else "false"
