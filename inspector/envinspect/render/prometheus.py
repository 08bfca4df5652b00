"""The answer as metrics in Prometheus's text format, for node_exporter's textfile collector.

Formats: https://prometheus.io/docs/instrumenting/exposition_formats/ and, by `openmetrics`, the text format of
https://prometheus.io/docs/specs/om/open_metrics_spec/.
"""

from __future__ import annotations

from envinspect.answer import summarise
from envinspect.inspection import Inspection
from envinspect.model import Record, Stack, Strength
from envinspect.render import Rendered, answered
from envinspect.render.terminal import Palette
from envinspect.version import __version__

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Family(Record):
    """One metric: `is_info` says that its samples are labels of constant value 1 and that its name ends in _info."""

    name: str
    about: str
    samples: tuple[tuple[dict[str, str], int], ...]
    is_info: bool = False


def render(answer: Inspection, palette: Palette) -> Rendered:  # noqa: ARG001 - metrics have no colours
    """Return the metrics, a line each, with their help and type."""
    text = "".join(lines(family, open_metrics=False) for family in families(answer.stack))
    return Rendered(text, answered(answer))


def families(stack: Stack) -> tuple[Family, ...]:
    """Return what is told as metrics; a fact that is not known has no sample."""
    here = {"summary": summarise(stack), "version": __version__}
    marks = [(mark.kind.word, mark) for mark in (stack.cloud, *stack.orchestrators, *stack.roles) if mark is not None]
    layers = tuple(
        (
            {
                "position": str(position),
                "kind": layer.kind.word,
                "id": layer.id,
                "name": layer.name,
                "confidence": Strength(layer.confidence).name.lower(),
            },
            1,
        )
        for position, layer in enumerate(stack.layers)
    )
    return (
        Family("envinspect", "Where this machine's code runs, in one sentence.", ((here, 1),), is_info=True),
        Family("envinspect_layer", "The layers around this code, 0 is the outermost.", layers, is_info=True),
        Family(
            "envinspect_mark",
            "Cloud, orchestrators and roles.",
            tuple(({"kind": kind, "id": mark.id, "name": mark.name}, 1) for kind, mark in marks),
            is_info=True,
        ),
        Family(
            "envinspect_determined",
            "1 if enough could be read to tell, else 0.",
            (({}, int(stack.determined)),),
        ),
        Family("envinspect_bare_metal", "1 if this is no virtual machine, else 0.", _bare_metal(stack)),
    )


def _bare_metal(stack: Stack) -> tuple[tuple[dict[str, str], int], ...]:
    """Return no sample where it could not be told: missing is not 0."""
    return (({}, int(stack.bare_metal)),) if stack.determined else ()


def lines(family: Family, *, open_metrics: bool) -> str:
    """Return one metric's lines, "" where it has no sample; only OpenMetrics knows a type for labels alone."""
    if not family.samples:
        return ""
    sample = family.name + ("_info" if family.is_info else "")
    name = family.name if open_metrics else sample
    kind = "info" if open_metrics and family.is_info else "gauge"
    head = f"# HELP {name} {family.about}\n# TYPE {name} {kind}\n"
    return head + "".join(f"{sample}{_labels(labels)} {value}\n" for labels, value in family.samples)


def _labels(labels: dict[str, str]) -> str:
    text = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{text}}}" if text else ""
