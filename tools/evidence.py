"""Writes docs/evidence.md out of the tables: every id, every rule, every signature, each with its reference."""

from itertools import groupby

from envinspect.resolver.resolve import OVERRULES
from envinspect.signatures.catalogue import ENTRIES
from envinspect.signatures.rows import in_order

_HEAD = """# Evidence: what envinspect looks for

Generated from the tables in `inspector/envinspect/signatures/` and `overrules/` by `make docs`; do not edit.

*hint*: common, or easily faked: hints alone decide nothing. *strong*: set by the layer's own vendor and seldom seen
elsewhere. *proof*: an interface that the layer defines for being recognised by. There are no sums.
"""


def evidence_markdown() -> str:
    """Return the whole document."""
    return "\n".join([_HEAD, *_ids(), *_rules(), *_signatures()]) + "\n"


def _ids() -> list[str]:
    lines = ["## Ids", ""]
    for kind, entries in groupby(ENTRIES, key=lambda entry: entry.kind):
        lines += [
            f"### {kind.word}",
            "",
            "| id | name | type | systemd | virt-what | refines |",
            "|---|---|---|---|---|---|",
        ]
        notes: dict[str, list[str]] = {}
        for entry in entries:
            level = str(entry.hypervisor_type or "")
            cells = (f"`{entry.id}`", f"[{entry.name}]({entry.reference})", level, entry.systemd, entry.virt_what)
            lines.append("| " + " | ".join((*cells, f"`{entry.refines}`" if entry.refines else "")) + " |")
            if entry.note:
                notes.setdefault(entry.note, []).append(f"`{entry.id}`")
        lines += ["", *(f"- {', '.join(ids)}: {note}" for note, ids in notes.items()), *([""] if notes else [])]
    return lines


def _rules() -> list[str]:
    lines = ["## Rules where evidence clashes", "", "In the order in which they are applied.", ""]
    lines += [f"- **{rule.name}** ([reference]({rule.reference})): {rule.because}" for rule in OVERRULES]
    return [*lines, ""]


def _signatures() -> list[str]:
    lines = ["## Signatures", ""]
    for table, rows in groupby(in_order(), key=lambda row: row.table):
        lines += [f"### {table}", "", "| speaks for | strength | what is looked for |", "|---|---|---|"]
        for row in rows:
            pattern = row.shown.replace("|", "\\|")
            lines.append(f"| `{row.id}` | {row.strength} | [`{pattern}`]({row.reference}) |")
        lines.append("")
    return lines[:-1]
