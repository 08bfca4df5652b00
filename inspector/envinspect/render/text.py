"""The answer for people: a sentence, the stack as a tree, the strongest evidence, and what was not believed."""

from __future__ import annotations

from envinspect.inspection import Inspection
from envinspect.model import Evidence, Kind, Layer, Mark, Overruled, Stack, Unknown
from envinspect.model.errors import printable
from envinspect.model.facts import Observer
from envinspect.render import Rendered, answered
from envinspect.render.terminal import Palette

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STRONGEST = 3
WARNINGS = 3
_KINDS = {
    Kind.VM: "virtual machine",
    Kind.WSL: "Windows Subsystem for Linux",
    Kind.CONTAINER: "container",
    Kind.SANDBOX: "sandbox",
    Kind.EMULATION: "emulation",
    Kind.CHROOT: "changed root folder",
}


def render(answer: Inspection, palette: Palette) -> Rendered:
    """Return the text of a plain call."""
    stack = answer.stack
    lines = [
        f"{palette.strong}{printable(answer.summary, 500)}.{palette.end}",
        "",
        *tree(stack, palette, of_this_process=answer.facts.running is not None),
        *undetermined(stack, palette),
    ]
    lines += _section("Looked at from outside", from_outside(answer.facts.observer))
    lines += _section("Because", [_piece(piece, palette) for piece in strongest(stack)])
    lines += _section("Seen, but not believed", _some([overruled_line(item, palette) for item in stack.overruled]))
    lines += _section("Could not be read", _some([unknown_line(item, palette) for item in stack.unknown]))
    return Rendered("\n".join(lines) + "\n", answered(answer))


def tree(stack: Stack, palette: Palette, *, of_this_process: bool = True) -> Iterator[str]:
    """Yield the stack as a tree, outermost first, with what else is true of the machine beside it."""
    machine = [mark for mark in (stack.cloud, *stack.roles) if mark is not None]
    machine_word = "machine" if stack.layers or not stack.bare_metal else "bare metal"
    if not stack.determined and not any(layer.kind in {Kind.VM, Kind.WSL} for layer in stack.layers):
        machine_word = "machine (of what kind could not be determined)"
    yield machine_word + _beside(machine, palette)
    inside = [mark for mark in (*stack.orchestrators, stack.engine) if mark is not None]
    for depth, layer in enumerate(stack.layers):
        yield f"{'   ' * depth}└─ {_layer(layer, palette)}"
    process = "this process" if of_this_process else "the inspected process"
    process = "files of a system, of which nothing runs" if stack.at_rest else process
    yield f"{'   ' * len(stack.layers)}└─ {process}{_beside(inside, palette)}"


def undetermined(stack: Stack, palette: Palette) -> list[str]:
    """Return what stays open beside the layers that were found; without any layer the sentence says it all."""
    lines: list[str] = []
    if stack.at_rest:
        lines.append("what it runs in once it runs: a file says no more than who made it (exit code 3).")
    elif stack.container_open:
        lines.append("whether this is a container. What was read fits one and fits none (exit code 3).")
    elif not stack.determined and stack.layers:
        lines.append(
            "whether the machine below is virtual or bare metal. Nothing that would tell could be read (exit code 3)."
        )
    word = f"{palette.warn}Not determined{palette.end}"
    told = ["", *(f"{word}: {line}" for line in lines)] if lines else []
    return [*told, "", f"Outer layers: {stack.outer}"] if stack.outer else told


def from_outside(observer: Observer | None) -> list[str]:
    """Return how a system was looked at that envinspect does not run on, and what is lost by that."""
    if observer is None:
        return []
    how = "through a shell" if observer.how == "sh" else "as another process of this machine"
    lost = "disk space" if observer.cpuid != "none" else "CPUID, so what it alone proves stays open, and disk space"
    return [f"{how}; lost by that: {lost}"]


def _layer(layer: Layer, palette: Palette) -> str:
    words = [] if _KINDS[layer.kind].lower() in layer.name.lower() else [_KINDS[layer.kind]]
    if layer.hypervisor_type is not None:
        words.append(f"type {layer.hypervisor_type} hypervisor")
    words += [f"{key} {printable(value, 60)}" for key, value in layer.details]
    words.append(layer.confidence.name.lower())
    return f"{palette.good}{printable(layer.name, 80)}{palette.end}  {palette.dim}{', '.join(words)}{palette.end}"


def _beside(marks: list[Mark], palette: Palette) -> str:
    if not marks:
        return ""
    named = ", ".join(f"{mark.kind.word} {printable(mark.name, 80)}" for mark in marks)
    return f"  {palette.dim}[{named}]{palette.end}"


def strongest(stack: Stack) -> list[Evidence]:
    """Return the strongest evidence that was believed: the best of each layer, then the next best; strongest first."""
    best: list[Evidence] = []
    rest: list[Evidence] = []
    marks = [mark for mark in (stack.cloud, *stack.orchestrators, stack.engine, *stack.roles) if mark is not None]
    holders: list[Layer | Mark] = [*reversed(stack.layers), *marks]
    for holder in holders:
        ranked = sorted(holder.evidence, key=lambda piece: -piece.strength)
        best += ranked[:1]
        rest += ranked[1:]
    rest.sort(key=lambda piece: -piece.strength)
    return sorted((best + rest)[:STRONGEST], key=lambda piece: -piece.strength)


def _piece(piece: Evidence, palette: Palette) -> str:
    strength = f"{piece.strength.name.lower():<6}"
    return (
        f"{strength} {printable(piece.source)}: {printable(piece.observed, 100)} {palette.dim}→ {piece.id}{palette.end}"
    )


def overruled_line(item: Overruled, palette: Palette) -> str:
    """Return one line for evidence that was not believed."""
    piece = item.evidence
    because = f"{palette.dim}({piece.id}; {item.rule}){palette.end}"
    return f"{palette.warn}{printable(piece.source)}{palette.end}: {printable(item.because, 300)} {because}"


def unknown_line(item: Unknown, palette: Palette) -> str:
    """Return one line for what could not be read."""
    source = f"{palette.warn}{printable(item.source)}{palette.end}"
    return f"{source} ({printable(item.error, 60)}): {printable(item.would_tell)}"


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - WARNINGS
    return lines if more <= 1 else [*lines[:WARNINGS], f"… and {more} more: envinspect --explain"]


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []
