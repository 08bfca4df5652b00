"""Everything behind an answer: each layer's evidence with its reference, what was overruled, what was unreadable."""

from __future__ import annotations

from envinspect.inspection import Inspection
from envinspect.model import Evidence, Kind, Layer, Mark
from envinspect.model.errors import printable
from envinspect.render import Rendered, answered
from envinspect.render.terminal import Palette
from envinspect.render.text import from_outside, overruled_line, tree, undetermined, unknown_line
from envinspect.signatures.catalogue import entry_of


def render(answer: Inspection, palette: Palette) -> Rendered:
    """Return the long text."""
    stack = answer.stack
    lines = [
        f"{palette.strong}{printable(answer.summary, 500)}.{palette.end}",
        "",
        *tree(stack, palette, of_this_process=answer.facts.running is not None),
        *undetermined(stack, palette),
    ]
    marks = [mark for mark in (*stack.roles, stack.cloud, *stack.orchestrators, stack.engine) if mark is not None]
    holders: list[Layer | Mark] = [*stack.layers, *marks]
    for holder in holders:
        lines += ["", f"{palette.strong}{printable(holder.name, 80)}{palette.end} ({holder.kind.word} {holder.id})"]
        entry = entry_of(holder.kind, holder.id)
        lines += [f"  note: {entry.note}"] if entry is not None and entry.note else []
        lines += _pieces(holder.evidence, palette)
    if not stack.layers:
        lines += ["", "No layer was found."]
    if stack.overruled:
        lines += ["", f"{palette.strong}Seen, but not believed{palette.end}"]
        for item in stack.overruled:
            lines += [f"  {overruled_line(item, palette)}", *_pieces((item.evidence,), palette, indent="    ")]
    if stack.unknown:
        lines += ["", f"{palette.strong}Could not be read{palette.end}"]
        lines += [f"  {unknown_line(item, palette)}" for item in stack.unknown]
    lines += ["", _all_that_was_asked(answer)]
    lines += [f"Looked at {line}." for line in from_outside(answer.facts.observer)]
    return Rendered("\n".join(lines) + "\n", answered(answer))


def _pieces(pieces: tuple[Evidence, ...], palette: Palette, indent: str = "  ") -> list[str]:
    lines: list[str] = []
    for piece in pieces:
        speaks = "" if piece.kind > Kind.CHROOT else f" {palette.dim}→ {piece.id}{palette.end}"
        lines.append(
            f"{indent}{piece.strength.name.lower():<6} {printable(piece.source)}: {printable(piece.observed)}{speaks}"
        )
        lines.append(f"{indent}       {palette.dim}{printable(piece.reference)}{palette.end}")
    return lines


def _all_that_was_asked(answer: Inspection) -> str:
    facts = answer.facts
    counts = (
        (len(facts.files), "files"),
        (len(facts.links), "links"),
        (len(facts.listings), "folders"),
        (len(facts.stats), "paths"),
        (len(facts.leaves), "CPUID leaves"),
        (len(facts.variables), "environment variables"),
    )
    return f"Looked at {', '.join(f'{count} {what}' for count, what in counts if count)}, each once."
