"""Answers --why-not NAME: what would have shown it, what was found instead, and what could not be read."""

from envinspect.facts import Facts
from envinspect.inspection import Answer
from envinspect.listing import SignatureRow, signature_rows
from envinspect.model import Absent, Denied, Evidence, Found, Kind, Reading
from envinspect.names import BARE_METAL, holds
from envinspect.render import Rendered, answered
from envinspect.render.text import overruled_line, unknown_line
from envinspect.signatures.catalogue import ENTRIES, lineage
from envinspect.terminal import Palette, printable

ROWS = 30
_DMI = "/sys/class/dmi/id/"


def why_not(name: str, answer: Answer, palette: Palette) -> Rendered:
    """Return the text for one name that `names.known` has passed."""
    stack = answer.stack
    ids = meant(name)
    lines: list[str] = []
    if name == BARE_METAL:
        lines += _not_bare_metal(answer, palette)
    elif holds(stack, name):
        lines += [f"It is: {printable(answer.summary, 500)}. `envinspect --explain` shows the evidence."]
    else:
        lines += [
            f"{printable(answer.summary, 500)}. Nothing that was found makes it {name}.",
            *_looked_for(ids, answer),
        ]
    seen = [item for item in stack.overruled if item.evidence.id in ids]
    lines += _titled("Seen, but not believed", [overruled_line(item, palette) for item in seen])
    if not holds(stack, name):
        lines += _titled("Could not be read", [unknown_line(item, palette) for item in stack.unknown])
    return Rendered("\n".join(lines) + "\n", answered(answer))


def meant(name: str) -> frozenset[str]:
    """Return the ids that would make a name true: itself, all that refine it, all of a kind."""
    return frozenset(
        entry.id for entry in ENTRIES if entry.kind.word == name or name in lineage(entry.kind, entry.id)
    ) | {name}


def _not_bare_metal(answer: Answer, palette: Palette) -> list[str]:
    stack = answer.stack
    if stack.bare_metal:
        return ["It is bare metal: enough was looked at, and nothing speaks for a virtual machine."]
    machines = [layer for layer in stack.layers if layer.kind in {Kind.VM, Kind.WSL}]
    if not machines:
        return ["Nothing speaks for a virtual machine, but too little could be read to call it bare metal."]
    lines = [f"{printable(answer.summary, 500)}."]
    for layer in machines:
        lines += [_seen(piece, palette) for piece in layer.evidence]
    return lines


def _seen(piece: Evidence, palette: Palette) -> str:
    strength = piece.strength.name.lower()
    return (
        f"  {strength:<6} {printable(piece.source)}: {printable(piece.observed)} {palette.dim}→ {piece.id}{palette.end}"
    )


def _looked_for(ids: frozenset[str], answer: Answer) -> list[str]:
    rows = [row for row in signature_rows() if row.id in ids]
    if not rows:
        return ["Its probe decides without a table; see docs/evidence.md for what it looks at."]
    lines = [f"  {printable(row.pattern, 160)}: {_instead(row, answer.facts)}" for row in rows[:ROWS]]
    more = len(rows) - ROWS
    return _titled(
        "Looked for",
        [line.strip() for line in lines] + ([f"… and {more} more: envinspect signatures"] if more > 0 else []),
    )


def _instead(row: SignatureRow, facts: Facts) -> str:
    """Return what was in the place of a signature."""
    if row.table.startswith("cpuid."):
        first = facts.leaves.get((0x4000_0000, 0))
        features = facts.leaves.get((1, 0))
        if isinstance(first, Found):
            return f"CPUID 0x40000000 says {printable(repr(first.value.ascii()))}"
        if isinstance(features, Found):
            return "CPUID shows no hypervisor bit"
        return f"CPUID {_why(features)}"
    if row.when:
        found = [f"{field} is {_why(facts.files.get(_DMI + field))}" for field, _, _ in row.when]
        return "; ".join(dict.fromkeys(found))
    return "not found"


def _why(reading: Reading[bytes] | Reading[object] | None) -> str:
    if isinstance(reading, Found):
        value = reading.value
        return repr(printable(value.decode("utf-8", "replace").strip(), 60)) if isinstance(value, bytes) else "there"
    if isinstance(reading, Denied):
        return f"not readable ({reading.error})"
    return "not there" if isinstance(reading, Absent) else "not looked at"


def _titled(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []
